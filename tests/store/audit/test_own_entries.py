"""An agent reads its own entries of the log as lines, and nothing that it was not told anyway."""

import importlib.util
from datetime import timedelta
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, delete, select, update

from store import tables
from store.agents import Agent, Agents
from store.answers import AskedBack, Chosen, Declined, Filled
from store.audit.canonical import decode
from store.audit.events import EVENTS, AgentSignedIn, CallEnd, Halting
from store.audit.own_entries import LONGEST_PATTERN, LOOKED_THROUGH, OwnEntriesProblem, OwnEntry, Page, Wanted
from store.audit.own_lines import LONGEST_TEXT, OWN_TYPES, Level
from store.calls.calls import Admitted, Ended
from store.database import Database, Transaction
from store.desk import Desk
from store.people import People, Reviewer
from store.schema import CURRENT
from tests.stage import FakeClock, answer, answered, approval, form, see
from tests.store.calls.house import DROP, READ, admitted, approved, call, denied, in_force, listed, returned, send

pytestmark = pytest.mark.anyio

YES, NO = Chosen("approve"), Chosen("reject")


async def page(desk: Desk, agent: Agent, **wanted: Any) -> Page:
    return await desk.log.of_agent(agent.id, Wanted(**wanted))


async def lines(desk: Desk, agent: Agent, **wanted: Any) -> list[str]:
    return [f"{one.level.value}: {one.text}" for one in (await page(desk, agent, **wanted)).entries]


def test_every_type_that_an_agent_reads_is_one_of_the_log() -> None:
    assert EVENTS.keys() >= OWN_TYPES


async def test_a_question_of_its_own_is_told_from_asking_to_delivery(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES, comment="go")
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=True)
    await desk.report_consequence(bot, ticket.request_id, "deployed\n\x1b[31m", None)
    assert await lines(desk, bot) == [
        'info: asked "Deploy 1.4 to production?"',
        'info: "Deploy 1.4 to production?" was answered by Ana Ruiz: it may proceed',
        'info: the outcome of "Deploy 1.4 to production?" was delivered',
        'info: reported what came of "Deploy 1.4 to production?": deployed [31m',
    ]


