import pytest

from store.people import News, Notice, Origin, People, Reviewer, Role, SignIn
from tests.stage import FakeClock

pytestmark = pytest.mark.anyio


async def test_what_was_made_on_the_command_line_and_every_reset_is_news_for_a_day(
    people: People, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await people.add_reviewer("cleo", role=Role.REVIEWER, origin=Origin.COMMAND)
    clock.advance(minutes=1)
    await people.administration.invite("eve", role=Role.REVIEWER, by=None)
    clock.advance(minutes=1)
    await people.add_reviewer_token(ana.id)
    clock.advance(minutes=1)
    await people.administration.reset(ben.id, by=None)
    told = await people.notices()
    assert [(notice.news, notice.username) for notice in told] == [
        (News.RESET, "ben"),
        (News.TOKEN, "ana"),
        (News.INVITATION, "eve"),
        (News.ACCOUNT, "cleo"),
    ]
    assert told[0] == Notice(News.RESET, "ben", clock.now)
    clock.advance(hours=23, minutes=59)
    assert await people.notices() == told[:1]
    clock.advance(minutes=1)
    assert await people.notices() == ()


async def test_what_an_admin_does_on_the_page_is_no_news_but_a_reset(
    people: People, ana: Reviewer, ben: Reviewer
) -> None:
    _, session = await people.open_session(ana, SignIn.PASSWORD)
    await people.administration.invite("eve", role=Role.REVIEWER, by=session)
    assert await people.notices() == ()
    await people.administration.reset(ben.id, by=session)
    assert [notice.news for notice in await people.notices()] == [News.RESET]
