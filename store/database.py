"""The database: one writer, many readers, and wake-ups after each commit.

Invariants:

- Every change goes through `write`: a synchronous function of a `Transaction`, run by one writer thread, which commits
  what is queued together, a savepoint each. No task that a client can cancel ever writes, so a caller that goes away
  leaves either the whole change or nothing of it.
- A caller of `write` gets its answer after the commit, never before.
- Readers see committed state only, and never wait for the writer (SQLite's write-ahead log).
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from store.moments import Clock, utc_now
from store.problems import DatabaseProblem
from store.schema import prepare
from store.signals import Signals

T = TypeVar("T")

BATCH = 256
POLL_SECONDS = 0.05
READERS = 8
BUSY_MILLISECONDS = 5_000


@dataclass
class Transaction:
    """What a change works with: the connection, the time of the commit's batch, and the topics to wake."""

    connection: Connection
    now: datetime
    topics: set[str] = field(default_factory=set)

    def touch(self, *topics: str) -> None:
        """Wake the listeners of these topics once this change is committed."""
        self.topics.update(topics)


Change = Callable[[Transaction], T]
Query = Callable[[Connection], T]


@dataclass(frozen=True)
class _Job(Generic[T]):
    change: Change[T]
    future: "Future[T]"


class Database:
    """A home's durable state. Open it with `Database.open`; close it once."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self.clock = clock
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self.signals = Signals(on_listen=self._nudge)
        self._readers: anyio.CapacityLimiter | None = None
        self._thread = threading.Thread(target=self._run, name="assent-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, url: str, *, clock: Clock = utc_now) -> Self:
        """The database at `url` (`sqlite:////absolute/path`), brought to this version's schema.

        Raises:
            DatabaseProblem: it cannot be opened, belongs to a newer version, or is of a kind not supported.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise DatabaseProblem(
                f"{url!r} is not a database address", "Write sqlite:////absolute/path/to/assent.db"
            ) from None
        if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
            raise DatabaseProblem(
                f"databases of kind {parsed.get_backend_name()!r} are not supported",
                "Use a file: sqlite:////absolute/path/to/assent.db",
            )
        engine = sqlite_engine(parsed.render_as_string(hide_password=False))
        try:
            prepare(engine, Path(parsed.database))
        except DBAPIError as problem:
            engine.dispose()
            raise DatabaseProblem(
                f"the database {parsed.database} cannot be opened: {problem.orig}",
                "Check that the folder exists, belongs to this user and has free space.",
            ) from problem
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, clock)

    def close(self) -> None:
        """Finish what is queued, then let go of the file. A second call does nothing."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        self._engine.dispose()

    def submit(self, change: Change[T]) -> "Future[T]":
        """Queue a change; the future is done once it is committed or has failed."""
        future: Future[T] = Future()
        if not self._thread.is_alive():
            raise DatabaseProblem("the database is closed", "Start the server again.")
        self._jobs.put(_Job(change, future))
        return future

    async def write(self, change: Change[T]) -> T:
        """Commit a change and return its result. Cancelling the caller does not cancel the change."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(change)))

    def write_now(self, change: Change[T]) -> T:
        """`write` for callers without an event loop."""
        return self.submit(change).result()

    async def read(self, query: Query[T]) -> T:
        """Run a query on committed state, in a thread."""
        if self._readers is None:
            self._readers = anyio.CapacityLimiter(READERS)
        return await anyio.to_thread.run_sync(self.read_now, query, limiter=self._readers)

    def read_now(self, query: Query[T]) -> T:
        """Run a query on committed state, here."""
        with self._engine.connect() as connection, connection.begin():
            return query(connection)

    def _nudge(self) -> None:
        # The writer sleeps without a time limit while nobody listens; a new listener makes it poll.
        self._jobs.put(_Job(_nothing, Future()))

    def _run(self) -> None:
        with self._engine.connect().execution_options(assent_writer=True) as connection:
            seen = _data_version(connection)
            while True:
                jobs, last = self._take()
                if jobs:
                    self._commit(connection, jobs)
                if last:
                    return
                # On the writer's own connection this number moves only when another process committed.
                now = _data_version(connection)
                if now != seen:
                    seen = now
                    self.signals.publish_all()

    def _take(self) -> tuple[list[_Job[Any]], bool]:
        try:
            first = self._jobs.get(timeout=POLL_SECONDS if self.signals.anyone else None)
        except queue.Empty:
            return [], False
        jobs = []
        while first is not None:
            jobs.append(first)
            if len(jobs) == BATCH or self._jobs.empty():
                return jobs, False
            first = self._jobs.get()
        return jobs, True

    def _commit(self, connection: Connection, jobs: list[_Job[Any]]) -> None:
        jobs = [job for job in jobs if job.change is not _nothing]
        if not jobs:
            return
        done: list[tuple[_Job[Any], Any]] = []
        topics: set[str] = set()
        try:
            with connection.begin():
                now = self.clock()
                for job in jobs:
                    transaction = Transaction(connection, now)
                    try:
                        with connection.begin_nested():
                            done.append((job, job.change(transaction)))
                    except Exception as problem:  # noqa: BLE001 - rolled back: the change did not happen, and its caller learns why
                        job.future.set_exception(problem)
                    else:
                        topics |= transaction.topics
        except Exception as problem:  # noqa: BLE001 - nothing was committed: every caller learns that, none proceeds
            self._fail(jobs, problem)
            return
        for job, result in done:
            job.future.set_result(result)
        self.signals.publish(topics)

    @staticmethod
    def _fail(jobs: list[_Job[Any]], problem: Exception) -> None:
        reason = problem.orig if isinstance(problem, DBAPIError) else problem
        for job in jobs:
            if not job.future.done():
                failure = DatabaseProblem(
                    f"nothing was changed: the database refused to write ({reason})",
                    "Check free space and permissions of the database file; then try again.",
                )
                failure.__cause__ = problem
                job.future.set_exception(failure)


def _nothing(_: Transaction) -> None:
    return None


def _data_version(connection: Connection) -> int:
    raw = connection.connection.dbapi_connection
    assert raw is not None
    cursor = raw.cursor()
    try:
        cursor.execute("PRAGMA data_version")
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])
    finally:
        cursor.close()


def sqlite_engine(url: str) -> Engine:
    """An engine whose transactions, changes of tables included, start and end where we say, and survive a crash."""
    engine = create_engine(url, pool_size=READERS + 2, max_overflow=READERS, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: Any) -> None:
        # The driver's own transaction handling starts transactions late; we state BEGIN ourselves below.
        raw.isolation_level = None
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writer = connection.get_execution_options().get("assent_writer", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine
