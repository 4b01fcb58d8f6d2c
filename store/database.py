"""The database: one writer, many readers, and wake-ups after each commit.

Invariants:

- Every change goes through `write`: a synchronous function of a `Transaction`, run by one writer thread, which commits
  what is queued together, a savepoint each. No task that a client can cancel ever writes, so a caller that goes away
  leaves either the whole change or nothing of it.
- A caller of `write` gets its answer after the commit, never before.
- What a change records is in the signed log with the same commit, or the change did not happen.
- Readers see committed state only, and never wait for the writer (SQLite's write-ahead log).
"""

import asyncio
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, create_engine, delete, event, insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from store import tables
from store.audit.events import Assurance, Event
from store.audit.log import Appended, Appender, Signer, check_head
from store.audit.merkle import Frontier
from store.audit.reading import head
from store.memory import forget, remember
from store.moments import Clock, utc_now
from store.problems import DatabaseProblem, WriteRefused
from store.schema import prepare
from store.signals import Signals

T = TypeVar("T")

BATCH = 256
POLL_SECONDS = 0.05
OLDEST_SQLITE = (3, 35)
"""The first with RETURNING, by which an answer is claimed in one statement."""
READERS = 8
BUSY_MILLISECONDS = 5_000
PROBE_BYTES = 128 * 1024


@dataclass
class Transaction:
    """What a change works with: the connection, the time of the commit's batch, the log, and the topics to wake."""

    connection: Connection
    now: datetime
    log: Appender
    topics: set[str] = field(default_factory=set)

    def record(self, event: Event, assurance: Assurance = Assurance.SHARED_USER) -> Appended:
        """Put an entry into the log, which stands if this change does. The weakest claim is made unless told otherwise.

        Raises:
            EntryProblem: it does not fit an entry; let it through, and the change does not happen.
        """
        return self.log.append(event, self.now, assurance)

    def touch(self, *topics: str) -> None:
        """Wake the listeners of these topics once this change is committed."""
        self.topics.update(topics)


Change = Callable[[Transaction], T]
Query = Callable[[Connection], T]
OpenSigner = Callable[[bool], Signer]
"""Gives the log's signer. The argument says whether the log has begun: then only its own key will do."""


@dataclass(frozen=True, eq=False)
class _Job(Generic[T]):
    """A queued change and whoever waits for it: a future of any thread, or one of an event loop."""

    change: Change[T]
    future: "Future[T] | asyncio.Future[T]"


class _Answers:
    """What the callers of one batch are told once it is over: an event loop is woken once, and not for each of them."""

    def __init__(self) -> None:
        self._by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, BaseException | None]]] = {}

    def give(self, job: _Job[Any], result: Any = None, problem: BaseException | None = None) -> None:
        if isinstance(job.future, asyncio.Future):
            self._by_loop.setdefault(job.future.get_loop(), []).append((job.future, result, problem))
        elif problem is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(problem)

    def send(self) -> None:
        for loop, answers in self._by_loop.items():
            # A loop that closed has nobody left to tell.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, answers)


def _tell(answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, problem in answers:
        # A caller that was cancelled has gone; its change stands all the same.
        if future.done():
            continue
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)


