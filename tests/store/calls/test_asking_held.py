"""Held calls of an agent: the same one attaches, what ran is read again, and no agent has more than its share."""

from collections.abc import AsyncIterator

import anyio
import pytest

from store.agents import Agent
from store.answers import Chosen
from store.asking import COLLECT_AT_LEAST, Report, Superseded, Ticket
from store.audit.events import CallEnd
from store.calls.calls import Admitted, Ended
from store.deciding.governing import Denied
from store.desk import Desk
from store.lifecycle import State
from store.people import Reviewer
from store.precedents import Basis
from store.requests import RequestView, RunView
from store.tasks import Standing
from tests.stage import FakeClock, answered
from tests.store.calls.held import ARGUMENTS, HOLD, call, edited, hold, in_force

pytestmark = pytest.mark.anyio

YES, NO = Chosen("run"), Chosen("refuse")
DONE = Ended(CallEnd.RETURNED, result={"content": [{"type": "text", "text": "paid"}]})


@pytest.fixture(autouse=True)
async def everything_is_in_the_log(desk: Desk, ana: Reviewer, ben: Reviewer) -> AsyncIterator[None]:
    """There are two people; and whatever a test does here, its log must verify."""
    await in_force(desk)
    yield
    await anyio.to_thread.run_sync(desk.log.verify)


async def view_of(desk: Desk, request_id: str) -> RequestView:
    view = await desk.view(request_id)
    assert view is not None
    return view


async def run(desk: Desk, agent: Agent, request_id: str, ended: Ended | None = DONE) -> Admitted:
    """Begin an approved call; and with `ended`, end it so."""
    admitted = await desk.calls.begin(agent, request_id)
    assert isinstance(admitted, Admitted), admitted
    if ended is not None:
        await desk.calls.finish(admitted.call_id, ended)
    return admitted


async def notices(desk: Desk, ticket: Ticket) -> tuple[str, ...]:
    return (await view_of(desk, ticket.request_id)).card.notices


async def test_a_call_made_a_thousand_times_is_one_card(desk: Desk, bot: Agent) -> None:
    tickets = [await hold(desk, bot) for _ in range(50)]
    assert len({ticket.request_id for ticket in tickets}) == 1
    assert len(await desk.inbox()) == 1
    assert isinstance(await desk.claim(tickets[0]), Superseded)
    assert isinstance(await desk.claim(tickets[-1]), Report)


async def test_other_spellings_of_the_same_arguments_are_the_same_call(desk: Desk, bot: Agent) -> None:
    first = await hold(desk, bot, {"amount": 600, "to": "ACME"})
    assert (await hold(desk, bot, {"to": "ACME", "amount": 600.0})).request_id == first.request_id


