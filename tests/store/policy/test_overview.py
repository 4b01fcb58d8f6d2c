"""Who there is, and what each rule matches of all that was asked."""

import pytest
from sqlalchemy import update

from store import tables
from store.agents import Agent, Agents
from store.database import Database
from store.desk import Desk
from store.people import People, Reviewer, Role
from store.policy.findings import Known
from store.policy.overview import Matched, known, matched
from store.policy.rules import Policy, Rule
from store.questions import Risk
from tests.stage import FakeClock, approval, form

pytestmark = pytest.mark.anyio


async def test_people_are_told_apart_by_what_they_may_do_and_agents_by_whether_they_are_in_use(
    database: Database,
    people: People,
    agents: Agents,
    ana: Reviewer,
    ben: Reviewer,
    auditor: Reviewer,
    other_bot: Agent,
) -> None:
    await agents.add("deploy-bot", workflow="release")
    gone = await people.add_reviewer("Gone", role=Role.REVIEWER)
    await people.add_passkey(
        ben.id, credential_id=b"1", public_key=b"2", sign_count=0, name="Laptop", transports=("internal",)
    )
    await agents.revoke(other_bot.name)
    disable = update(tables.reviewers).where(tables.reviewers.c.id == gone.id)
    database.write_now(lambda change: change.connection.execute(disable.values(disabled_at=change.now)))

    assert database.read_now(known) == Known(
        deciding=frozenset({"ana", "ben"}),
        others=frozenset({"ada", "gone"}),
        with_passkey=frozenset({"ben"}),
        agents=frozenset({"deploy-bot"}),
        workflows=frozenset({"release"}),
    )


async def test_each_rule_is_told_what_it_matches_open_or_closed(
    database: Database, desk: Desk, bot: Agent, other_bot: Agent, clock: FakeClock
) -> None:
    first = clock.now
    await desk.ask(bot, approval("One", risk="high"))
    await desk.ask(bot, approval("Two", risk="high"))
    clock.advance(minutes=1)
    second = clock.now
    await desk.ask(other_bot, form(workflow="billing"))
    rules = (
        Rule("all"),
        Rule("risky", risk=Risk.HIGH),
        Rule("billing", workflows=("billing",)),
        Rule("text", tools=("ask_text_input",)),
    )

    found = database.read_now(lambda connection: matched(connection, Policy("", (), rules)))

    assert found == (Matched(3, second), Matched(2, first), Matched(1, second), Matched(0, None))
