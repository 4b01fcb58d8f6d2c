"""Server processes as the log sees them: when one began, whether the one before it ended well, and how it ended."""

from sqlalchemy import func, insert, select, update

from store import tables
from store.audit.events import ClockJumped, ServerStarted, ServerStopped
from store.calls.running import lose
from store.database import Database, Transaction


class Runs:
    """The beginnings and ends of servers on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def started(self, *, version: str, instance: str) -> None:
        """Record a start. A run before this one that never said it stopped makes it an unclean one."""
        runs = tables.runs

        def change(transaction: Transaction) -> None:
            unended = select(func.count()).select_from(runs).where(runs.c.stopped_at.is_(None))
            clean = transaction.connection.execute(unended).scalar_one() == 0
            transaction.connection.execute(
                update(runs).where(runs.c.stopped_at.is_(None)).values(stopped_at=transaction.now)
            )
            transaction.connection.execute(
                insert(runs).values(instance=instance, version=version, started_at=transaction.now)
            )
            transaction.record(ServerStarted(version, instance, clean))
            # Whatever an earlier run sent and saw no end of: it will never be known, and is never sent again.
            lose(transaction)

        await self._database.write(change)

    async def stopped(self, instance: str) -> None:
        """Record an end that was meant."""
        runs = tables.runs

        def change(transaction: Transaction) -> None:
            lose(transaction, instance)
            transaction.connection.execute(
                update(runs).where(runs.c.instance == instance).values(stopped_at=transaction.now)
            )
            transaction.record(ServerStopped(instance))

        await self._database.write(change)


def clock_jumped(transaction: Transaction, by_seconds: float) -> None:
    """Record that the wall clock was set: from here on it is so much ahead of what it would have shown."""
    transaction.record(ClockJumped(round(by_seconds * 1000)))
