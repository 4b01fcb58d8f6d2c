"""The inbox as each person finds it: whose requests come first, and a window on however many there are."""

import pytest

from store.agents import Agent
from store.answers import Chosen
from store.asking import Limits
from store.database import Database
from store.deciding.decisions import Voted
from store.desk import Desk
from store.inbox import WINDOW, Mark, Neighbours, Place, Window
from store.people import Reviewer
from store.questions import Risk
from store.vault.keys import KeyFile
from tests.stage import FakeClock, answer, answered, approval, see, selection
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio


async def ask(desk: Desk, bot: Agent, title: str, seconds: int = 600, **more: object) -> str:
    return (await desk.ask(bot, approval(title, timeout_seconds=seconds, **more))).request_id


def places(window: Window) -> list[tuple[str, Place]]:
    return [(row.view.title, row.place) for row in window.rows]


async def test_an_empty_inbox_is_an_empty_window(desk: Desk, ana: Reviewer) -> None:
    window = await desk.inbox_of(ana)
    assert window == Window((), dict.fromkeys(Place, 0), 0, None)
    assert (window.total, window.end) == (0, None)


async def test_critical_comes_first_and_then_the_next_to_expire(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    await ask(desk, bot, "Later", 900)
    await ask(desk, bot, "Sooner", 300)
    await ask(desk, bot, "Grave", 3_600, risk=Risk.CRITICAL)
    assert [title for title, _ in places(await desk.inbox_of(ana))] == ["Grave", "Sooner", "Later"]


async def test_ones_own_come_before_what_was_answered_and_what_others_are_asked(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await in_force(
        desk,
        "name: two, workflow: pay, reviewers: [ana, ben], approvals: 2",
        "name: bens, workflow: ben, reviewers: [ben]",
    )
    paid = await ask(desk, bot, "Pay?", 300, workflow="pay")
    await ask(desk, bot, "For Ben?", 300, workflow="ben")
    await ask(desk, bot, "Anybody?", 900)
    vote = await answer(desk, ana, paid, Chosen("approve"), comment="Checked.")
    assert isinstance(vote, Voted)
    assert places(await desk.inbox_of(ana)) == [
        ("Anybody?", Place.FOR_YOU),
        ("Pay?", Place.ANSWERED),
        ("For Ben?", Place.OTHERS),
    ]
    assert {place for _, place in places(await desk.inbox_of(ben))} == {Place.FOR_YOU}


async def test_an_auditor_has_one_list_of_everything(desk: Desk, bot: Agent, ben: Reviewer, auditor: Reviewer) -> None:
    await in_force(desk, "name: bens, reviewers: [ben]")
    await ask(desk, bot, "For Ben?")
    assert places(await desk.inbox_of(auditor)) == [("For Ben?", Place.FOR_YOU)]


async def test_whom_half_time_adds_finds_it_among_their_own(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await in_force(desk, "name: bens, reviewers: [ben], escalate: [ana]")
    await ask(desk, bot, "For Ben?", 600)
    assert places(await desk.inbox_of(ana)) == [("For Ben?", Place.OTHERS)]
    clock.advance(seconds=301)
    await desk.escalate_due()
    assert places(await desk.inbox_of(ana)) == [("For Ben?", Place.FOR_YOU)]


async def test_a_selection_is_for_whom_every_rule_asks(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> None:
    await in_force(
        desk,
        "name: both, tool: ask_selection, reviewers: [ana, ben]",
        "name: bens, tool: ask_selection, reviewers: [ben]",
    )
    await desk.ask(bot, selection())
    assert [place for _, place in places(await desk.inbox_of(ana))] == [Place.OTHERS]
    assert [place for _, place in places(await desk.inbox_of(ben))] == [Place.FOR_YOU]


async def test_windows_follow_one_another_without_a_gap(
    database: Database, keys: KeyFile, bot: Agent, ana: Reviewer
) -> None:
    desk = Desk(database, keys, Limits(open_requests=WINDOW + 10, requests_per_minute=WINDOW + 10))
    for number in range(WINDOW + 5):
        await ask(desk, bot, f"Question {number:03}", 600 + number)
    first = await desk.inbox_of(ana)
    assert (len(first.rows), first.total, first.before) == (WINDOW, WINDOW + 5, 0)
    second = await desk.inbox_of(ana, after=first.end)
    titles = [row.view.title for row in (*first.rows, *second.rows)]
    assert titles == [f"Question {number:03}" for number in range(WINDOW + 5)]
    assert (second.before, second.end) == (WINDOW, None)


async def test_a_window_begins_after_a_request_that_was_closed_meanwhile(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    first = await ask(desk, bot, "First", 300)
    await ask(desk, bot, "Second", 600)
    await answered(desk, ana, first, Chosen("approve"))
    assert [title for title, _ in places(await desk.inbox_of(ana, after=Mark(Place.FOR_YOU, first)))] == ["Second"]
    assert [title for title, _ in places(await desk.inbox_of(ana, after=Mark(Place.FOR_YOU, "req_none")))] == ["Second"]


async def test_a_window_begins_after_a_request_that_was_voted_on_meanwhile(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(desk, "name: two, reviewers: [ana, ben], approvals: 2")
    first = await ask(desk, bot, "First", 300)
    await ask(desk, bot, "Second", 600)
    assert isinstance(await answer(desk, ana, first, Chosen("approve")), Voted)
    window = await desk.inbox_of(ana, after=Mark(Place.FOR_YOU, first))
    assert places(window) == [("Second", Place.FOR_YOU), ("First", Place.ANSWERED)]


async def test_the_next_request_is_the_one_behind_and_the_last_leads_to_the_first(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ids = [await ask(desk, bot, f"Question {number}", 300 + number) for number in range(3)]
    assert await desk.neighbours(ana, ids[1]) == Neighbours(ids[2], "Question 2", ids[0])
    assert await desk.neighbours(ana, ids[2]) == Neighbours(ids[0], "Question 0", ids[1])
    await answered(desk, ana, ids[1], Chosen("approve"))
    assert await desk.neighbours(ana, ids[1]) == Neighbours(ids[2], "Question 2", ids[0])


async def test_without_another_request_there_is_no_next(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    only = await ask(desk, bot, "Only")
    assert await desk.neighbours(ana, only) == Neighbours()


async def test_a_request_that_is_not_there_has_no_neighbours(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    await ask(desk, bot, "Only")
    assert await desk.neighbours(ana, "req_none") == Neighbours()


async def test_what_others_are_asked_is_never_the_next(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> None:
    await in_force(desk, "name: bens, workflow: ben, reviewers: [ben]")
    await ask(desk, bot, "For Ben?", workflow="ben")
    own = await ask(desk, bot, "Anybody?")
    assert await desk.neighbours(ana, own) == Neighbours()


async def test_what_arrived_is_counted_from_a_moment_on(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    first = await ask(desk, bot, "First")
    moment = clock.now
    clock.advance(seconds=1)
    await ask(desk, bot, "Second")
    assert (await desk.arrived_since(None), await desk.arrived_since(moment)) == (2, 1)
    await see(desk, ana, first)
    await answered(desk, ana, first, Chosen("approve"))
    assert await desk.arrived_since(None) == 1