async def test_other_arguments_and_other_agents_are_other_calls(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    first = await hold(desk, bot)
    assert (await hold(desk, bot, ARGUMENTS | {"amount": 601})).request_id != first.request_id
    assert (await hold(desk, other_bot)).request_id != first.request_id


async def test_an_agent_has_twenty_open_calls_and_no_more(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    for amount in range(20):
        await hold(desk, bot, {"amount": amount, "to": "ACME"})
    denied = await desk.calls.admit(bot, call({"amount": 20, "to": "ACME"}), None)
    assert isinstance(denied, Denied)
    assert "you have 20 open requests, which is the limit" in denied.why
    assert len(await desk.inbox()) == 20
    assert isinstance(await desk.calls.admit(other_bot, call(), None), Ticket)


async def test_a_call_sent_again_by_its_client_gets_what_it_got(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    first = await hold(desk, bot, call_id="c1")
    await answered(desk, ben, first.request_id, YES)
    await run(desk, bot, first.request_id)
    assert isinstance(await desk.claim(first), Report)
    await desk.settle(first, delivered=True)
    again = await hold(desk, bot, call_id="c1")
    assert (again.request_id, again.reads) == (first.request_id, True)


async def test_a_client_s_id_of_another_call_is_refused(desk: Desk, bot: Agent) -> None:
    await hold(desk, bot, call_id="c1")
    denied = await desk.calls.admit(bot, call(ARGUMENTS | {"amount": 1}), "c1")
    assert isinstance(denied, Denied)
    assert "used for another question" in denied.why


async def test_an_approved_call_is_attached_to_until_it_lapses(
    desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    first = await hold(desk, bot)
    clock.advance(hours=23, minutes=55)
    decided = await answered(desk, ben, first.request_id, YES)
    assert decided.view.lapses_at == clock.now + COLLECT_AT_LEAST
    clock.advance(minutes=9)
    assert (await hold(desk, bot)).request_id == first.request_id
    clock.advance(minutes=1)
    anew = await hold(desk, bot)
    assert anew.request_id != first.request_id
    assert await notices(desk, anew) == (
        "The same call was approved by Ben Okoro on 2026-11-23 at 08:55 UTC; it did not run, and the agent never "
        "collected it.",
    )


async def test_what_ran_and_was_never_collected_is_read_however_late(
    desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    first = await hold(desk, bot)
    task = await desk.hand_out_task(bot, first, "payments__send")
    await answered(desk, ben, first.request_id, YES)
    await run(desk, bot, first.request_id)
    clock.advance(days=3)
    stands = await desk.task(bot, task.id)
    assert stands is not None
    assert (stands.standing, stands.keeps_until) == (Standing.READY, None)
    assert (await hold(desk, bot)).request_id == first.request_id


async def test_an_approval_that_did_not_run_lapses_as_a_task_too(
    desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    first = await hold(desk, bot)
    task = await desk.hand_out_task(bot, first, "payments__send")
    await answered(desk, ben, first.request_id, YES)
    clock.advance(days=3)
    stands = await desk.task(bot, task.id)
    assert stands is not None
    assert stands.standing is Standing.LAPSED


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (DONE, "it ran, and the agent was told"),
        (Ended(CallEnd.RETURNED, is_error=True, result={}), "it ran and reported an error, and the agent was told"),
        (
            Ended(CallEnd.FAILED, why="no answer"),
            "it was sent and did not return, so it may have taken effect, and the agent was told",
        ),
        (Ended(CallEnd.FAILED, why="down", sent=False), "it was never sent, and the agent was told"),
        (Ended(CallEnd.UNKNOWN), "whether it took effect is unknown, and the agent was told"),
        (None, "it is running, and the agent was told"),
    ],
)
async def test_the_next_card_says_what_came_of_the_same_call(
    desk: Desk, bot: Agent, ben: Reviewer, ended: Ended | None, told: str
) -> None:
    first = await hold(desk, bot)
    await answered(desk, ben, first.request_id, YES)
    await run(desk, bot, first.request_id, ended)
    await desk.claim(first)
    await desk.settle(first, delivered=True)
    anew = await hold(desk, bot)
    assert anew.request_id != first.request_id
    assert await notices(desk, anew) == (
        f"The same call was approved by Ben Okoro on 2026-11-22 at 09:00 UTC; {told}.",
    )


async def test_a_refused_call_is_refused_again_at_once_and_asked_anew_later(
    desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    first = await hold(desk, bot)
    await answered(desk, ben, first.request_id, NO)
    await desk.claim(first)
    await desk.settle(first, delivered=True)
    assert (await hold(desk, bot)).request_id == first.request_id
    clock.advance(minutes=1)
    anew = await hold(desk, bot)
    assert anew.request_id != first.request_id
    assert await notices(desk, anew) == (
        "The same call was refused by Ben Okoro on 2026-11-22 at 09:00 UTC; the agent was told.",
    )


async def test_a_reviewer_sees_what_came_of_a_call(desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock) -> None:
    ticket = await hold(desk, bot)
    assert (await view_of(desk, ticket.request_id)).run is None
    await answered(desk, ben, ticket.request_id, YES)
    admitted = await run(desk, bot, ticket.request_id, None)
    view = await view_of(desk, ticket.request_id)
    assert (view.run, view.lapses_at) == (RunView(None, True, clock.now, None, False, None, None, None), None)
    started = clock.now
    clock.advance(seconds=2)
    await desk.calls.finish(admitted.call_id, Ended(CallEnd.FAILED, why="it did not answer within 60 seconds"))
    ended = (await view_of(desk, ticket.request_id)).run
    assert ended is not None
    assert (ended.state, ended.started_at, ended.ended_at) == (CallEnd.FAILED, started, clock.now)
    assert (ended.is_error, ended.why, ended.milliseconds) == (False, "it did not answer within 60 seconds", 2000)


async def test_withdrawing_a_held_call_keeps_it_from_running(desk: Desk, bot: Agent) -> None:
    ticket = await hold(desk, bot)
    await desk.withdraw(bot, ticket.request_id)
    assert not isinstance(await desk.calls.begin(bot, ticket.request_id), Admitted)
    assert (await view_of(desk, ticket.request_id)).state is State.CLOSED


async def test_the_last_approved_call_of_the_same_tool_is_its_precedent(
    desk: Desk, bot: Agent, other_bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    refused, approved, other = await hold(desk, bot), await hold(desk, bot, {"amount": 5, "to": "Bo"}), None
    await answered(desk, ben, refused.request_id, NO)
    await edited(desk, ben, approved.request_id, {"amount": 4, "to": "Bo"})
    await answered(desk, ben, approved.request_id, YES)
    other = await hold(desk, other_bot, {"amount": 9, "to": "Cy"})
    await answered(desk, ben, other.request_id, YES)
    ticket = await hold(desk, bot, {"amount": 7, "to": "Di"})
    found = await desk.precedents(ticket.request_id)
    assert found is not None
    assert (found.basis, found.tally.approved, found.tally.refused) == (Basis.TOOL, 1, 1)
    assert found.last_approved is not None
    assert found.last_approved.request_id == approved.request_id
    assert found.last_approved.card.question.model_dump()["arguments"] == {"amount": 4, "to": "Bo"}


async def test_held_calls_of_certain_people_are_in_their_inbox_first(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(desk, f"{HOLD}, reviewers: [finance]", groups="{finance: [ana]}")
    ticket = await hold(desk, bot)
    [hers] = (await desk.inbox_of(ana)).rows
    [his] = (await desk.inbox_of(ben)).rows
    assert (hers.view.request_id, hers.place.name, his.place.name) == (ticket.request_id, "FOR_YOU", "OTHERS")