async def test_an_entry_says_where_it_stands_and_what_it_is_about(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    await in_force(desk)
    await listed(desk.calls)
    ticket = await desk.ask(bot, approval())
    going = await admitted(desk.calls, bot, call(READ, path="/a"))
    opened, sent = (await page(desk, bot)).entries
    at = "2026-11-22T09:00:00.000000Z"
    assert opened == OwnEntry(
        opened.index,
        at,
        "request_opened",
        Level.INFO,
        'asked "Deploy 1.4 to production?"',
        request_id=ticket.request_id,
    )
    assert sent == OwnEntry(
        sent.index,
        at,
        "call_intended",
        Level.INFO,
        "files__read_text was let through by the rules",
        call_id=going.call_id,
        tool="files__read_text",
    )
    entries = dict(await desk.log.entries(0, 1000))
    assert opened.index is not None
    assert sent.index is not None
    assert [decode(entries[one])["type"] for one in (opened.index, sent.index)] == ["request_opened", "call_intended"]


async def test_calls_are_told_with_what_came_of_them(desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock) -> None:
    await in_force(desk)
    await listed(desk.calls)
    went = await admitted(desk.calls, bot, call(READ, path="/a"))
    clock.advance(milliseconds=12)
    await desk.calls.finish(went.call_id, returned())
    failed = await admitted(desk.calls, bot, call(READ, path="/b"))
    await desk.calls.finish(failed.call_id, Ended(CallEnd.FAILED, is_error=True, why="it was not reached"))
    await denied(desk.calls, bot, call(DROP))
    begun = await desk.calls.begin(bot, await approved(desk, bot, ben, send(500)))
    assert isinstance(begun, Admitted)
    assert await lines(desk, bot) == [
        "info: files__read_text was let through by the rules",
        "info: files__read_text returned 59 bytes after 12 ms",
        "info: files__read_text was let through by the rules",
        "error: files__read_text failed after 0 ms: it was not reached",
        "warning: files__drop was turned away: the rule 'never' denies this. Ask the database team.",
        "info: pay__send was held, and people were asked",
        "info: pay__send was answered by Ben Okoro: it may proceed",
        "info: pay__send was let through by people",
    ]


async def test_how_people_answered_has_its_level(desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock) -> None:
    for title, given in (("No?", NO), ("Never?", Declined()), ("What?", AskedBack())):
        ticket = await desk.ask(bot, approval(title))
        await answered(desk, ana, ticket.request_id, given, comment="why?")
    withdrawn = await desk.ask(bot, approval("Mine?"))
    await desk.withdraw(bot, withdrawn.request_id)
    await desk.ask(bot, approval("Late?", timeout_seconds=60))
    clock.advance(seconds=60)
    await desk.expire_due()
    assert [line for line in await lines(desk, bot) if ": asked" not in line] == [
        'warning: "No?" was answered by Ana Ruiz: it may not proceed',
        'warning: "Never?" was declined by Ana Ruiz',
        'warning: Ana Ruiz asked back about "What?"',
        'info: "Mine?" was withdrawn',
        'warning: "Late?" expired: nobody answered in time',
    ]


async def test_being_stopped_and_let_go_is_told_without_a_name(
    desk: Desk, agents: Agents, bot: Agent, other_bot: Agent
) -> None:
    await agents.signed_in(bot, "bridge")
    await desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None, why="too fast")
    await desk.halts.hold_back(None, Halting.STOPPED, by=None)
    await desk.halts.resume(None, by=None)
    await desk.halts.resume("deploy-bot", by=None)
    assert await lines(desk, bot) == [
        "info: came by the local bridge",
        "warning: people paused this agent: too fast",
        "warning: people stopped everything",
        "info: people let what was stopped as a whole go on",
        "info: people let this agent go on",
    ]
    assert len(await lines(desk, other_bot)) == 2


async def test_nothing_of_other_agents_shows_or_people_is_read(
    desk: Desk, people: People, bot: Agent, other_bot: Agent, ana: Reviewer
) -> None:
    mine, other = await desk.ask(bot, approval()), await desk.ask(other_bot, form({"name": "key", "type": "password"}))
    await see(desk, ana, mine.request_id)
    await answered(desk, ana, other.request_id, Filled({"key": "hush"}))
    (opened,) = (await page(desk, bot)).entries
    assert (opened.type, opened.request_id) == ("request_opened", mine.request_id)
    assert [one.type for one in (await page(desk, other_bot)).entries] == [
        "request_opened",
        "credential_stored",
        "request_closed",
    ]


RULES = """version: 1
rules:
  - {name: two of them, tool: ask_approval, action: hold, approvals: 2}
"""


