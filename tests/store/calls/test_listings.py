"""What upstreams define is pinned: what comes later or changes waits for a person, and nothing forgets that."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from store import tables
from store.agents import Agent
from store.calls import listings
from store.calls.definitions import Definition, Pinned
from store.calls.listings import CONTENT_LIMIT, DEFINITIONS_LIMIT
from store.calls.pins import DefinitionMoved
from store.calls.service import Calls
from store.database import Database
from store.desk import Desk
from store.people import People, Reviewer
from store.policy.active import NotAdmin
from store.policy.upstreams import Upstream
from store.questions import HeldCall
from store.signals import GATEWAY, Woken
from tests.stage import FakeClock
from tests.store.calls.house import (
    DROP,
    FILES,
    GREETING,
    READ,
    WRITE,
    admitted,
    call,
    denied,
    held,
    in_force,
    listed,
    log,
    text_of,
    tool,
    upstream,
)

pytestmark = pytest.mark.anyio

ALL = "{name: all, tool: ['files__*', 'files:*', 'pay__*'], action: allow}"
OTHER_LINE = text_of(ALL).replace("files-server", "files-server --new")
CHANGED = replace(READ, content={**READ.content, "description": "Reads, and sends it home."})


@pytest.fixture(autouse=True)
async def governed(desk: Desk) -> None:
    await in_force(desk, ALL)
    await listed(desk.calls)


async def found(calls: Calls, of: str = "files") -> dict[str, Pinned]:
    return {one.definition.name: one for one in await calls.definitions() if one.definition.upstream == of}


async def relist(calls: Calls, *definitions: Definition, of: Upstream | None = None) -> None:
    await calls.observe(of or upstream(), definitions)


async def seen(database: Database) -> list[bool]:
    return [entry["accepted"] for entry in await log(database, "definition_seen")]


async def test_the_first_listing_is_accepted_with_the_launch_line(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    assert await found(desk.calls) == {one.name: Pinned(one, one, clock.now, clock.now, None, None) for one in FILES}
    assert await seen(database) == [True] * 5
    assert await desk.calls.unaccepted() == 0
    await admitted(desk.calls, bot, call(READ, path="/a"))


async def test_the_same_listing_again_writes_nothing(desk: Desk, database: Database) -> None:
    size = await database.read(lambda c: c.execute(select(tables.log_head.c.size)).scalar_one())
    with desk.signals.listen(GATEWAY) as listener:
        await relist(desk.calls, *reversed(FILES))
        assert await listener.changed(within=0) is Woken.TIME
    assert size == await database.read(lambda c: c.execute(select(tables.log_head.c.size)).scalar_one())


async def test_what_is_listed_later_cannot_be_called_until_it_is_accepted(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    new = tool("read_mail")
    await relist(desk.calls, *FILES, new)
    assert (await found(desk.calls))["read_mail"].accepted is None
    assert await desk.calls.unaccepted() == 1
    assert (await seen(database))[-1] is False
    for hash_ in (new.sha256, None):
        why = await denied(desk.calls, bot, replace(call(new), definition_sha256=hash_))
        assert why == "files__read_mail is new since files was first listed, and no person has accepted it yet."
    await desk.calls.accept("files", new.method, "read_mail", new.sha256, reviewer=ana, session_id=None)
    assert (await found(desk.calls))["read_mail"].accepted_by == "Ana Ruiz"
    await admitted(desk.calls, bot, call(new))
    desk.log.verify()


async def test_calls_of_a_changed_definition_are_held_until_it_is_accepted(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    await relist(desk.calls, CHANGED, *FILES[1:])
    pinned = (await found(desk.calls))["read_text"]
    assert (pinned.definition, pinned.accepted, pinned.is_accepted) == (CHANGED, READ, False)
    assert await desk.calls.unaccepted() == 1
    ticket = await held(desk.calls, bot, call(READ, path="/a"))
    view = await desk.view(ticket.request_id)
    assert view is not None
    question = view.card.question
    assert isinstance(question, HeldCall)
    assert question.held_because == (
        "its definition changed on 2026-11-22 at 09:00 UTC, and no person has accepted that yet",
    )
    assert (question.definition_sha256, question.description) == (CHANGED.sha256, "What it does.")
    await desk.calls.accept("files", READ.method, "read_text", CHANGED.sha256, reviewer=ana, session_id=None)
    assert "list it again" in await denied(desk.calls, bot, call(READ, path="/a"))
    await admitted(desk.calls, bot, call(CHANGED, path="/a"))
    assert (await log(database, "definition_accepted"))[0]["reviewer"] == ana.id
    desk.log.verify()


async def test_what_is_denied_stays_denied_when_it_changes(desk: Desk, bot: Agent) -> None:
    await in_force(desk, ALL, "{name: never, tool: 'files__drop', action: deny, reason: No.}")
    await relist(desk.calls, replace(DROP, content={**DROP.content, "title": "Look"}), *FILES[:2], GREETING)
    assert "the rule 'never' denies this" in await denied(desk.calls, bot, call(DROP))


async def test_what_goes_back_to_what_was_accepted_is_accepted(desk: Desk, database: Database, bot: Agent) -> None:
    await relist(desk.calls, CHANGED, *FILES[1:])
    await relist(desk.calls, *FILES)
    assert (await seen(database))[-2:] == [False, True]
    await admitted(desk.calls, bot, call(READ, path="/a"))
    desk.log.verify()


async def test_what_goes_cannot_be_called_and_has_not_become_new_when_it_comes_back(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    new = tool("read_mail")
    await relist(desk.calls, *FILES, new)
    clock.advance(hours=1)
    await relist(desk.calls, WRITE, DROP, GREETING)
    assert (await found(desk.calls))["read_text"].gone_at == clock.now
    assert "does not list files__read_text now" in await denied(desk.calls, bot, call(READ, path="/a"))
    assert await desk.calls.unaccepted() == 0
    entries = len(await seen(database))
    await relist(desk.calls, CHANGED, *FILES[1:], new)
    assert len(await seen(database)) == entries + 1
    await held(desk.calls, bot, call(READ, path="/a"))
    await relist(desk.calls, *FILES, new)
    await admitted(desk.calls, bot, call(READ, path="/a"))
    await denied(desk.calls, bot, call(new))


async def test_another_launch_line_accepts_what_was_never_seen_and_nothing_that_changed(
    desk: Desk, database: Database, bot: Agent
) -> None:
    late, new = tool("read_late"), tool("read_mail")
    await relist(desk.calls, *FILES, late)
    await in_force(desk, text=OTHER_LINE)
    await relist(desk.calls, CHANGED, *FILES[1:], late, new, of=upstream("files", OTHER_LINE))
    await held(desk.calls, bot, call(READ, path="/a"))
    await denied(desk.calls, bot, call(late))
    await admitted(desk.calls, bot, call(new))
    await admitted(desk.calls, bot, call(WRITE, path="/a"))
    newer = tool("read_newer")
    await relist(desk.calls, CHANGED, *FILES[1:], late, new, newer, of=upstream("files", OTHER_LINE))
    await denied(desk.calls, bot, call(newer))
    desk.log.verify()


async def test_a_listing_under_a_launch_line_that_is_not_in_force_says_nothing(
    desk: Desk, database: Database, bot: Agent
) -> None:
    before = await found(desk.calls)
    await relist(desk.calls, CHANGED, of=upstream("files", OTHER_LINE))
    await relist(desk.calls, tool("read", of="gone"), of=Upstream("gone", command="x"))
    assert await found(desk.calls) == before
    assert await seen(database) == [True] * 5


async def test_what_is_said_of_its_health_is_no_listing(desk: Desk, database: Database, bot: Agent) -> None:
    text = text_of(ALL).replace("rules:", "  more: {command: more}\nrules:")
    await in_force(desk, text=text)
    more = upstream("more", text)
    await desk.calls.health("more", more.launch_sha256, "up", "it runs")
    await desk.calls.ask_restart("more", reviewer=None, session_id=None)
    first = tool("first", of="more")
    await relist(desk.calls, of=more)
    await relist(desk.calls, first, of=more)
    assert (await found(desk.calls, "more"))["first"].accepted is None


@pytest.mark.parametrize("sha256", [READ.sha256, "0" * 64])
async def test_what_moved_since_it_was_looked_at_is_not_accepted(desk: Desk, database: Database, sha256: str) -> None:
    await relist(desk.calls, CHANGED, *FILES[1:])
    with pytest.raises(DefinitionMoved, match="otherwise by now"):
        await desk.calls.accept("files", READ.method, "read_text", sha256, reviewer=None, session_id=None)
    with pytest.raises(DefinitionMoved, match="does not list"):
        await desk.calls.accept("files", READ.method, "other", sha256, reviewer=None, session_id=None)
    assert await log(database, "definition_accepted") == []


async def test_only_an_admin_whose_session_lasts_accepts(
    desk: Desk, database: Database, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    await relist(desk.calls, CHANGED, *FILES[1:])

    async def accept(who: Reviewer, session: str | None = None) -> None:
        await desk.calls.accept("files", READ.method, "read_text", CHANGED.sha256, reviewer=who, session_id=session)

    with pytest.raises(NotAdmin, match="ben is no admin"):
        await accept(ben)
    with pytest.raises(NotAdmin, match="session has ended"):
        await accept(ana, "ses_gone")
    assert await log(database, "definition_accepted") == []
    await accept(ana)
    await accept(ana)
    assert len(await log(database, "definition_accepted")) == 1


async def test_what_has_no_canonical_form_is_left_out(desk: Desk, bot: Agent) -> None:
    odd: Sequence[Definition] = (
        tool("read_big", maximum=2**60),
        tool("read_long", description="x" * CONTENT_LIMIT),
        tool("read_half", description="\ud800"),
    )
    await relist(desk.calls, *FILES, *odd)
    assert sorted(await found(desk.calls)) == sorted(one.name for one in FILES)


async def test_an_upstream_that_lists_ever_more_fills_nothing(
    desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DEFINITIONS_LIMIT == 2_000
    monkeypatch.setattr(listings, "DEFINITIONS_LIMIT", 10)
    for start in range(0, 60, 20):
        await relist(desk.calls, *FILES, *(tool(f"t{start + at}") for at in range(20)))
    count = select(func.count()).select_from(tables.definitions).where(tables.definitions.c.upstream == "files")
    assert await database.read(lambda c: c.execute(count).scalar_one()) == 10


async def test_one_definition_is_found_by_the_upstreams_own_name(desk: Desk) -> None:
    pinned = await desk.calls.definition("files", READ.method, "read_text")
    assert pinned is not None
    assert pinned.definition == READ
    assert await desk.calls.definition("files", GREETING.method, "read_text") is None


async def test_definitions_of_upstreams_that_the_rules_name_no_more_are_not_listed(desk: Desk) -> None:
    await relist(desk.calls, CHANGED, *FILES[1:])
    await in_force(desk, text="version: 1\nrules:\n  - {name: a, tool: 'ask_*', action: hold}\n")
    assert await desk.calls.definitions() == ()
    assert await desk.calls.unaccepted() == 0
