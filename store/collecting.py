"""The outcome of a request, for the agent that asked: how it stands, and taking it. `store.desk` calls these.

Invariants:

- An answer is a ticket for one: `claim` is a compare-and-set, made before the answer is written to a caller; `settle`
  says how that went. A claim that was never settled counts as delivered: at most one call gets an answer.
- Reading it again by its id is no claim: what was told to one call can be read by others, who are told so.
- The approval of a tool of a client's own is taken by its release alone; see `store.calls.admission`.
- An agent that people stopped, or revoked, is told nothing of any outcome, and takes none.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, or_, select, update

from store import tables
from store.audit.events import AnswerClaimed, AnswerDelivered, AnswerReleased, Assurance, Halting
from store.calls.definitions import Method
from store.database import Transaction
from store.held_back import COLUMNS, EVERYTHING, Halt, stop_in, stop_of, with_halts
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


@dataclass(frozen=True)
class Halted:
    """People stopped the agent: it is told nothing of the request but that, and the request stays as it is."""

    report: Report
    """As of a request that is open, whether it is or not."""
    halt: Halt


_REQUEST = tables.requests.c
# In one statement with what stops its agent: thousands of waiting calls look at their requests by it.
_STANDING = (
    select(tables.requests, tables.agents.c.revoked_at.label("agent_revoked_at"), *COLUMNS)
    .select_from(
        with_halts(tables.requests.join(tables.agents, tables.agents.c.id == _REQUEST.agent_id), _REQUEST.agent_id)
    )
    .where(_REQUEST.id == bindparam("the_request"))
)


def standing(connection: Connection, ticket: Ticket) -> Report | Superseded | Halted:
    """How the ticket's request stands; looking claims nothing."""
    rows = connection.execute(_STANDING, {"the_request": ticket.request_id}).all()
    row = rows[0]
    halt = stop_in(rows, row.agent_id, row.agent_name, row.agent_revoked_at)
    if halt is not None:
        return Halted(untold(report_of(row)), halt)
    report = report_of(row)
    return report if row.attachment == ticket.attachment else Superseded(report)


_STOPPED = or_(
    exists(
        select(tables.halts.c.scope).where(
            tables.halts.c.how == Halting.STOPPED.value,
            tables.halts.c.scope.in_([EVERYTHING, _REQUEST.agent_id]),
        )
    ),
    exists(
        select(tables.agents.c.id).where(
            and_(tables.agents.c.id == _REQUEST.agent_id, tables.agents.c.revoked_at.is_not(None))
        )
    ),
)
_FOR_RELEASE = and_(
    _REQUEST.kind == Kind.CALL.value,
    _REQUEST.may_proceed,
    _REQUEST.card["question"]["method"].as_string() == Method.OWN.value,
)
_CLAIM = (
    update(tables.requests)
    .where(
        _REQUEST.id == bindparam("the_request"),
        _REQUEST.state == State.CLOSED.value,
        _REQUEST.attachment == bindparam("the_call"),
        _REQUEST.claimed_by.is_(None),
        ~_STOPPED,
        ~_FOR_RELEASE,
    )
    .values(claimed_by=bindparam("the_call"), claimed_run=running())
    .returning(tables.requests)
)


def claim(transaction: Transaction, ticket: Ticket) -> Report | Superseded | Halted:
    """Take the outcome for this call. Exactly one call of all gets it; readers get a copy that says so."""
    known = {"the_request": ticket.request_id, "the_call": ticket.attachment}
    taken = transaction.connection.execute(_CLAIM, known).one_or_none()
    if taken is not None:
        transaction.record(AnswerClaimed(ticket.request_id, ticket.attachment), Assurance(taken.assurance))
        return report_of(taken)
    row = find(transaction.connection, ticket.request_id)
    halt = stop_of(transaction.connection, row.agent_id)
    if halt is not None:
        return Halted(untold(report_of(row)), halt)
    # What is nobody's yet is open, or is an approval that only a release takes.
    taken_before = row.claimed_by is not None
    if row.attachment == ticket.attachment and (ticket.reads or not taken_before):
        return report_of(row, told_before=taken_before)
    return Superseded(report_of(row))


_COLLECT = (
    update(tables.requests)
    .where(_REQUEST.id == bindparam("the_request"), _REQUEST.claimed_by.is_(None))
    .values(
        claimed_by=bindparam("the_claimer"),
        claimed_run=running(),
        delivered_at=bindparam("the_time"),
    )
)


def collect_for_release(transaction: Transaction, row: Any) -> None:
    """Take an approval for a tool of a client's own and settle that, in the very change that lets it run.

    `row` was read in this change and is nobody's yet.
    """
    known = {"the_request": row.id, "the_claimer": row.attachment, "the_time": transaction.now}
    taken = transaction.connection.execute(_COLLECT, known)
    assert taken.rowcount == 1, "whoever lets it run saw that nobody had taken it"
    for told in (AnswerClaimed, AnswerDelivered):
        transaction.record(told(row.id, row.attachment), Assurance(row.assurance))
    transaction.touch(row.id)


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


def untold(report: Report) -> Report:
    """What is told of a request to whom nothing of its outcome may be told."""
    return replace(
        report,
        outcome=None,
        may_proceed=False,
        answer=None,
        comment=None,
        decided_by=None,
        decided_at=None,
        audit_index=None,
        told_before=False,
    )