async def test_while_several_are_asked_nothing_tells_whether_one_has_answered(
    desk: Desk, people: People, bot: Agent, other_bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    before = await desk.ask(bot, approval("Before?"))
    await in_force(desk, text=RULES)
    ticket = await desk.ask(bot, approval())

    async def read() -> tuple[list[int | None], str]:
        found = await page(desk, bot)
        return [one.index for one in found.entries], str([(one.at, one.type, one.text) for one in found.entries])

    asked = await read()
    assert asked[0][1:] == [None]
    assert asked[0][0] is not None
    await answer(desk, ana, ticket.request_id, YES)
    assert await read() == asked
    # What others do meanwhile must not betray it by where it stands, either.
    await desk.withdraw(bot, before.request_id)
    assert (await read())[0] == [asked[0][0], None, None]
    first = await page(desk, bot, limit=1)
    assert first.next_cursor == "2"
    await answered(desk, ben, ticket.request_id, YES)
    indexes, text = await read()
    assert None not in indexes
    assert "vote" not in text


async def test_an_edit_before_the_end_is_not_told() -> None:
    assert not OWN_TYPES & {"arguments_edited", "request_shown", "request_voted", "request_escalated", "answer_claimed"}


# Filters and pages


async def many(desk: Desk, agent: Agent, number: int) -> None:
    for one in range(number):
        ticket = await desk.ask(agent, approval(f"Question {one}?", idempotency_key=f"key {one}"))
        await desk.withdraw(agent, ticket.request_id)


async def test_pages_lead_from_the_newest_to_the_oldest_without_a_gap(desk: Desk, bot: Agent) -> None:
    await many(desk, bot, 5)
    everything = await page(desk, bot, limit=200)
    assert everything.next_cursor is None
    found: list[OwnEntry] = []
    cursor = None
    while True:
        one = await page(desk, bot, limit=3, cursor=cursor)
        found[:0] = one.entries
        cursor = one.next_cursor
        if cursor is None:
            break
        await desk.withdraw(bot, (await desk.ask(bot, approval(f"New at {cursor}?"))).request_id)
    assert tuple(found) == everything.entries
    assert len(found) == 10


async def test_a_page_that_ends_with_the_first_entry_leads_nowhere(desk: Desk, bot: Agent) -> None:
    await many(desk, bot, 2)
    assert (await page(desk, bot, limit=4)).next_cursor is None
    assert (await page(desk, bot, limit=3)).next_cursor == "1"
    assert await page(desk, Agent("agt_none", "none", None, None, desk.now())) == Page((), None)


async def test_levels_times_and_patterns_choose(desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock) -> None:
    first = clock.now
    ticket = await desk.ask(bot, approval("First?"))
    clock.advance(minutes=1)
    second = clock.now
    await answered(desk, ana, ticket.request_id, NO)
    clock.advance(minutes=1)
    await desk.ask(bot, approval("Last?"))
    asked, refused, last = await lines(desk, bot)
    assert await lines(desk, bot, level=Level.WARNING) == [refused]
    assert await lines(desk, bot, level=Level.ERROR) == []
    assert await lines(desk, bot, since=second) == [refused, last]
    assert await lines(desk, bot, until=second) == [asked]
    assert await lines(desk, bot, since=second, until=clock.now) == [refused]
    assert await lines(desk, bot, since=clock.now + timedelta(seconds=1)) == []
    assert await lines(desk, bot, pattern=r"^asked .(First|Last)\?") == [asked, last]
    assert await lines(desk, bot, pattern="(?i)FIRST", until=first + timedelta(seconds=1)) == [asked]


async def test_one_reading_looks_at_so_many_entries_and_leads_on(desk: Desk, database: Database, bot: Agent) -> None:
    def come(transaction: Transaction) -> None:
        for _ in range(LOOKED_THROUGH + 3):
            transaction.record(AgentSignedIn(bot.id, "token"))

    await desk.ask(bot, approval())
    await database.write(come)
    first = await page(desk, bot, pattern="Deploy")
    assert first == Page((), "4")
    second = await page(desk, bot, pattern="Deploy", cursor=first.next_cursor)
    assert (len(second.entries), second.next_cursor) == (1, None)


@pytest.mark.parametrize(
    ("wanted", "field", "what"),
    [
        ({"pattern": "("}, "pattern", "no RE2 expression"),
        ({"pattern": "(?=x)"}, "pattern", "no RE2 expression"),
        ({"pattern": "\ud800"}, "pattern", "no RE2 expression"),
        ({"pattern": "x" * (LONGEST_PATTERN + 1)}, "pattern", f"may have {LONGEST_PATTERN}"),
        ({"cursor": "0"}, "cursor", "not given"),
        ({"cursor": "7"}, "cursor", "not given"),
        ({"cursor": "-1"}, "cursor", "not given"),
        ({"cursor": "²"}, "cursor", "not given"),
        ({"cursor": "1" * 50}, "cursor", "not given"),
    ],
)
async def test_what_cannot_be_read_as_asked_is_refused_by_its_name(
    desk: Desk, bot: Agent, wanted: dict[str, str], field: str, what: str
) -> None:
    await desk.ask(bot, approval())
    with pytest.raises(OwnEntriesProblem, match=what) as refused:
        await page(desk, bot, **wanted)
    assert refused.value.field == field


async def test_a_pattern_that_others_would_hang_on_is_searched_in_linear_time(desk: Desk, bot: Agent) -> None:
    await desk.ask(bot, approval("a" * 150))
    assert await lines(desk, bot, pattern="^(.*a)*$") == []
    assert len(await lines(desk, bot, pattern="(a*)*b|a")) == 1


async def test_long_words_are_cut_and_erased_ones_are_left_out(desk: Desk, database: Database, bot: Agent) -> None:
    ticket = await desk.ask(bot, approval("x" * 200))
    (line,) = await lines(desk, bot)
    assert len(line) < LONGEST_TEXT + 30
    await desk.halts.hold_back("deploy-bot", Halting.STOPPED, by=None, why="a secret")

    def erase(connection: Connection) -> None:
        connection.execute(delete(tables.disclosures).where(tables.disclosures.c.key == "why_ref"))

    await database.write(lambda change: erase(change.connection))
    assert (await lines(desk, bot))[-1] == "warning: people stopped this agent"
    assert ticket.request_id == (await page(desk, bot)).entries[0].request_id


async def test_what_was_taken_back_is_filed_nowhere(database: Database, bot: Agent, other_bot: Agent) -> None:
    def half(transaction: Transaction) -> None:
        transaction.record(AgentSignedIn(bot.id, "token"))
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await database.write(half)
    await database.write(lambda change: change.record(AgentSignedIn(other_bot.id, "token")))
    assert [agent for agent, _ in await database.read(_filed)] == [other_bot.id]


# Written before there was such a table


async def test_entries_that_were_written_before_are_filed_like_new_ones(
    desk: Desk, database: Database, agents: Agents, bot: Agent, other_bot: Agent, ben: Reviewer
) -> None:
    await agents.signed_in(bot, "token")
    await in_force(desk)
    await listed(desk.calls)
    begun = await desk.calls.begin(bot, await approved(desk, bot, ben, send(500)))
    assert isinstance(begun, Admitted)
    await desk.calls.finish(begun.call_id, returned())
    await denied(desk.calls, other_bot, call(DROP))
    ticket = await desk.ask(other_bot, approval())
    await answered(desk, ben, ticket.request_id, YES)
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=False)
    filed = await database.read(_filed)
    assert len(filed) == 9
    await database.write(lambda change: bool(change.connection.execute(delete(tables.agent_entries)).rowcount))
    await database.write(lambda change: _migrate(change.connection))
    assert await database.read(_filed) == filed


async def test_a_damaged_entry_keeps_no_database_from_being_upgraded(
    desk: Desk, database: Database, bot: Agent
) -> None:
    await desk.ask(bot, approval())

    def damage(connection: Connection) -> None:
        connection.execute(update(tables.log_entries).where(tables.log_entries.c.position == 1).values(data=b"\xff{"))
        connection.execute(delete(tables.agent_entries))
        _migrate(connection)

    await database.write(lambda change: damage(change.connection))
    assert len(await database.read(_filed)) == 1


def _filed(connection: Connection) -> list[tuple[str, int]]:
    own = tables.agent_entries.c
    rows = connection.execute(select(own.agent_id, own.position).order_by(own.position, own.agent_id))
    return [(row.agent_id, row.position) for row in rows]


def _migrate(connection: Connection) -> None:
    spec = importlib.util.spec_from_file_location("on_the_loop", CURRENT.scripts / "versions" / "0005_on_the_loop.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with Operations.context(MigrationContext.configure(connection)):
        script._file_old_entries()
