"""The agent's side: open or re-attach, collect, withdraw, report. Changes for the writer; `store.desk` calls them.

Invariants:

- One card a question: asking what is already open attaches to it, and the newest call carries the answer.
- An answer is a ticket for one: `claim` is a compare-and-set, made before the answer is written to a caller; `settle`
  says how that went. A claim that was never settled counts as delivered: at most one call gets an answer.
- Every look-up is scoped to the agent. Another agent's request does not exist.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from store import tables
from store.agents import Agent
from store.audit.events import (
    AnswerClaimed,
    AnswerDelivered,
    AnswerReleased,
    Assurance,
    Concealed,
    ConsequenceReported,
    RequestOpened,
)
from store.card import Card, canonical_text, fingerprint
from store.database import Transaction
from store.identifiers import new_id
from store.lifecycle import DECISIONS, Event, Kind, Outcome, State
from store.moves import close
from store.problems import Problem
from store.questions import TIMEOUT_LIMIT, AnyQuestion
from store.requests import find, is_open
from store.signals import INBOX

COLLECT_AT_LEAST = timedelta(minutes=10)
REPEATED_REJECTION = timedelta(seconds=60)
CONSEQUENCES_LIMIT = 50


@dataclass(frozen=True)
class Limits:
    """What one agent may take up. `timeout_seconds` is the default and the ceiling of every request's life."""

    timeout_seconds: int = TIMEOUT_LIMIT
    open_requests: int = 20


@dataclass(frozen=True)
class Ticket:
    """A call's hold on a request.

    `attachment` names the call; `reads` lets it see an answer that was delivered before.
    """

    request_id: str
    attachment: str
    reads: bool = False


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


@dataclass(frozen=True)
class Superseded:
    """A newer call of the same agent carries the answer now."""

    report: Report


