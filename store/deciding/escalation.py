"""Escalation: when half of a request's time is gone, whom its rules name for that may answer as well.

It happens once, on time or at once after a downtime, and never moves the deadline.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from store import tables
from store.audit.events import Assurance, Reference, RequestEscalated
from store.database import Transaction
from store.lifecycle import OPEN_STATES
from store.requests import find, is_open
from store.signals import INBOX


def escalate(transaction: Transaction, row: Any) -> bool:
    """Ask further people, if it is time and nobody did so before; whether that was now."""
    if row.escalates_at is None or row.escalated_at is not None or transaction.now < row.escalates_at:
        return False
    requests = tables.requests
    escalated = transaction.connection.execute(
        update(requests)
        .where(
            requests.c.id == row.id,
            requests.c.state.in_([state.value for state in OPEN_STATES]),
            requests.c.escalated_at.is_(None),
            requests.c.escalates_at <= transaction.now,
            requests.c.expires_at > transaction.now,
        )
        .values(escalated_at=transaction.now)
    )
    if escalated.rowcount != 1:
        return False
    transaction.record(RequestEscalated(row.id, Reference(row.card_ref)), Assurance(row.assurance))
    transaction.touch(row.id, INBOX)
    return True


def escalate_due(transaction: Transaction) -> int:
    """Escalate everything whose half is over; how many there were."""
    requests = tables.requests
    due = select(requests).where(
        is_open(), requests.c.escalated_at.is_(None), requests.c.escalates_at <= transaction.now
    )
    return sum(escalate(transaction, row) for row in transaction.connection.execute(due).all())


def escalated_on_time(transaction: Transaction, row: Any) -> Any:
    """The row as the clock has it: the loop that escalates may be a moment late."""
    return find(transaction.connection, row.id) if escalate(transaction, row) else row


_REQUEST = tables.requests.c
_EXPIRING = select(func.min(_REQUEST.expires_at)).where(is_open())
_ESCALATING = select(func.min(_REQUEST.escalates_at)).where(is_open(), _REQUEST.escalated_at.is_(None))


def next_moment(connection: Connection) -> datetime | None:
    """When the next open request expires or escalates; None while nothing is open."""
    moments = [connection.execute(query).scalar() for query in (_EXPIRING, _ESCALATING)]
    return min((moment for moment in moments if moment is not None), default=None)
