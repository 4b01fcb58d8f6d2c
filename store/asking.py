"""The agent's side: open or re-attach, withdraw, report. Changes for the writer; `store.desk` calls them.

Invariants:

- One card a question: asking what is already open attaches to it, and the newest call carries the answer.
- A call's own id, where its client sends one, names one request: the same call sent again gets what it got, or lost;
  but what let a tool of the client's own run lets nothing run again.
- Every look-up is scoped to the agent. Another agent's request does not exist.
- An agent that people stopped asks nothing, attaches to nothing and takes nothing back: its requests stay as they are.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from store import tables
from store.agents import Agent
from store.audit.events import Concealed, ConsequenceReported
from store.card import fingerprint
from store.collecting import Report, Superseded, report_of
from store.database import Transaction
from store.deciding.governing import Denied, deny, governed, unanswerable
from store.identifiers import new_id
from store.last_time import last_time
from store.lifecycle import COLLECT_AT_LEAST, DECISIONS, Event, Outcome
from store.moves import close
from store.opening import AskingProblem, Asks, Limits, Ticket, nth_newest_opening, post, require_not_stopped
from store.policy.verdicts import Verdict
from store.questions import AnyQuestion, HeldCall
from store.requests import find, lapses_at, run_of

__all__ = [
    "COLLECT_AT_LEAST",
    "AskingProblem",
    "Limits",
    "Report",
    "Superseded",
    "Ticket",
    "ask",
    "ask_held",
    "nth_newest_opening",
]

REPEATED_REJECTION = timedelta(seconds=60)
CONSEQUENCES_LIMIT = 50


def ask(
    transaction: Transaction, agent: Agent, question: AnyQuestion, limits: Limits, call_id: str | None = None
) -> Ticket | Denied:
    """Attach to the same question, or post it. The key is looked at first, then the call's id, then the question.

    `Denied` where a rule keeps this agent from asking it; the record of that must be committed, so it is no exception.

    Raises:
        AskingProblem: the key or the call was used for another question, too many are open, too many were posted just
            now, `follows` names no request of this agent's, or people stopped it.
        PolicyUnreadable: nobody can say whom to ask.
    """
    require_not_stopped(transaction.connection, agent)
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
        sent_before = _sent_before(transaction, agent, question, print_, call_id)
        if sent_before is not None:
            return sent_before
    if key is None:
        # A question asked under a key of its own is meant to be its own; only calls without one share.
        last = _newest(transaction, agent, and_(requests.fingerprint == print_, requests.idempotency_key.is_(None)))
        if last is not None and (attached := _attach_to(transaction, last, call_id)) is not None:
            return attached
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
    asks = Asks(demands.conditions, demands.timeout_seconds, demands.policy_sha256)
    notice = last_time(transaction.connection, last)
    return post(transaction, agent, question, print_, asks, limits, call_id, notice=notice)


def ask_held(
    transaction: Transaction,
    agent: Agent,
    question: HeldCall,
    verdict: Verdict,
    limits: Limits,
    call_id: str | None = None,
) -> Ticket:
    """Attach to the same held call, or ask people whether it may run, as `verdict` holds it.

    The same is the same tool with the same arguments of the agent's, whatever a reviewer made of these since; of a
    client's own tool in the same folder, too. What was approved and is not collected yet is attached to for as long as
    it can run, or has run.

    Raises:
        AskingProblem: the id of a call of an upstream was used for another, too many requests are open, too many
            were posted just now, or people stopped the agent.
    """
    require_not_stopped(transaction.connection, agent)
    requests = tables.requests.c
    print_ = fingerprint(agent.id, question)
    if call_id is not None:
        sent_before = _sent_before(transaction, agent, question, print_, call_id)
        if sent_before is not None:
            return sent_before
    last = _newest(transaction, agent, requests.fingerprint == print_)
    if last is not None and (attached := _attach_to(transaction, last, call_id)) is not None:
        return attached
    asks = Asks(verdict.conditions, verdict.timeout_seconds, verdict.policy_sha256)
    notice = last_time(transaction.connection, last)
    return post(transaction, agent, question, print_, asks, limits, call_id, notice=notice)


def _sent_before(
    transaction: Transaction, agent: Agent, question: AnyQuestion, print_: str, call_id: str
) -> Ticket | None:
    """A ticket of the request that the same call of the client posted or attached to before."""
    same = tables.requests.c.call_id == call_id
    if _is_own(question):
        # Of a tool of the client's own the id is text of a model's: with anything else it names another call.
        same = and_(same, tables.requests.c.fingerprint == print_)
    last = _newest(transaction, agent, same)
    if last is None or (last.may_proceed and last.claimed_by is not None and _is_own(question)):
        # What was let run once is asked anew, whatever it is called.
        return None
    _require_same(last, question, print_, "call id", "call", call_id)
    return _attach(transaction, last.id, call_id, reads=True)


def _is_own(question: AnyQuestion) -> bool:
    return isinstance(question, HeldCall) and question.is_own


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


def _attach_to(transaction: Transaction, last: Any, call_id: str | None) -> Ticket | None:
    """A ticket of the newest request of the same, if it is open, or its outcome is still to be had; else None."""
    if last.outcome is None or _collectable(transaction.connection, last, transaction.now):
        return _attach(transaction, last.id, call_id)
    if _rejected_just_now(last, transaction.now):
        return _attach(transaction, last.id, call_id, reads=True)
    return None


def _attach(transaction: Transaction, request_id: str, call_id: str | None = None, *, reads: bool = False) -> Ticket:
    ticket = Ticket(request_id, new_id("call"), reads)
    values = {"attachment": ticket.attachment} | ({} if call_id is None else {"call_id": call_id})
    transaction.connection.execute(update(tables.requests).where(tables.requests.c.id == request_id).values(**values))
    transaction.touch(request_id)
    return ticket


def _collectable(connection: Connection, row: Any, now: datetime) -> bool:
    """Decided, told to nobody, and not lapsed. What has run does not lapse: asking again must not run it again."""
    if row.outcome not in DECISIONS or row.claimed_by is not None:
        return False
    return now < lapses_at(row) or run_of(connection, row) is not None


def _rejected_just_now(row: Any, now: datetime) -> bool:
    rejected = row.outcome == Outcome.DECLINED or (row.outcome == Outcome.ANSWERED and not row.may_proceed)
    return bool(rejected and now < row.closed_at + REPEATED_REJECTION)


def _own(connection: Connection, agent: Agent, request_id: str) -> Any:
    row = find(connection, request_id)
    return row if row is not None and row.agent_id == agent.id else None


def attach(transaction: Transaction, agent: Agent, request_id: str) -> Ticket | None:
    """Wait on, or read, a request by its id; None when this agent has no such request.

    Raises:
        AskingProblem: people stopped the agent.
    """
    require_not_stopped(transaction.connection, agent)
    row = _own(transaction.connection, agent, request_id)
    if row is None:
        return None
    _on_time(transaction, row)
    return _attach(transaction, request_id, reads=True)


def withdraw(transaction: Transaction, agent: Agent, request_id: str) -> Report | None:
    """Take a question back; None when this agent has no such request. What was closed before stays as it ended.

    Raises:
        AskingProblem: people stopped the agent.
    """
    require_not_stopped(transaction.connection, agent)
    row = _own(transaction.connection, agent, request_id)
    if row is None:
        return None
    close(transaction, _on_time(transaction, row), Event.WITHDRAW, Outcome.WITHDRAWN)
    return report_of(find(transaction.connection, request_id))


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
    return report_of(row)