class Database:
    """A home's durable state. Open it with `Database.open`; close it once."""

    def __init__(self, engine: Engine, signer: Signer, clock: Clock) -> None:
        self._engine = engine
        self._signer = signer
        self._tree = Frontier()
        self._seen: int | None = None
        self._undisturbed = False
        """Whether `_tree` is what the log's head says, because nobody else can have written since."""
        self.clock = clock
        self.failing: str | None = None
        """Why the newest write failed; None while writing works."""
        self.write_failures = 0
        """Commits that the database refused since it was opened."""
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self.signals = Signals(on_listen=self._nudge)
        self._readers: anyio.CapacityLimiter | None = None
        self._glancing = threading.Lock()
        self._kept: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="assent-writer", daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self._signer.name

    @property
    def verifier(self) -> str:
        """The key that checks the log's checkpoints: public, to be kept elsewhere."""
        return self._signer.verifier

    @classmethod
    def open(cls, url: str, open_signer: OpenSigner, *, clock: Clock = utc_now) -> Self:
        """The database at `url` (`sqlite:////absolute/path`), brought to this version's schema.

        Raises:
            DatabaseProblem: it cannot be opened, belongs to a newer version, is of a kind not supported, or its log is
                not the one that the signer signs.
            KeyProblem: the log's key is missing or malformed.
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
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise DatabaseProblem(
                f"this Python comes with SQLite {sqlite3.sqlite_version}, and 3.35 is the oldest that will do",
                "Use another Python: PYTHON=/path/to/python3 make serve",
            )
        engine = sqlite_engine(parsed.render_as_string(hide_password=False))
        try:
            prepare(engine, Path(parsed.database))
            signer = _signer_of(engine, open_signer)
        except DBAPIError as problem:
            engine.dispose()
            raise DatabaseProblem(
                f"the database {parsed.database} cannot be opened: {problem.orig}",
                "Check that the folder exists, belongs to this user and has free space.",
            ) from problem
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, signer, clock)

    def close(self) -> None:
        """Finish what is queued, then let go of the file. A second call does nothing."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        with self._glancing:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
        self._engine.dispose()

    def submit(self, change: Change[T]) -> "Future[T]":
        """Queue a change; the future is done once it is committed or has failed."""
        future: Future[T] = Future()
        self._queue(_Job(change, future))
        return future

    async def write(self, change: Change[T]) -> T:
        """Commit a change and return its result. Cancelling the caller does not cancel the change."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue(_Job(change, future))
        return await future

    def _queue(self, job: _Job[Any]) -> None:
        if not self._thread.is_alive():
            raise DatabaseProblem("the database is closed", "Start the server again.")
        self._jobs.put(job)

    async def probe(self) -> str | None:
        """Try to write, and say why that fails; None when it works. For who must know before the next change does."""
        try:
            await self.write(_write_filler)
        except WriteRefused:
            return self.failing
        return None

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

    def glance(self, query: Query[T]) -> T:
        """`read_now` for a query of one statement, on a connection that is kept for it: for what each call begins with.

        It sees what is committed at that moment.
        """
        with self._glancing:
            if self._kept is None:
                self._kept = self._engine.connect().execution_options(assent_glance=True)
            try:
                return query(self._kept)
            except BaseException:
                kept, self._kept = self._kept, None
                kept.invalidate()
                kept.close()
                raise

    def _nudge(self) -> None:
        # The writer sleeps without a time limit while nobody listens; a new listener makes it poll.
        self._jobs.put(_Job(_nothing, Future()))

    def _run(self) -> None:
        with self._engine.connect().execution_options(assent_writer=True) as connection:
            remember(connection)
            self._seen = _data_version(connection)
            while True:
                jobs, last = self._take()
                if jobs:
                    self._commit(connection, jobs)
                elif self._disturbed(connection):
                    self.signals.publish_all()
                if last:
                    return

    def _disturbed(self, connection: Connection) -> bool:
        """Whether another process committed since this was asked last. Then nothing remembered may be used."""
        # On the writer's own connection this number moves only when another one committed.
        now = _data_version(connection)
        if now == self._seen:
            return False
        self._seen, self._undisturbed = now, False
        forget(connection)
        return True

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
        failed: dict[_Job[Any], Exception] = {}
        topics: set[str] = set()
        disturbed = False
        try:
            with connection.begin():
                # Asked while the database is locked for us: from here on nobody else commits.
                disturbed = self._disturbed(connection)
                log = Appender(connection, self._signer, self._tree, is_newest=self._undisturbed)
                now = self.clock()
                for job in jobs:
                    transaction = Transaction(connection, now, log)
                    try:
                        done.append((job, _attempt(job.change, transaction)))
                    except _Undone as undone:
                        failed[job] = undone.reason
                        forget(connection)
                    else:
                        topics |= transaction.topics
                tree = log.flush()
        except Exception as problem:  # noqa: BLE001 - nothing was committed: every caller learns that, none proceeds
            self._undisturbed = False
            forget(connection)
            self._fail(jobs, failed, problem)
            return
        self._tree, self._undisturbed, self.failing = tree, True, None
        answers = _Answers()
        for job, reason in failed.items():
            answers.give(job, problem=reason)
        for job, result in done:
            answers.give(job, result)
        # In this order: once somebody is told that an agent is stopped, whoever sends for it has learned that, too.
        self.signals.publish(topics)
        answers.send()
        if disturbed:
            self.signals.publish_all()

    def _fail(self, jobs: list[_Job[Any]], failed: dict[_Job[Any], Exception], problem: Exception) -> None:
        self.failing = f"the database refused to write ({_reason(problem)})"
        self.write_failures += 1
        answers = _Answers()
        for job in jobs:
            failure = failed.get(job)
            if failure is None:
                failure = WriteRefused(
                    f"nothing was changed: {self.failing}",
                    "Check free space and permissions of the database file; then try again.",
                )
                failure.__cause__ = problem
            answers.give(job, problem=failure)
        answers.send()


class _Undone(Exception):
    """A change was rolled back, alone, for this reason."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        # The one exception that a future does not take, so that it would never be done.
        self.reason = RuntimeError("a change ran out of values") if isinstance(reason, StopIteration) else reason


