"""Durable changes a second through the one writer, beside bare sqlite3 that inserts the same row."""

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import insert

from store import tables
from store.audit.checkpoint import LogKey
from store.audit.events import AgentAdded, Concealed
from store.database import Change, Database, Transaction
from store.moments import to_text, utc_now
from tests.stage import signed_by

KEY = LogKey.generate("assent.bench/log")


def floor(changes: int) -> float:
    """One row a transaction, full synchronisation, nothing else."""
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        path = Path(folder) / "floor.db"
        Database.open(f"sqlite:///{path}", signed_by(KEY)).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            started = time.perf_counter()
            for number in range(changes):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "INSERT INTO agents (id, name, created_at) VALUES (?, ?, ?)",
                    (f"agt_{number}", f"bot-{number}", to_text(utc_now())),
                )
                connection.execute("COMMIT")
            return changes / (time.perf_counter() - started)


async def assent(changes: int, writers: int) -> float:
    """The same row by `Database.write`, from so many tasks at once."""
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        database = Database.open(f"sqlite:///{Path(folder) / 'assent.db'}", signed_by(KEY))

        async def write(writer: int) -> None:
            for number in range(changes // writers):
                await database.write(_add(f"{writer}-{number}"))

        started = time.perf_counter()
        await asyncio.gather(*(write(writer) for writer in range(writers)))
        elapsed = time.perf_counter() - started
        database.close()
        return changes / elapsed


def _add(name: str) -> Change[None]:
    def change(transaction: Transaction) -> None:
        transaction.connection.execute(
            insert(tables.agents).values(id=f"agt_{name}", name=name, created_at=transaction.now)
        )
        transaction.record(AgentAdded(f"agt_{name}", Concealed(name), None, None))

    return change