class AskingProblem(Problem):
    """The question cannot be posted as asked; nothing was posted. `field` names the argument."""

    def __init__(self, field: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.field = field


def ask(transaction: Transaction, agent: Agent, question: AnyQuestion, limits: Limits) -> Ticket:
    """Attach to the same question, or post it.

    Raises:
        AskingProblem: the key was used for another question, too many are open, or `follows` names no request of this
            agent's.
    """
    print_ = fingerprint(agent.id, question)
    known = _same_question(transaction, agent, question, print_)
    if known is not None:
        if known.state != State.CLOSED.value:
            return _attach(transaction, known.id)
        if question.idempotency_key is not None and known.idempotency_key == question.idempotency_key:
            return _attach(transaction, known.id, reads=True)
        if _collectable(known, transaction.now):
            return _attach(transaction, known.id)
        if _rejected_just_now(known, transaction.now):
            return _attach(transaction, known.id, reads=True)
    return _post(transaction, agent, question, print_, limits, notice=_notice(known))


def _same_question(transaction: Transaction, agent: Agent, question: AnyQuestion, print_: str) -> Any:
    requests = tables.requests
    newest = select(requests).where(requests.c.agent_id == agent.id).order_by(requests.c.opened_at.desc()).limit(1)
    key = question.idempotency_key
    if key is not None:
        named = transaction.connection.execute(newest.where(requests.c.idempotency_key == key)).one_or_none()
        if named is not None and named.fingerprint != print_:
            raise AskingProblem(
                "idempotency_key",
                f"the key {key!r} was used for another question ({named.id})",
                "Ask that question with exactly its arguments, or use a new key for this one.",
            )
        if named is not None and not (named.state == State.CLOSED.value and named.outcome not in DECISIONS):
            return named
    # A question asked under a key of its own is meant to be its own; only calls without one share.
    return transaction.connection.execute(
        newest.where(requests.c.fingerprint == print_, requests.c.idempotency_key.is_(None))
    ).one_or_none()


def _attach(transaction: Transaction, request_id: str, *, reads: bool = False) -> Ticket:
    ticket = Ticket(request_id, new_id("call"), reads)
    transaction.connection.execute(
        update(tables.requests).where(tables.requests.c.id == request_id).values(attachment=ticket.attachment)
    )
    transaction.touch(request_id)
    return ticket


def _collectable(row: Any, now: datetime) -> bool:
    """Decided, told to nobody, and not lapsed."""
    if row.outcome not in DECISIONS or row.claimed_by is not None:
        return False
    return bool(now < max(row.expires_at, row.closed_at + COLLECT_AT_LEAST))


def _rejected_just_now(row: Any, now: datetime) -> bool:
    rejected = row.outcome == Outcome.DECLINED or (row.outcome == Outcome.ANSWERED and not row.may_proceed)
    return bool(rejected and now < row.closed_at + REPEATED_REJECTION)


def _notice(row: Any) -> str | None:
    """What the new card says of the last time the same was asked."""
    if row is None:
        return None
    when = f"on {row.closed_at:%Y-%m-%d at %H:%M} UTC"
    match Outcome(row.outcome):
        case Outcome.EXPIRED:
            return f"The same question expired unanswered {when}."
        case Outcome.WITHDRAWN:
            return f"The agent withdrew the same question {when}."
        case _:
            told = "the agent was told" if row.claimed_by is not None else "the agent never collected it"
            return f"The same question was {_ended(row)} by {row.decided_by} {when}; {told}."


def _ended(row: Any) -> str:
    match Outcome(row.outcome):
        case Outcome.ANSWERED if row.kind == Kind.APPROVAL:
            return "approved" if row.may_proceed else "not approved"
        case Outcome.RETURNED:
            return "asked back"
        case outcome:
            return outcome.value


def _post(
    transaction: Transaction, agent: Agent, question: AnyQuestion, print_: str, limits: Limits, notice: str | None
) -> Ticket:
    _check_room(transaction.connection, agent, limits)
    if question.follows is not None and _own(transaction.connection, agent, question.follows) is None:
        raise AskingProblem(
            "follows",
            f"there is no request {question.follows!r} of yours",
            "Give the request_id of an earlier answer, or leave `follows` out.",
        )
    life = min(question.timeout_seconds or limits.timeout_seconds, limits.timeout_seconds)
    card = Card(
        request_id=new_id("req"),
        agent=agent.name,
        owner=agent.owner,
        question=question,
        opened_at=transaction.now,
        expires_at=transaction.now + timedelta(seconds=life),
        notices=() if notice is None else (notice,),
    )
    ticket = Ticket(card.request_id, new_id("call"))
    opened = transaction.record(
        RequestOpened(
            request=card.request_id,
            kind=card.kind,
            agent=agent.id,
            card=Concealed(canonical_text(card.content())),
            fingerprint=Concealed(print_),
            expires_at=card.expires_at,
            follows=question.follows,
        ),
        agent.assurance,
    )
    transaction.connection.execute(
        insert(tables.requests).values(
            id=card.request_id,
            kind=card.kind.value,
            agent_id=agent.id,
            agent_name=agent.name,
            owner=agent.owner,
            state=State.PENDING.value,
            title=card.title,
            risk=None if question.risk is None else question.risk.value,
            workflow=question.workflow or agent.workflow,
            follows=question.follows,
            fingerprint=print_,
            idempotency_key=question.idempotency_key,
            card=card.content(),
            card_sha256=card.sha256,
            card_ref=opened.entry.references["card"].commitment,
            assurance=agent.assurance.value,
            opened_at=card.opened_at,
            expires_at=card.expires_at,
            attachment=ticket.attachment,
        )
    )
    transaction.touch(card.request_id, INBOX)
    return ticket


def _check_room(connection: Connection, agent: Agent, limits: Limits) -> None:
    requests = tables.requests
    count = select(func.count()).select_from(requests).where(requests.c.agent_id == agent.id, is_open())
    if connection.execute(count).scalar_one() >= limits.open_requests:
        raise AskingProblem(
            "request",
            f"you have {limits.open_requests} open requests, which is the limit",
            "Wait for answers with await_review, or withdraw what you no longer need with withdraw_review.",
        )


def _own(connection: Connection, agent: Agent, request_id: str) -> Any:
    row = find(connection, request_id)
    return row if row is not None and row.agent_id == agent.id else None


def attach(transaction: Transaction, agent: Agent, request_id: str) -> Ticket | None:
    """Wait on, or read, a request by its id; None when this agent has no such request."""
    row = _own(transaction.connection, agent, request_id)
    return None if row is None else _attach(transaction, request_id, reads=True)


def standing(connection: Connection, ticket: Ticket) -> Report | Superseded:
    """How the ticket's request stands; looking claims nothing."""
    row = find(connection, ticket.request_id)
    report = _report(row)
    return report if row.attachment == ticket.attachment else Superseded(report)


def claim(transaction: Transaction, ticket: Ticket) -> Report | Superseded:
    """Take the outcome for this call. Exactly one call of all gets it; readers get a copy that says so."""
    requests = tables.requests
    taken = transaction.connection.execute(
        update(requests)
        .where(
            requests.c.id == ticket.request_id,
            requests.c.state == State.CLOSED.value,
            requests.c.attachment == ticket.attachment,
            requests.c.claimed_by.is_(None),
        )
        .values(claimed_by=ticket.attachment)
    )
    row = find(transaction.connection, ticket.request_id)
    if taken.rowcount == 1:
        transaction.record(AnswerClaimed(ticket.request_id, ticket.attachment), Assurance(row.assurance))
        return _report(row)
    if row.attachment == ticket.attachment and (ticket.reads or row.state != State.CLOSED.value):
        return _report(row, told_before=row.state == State.CLOSED.value)
    return Superseded(_report(row))


def settle(transaction: Transaction, ticket: Ticket, *, delivered: bool) -> None:
    """What became of a claim: handed to a caller who was still there, or free to be collected again."""
    requests = tables.requests
    values: dict[str, Any] = {"delivered_at": transaction.now} if delivered else {"claimed_by": None}
    settled = transaction.connection.execute(
        update(requests)
        .where(
            requests.c.id == ticket.request_id,
            requests.c.claimed_by == ticket.attachment,
            requests.c.delivered_at.is_(None),
        )
        .values(**values)
    )
    if settled.rowcount == 1:
        told = AnswerDelivered if delivered else AnswerReleased
        assurance = Assurance(find(transaction.connection, ticket.request_id).assurance)
        transaction.record(told(ticket.request_id, ticket.attachment), assurance)
        transaction.touch(ticket.request_id)


def withdraw(transaction: Transaction, agent: Agent, request_id: str) -> Report | None:
    """Take a question back; None when this agent has no such request. What was closed before stays as it ended."""
    row = _own(transaction.connection, agent, request_id)
    if row is None:
        return None
    close(transaction, row, Event.WITHDRAW, Outcome.WITHDRAWN)
    return _report(find(transaction.connection, request_id))


def report_consequence(
    transaction: Transaction, agent: Agent, request_id: str, result: str, details: str | None
) -> Report | None:
    """Keep what came of a decision; None when this agent has no such request.

    Raises:
        AskingProblem: the request was not decided, or has all the reports it can have.
    """
    row = _own(transaction.connection, agent, request_id)
    if row is None:
        return None
    if row.outcome not in DECISIONS:
        raise AskingProblem(
            "request_id", f"{request_id} was not decided by a person", "Report only what came of a decision."
        )
    consequences = tables.consequences
    count = select(func.count()).select_from(consequences).where(consequences.c.request_id == request_id)
    if transaction.connection.execute(count).scalar_one() >= CONSEQUENCES_LIMIT:
        raise AskingProblem(
            "request_id", f"{request_id} has {CONSEQUENCES_LIMIT} reports already", "Nothing more is needed."
        )
    transaction.connection.execute(
        insert(consequences).values(
            id=new_id("con"), request_id=request_id, result=result, details=details, at=transaction.now
        )
    )
    transaction.record(
        ConsequenceReported(request_id, Concealed(result), None if details is None else Concealed(details)),
        agent.assurance,
    )
    transaction.touch(request_id)
    return _report(row)


def _report(row: Any, *, told_before: bool = False) -> Report:
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
    )
