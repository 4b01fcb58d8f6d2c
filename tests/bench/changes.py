"""Durable changes a second through the one writer, beside bare sqlite3 that inserts the same rows.

A change here is an agent made known: its own row, its entry, two nodes of the tree (what an append completes on
average) and a text; and once a commit the head. The floor writes rows of the same sizes into the same tables, with the
same synchronisation, for as many tasks, which hand their changes to one thread that commits what is queued together. It
has no savepoints, and hashes, encodes and signs nothing.
"""

import asyncio
import queue
import sqlite3
import tempfile
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

from sqlalchemy import insert

from store import tables
from store.audit.checkpoint import LogKey
from store.audit.events import AgentAdded, Concealed
from store.database import Change, Database, Transaction
from store.moments import to_text, utc_now
from tests.bench.table import Row
from tests.stage import signed_by

KEY = LogKey.generate("assent.bench/log")
CHANGES = {64: 3_200, 1: 640}
ROUNDS = 3
BUDGETS = {64: 0.7, 1: 0.3}
ENTRY = bytes(230)
NOTE = "n" * 200


async def rows() -> list[Row]:
    found = []
    for writers, budget in BUDGETS.items():
        # In turns, and the best of each: what else the machine does only ever takes away.
        pairs = [
            (await floor(CHANGES[writers], writers), await assent(CHANGES[writers], writers)) for _ in range(ROUNDS)
        ]
        bare, ours = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
        found.append(
            Row(
                f"signed durable changes, {writers} writer{'s' if writers > 1 else ''}",
                f"{bare:,.0f} /s",
                f"{ours:,.0f} /s",
                f"{ours / bare:.2f} x",
                f">= {budget} x floor",
                ours >= budget * bare,
            )
        )
    return found


async def floor(changes: int, writers: int) -> float:
    """Bare sqlite3 behind a queue."""
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        path = Path(folder) / "floor.db"
        Database.open(f"sqlite:///{path}", signed_by(KEY)).close()
        jobs: queue.SimpleQueue[tuple[int, Future[None]] | None] = queue.SimpleQueue()
        thread = threading.Thread(target=_commit_all, args=(path, jobs))
        thread.start()

        async def write(writer: int) -> None:
            for number in range(writer, changes, writers):
                done: Future[None] = Future()
                jobs.put((number, done))
                await asyncio.wrap_future(done)

        started = time.perf_counter()
        await asyncio.gather(*(write(writer) for writer in range(writers)))
        elapsed = time.perf_counter() - started
        jobs.put(None)
        thread.join()
        return changes / elapsed


def _commit_all(path: Path, jobs: "queue.SimpleQueue[tuple[int, Future[None]] | None]") -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        while first := jobs.get():
            together = [first]
            while not jobs.empty() and (further := jobs.get()):
                together.append(further)
            connection.execute("BEGIN IMMEDIATE")
            for number, _ in together:
                _insert(connection, number)
            connection.execute("DELETE FROM log_head")
            connection.execute("INSERT INTO log_head (size, note) VALUES (?, ?)", (together[-1][0] + 1, NOTE))
            connection.execute("COMMIT")
            for _, done in together:
                done.set_result(None)


def _insert(connection: sqlite3.Connection, number: int) -> None:
    execute = connection.execute
    execute(
        "INSERT INTO agents (id, name, created_at) VALUES (?, ?, ?)",
        (f"agt_{number}", f"bot-{number}", to_text(utc_now())),
    )
    execute("INSERT INTO log_entries (position, data) VALUES (?, ?)", (number, ENTRY))
    execute("INSERT INTO log_nodes (level, position, hash) VALUES (?, ?, ?)", (0, number, bytes(32)))
    execute("INSERT INTO log_nodes (level, position, hash) VALUES (?, ?, ?)", (1, number, bytes(32)))
    execute(
        'INSERT INTO disclosures (commitment, position, "key", salt, text) VALUES (?, ?, ?, ?, ?)',
        (f"{number * 0x9E3779B97F4A7C15 % 2**64:064x}", number, "name_ref", bytes(32), f"bot-{number}"),
    )


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


_AGENT = insert(tables.agents)


def _add(name: str) -> Change[None]:
    def change(transaction: Transaction) -> None:
        transaction.connection.execute(_AGENT, {"id": f"agt_{name}", "name": name, "created_at": transaction.now})
        transaction.record(AgentAdded(f"agt_{name}", Concealed(name), None, None))

    return change
