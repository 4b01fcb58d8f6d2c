"""The agent's side: open or re-attach, collect, withdraw, report. Changes for the writer; `store.desk` calls them.

Invariants:

- One card a question: asking what is already open attaches to it, and the newest call carries the answer.
- An answer is a ticket for one: `claim` is a compare-and-set, made before the answer is written to a caller; `settle`
  says how that went. A claim that was never settled counts as delivered: at most one call gets an answer.
- A call's own id, where its client sends one, names one request: the same call sent again gets what it got, or lost.
- Every look-up is scoped to the agent. Another agent's request does not exist.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, insert, select, update

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
from store.deciding.governing import Denied, deny, governed, unanswerable
from store.identifiers import new_id
from store.lifecycle import DECISIONS, Event, Kind, Outcome, State
from store.moves import close
from store.problems import Problem
from store.questions import TIMEOUT_LIMIT, AnyQuestion
from store.requests import find, is_open, running
from store.signals import INBOX

COLLECT_AT_LEAST = timedelta(minutes=10)
REPEATED_REJECTION = timedelta(seconds=60)
CONSEQUENCES_LIMIT = 50


@dataclass(frozen=True)
class Limits:
    """What one agent may take up. `timeout_seconds` is the default and the ceiling of every request's life.

    The rates are of new cards: asking again what is open already is free.
    """

    timeout_seconds: int = TIMEOUT_LIMIT
    open_requests: int = 20
    requests_per_minute: int = 120
    requests_per_hour: int = 1200


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


def ask(
    transaction: Transaction, agent: Agent, question: AnyQuestion, limits: Limits, call_id: str | None = None
) -> Ticket | Denied:
    """Attach to the same question, or post it. The key is looked at first, then the call's id, then the question.

    `Denied` where a rule keeps this agent from asking it; the record of that must be committed, so it is no exception.

    Raises:
        AskingProblem: the key or the call was used for another question, too many are open, too many were posted just
            now, or `follows` names no request of this agent's.
        PolicyUnreadable: nobody can say whom to ask.
    """
    requests = tables.requests.c
    key, print_ = question.idempotency_key, fingerprint(agent.id, question)
    last = None
    if key is not None:
        last = _newest(transaction, agent, requests.idempotency_key == key)
        if last is not None:
            _require_same(last, question, print_, "idempotency_key", "key", key)
            if last.outcome is None or last.outcome in DECISIONS:
                return _attach(transaction, last.id, call_id, reads=True)
    if call_id is not None:
        sent_before = _newest(transaction, agent, requests.call_id == call_id)
        if sent_before is not None:
            _require_same(sent_before, question, print_, "call id", "call", call_id)
            return _attach(transaction, sent_before.id, call_id, reads=True)
    if key is None:
        # A question asked under a key of its own is meant to be its own; only calls without one share.
        last = _newest(transaction, agent, and_(requests.fingerprint == print_, requests.idempotency_key.is_(None)))
        if last is not None and (last.outcome is None or _collectable(last, transaction.now)):
            return _attach(transaction, last.id, call_id)
        if last is not None and _rejected_just_now(last, transaction.now):
            return _attach(transaction, last.id, call_id, reads=True)
    return _post(transaction, agent, question, print_, limits, call_id, notice=_notice(last))


def _newest(transaction: Transaction, agent: Agent, condition: Any) -> Any:
    """This agent's newest request of those, or None: the open one, else the one that was closed last."""
    requests = tables.requests
    # By the log, not by the time: a clock can be set back, and two moments can be equal.
    newest = requests.c.closed_index.desc().nulls_first()
    query = select(requests).where(requests.c.agent_id == agent.id, condition).order_by(newest).limit(1)
    row = transaction.connection.execute(query).one_or_none()
    return None if row is None else _on_time(transaction, row)


def _on_time(transaction: Transaction, row: Any) -> Any:
    """The row as the clock has it: the loop that closes what is over time may be a moment late."""
    return find(transaction.connection, row.id) if close(transaction, row, Event.EXPIRE, Outcome.EXPIRED) else row


def _require_same(row: Any, question: AnyQuestion, print_: str, field: str, what: str, name: str) -> None:
    if (row.fingerprint, row.idempotency_key) != (print_, question.idempotency_key):
        raise AskingProblem(
            field,
            f"the {what} {name!r} was used for another question ({row.id})",
            f"Ask that question with exactly its arguments, or use a new {what} for this one.",
        )


