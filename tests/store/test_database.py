import asyncio
import threading
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from store import tables
from store.audit.checkpoint import LogKey
from store.database import Change, Database, Transaction
from store.problems import DatabaseProblem
from tests.stage import signed_by

pytestmark = pytest.mark.anyio


def add(name: str) -> Change[str]:
    def change(transaction: Transaction) -> str:
        transaction.connection.execute(insert(tables.agents).values(id=name, name=name, created_at=transaction.now))
        transaction.touch(name)
        return name

    return change


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(tables.agents.c.name).order_by(tables.agents.c.name)).scalars())


async def test_a_change_is_readable_once_write_returns(database: Database) -> None:
    assert await database.write(add("a")) == "a"
    assert await database.read(names) == ["a"]


async def test_a_change_that_raises_leaves_nothing_and_tells_its_caller_why(database: Database) -> None:
    def half(transaction: Transaction) -> None:
        add("half")(transaction)
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await database.write(half)
    assert await database.read(names) == []


async def test_a_failing_change_does_not_take_its_neighbours_along(database: Database) -> None:
    gate = threading.Event()
    blocker = database.submit(lambda _: gate.wait(10))
    together = [database.submit(add(name)) for name in ("a", "a", "b")]
    gate.set()
    await asyncio.wrap_future(blocker)
    assert together[0].result(10) == "a"
    assert isinstance(together[1].exception(10), IntegrityError)
    assert together[2].result(10) == "b"
    assert await database.read(names) == ["a", "b"]


async def test_a_change_that_runs_out_of_values_tells_its_caller_and_strands_nobody(database: Database) -> None:
    gate = threading.Event()
    blocker = database.submit(lambda _: gate.wait(10))
    bad = asyncio.ensure_future(database.write(lambda _: next(iter(()))))
    good = asyncio.ensure_future(database.write(add("kept")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.wrap_future(blocker)
    with anyio.fail_after(10):
        assert await good == "kept"
        with pytest.raises(RuntimeError, match="ran out of values"):
            await bad


def test_a_loop_that_closed_before_its_answer_leaves_the_writer_at_work(database: Database) -> None:
    gate = threading.Event()
    blocker = database.submit(lambda _: gate.wait(10))

    async def ask_and_leave() -> None:
        asked = asyncio.ensure_future(database.write(add("kept")))
        await asyncio.sleep(0)
        assert not asked.done()

    asyncio.run(ask_and_leave())
    gate.set()
    blocker.result(10)
    assert database.write_now(add("after")) == "after"
    assert database.read_now(names) == ["after", "kept"]


async def test_cancelling_the_caller_does_not_cancel_the_change(database: Database) -> None:
    gate = threading.Event()
    blocker = database.submit(lambda _: gate.wait(10))
    caller = asyncio.ensure_future(database.write(add("kept")))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    await asyncio.wrap_future(blocker)
    await database.write(lambda _: None)
    assert await database.read(names) == ["kept"]


async def test_a_listener_is_woken_by_its_topic(database: Database) -> None:
    with database.signals.listen("a") as listener, anyio.fail_after(10):
        await database.write(add("a"))
        await listener.changed()


async def test_a_listener_is_not_woken_by_other_topics_nor_by_changes_that_failed(database: Database) -> None:
    def touch_a_then_fail(transaction: Transaction) -> None:
        transaction.touch("a")
        add("b")(transaction)

    with database.signals.listen("a") as deaf, database.signals.listen("c") as last:
        await database.write(add("b"))
        with pytest.raises(IntegrityError):
            await database.write(touch_a_then_fail)
        await database.write(add("c"))
        await last.changed()
        assert not deaf._event.is_set()


async def test_what_another_process_writes_wakes_every_listener(database: Database, signer: LogKey, home: Path) -> None:
    other = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer))
    try:
        with database.signals.listen("anything") as listener, anyio.fail_after(10):
            await other.write(add("from-elsewhere"))
            await listener.changed()
        assert await database.read(names) == ["from-elsewhere"]
    finally:
        other.close()


async def test_a_glance_sees_what_was_committed_just_now_here_and_elsewhere(
    database: Database, signer: LogKey, home: Path
) -> None:
    assert database.glance(names) == []
    await database.write(add("here"))
    assert database.glance(names) == ["here"]
    other = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer))
    await other.write(add("there"))
    assert database.glance(names) == ["here", "there"]
    other.close()


async def test_a_glance_that_failed_spoils_none_after_it(database: Database) -> None:
    def wrong(connection: Connection) -> None:
        connection.execute(text("SELECT name FROM nowhere"))

    with pytest.raises(DBAPIError, match="no such table"):
        database.glance(wrong)
    assert database.glance(names) == []


async def test_closing_finishes_what_is_queued_and_refuses_what_comes_after(home: Path, signer: LogKey) -> None:
    home.mkdir()
    url = f"sqlite:///{home / 'assent.db'}"
    database = Database.open(url, signed_by(signer))
    queued = [database.submit(add(f"n{i}")) for i in range(50)]
    database.close()
    database.close()
    assert [future.result(0) for future in queued] == [f"n{i}" for i in range(50)]
    with pytest.raises(DatabaseProblem, match="closed"):
        database.submit(add("late"))
    again = Database.open(url, signed_by(signer))
    assert len(again.read_now(names)) == 50
    again.close()


async def test_a_write_that_the_database_refuses_changes_nothing_and_says_so(database: Database) -> None:
    def read_only(transaction: Transaction) -> None:
        transaction.connection.execute(text("PRAGMA query_only = ON"))

    await database.write(read_only)
    with pytest.raises(DatabaseProblem, match="nothing was changed") as refusal:
        await database.write(add("a"))
    assert "free space" in refusal.value.hint
    assert await database.read(names) == []


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("nonsense", "not a database address"),
        ("postgresql://localhost/assent", "not supported"),
        ("sqlite://", "not supported"),
        ("sqlite:////nowhere/at/all/assent.db", "cannot be opened"),
    ],
)
def test_an_address_that_cannot_serve_is_refused_with_what_to_do(signer: LogKey, url: str, complaint: str) -> None:
    with pytest.raises(DatabaseProblem, match=complaint) as refusal:
        Database.open(url, signed_by(signer))
    assert refusal.value.hint


def test_a_file_that_is_no_database_is_refused_and_left_alone(signer: LogKey, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are my notes, and they are rather long ones" * 10)
    with pytest.raises(DatabaseProblem, match="cannot be opened"):
        Database.open(f"sqlite:///{file}", signed_by(signer))
    assert file.read_text().startswith("these are my notes")