def _attempt(change: Change[T], transaction: Transaction) -> T:
    """Run one change in its savepoint. A database that fails takes the whole batch along.

    Raises:
        _Undone: the change raised, and nothing of it is left.
    """
    mark = transaction.log.mark()
    # By the driver: the toolkit compiles each savepoint anew, under a new name, which costs more than a change does.
    raw = transaction.connection.connection.cursor()
    raw.execute("SAVEPOINT change")
    try:
        result = change(transaction)
    except DBAPIError as problem:
        if not isinstance(problem, IntegrityError):
            raise
        _take_back(raw, transaction, mark)
        raise _Undone(problem) from problem
    except Exception as problem:
        _take_back(raw, transaction, mark)
        raise _Undone(problem) from problem
    raw.execute("RELEASE change")
    return result


def _take_back(raw: Any, transaction: Transaction, mark: int) -> None:
    raw.execute("ROLLBACK TO change")
    raw.execute("RELEASE change")
    transaction.log.take_back(mark)


def _write_filler(transaction: Transaction) -> None:
    """As much as a change that matters: on a disk that is almost full a smaller try would succeed, and mean nothing."""
    execute = transaction.connection.execute
    execute(delete(tables.probes))
    execute(insert(tables.probes).values(id=1, filler=secrets.token_bytes(PROBE_BYTES)))


def _signer_of(engine: Engine, open_signer: OpenSigner) -> Signer:
    with engine.connect() as connection, connection.begin():
        signer = open_signer(head(connection) is not None)
        check_head(connection, signer)
    return signer


def _reason(problem: BaseException) -> object:
    """What began it. A full disk makes SQLite drop the whole transaction, and ending the savepoint then fails too."""
    reason: object = problem
    step: BaseException | None = problem
    while step is not None:
        if isinstance(step, DBAPIError):
            reason = step.orig
        step = step.__context__
    return reason


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
    engine = create_engine(
        url,
        pool_size=READERS + 2,
        max_overflow=READERS,
        connect_args={"check_same_thread": False},
        # Errors would carry the values of their statement, answers among them, into tracebacks and logs.
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: Any) -> None:
        # The driver's own transaction handling starts transactions late; we state BEGIN ourselves below.
        raw.isolation_level = None
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        # KiB for each connection: the operating system keeps the file in memory anyway.
        cursor.execute("PRAGMA cache_size = -256")
        # What is taken away, a revoked credential's key or an erased text, is overwritten where it stood.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        # A glance is one statement, and so a transaction already; begun, it would see the past from then on.
        if not options.get("assent_glance", False):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("assent_writer", False) else "BEGIN")

    return engine