def _attach(transaction: Transaction, request_id: str, call_id: str | None = None, *, reads: bool = False) -> Ticket:
    ticket = Ticket(request_id, new_id("call"), reads)
    values = {"attachment": ticket.attachment} | ({} if call_id is None else {"call_id": call_id})
    transaction.connection.execute(update(tables.requests).where(tables.requests.c.id == request_id).values(**values))
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
    transaction: Transaction,
    agent: Agent,
    question: AnyQuestion,
    print_: str,
    limits: Limits,
    call_id: str | None,
    *,
    notice: str | None,
) -> Ticket | Denied:
    _check_room(transaction.connection, agent, limits)
    _check_rate(transaction, agent, limits)
    if question.follows is not None and _own(transaction.connection, agent, question.follows) is None:
        raise AskingProblem(
            "follows",
            f"there is no request {question.follows!r} of yours",
            "Give the request_id of an earlier answer, or leave `follows` out.",
        )
    demands = governed(transaction, agent, question)
    denied = demands.denied or unanswerable(question.kind, demands.conditions)
    if denied is not None:
        return deny(transaction, agent, question.kind, denied, demands.policy_sha256)
    most = min(limits.timeout_seconds, demands.timeout_seconds or limits.timeout_seconds)
    life = timedelta(seconds=min(question.timeout_seconds or most, most))
    card = Card(
        request_id=new_id("req"),
        agent=agent.name,
        owner=agent.owner,
        question=question,
        opened_at=transaction.now,
        expires_at=transaction.now + life,
        notices=() if notice is None else (notice,),
        conditions=demands.conditions,
        escalates_at=transaction.now + life / 2 if demands.escalate_to else None,
        policy_sha256=demands.policy_sha256,
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
            call_id=call_id,
            card=card.content(),
            card_sha256=card.sha256,
            card_ref=opened.entry.references["card"].commitment,
            assurance=agent.assurance.value,
            opened_at=card.opened_at,
            expires_at=card.expires_at,
            escalates_at=card.escalates_at,
            hidden_from=opened.index if card.needs_several else None,
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


def _check_rate(transaction: Transaction, agent: Agent, limits: Limits) -> None:
    """Asking and withdrawing in a loop would fill the disk and bury the history. The rows count, across restarts."""
    for most, window, name in (
        (limits.requests_per_minute, timedelta(minutes=1), "a minute"),
        (limits.requests_per_hour, timedelta(hours=1), "an hour"),
    ):
        opened = transaction.connection.execute(nth_newest_opening(agent.id, most, transaction.now)).scalar()
        if opened is not None and (again := opened + window) > transaction.now:
            seconds = ceil((again - transaction.now).total_seconds())
            raise AskingProblem(
                "request",
                f"you have posted {most} new requests within {name}, which is the limit",
                f"Ask again in {seconds} seconds, at {again:%H:%M:%S} UTC, and put what belongs together into one "
                "question. What is posted already can be awaited.",
            )


def nth_newest_opening(agent_id: str, n: int, now: datetime) -> Select[Any]:
    """When the `n`-th newest request of an agent was posted. Reads `n` entries of an index, however many are kept."""
    requests = tables.requests.c
    # A clock that was set back must not lock an agent out until it catches up.
    posted = select(requests.opened_at).where(requests.agent_id == agent_id, requests.opened_at <= now)
    return posted.order_by(requests.opened_at.desc()).offset(n - 1).limit(1)


def _own(connection: Connection, agent: Agent, request_id: str) -> Any:
    row = find(connection, request_id)
    return row if row is not None and row.agent_id == agent.id else None


def attach(transaction: Transaction, agent: Agent, request_id: str) -> Ticket | None:
    """Wait on, or read, a request by its id; None when this agent has no such request."""
    row = _own(transaction.connection, agent, request_id)
    if row is None:
        return None
    _on_time(transaction, row)
    return _attach(transaction, request_id, reads=True)


def standing(connection: Connection, ticket: Ticket) -> Report | Superseded:
    """How the ticket's request stands; looking claims nothing."""
    row = find(connection, ticket.request_id)
    report = _report(row)
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
        return _report(taken)
    row = find(transaction.connection, ticket.request_id)
    if row.attachment == ticket.attachment and (ticket.reads or row.state != State.CLOSED.value):
        return _report(row, told_before=row.state == State.CLOSED.value)
    return Superseded(_report(row))


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


def withdraw(transaction: Transaction, agent: Agent, request_id: str) -> Report | None:
    """Take a question back; None when this agent has no such request. What was closed before stays as it ended."""
    row = _own(transaction.connection, agent, request_id)
    if row is None:
        return None
    close(transaction, _on_time(transaction, row), Event.WITHDRAW, Outcome.WITHDRAWN)
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
