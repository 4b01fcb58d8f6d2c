"""The outcome of a request, for the agent that asked: how it stands, and taking it. `store.desk` calls these.

Invariants:

- An answer is a ticket for one: `claim` is a compare-and-set, made before the answer is written to a caller; `settle`
  says how that went. A claim that was never settled counts as delivered: at most one call gets an answer.
- Reading it again by its id is no claim: what was told to one call can be read by others, who are told so.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, update

from store import tables
from store.audit.events import AnswerClaimed, AnswerDelivered, AnswerReleased, Assurance
from store.database import Transaction
from store.lifecycle import DECISIONS, Kind, Outcome, State
from store.opening import Ticket
from store.requests import find, running


@dataclass(frozen=True)
class Report:
    """What an agent is told of a request. `outcome` is None while it is open."""

    request_id: str
    kind: Kind
    outcome: Outcome | None
    may_proceed: bool
    answer: dict[str, Any] | None
    comment: str | None
    decided_by: str | None
    decided_at: datetime | None
    opened_at: datetime
    expires_at: datetime
    audit_index: int | None
    """Where the log says how it ended."""
    told_before: bool = False
    tool: str | None = None
    """Of a held call: the name by which rules match it."""


@dataclass(frozen=True)
class Superseded:
    """A newer call of the same agent carries the answer now."""

    report: Report


def standing(connection: Connection, ticket: Ticket) -> Report | Superseded:
    """How the ticket's request stands; looking claims nothing."""
    row = find(connection, ticket.request_id)
    report = report_of(row)
    return report if row.attachment == ticket.attachment else Superseded(report)


_REQUEST = tables.requests.c
_CLAIM = (
    update(tables.requests)
    .where(
        _REQUEST.id == bindparam("the_request"),
        _REQUEST.state == State.CLOSED.value,
        _REQUEST.attachment == bindparam("the_call"),
        _REQUEST.claimed_by.is_(None),
    )
    .values(claimed_by=bindparam("the_call"), claimed_run=running())
    .returning(tables.requests)
)


def claim(transaction: Transaction, ticket: Ticket) -> Report | Superseded:
    """Take the outcome for this call. Exactly one call of all gets it; readers get a copy that says so."""
    known = {"the_request": ticket.request_id, "the_call": ticket.attachment}
    taken = transaction.connection.execute(_CLAIM, known).one_or_none()
    if taken is not None:
        transaction.record(AnswerClaimed(ticket.request_id, ticket.attachment), Assurance(taken.assurance))
        return report_of(taken)
    row = find(transaction.connection, ticket.request_id)
    if row.attachment == ticket.attachment and (ticket.reads or row.state != State.CLOSED.value):
        return report_of(row, told_before=row.state == State.CLOSED.value)
    return Superseded(report_of(row))


_SETTLE = (
    update(tables.requests)
    .where(
        _REQUEST.id == bindparam("the_request"),
        _REQUEST.claimed_by == bindparam("the_call"),
        _REQUEST.delivered_at.is_(None),
    )
    .returning(_REQUEST.assurance)
)
_DELIVERED = _SETTLE.values(delivered_at=bindparam("the_time"))
_RELEASED = _SETTLE.values(claimed_by=None, claimed_run=None)


def settle(transaction: Transaction, ticket: Ticket, *, delivered: bool) -> None:
    """What became of a claim: handed to a caller who was still there, or free to be collected again."""
    known = {"the_request": ticket.request_id, "the_call": ticket.attachment}
    if delivered:
        assurance = transaction.connection.execute(_DELIVERED, known | {"the_time": transaction.now}).scalar()
    else:
        assurance = transaction.connection.execute(_RELEASED, known).scalar()
    if assurance is not None:
        told = AnswerDelivered if delivered else AnswerReleased
        transaction.record(told(ticket.request_id, ticket.attachment), Assurance(assurance))
        transaction.touch(ticket.request_id)


def report_of(row: Any, *, told_before: bool = False) -> Report:
    """What an agent is told of this row of a request."""
    decided = row.outcome in DECISIONS
    return Report(
        request_id=row.id,
        kind=Kind(row.kind),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        may_proceed=row.may_proceed,
        answer=row.answer,
        comment=row.comment,
        decided_by=row.decided_by,
        decided_at=row.closed_at if decided else None,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        audit_index=row.closed_index,
        told_before=told_before,
        tool=row.tool,
    )
