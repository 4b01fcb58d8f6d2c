from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from store import tables
from store.audit.checkpoint import LogKey
from store.database import Change, Database, Transaction
from store.memory import forget, remembered
from tests.stage import signed_by

pytestmark = pytest.mark.anyio


def count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(tables.agents)).scalar_one())


def counted(transaction: Transaction) -> int:
    return remembered(transaction.connection, "agents", count)


def add(name: str, *, forgetting: bool = False) -> Change[int]:
    def change(transaction: Transaction) -> int:
        transaction.connection.execute(insert(tables.agents).values(id=name, name=name, created_at=transaction.now))
        if forgetting:
            forget(transaction.connection)
        return counted(transaction)

    return change


async def test_the_writer_reads_once_what_nobody_changes(database: Database) -> None:
    assert await database.write(counted) == 0
    # Nothing says so, and nobody else wrote: the old number shows that it was not read again.
    assert await database.write(add("a")) == 0


async def test_a_change_that_forgets_is_seen_at_once_and_from_then_on(database: Database) -> None:
    assert await database.write(counted) == 0
    assert await database.write(add("a", forgetting=True)) == 1
    assert await database.write(counted) == 1


async def test_what_another_process_wrote_is_read_before_the_next_change(
    database: Database, signer: LogKey, home: Path
) -> None:
    assert await database.write(counted) == 0
    other = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer))
    try:
        await other.write(add("elsewhere"))
        assert await database.write(counted) == 1
    finally:
        other.close()


async def test_what_a_change_saw_of_itself_is_forgotten_when_it_is_taken_back(database: Database) -> None:
    def half(transaction: Transaction) -> None:
        assert add("half", forgetting=True)(transaction) == 1
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await database.write(half)
    assert await database.write(counted) == 0


async def test_readers_remember_nothing(database: Database) -> None:
    def looked(connection: Connection) -> int:
        return remembered(connection, "agents", count)

    assert await database.read(looked) == 0
    await database.write(add("a"))
    assert await database.read(looked) == 1
