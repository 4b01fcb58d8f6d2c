"""What people who watch are shown: calls in lines, as they happen, whatever comes in."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest
from sqlalchemy import event

from store.agents import Agent
from store.answers import Chosen, Declined
from store.audit.events import CallEnd, Halting
from store.calls import watching
from store.calls.calls import Admitted, Ended
from store.calls.feed import LINES, Let, Line, Wanted
from store.calls.recorded import Became
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from store.signals import CALLS, Woken
from tests.stage import FakeClock, answered
from tests.store.calls.house import (
    DROP,
    READ,
    WRITE,
    admitted,
    approved,
    call,
    denied,
    held,
    lines,
    read,
    returned,
    send,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]


def summary(line: Line) -> tuple[str, str, Let, int]:
    return line.newest.agent, line.newest.tool, line.newest.let, line.count


async def test_nothing_is_a_feed_without_lines(desk: Desk) -> None:
    assert await lines(desk) == ()


async def test_a_hundred_reads_of_a_minute_are_one_line_with_what_came_of_them(
    desk: Desk, bot: Agent, clock: FakeClock
) -> None:
    await desk.watching.look()
    for number in range(100):
        going = await admitted(desk.calls, bot, call(READ, path=f"/srv/{number}"))
        clock.advance(milliseconds=number)
        await desk.calls.finish(going.call_id, replaced(number))
        clock.advance(milliseconds=100)
    [line] = await lines(desk)
    assert summary(line) == ("deploy-bot", "files__read_text", Let.ALLOWED, 100)
    assert line.became == {Became.RETURNED: 97, Became.FAILED: 3}
    assert (line.errors, line.median, line.worst, line.at_least) == (2, 49, 99, False)
    assert line.newest.arguments == '{"path":"/srv/99"}'
    assert line.first_at == clock.now - timedelta(milliseconds=100 * 100 + sum(range(100)))
    assert line.last_at < clock.now


def replaced(number: int) -> Ended:
    if number in (5, 6, 7):
        return Ended(CallEnd.FAILED, is_error=True, why="it broke")
    if number in (8, 9):
        return Ended(CallEnd.RETURNED, is_error=True, result={"content": [], "isError": True})
    return returned()


async def test_another_minute_agent_tool_or_permission_is_another_line(
    desk: Desk, bot: Agent, other_bot: Agent, clock: FakeClock
) -> None:
    await read(desk, bot)
    await admitted(desk.calls, bot, call(WRITE, path="b"))
    await read(desk, other_bot)
    await denied(desk.calls, bot, call(DROP))
    clock.advance(minutes=1)
    await read(desk, bot)
    found = [summary(line) for line in await lines(desk)]
    assert found[0] == ("deploy-bot", "files__read_text", Let.ALLOWED, 1)
    assert sorted(found[1:]) == sorted(
        [
            ("deploy-bot", "files__read_text", Let.ALLOWED, 1),
            ("deploy-bot", "files__write", Let.NOTICED, 1),
            ("billing-bot", "files__read_text", Let.ALLOWED, 1),
            ("deploy-bot", "files__drop", Let.DENIED, 1),
        ]
    )


async def test_what_came_later_changes_a_line_where_it_stands(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    going = await admitted(desk.calls, bot, call(READ, path="a"))
    first = await desk.watching.look()
    clock.advance(minutes=2)
    await read(desk, bot)
    await desk.calls.finish(going.call_id, returned())
    now = await desk.watching.look()
    before, after = first.lines[0], now.lines[1]
    assert before.became == {Became.RUNNING: 1}
    assert after.became == {Became.RETURNED: 1}
    assert (after.id, after.order, after.minute) == (before.id, before.order, before.minute)
    assert after.worst == 120_000
    assert after.version > before.version


async def test_a_look_that_finds_nothing_new_changes_no_version(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await read(desk, bot)
    first = await desk.watching.look()
    clock.advance(seconds=3)
    second = await desk.watching.look()
    assert (second.version, second.lines) == (first.version, first.lines)


async def test_a_held_call_waits_is_answered_and_runs_as_a_line_of_its_own(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket = await held(desk.calls, bot, send(500))
    [line] = await lines(desk)
    assert (summary(line), line.became) == (("deploy-bot", "pay__send", Let.HELD, 1), {Became.WAITING: 1})
    assert (line.newest.rules, line.newest.arguments) == (("payments",), '{"amount":500}')
    assert line.newest.why == "the rule 'payments' holds it"
    clock.advance(minutes=1)
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    assert [line.became for line in await lines(desk)] == [{Became.APPROVED: 1}]
    going = await desk.calls.begin(bot, ticket.request_id)
    assert isinstance(going, Admitted)
    ran, asked = await lines(desk)
    assert (summary(ran), ran.became) == (("deploy-bot", "pay__send", Let.APPROVED, 1), {Became.RUNNING: 1})
    assert asked.became == {Became.APPROVED: 1}


async def test_a_refused_call_is_told_as_refused(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await held(desk.calls, bot, send(500))
    await desk.watching.look()
    await answered(desk, ana, ticket.request_id, Declined())
    assert [line.became for line in await lines(desk)] == [{Became.REFUSED: 1}]


async def test_a_denied_call_counts_each_time_it_is_seen_and_says_that_there_may_have_been_more(
    desk: Desk, bot: Agent, clock: FakeClock
) -> None:
    for _ in range(3):
        await denied(desk.calls, bot, call(DROP))
        await desk.watching.look()
        clock.advance(seconds=5)
    [line] = await lines(desk)
    assert (line.count, line.at_least, line.errors) == (3, True, 0)


async def test_filters_narrow_down_and_what_nobody_has_shows_nothing(
    desk: Desk, bot: Agent, other_bot: Agent, clock: FakeClock
) -> None:
    await read(desk, bot)
    await admitted(desk.calls, other_bot, call(WRITE, path="b"))

    async def tools(wanted: Wanted) -> set[str]:
        return {line.newest.tool for line in await lines(desk, wanted)}

    assert await tools(Wanted(agent="billing-bot")) == {"files__write"}
    assert await tools(Wanted(agent="Billing-bot")) == set()
    assert await tools(Wanted(tool="files__*")) == {"files__read_text", "files__write"}
    assert await tools(Wanted(tool="files__wr?te")) == {"files__write"}
    assert await tools(Wanted(tool="files__[a-z]*")) == set()
    assert await tools(Wanted(let=Let.NOTICED)) == {"files__write"}
    assert await tools(Wanted(workflow="release")) == set()


async def test_a_page_never_has_more_lines_than_it_holds(
    desk: Desk, bot: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LINES_KEPT", 60)
    for _ in range(70):
        await read(desk, bot)
        clock.advance(minutes=1)
        await desk.watching.look()
    feed = await desk.watching.look()
    assert (len(feed.lines), len(feed.page(Wanted()))) == (60, LINES)
    assert feed.lines[0].minute > feed.lines[-1].minute


async def test_who_makes_many_lines_pushes_out_their_own_and_not_those_of_others(
    desk: Desk, bot: Agent, other_bot: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LINES_KEPT", 10)
    await read(desk, other_bot)
    for _ in range(30):
        clock.advance(minutes=1)
        await read(desk, bot)
        await desk.watching.look()
    assert [line.count for line in await lines(desk, Wanted(agent=other_bot.name))] == [1]
    assert len(await lines(desk, Wanted(agent=bot.name))) == 9


async def test_calls_in_flight_are_no_longer_asked_about_once_their_line_is_gone(
    desk: Desk, bot: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LINES_KEPT", 2)
    going = await admitted(desk.calls, bot, call(READ, path="a"))
    await desk.watching.look()
    for _ in range(3):
        clock.advance(minutes=1)
        await read(desk, bot)
    await desk.watching.look()
    await desk.calls.finish(going.call_id, returned())
    assert [line.became for line in await lines(desk)] == [{Became.RETURNED: 1}] * 2


async def test_the_first_look_goes_back_an_hour_and_no_further(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await read(desk, bot)
    clock.advance(minutes=30)
    await read(desk, bot)
    clock.advance(minutes=31)
    assert [line.count for line in await lines(desk)] == [1]


async def test_a_first_look_that_reads_only_a_part_says_so(
    desk: Desk, bot: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "AT_ONCE", 4)
    for _ in range(6):
        await read(desk, bot)
        clock.advance(seconds=1)
    [line] = await lines(desk)
    assert (line.count, line.at_least) == (4, True)


async def test_what_one_look_leaves_the_next_one_reads(
    desk: Desk, bot: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "AT_ONCE", 4)
    await desk.watching.look()
    for _ in range(6):
        await read(desk, bot)
        clock.advance(seconds=1)
    assert [line.count for line in await lines(desk)] == [4]
    assert [line.count for line in await lines(desk)] == [6]


async def test_a_look_reads_what_is_new_however_many_calls_there_were(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    for _ in range(200):
        await read(desk, bot)
        clock.advance(milliseconds=1)
    await desk.watching.look()
    await read(desk, bot)
    rows = rows_read(database)
    await desk.watching.look()
    assert rows() <= 4


async def test_no_look_goes_through_all_requests_for_those_that_hold_calls(desk: Desk, database: Database) -> None:
    plans: list[str] = []

    def explain(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "requests.tool IS NOT NULL" in statement:
            raw = connection.connection.dbapi_connection.cursor()  # type: ignore[attr-defined]
            plans.extend(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    event.listen(database._engine, "after_cursor_execute", explain)  # what it costs is the promise
    await desk.watching.look()
    await desk.watching.look()
    found = [plan for plan in plans if plan.startswith(("SCAN", "SEARCH"))]
    assert found == ["SEARCH requests USING INDEX requests_held (opened_at>?)"] * 2


def rows_read(database: Database) -> Callable[[], int]:
    """How many rows queries have given since."""
    counted = 0

    def count(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        nonlocal counted
        if "FROM calls" in statement:
            raw = connection.connection.dbapi_connection.cursor()  # type: ignore[attr-defined]
            counted += len(raw.execute(statement, parameters).fetchall())

    event.listen(database._engine, "after_cursor_execute", count)  # what it costs is the promise
    return lambda: counted


async def test_a_clock_that_was_set_back_hides_nothing(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await read(desk, bot, "before")
    first = await desk.watching.look()
    clock.advance(minutes=-10)
    await read(desk, bot, "after")
    found = await desk.watching.look()
    assert {line.newest.arguments for line in found.lines} == {'{"path":"before"}', '{"path":"after"}'}
    assert found.version > first.version


async def test_those_who_wait_for_the_next_look_share_it(
    desk: Desk, bot: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read(desk, bot)
    found = []

    async def look() -> None:
        found.append(await desk.watching.look(every=0.05))

    await desk.watching.look()
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(look)
    assert len({id(feed) for feed in found}) == 1


async def test_a_look_that_is_waited_for_has_what_came_before_it_was_asked_for(desk: Desk, bot: Agent) -> None:
    await desk.watching.look()
    await read(desk, bot)
    assert len((await desk.watching.look(every=0.05)).lines) == 1


async def test_who_is_paused_or_stopped_is_told_with_the_lines(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    await read(desk, bot)
    before = await desk.watching.look()
    assert before.held_back.of(bot.id) is None
    await desk.halts.hold_back(bot.name, Halting.PAUSED, by=None)
    after = await desk.watching.look()
    halt = after.held_back.of(bot.id)
    assert halt is not None
    assert halt.how is Halting.PAUSED
    assert after.held_back_since > before.version


async def test_calls_tell_that_there_is_something_to_look_at(desk: Desk, bot: Agent) -> None:
    with desk.signals.listen(CALLS) as listener:
        going = await admitted(desk.calls, bot, call(READ, path="a"))
        assert await listener.changed(within=5) is Woken.TOPIC
        await desk.calls.finish(going.call_id, returned())
        assert await listener.changed(within=5) is Woken.TOPIC
        await denied(desk.calls, bot, call(DROP))
        assert await listener.changed(within=5) is Woken.TOPIC


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_looked_all_along_sees_what_a_first_look_sees(
    desk: Desk, database: Database, bot: Agent, other_bot: Agent, ana: Reviewer, clock: FakeClock, seed: int
) -> None:
    chance = random.Random(seed)
    going: list[str] = []
    for _ in range(150):
        agent = chance.choice((bot, other_bot))
        match chance.randrange(6):
            case 0 | 1:
                found = await admitted(desk.calls, agent, call(chance.choice((READ, WRITE)), path="a"))
                going.append(found.call_id)
            case 2 if going:
                ended = chance.choice((returned(), replaced(5), replaced(8)))
                await desk.calls.finish(going.pop(chance.randrange(len(going))), ended)
            case 3:
                await approved(desk, agent, ana, send(chance.randrange(100, 10_000)))
            case 4:
                await desk.watching.look()
            case _:
                clock.advance(seconds=chance.randrange(20))
    kept = (await desk.watching.look()).lines
    fresh = (await watching.Watching(database).look()).lines
    assert [replace(line, version=0) for line in kept] == [replace(line, version=0) for line in fresh]
    assert sum(line.count for line in kept) > 50
