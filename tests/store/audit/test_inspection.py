"""The log of a real database: verified, proved and exported, and what was done to the file behind its back is seen."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update
from sqlalchemy import text as sql

from store import tables
from store.agents import Agent
from store.answers import Chosen, Declined
from store.audit import reading
from store.audit.canonical import decode
from store.audit.checkpoint import LogKey
from store.audit.events import SetupLinkMade
from store.audit.export import open_export, verify_export
from store.audit.inspection import Inspection
from store.audit.proof import open_proof
from store.audit.verify import LogFault
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from store.problems import Problem
from tests.stage import FakeClock, answered, approval, selection

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock) -> Inspection:
    """After a few questions, one of them answered and told, one declined, one expired, one open."""
    ticket = await desk.ask(bot, approval("One?"))
    await answered(desk, ana, ticket.request_id, Chosen("approve"))
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=True)
    await desk.report_consequence(bot, ticket.request_id, "done", None)
    await answered(desk, ana, (await desk.ask(bot, selection())).request_id, Declined())
    await desk.ask(bot, approval("Two?", timeout_seconds=60))
    clock.advance(seconds=60)
    await desk.expire_due()
    await desk.ask(bot, approval("Three?"))
    return desk.log


def tamper(database: Database, *statements: Any) -> None:
    """What somebody with the file does, without the writer."""

    def change(connection: Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    database.read_now(change)


def size(database: Database) -> int:
    head = database.read_now(reading.head)
    assert head is not None
    return head.size


async def test_what_the_desk_writes_verifies_and_the_check_is_in_the_log(log: Inspection, database: Database) -> None:
    before = size(database)
    verified = log.verify()
    assert (verified.checkpoint.size, verified.open_requests, verified.erased) == (before, 1, 0)
    assert size(database) == before + 1
    [(_, last)] = database.read_now(lambda connection: reading.entries(connection, before))
    assert (decode(last)["type"], decode(last)["size"]) == ("log_verified", before)


async def test_a_log_longer_than_a_page_verifies(log: Inspection, database: Database) -> None:
    for _ in range(4):
        database.write_now(lambda transaction: [transaction.record(SetupLinkMade()) for _ in range(reading.PAGE // 2)])
    assert log.verify().checkpoint.size > 2 * reading.PAGE


async def test_a_kept_checkpoint_is_one_that_the_log_continues(log: Inspection, database: Database) -> None:
    kept = await log.checkpoint()
    assert kept is not None
    database.write_now(lambda transaction: transaction.record(SetupLinkMade()))
    assert log.verify(against=[kept]).kept == (size(database) - 2,)


async def test_a_key_that_is_not_this_logs_is_refused_and_nothing_recorded(log: Inspection, database: Database) -> None:
    before = size(database)
    with pytest.raises(LogFault, match="not to be trusted"):
        log.verify([LogKey.generate(database.origin).verifier])
    assert size(database) == before


def entry(index: int, data: bytes) -> Any:
    return update(tables.log_entries).where(tables.log_entries.c.position == index).values(data=data)


TAMPERING: list[tuple[str, Callable[[int], list[Any]], Callable[[int], int | None], str]] = [
    ("a changed entry", lambda n: [entry(3, b'{"a":1}')], lambda n: 3, "entry 3 was changed"),
    (
        "a removed entry",
        lambda n: [delete(tables.log_entries).where(tables.log_entries.c.position == 4)],
        lambda n: 4,
        "entry 4 is missing",
    ),
    (
        "a removed last entry",
        lambda n: [delete(tables.log_entries).where(tables.log_entries.c.position == n - 1)],
        lambda n: n - 1,
        "is missing",
    ),
    (
        "an added entry",
        lambda n: [insert(tables.log_entries).values(position=n, data=b"{}")],
        lambda n: n,
        "stands beyond the checkpoint",
    ),
    (
        "a changed leaf",
        lambda n: [update(tables.log_nodes).where(tables.log_nodes.c.position == 2).values(hash=bytes(32))],
        lambda n: 2,
        "proofs made of it are wrong",
    ),
    (
        "a removed inner node",
        lambda n: [delete(tables.log_nodes).where(tables.log_nodes.c.level == 1, tables.log_nodes.c.position == 1)],
        lambda n: 2,
        "the hash stored for entry 2 .level 1. is missing",
    ),
    (
        "an added node",
        lambda n: [insert(tables.log_nodes).values(level=0, position=n + 7, hash=bytes(32))],
        lambda n: n + 7,
        "which is not there",
    ),
    (
        "an erased text",
        lambda n: [delete(tables.disclosures).where(tables.disclosures.c.position == 0)],
        lambda n: 0,
        "is missing, and no entry says that it was erased",
    ),
    (
        "a changed text",
        lambda n: [update(tables.disclosures).where(tables.disclosures.c.position == 0).values(text="other")],
        lambda n: 0,
        "is not the one it conceals",
    ),
    (
        "a changed head",
        lambda n: [update(tables.log_head).values(size=n - 1)],
        lambda n: None,
        "its checkpoint covers",
    ),
    (
        "an entry of another type",
        lambda n: [sql("UPDATE log_entries SET data = 'x' WHERE position = 3")],
        lambda n: 3,
        "is not stored as bytes",
    ),
    (
        "a hash of another type",
        lambda n: [sql("UPDATE log_nodes SET hash = 7 WHERE position = 3")],
        lambda n: 3,
        "is not stored as bytes",
    ),
    (
        "a salt of another type",
        lambda n: [sql("UPDATE disclosures SET salt = 'x' WHERE position = 0")],
        lambda n: 0,
        "is not stored as text",
    ),
    (
        "an index that is none",
        lambda n: [sql("INSERT INTO log_entries (position, data) VALUES ('x', x'00')")],
        lambda n: None,
        "is not stored as bytes",
    ),
    ("a removed head", lambda n: [delete(tables.log_head)], lambda n: 0, "entries and no checkpoint"),
    (
        "a forged head",
        lambda n: [update(tables.log_head).values(note="log\n1\nAAAA\n\n— log AAAA\n")],
        lambda n: None,
        "not to be trusted",
    ),
]


@pytest.mark.parametrize(
    ("statements", "index", "what"), [row[1:] for row in TAMPERING], ids=[row[0] for row in TAMPERING]
)
async def test_what_was_done_to_the_file_is_seen_and_named(
    log: Inspection,
    database: Database,
    statements: Callable[[int], list[Any]],
    index: Callable[[int], int | None],
    what: str,
) -> None:
    entries = size(database)
    tamper(database, *statements(entries))
    with pytest.raises(LogFault, match=what) as fault:
        log.verify()
    assert fault.value.index == index(entries)


async def test_every_entry_can_be_proved(log: Inspection, database: Database) -> None:
    entries = dict(await log.entries(0, 1000))
    assert sorted(entries) == list(range(size(database)))
    for index, data in entries.items():
        proved, proof = log.prove(index)
        assert proved == data
        assert open_proof(proof, data, [log.verifier])[0] == index
        assert await log.proof(index) == proof


async def test_there_is_no_proof_of_what_is_not_there(log: Inspection, database: Database) -> None:
    for index in (-1, size(database)):
        assert await log.proof(index) is None
        with pytest.raises(Problem, match="the log has no entry"):
            log.prove(index)


async def test_no_proof_is_given_that_would_not_hold(log: Inspection, database: Database) -> None:
    tamper(database, entry(3, b"{}"))
    with pytest.raises(LogFault, match="no proof of entry 3 can be made"):
        log.prove(3)
    tamper(database, delete(tables.log_nodes).where(tables.log_nodes.c.level == 0))
    with pytest.raises(LogFault, match="no proof of entry 2 can be made"):
        log.prove(2)
    tamper(database, delete(tables.log_entries).where(tables.log_entries.c.position == 4))
    with pytest.raises(LogFault, match="entry 4 is missing"):
        log.prove(4)


async def test_an_export_verifies_and_holds_the_entry_that_says_it_was_made(
    log: Inspection, database: Database
) -> None:
    before, file = size(database), io.BytesIO()
    checkpoint = log.export(file)
    with open_export(file) as export:
        assert verify_export(export, [log.verifier]).checkpoint == checkpoint
        last = decode(list(export.entries())[-1][1])
    assert (last["type"], last["size"], checkpoint.size) == ("log_exported", before, before + 1)


async def test_an_export_of_a_changed_log_shows_what_was_changed(log: Inspection, database: Database) -> None:
    tamper(database, entry(3, b'{"a":1}'))
    file = io.BytesIO()
    log.export(file)
    with open_export(file) as export, pytest.raises(LogFault, match="entry 3 was changed"):
        verify_export(export, [log.verifier])


async def test_a_log_without_entries_has_nothing_to_check(database: Database) -> None:
    log = Inspection(database)
    assert await log.checkpoint() is None
    assert await log.entries(0, 10) == []
    assert await log.proof(0) is None
    with pytest.raises(Problem, match="no entries yet"):
        log.verify()
