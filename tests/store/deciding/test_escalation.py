"""When half of the time is gone, further people are asked: once, on time, and never for longer."""

from datetime import timedelta
from typing import Any

import anyio
import pytest
from sqlalchemy import update

from store import tables
from store.agents import Agent
from store.answers import Chosen
from store.audit import reading
from store.audit.canonical import decode
from store.database import Database
from store.deciding.decisions import Conflict, Decided, NotAllowed
from store.desk import Desk
from store.lifecycle import Outcome, State
from store.people import Reviewer
from store.requests import RequestView
from store.signals import INBOX
from tests.stage import FakeClock, answer, approval, see, stir
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio

YES, NO = Chosen("approve"), Chosen("reject")
RULE = "name: on call, reviewers: [ben], escalate: [ana], timeout: 2h"


@pytest.fixture
async def asked(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> str:
    """A request for Ben, and from 10:00 on for Ana, until 11:00."""
    await in_force(desk, RULE)
    return (await desk.ask(bot, approval())).request_id


async def view_of(desk: Desk, request_id: str) -> RequestView:
    view = await desk.view(request_id)
    assert view is not None
    return view


async def escalations(database: Database) -> list[dict[str, Any]]:
    found = await database.read(lambda c: reading.entries(c, 0, 10_000))
    return [entry for _, data in found if (entry := decode(data))["type"] == "request_escalated"]


async def test_who_is_asked_later_may_answer_from_half_time_on_and_not_before(
    database: Database, desk: Desk, asked: str, ana: Reviewer, clock: FakeClock
) -> None:
    card = (await view_of(desk, asked)).card
    assert (card.escalates_at, card.expires_at) == (clock.now + timedelta(hours=1), clock.now + timedelta(hours=2))
    assert card.escalates_to == ("ana",)
    clock.advance(minutes=59)
    assert await desk.escalate_due() == 0
    assert isinstance(await answer(desk, ana, asked, YES), NotAllowed)
    clock.advance(minutes=1)
    assert await desk.escalate_due() == 1
    view = await view_of(desk, asked)
    assert (view.escalated_at, view.expires_at, view.state) == (clock.now, card.expires_at, State.SHOWN)
    assert isinstance(await answer(desk, ana, asked, YES), Decided)
    [entry] = await escalations(database)
    assert entry["request"] == asked
    await anyio.to_thread.run_sync(desk.log.verify)


async def test_it_happens_once(database: Database, desk: Desk, asked: str, clock: FakeClock) -> None:
    clock.advance(hours=1)
    assert [await desk.escalate_due(), await desk.escalate_due()] == [1, 0]
    assert len(await escalations(database)) == 1


async def test_who_was_asked_first_may_still_answer(desk: Desk, asked: str, ben: Reviewer, clock: FakeClock) -> None:
    clock.advance(hours=1)
    await desk.escalate_due()
    assert isinstance(await answer(desk, ben, asked, NO), Decided)


async def test_an_answer_at_half_time_does_not_wait_for_the_loop(
    database: Database, desk: Desk, asked: str, ana: Reviewer, clock: FakeClock
) -> None:
    clock.advance(hours=1)
    view = await view_of(desk, asked)
    assert (await desk.standings(ana, [view]))[asked].may_approve
    assert isinstance(await answer(desk, ana, asked, YES), Decided)
    assert len(await escalations(database)) == 1
    await anyio.to_thread.run_sync(desk.log.verify)


async def test_the_deadline_stays_where_it_is(desk: Desk, asked: str, ana: Reviewer, clock: FakeClock) -> None:
    clock.advance(hours=1)
    await desk.escalate_due()
    clock.advance(hours=1)
    late = await answer(desk, ana, asked, YES)
    assert isinstance(late, Conflict)
    assert late.view.outcome is Outcome.EXPIRED


async def test_what_is_closed_or_over_time_escalates_no_more(
    database: Database, desk: Desk, bot: Agent, asked: str, ben: Reviewer, clock: FakeClock
) -> None:
    lapsing = (await desk.ask(bot, approval("And this?", timeout_seconds=60))).request_id
    assert isinstance(await answer(desk, ben, asked, NO), Decided)
    clock.advance(hours=1)
    assert await desk.escalate_due() == 0
    assert await desk.expire_due() == 1
    assert (await view_of(desk, lapsing)).escalated_at is None
    assert await escalations(database) == []


async def test_without_anybody_to_escalate_to_nothing_escalates(
    desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    await in_force(desk, "name: on call, reviewers: [ben]")
    request_id = (await desk.ask(bot, approval())).request_id
    assert (await view_of(desk, request_id)).card.escalates_at is None
    assert await desk.next_deadline() == clock.now + timedelta(hours=24)


async def test_the_next_deadline_is_the_escalation_and_then_the_end(desk: Desk, asked: str, clock: FakeClock) -> None:
    opened = clock.now
    assert await desk.next_deadline() == opened + timedelta(hours=1)
    clock.advance(hours=1)
    await desk.escalate_due()
    assert await desk.next_deadline() == opened + timedelta(hours=2)


async def test_the_loop_escalates_on_time_and_tells_who_listens(desk: Desk, asked: str, clock: FakeClock) -> None:
    with desk.signals.listen(asked) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.keep_deadlines)
            clock.advance(hours=1)
            with anyio.fail_after(10):
                while (await view_of(desk, asked)).escalated_at is None:
                    stir(desk)
                    await listener.changed()
            group.cancel_scope.cancel()
    assert (await view_of(desk, asked)).escalated_at == clock.now


async def test_after_a_downtime_what_is_due_escalates_at_once_and_what_is_over_only_expires(
    desk: Desk, bot: Agent, asked: str, clock: FakeClock
) -> None:
    over = (await desk.ask(bot, approval("And this?", timeout_seconds=3600))).request_id
    clock.advance(minutes=61)
    with desk.signals.listen(INBOX) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.keep_deadlines)
            with anyio.fail_after(10):
                while (await view_of(desk, asked)).escalated_at is None:
                    await listener.changed()
            group.cancel_scope.cancel()
    ended = await view_of(desk, over)
    assert (ended.outcome, ended.escalated_at) == (Outcome.EXPIRED, None)


async def test_a_card_that_was_escalated_is_the_same_card(
    desk: Desk, asked: str, ana: Reviewer, clock: FakeClock
) -> None:
    before = await see(desk, ana, asked)
    clock.advance(hours=1)
    await desk.escalate_due()
    assert isinstance(await answer(desk, ana, asked, YES, card=before), Decided)


async def test_a_clock_that_was_set_back_escalates_nothing_twice(
    database: Database, desk: Desk, asked: str, clock: FakeClock
) -> None:
    clock.advance(hours=1)
    await desk.escalate_due()
    clock.advance(minutes=-30)
    assert await desk.escalate_due() == 0
    clock.advance(minutes=30)
    assert await desk.escalate_due() == 0
    assert len(await escalations(database)) == 1


async def test_rows_from_before_there_were_rules_do_not_escalate(
    database: Database, desk: Desk, asked: str, clock: FakeClock
) -> None:
    await database.write(lambda tx: tx.connection.execute(update(tables.requests).values(escalates_at=None)))
    clock.advance(hours=1)
    assert await desk.escalate_due() == 0
