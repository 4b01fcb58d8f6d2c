"""Single calls for who watches: page by page, and one with all that is known of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from store.agents import Agent
from store.audit.canonical import decode
from store.calls.calls import Admitted, Stated
from store.calls.feed import Let, Wanted
from store.calls.recorded import Became
from store.calls.sightings import PAGE, SCANNED, Mark
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from tests.stage import FakeClock
from tests.store.calls.house import (
    READ,
    WRITE,
    admitted,
    approved,
    call,
    held,
    lines,
    log,
    read,
    returned,
    send,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]


async def test_one_by_one_goes_from_page_to_page_and_shows_every_call_once(
    desk: Desk, bot: Agent, clock: FakeClock
) -> None:
    ids = []
    for number in range(PAGE + 20):
        ids.append(await read(desk, bot, str(number)))
        if number % 3:
            clock.advance(seconds=1)
    first = await desk.watching.one_by_one(Wanted())
    assert first.further is not None
    second = await desk.watching.one_by_one(Wanted(), after=Mark.read(first.further.text()))
    found = [item.id for item in (*first.items, *second.items)]
    assert (sorted(found), second.further, len(first.items)) == (sorted(ids), None, PAGE)


async def test_one_by_one_a_held_call_stands_until_it_runs_and_then_what_ran(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    waiting = await held(desk.calls, bot, send(400))
    request = await approved(desk, bot, ana, send(500))
    going = await desk.calls.begin(bot, request)
    assert isinstance(going, Admitted)

    async def found(let: Let | None = None) -> set[str]:
        return {item.id for item in (await desk.watching.one_by_one(Wanted(let=let))).items}

    assert await found() == {waiting.request_id, going.call_id}
    assert await found(Let.HELD) == {waiting.request_id, request}
    assert await found(Let.APPROVED) == {going.call_id}
    assert await found(Let.NOTICED) == set()


async def test_one_by_one_takes_the_same_filters_and_a_line_has_exactly_its_calls(
    desk: Desk, bot: Agent, other_bot: Agent, clock: FakeClock
) -> None:
    mine = {await read(desk, bot), await read(desk, bot)}
    await read(desk, other_bot)
    await admitted(desk.calls, bot, call(WRITE, path="b"))
    line = next(one for one in await lines(desk) if one.count == 2)
    clock.advance(minutes=1)
    await read(desk, bot)
    page = await desk.watching.one_by_one(
        Wanted(agent=bot.name, line=line.id), since=line.minute, until=line.minute + timedelta(minutes=1)
    )
    assert {item.id for item in page.items} == mine
    assert (await desk.watching.one_by_one(Wanted(agent="nobody"))).items == ()
    assert len((await desk.watching.one_by_one(Wanted(tool="files__read_*", agent=bot.name))).items) == 3


async def test_one_by_one_gives_up_after_so_many_that_do_not_match_and_goes_on_from_there(
    desk: Desk, bot: Agent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.calls.sightings.SCANNED", 5)
    await admitted(desk.calls, bot, call(WRITE, path="b"))
    for _ in range(8):
        clock.advance(seconds=1)
        await read(desk, bot)
    first = await desk.watching.one_by_one(Wanted(tool="*write*"))
    assert (first.items, first.gave_up) == ((), True)
    assert first.further is not None
    second = await desk.watching.one_by_one(Wanted(tool="*write*"), after=first.further)
    assert ([item.tool for item in second.items], second.further) == (["files__write"], None)
    assert SCANNED == 5_000


@pytest.mark.parametrize("text", ["", "~", "yesterday~call_x", "2026-11-22T09:00:00~x", "2026-11-22T09:00:00.000000Z"])
async def test_a_mark_that_nobody_wrote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Mark.read(text)


async def test_a_call_is_known_with_all_that_belongs_to_it(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    stated = Stated("to see it", {"cwd": "/srv"})
    wanted = replace(call(READ, path="/srv/a"), stated=stated)
    going = await admitted(desk.calls, bot, wanted)
    clock.advance(seconds=1)
    await desk.calls.finish(going.call_id, returned("x" * 600))
    found = await desk.watching.call(going.call_id)
    assert found is not None
    assert (found.item.let, found.item.became, found.item.milliseconds) == (Let.ALLOWED, Became.RETURNED, 1000)
    assert (found.arguments, found.upstream, found.stated) == ({"path": "/srv/a"}, "files", stated)
    assert found.excerpt == "x" * 500 + "…"
    assert found.ended_at == clock.now
    intended, ended = await log(database, "call_intended", "call_ended")
    assert await entry_at(desk, found.log_index) == intended
    assert await entry_at(desk, found.ended_index) == ended
    assert await desk.watching.call("call_unknown") is None


async def entry_at(desk: Desk, index: int | None) -> object:
    assert index is not None
    [(_, data)] = await desk.log.entries(index, 1)
    return decode(data)


async def test_the_beginning_of_a_result_is_kept_for_who_watches_and_in_no_entry(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    allowed = await read(desk, bot, ended=returned("the secret of the house"))
    request = await approved(desk, bot, ana, send(500))
    going = await desk.calls.begin(bot, request)
    assert isinstance(going, Admitted)
    await desk.calls.finish(going.call_id, returned("paid in full"))
    kept = [(await desk.watching.call(one)) for one in (allowed, going.call_id)]
    assert [one.excerpt for one in kept if one] == ["the secret of the house", None]
    entries = await desk.log.entries(0, 1000)
    assert not any(b"secret of the house" in data for _, data in entries)
    desk.log.verify()


async def test_what_the_agent_states_is_in_the_log_by_its_hash_and_changes_nothing_else(
    desk: Desk, database: Database, bot: Agent
) -> None:
    wanted = replace(call(READ, path="a"), stated=Stated("because", {}))
    await admitted(desk.calls, bot, wanted)
    await read(desk, bot)
    first, second = await log(database, "call_intended")
    assert first["stated_ref"] is not None
    assert second.get("stated_ref") is None
    desk.log.verify()
