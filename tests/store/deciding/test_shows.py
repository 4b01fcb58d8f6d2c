import pytest

from store.agents import Agent
from store.audit.inspection import Inspection
from store.database import Database
from store.desk import Desk
from store.lifecycle import Surface
from store.people import People, Reviewer, Role
from tests.stage import approval

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fate", ["auditor", "disabled"])
async def test_who_may_decide_no_more_is_recorded_as_shown_nothing(
    desk: Desk, people: People, bot: Agent, ana: Reviewer, ben: Reviewer, database: Database, fate: str
) -> None:
    asked = await desk.ask(bot, approval())
    if fate == "auditor":
        await people.administration.change_role(ben.id, Role.AUDITOR, by=None)
    else:
        await people.administration.disable(ben.id, by=None)
    # `ben` is as he was when his page was asked for.
    assert ben.may_decide
    assert await desk.show(ben, asked.request_id, Surface.RENDERED_PAGE) is not None
    entries = [data for _, data in await Inspection(database).entries(0, 100)]
    assert not [data for data in entries if b'"request_shown"' in data]
    Inspection(database).verify()
