"""Posting a new card: within what one agent may take up, with what the rules ask of its answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from store import tables
from store.agents import Agent
from store.audit.events import Concealed, RequestOpened
from store.canonical_json import canonical_text
from store.card import Card
from store.database import Transaction
from store.held_back import stop_of
from store.identifiers import new_id
from store.lifecycle import State
from store.policy.demands import Condition
from store.problems import Problem
from store.questions import TIMEOUT_LIMIT, AnyQuestion, HeldCall
from store.requests import is_open
from store.signals import INBOX


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


class AskingProblem(Problem):
    """The question cannot be posted as asked; nothing was posted. `field` names the argument."""

    def __init__(self, field: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.field = field


@dataclass(frozen=True)
class Asks:
    """What the rules ask of a new card's answer."""

    conditions: tuple[Condition, ...]
    timeout_seconds: int | None
    policy_sha256: str | None

    @property
    def escalates(self) -> bool:
        return any(one.escalate_to for one in self.conditions)


def post(
    transaction: Transaction,
    agent: Agent,
    question: AnyQuestion,
    print_: str,
    asks: Asks,
    limits: Limits,
    call_id: str | None,
    *,
    notice: str | None,
) -> Ticket:
    """Post a new card, of which there is none yet.

    Raises:
        AskingProblem: too many are open, or too many were posted just now.
    """
    _check_room(transaction.connection, agent, limits)
    _check_rate(transaction, agent, limits)
    most = min(limits.timeout_seconds, asks.timeout_seconds or limits.timeout_seconds)
    life = timedelta(seconds=min(question.timeout_seconds or most, most))
    card = Card(
        request_id=new_id("req"),
        agent=agent.name,
        owner=agent.owner,
        question=question,
        opened_at=transaction.now,
        expires_at=transaction.now + life,
        notices=() if notice is None else (notice,),
        conditions=asks.conditions,
        escalates_at=transaction.now + life / 2 if asks.escalates else None,
        policy_sha256=asks.policy_sha256,
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
            tool=question.tool if isinstance(question, HeldCall) else None,
        )
    )
    transaction.touch(card.request_id, INBOX)
    return ticket


def require_not_stopped(connection: Connection, agent: Agent) -> None:
    """Raises AskingProblem where people stopped this agent, or revoked it."""
    halt = stop_of(connection, agent.id)
    if halt is not None:
        raise AskingProblem("agent", halt.told().rstrip("."), "Nothing of it may proceed. Tell whoever you work for.")


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
