"""Who is told of what, and of what no more: from the rows alone."""

import pytest
from sqlalchemy import update

from store import tables
from store.agents import Agent
from store.answers import Chosen
from store.database import Database
from store.desk import Desk
from store.lifecycle import Outcome
from store.people import People, Reviewer, Role
from store.policy.active import Via
from store.questions import Risk
from tests.push_station import Phone
from tests.stage import PASSWORD, FakeClock, answered, approval

pytestmark = pytest.mark.anyio
PHONE = Phone("https://push.example/send/1")
OTHER = Phone("https://push.example/send/2")
ASKS_BEN = "version: 1\nrules:\n  - {name: only ben, reviewers: [ben], timeout: 60m, escalate: [ana]}\n"


async def added(desk: Desk, reviewer: Reviewer, clock: FakeClock, phone: Phone = PHONE) -> str:
    device = await desk.devices.add(reviewer, phone.subscription, name="Firefox on Android")
    clock.advance(seconds=1)
    return device


async def asked(desk: Desk) -> list[tuple[str, str]]:
    """Who is to be told of what, as device and request."""
    return [(one.to.device_id, one.request_id) for one in (await desk.devices.work()).asked]


async def test_everybody_who_may_answer_is_told_where_no_rule_asks_certain_people(
    desk: Desk, people: People, ana: Reviewer, ben: Reviewer, auditor: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    first = await added(desk, ana, clock)
    second = await added(desk, ben, clock, OTHER)
    await added(desk, auditor, clock, Phone("https://push.example/send/3"))
    ticket = await desk.ask(bot, approval(risk=Risk.HIGH))

    assert sorted(await asked(desk)) == sorted([(first, ticket.request_id), (second, ticket.request_id)])


async def test_who_is_not_asked_is_not_told_until_it_escalates_to_them(
    desk: Desk, ana: Reviewer, ben: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    await desk.policies.activate(ASKS_BEN, reviewer=None, via=Via.COMMAND_LINE)
    anas = await added(desk, ana, clock)
    bens = await added(desk, ben, clock, OTHER)
    ticket = await desk.ask(bot, approval())

    work = await desk.devices.work()
    assert [one.to.device_id for one in work.asked] == [bens]
    assert work.passed == {(anas, ticket.request_id, False)}

    await desk.devices.told(bens, [ticket.request_id], alone=True, trouble=None)
    clock.advance(minutes=31)
    await desk.escalate_due()
    later = await desk.devices.work(work.passed)
    assert [one.to.device_id for one in later.asked] == [anas]


async def test_in_a_flood_the_newest_is_looked_at_first_and_the_rest_is_left_for_the_next_look(
    desk: Desk, ana: Reviewer, ben: Reviewer, bot: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.push.work.AT_ONCE", 2)
    await desk.policies.activate(ASKS_BEN, reviewer=None, via=Via.COMMAND_LINE)
    device = await added(desk, ana, clock)
    tickets = []
    for number in range(5):
        tickets.append(await desk.ask(bot, approval(f"{number}?")))
        clock.advance(seconds=1)
    pairs = [(device, ticket.request_id, False) for ticket in tickets]

    first = await desk.devices.work()
    second = await desk.devices.work(first.passed)
    third = await desk.devices.work(second.passed)

    assert [(work.asked, work.passed, work.is_all) for work in (first, second, third)] == [
        ((), frozenset(pairs[3:]), False),
        ((), frozenset(pairs[1:]), False),
        ((), frozenset(pairs), True),
    ]


async def test_what_was_open_before_the_browser_was_added_is_not_told(
    desk: Desk, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    await desk.ask(bot, approval())
    clock.advance(seconds=1)
    await added(desk, ana, clock)

    assert await asked(desk) == []


async def test_what_was_told_is_not_told_again_and_its_end_is(
    desk: Desk, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    device = await added(desk, ana, clock)
    ticket = await desk.ask(bot, approval())
    await desk.devices.told(device, [ticket.request_id], alone=True, trouble=None)
    assert await asked(desk) == []
    assert (await desk.devices.work()).over == ()

    await answered(desk, ana, ticket.request_id, Chosen("reject"))
    (over,) = (await desk.devices.work()).over
    assert (over.request_id, over.outcome, over.alone) == (ticket.request_id, Outcome.ANSWERED, True)

    await desk.devices.taken_back(device, [ticket.request_id])
    assert (await desk.devices.work()).over == ()


async def test_what_ended_before_it_was_told_is_never_told(
    desk: Desk, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    await added(desk, ana, clock)
    ticket = await desk.ask(bot, approval())
    assert await desk.devices.waits(ticket.request_id)
    await answered(desk, ana, ticket.request_id, Chosen("approve"))

    work = await desk.devices.work()
    assert (work.asked, work.over) == ((), ())
    assert not await desk.devices.waits(ticket.request_id)
    assert not await desk.devices.waits("req_there_is_none")


@pytest.mark.parametrize("column", ["reset_at", "disabled_at"])
async def test_an_account_that_was_reset_or_disabled_is_told_nothing_until_the_browser_is_added_anew(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent, clock: FakeClock, column: str
) -> None:
    await added(desk, ana, clock)
    await desk.ask(bot, approval())
    change = update(tables.reviewers).where(tables.reviewers.c.id == ana.id).values({column: clock.now})
    database.write_now(lambda transaction: transaction.connection.execute(change).rowcount)

    assert await asked(desk) == []


async def test_a_person_whose_role_was_taken_is_told_nothing(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    await added(desk, ana, clock)
    await desk.ask(bot, approval())
    change = update(tables.reviewers).where(tables.reviewers.c.id == ana.id).values(role=Role.AUDITOR.value)
    database.write_now(lambda transaction: transaction.connection.execute(change).rowcount)

    assert await asked(desk) == []


async def test_a_browser_that_was_removed_meanwhile_takes_no_notice(
    desk: Desk, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    device = await added(desk, ana, clock)
    ticket = await desk.ask(bot, approval())
    await desk.devices.told(device, [ticket.request_id], alone=True, trouble=None)
    await desk.devices.remove(ana.id, device)
    await desk.devices.told(device, [ticket.request_id], alone=True, trouble=None)

    work = await desk.devices.work()
    assert (work.asked, work.over, work.tests) == ((), (), ())


async def test_signing_in_elsewhere_changes_nothing_about_who_is_told(
    desk: Desk, people: People, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    device = await added(desk, ana, clock)
    assert await people.check_password("ana", PASSWORD) is not None
    clock.advance(days=30)
    ticket = await desk.ask(bot, approval())

    assert await asked(desk) == [(device, ticket.request_id)]
