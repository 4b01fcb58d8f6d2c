"""The newest calls as the rules saw them, and what became of each."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from store import tables
from store.audit.events import CallEnd, Permission
from store.calls.calls import DENIED, RUNNING
from store.card import load_card
from store.lifecycle import Kind, Outcome
from store.policy.rules import Action
from store.policy.verdicts import Called
from store.questions import HeldCall


class Became(StrEnum):
    """What became of a call. Of a denied one there is only the newest of its kind."""

    DENIED = DENIED
    WAITING = "waiting"
    REFUSED = "refused"
    RETURNED_TO_AGENT = "asked back"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"
    """And not sent, or not yet."""
    RUNNING = RUNNING
    RETURNED = CallEnd.RETURNED.value
    FAILED = CallEnd.FAILED.value
    CANCELLED = CallEnd.CANCELLED.value
    UNKNOWN = CallEnd.UNKNOWN.value
    RELEASED = CallEnd.RELEASED.value
    """Of a tool of a client's own: it was told that it may run."""


_ACTIONS = {
    Permission.ALLOWED.value: Action.ALLOW,
    Permission.NOTICED.value: Action.NOTICE,
    Permission.APPROVED.value: Action.HOLD,
    DENIED: Action.DENY,
}
_OUTCOMES = {
    Outcome.DECLINED: Became.REFUSED,
    Outcome.RETURNED: Became.RETURNED_TO_AGENT,
    Outcome.EXPIRED: Became.EXPIRED,
    Outcome.WITHDRAWN: Became.WITHDRAWN,
}


@dataclass(frozen=True)
class Recorded:
    """One call, with the arguments that its agent gave it."""

    called: Called
    given: str | None
    """The workflow that the agent was given."""
    action: Action
    """What the rules did with it then."""
    became: Became
    is_error: bool
    """The upstream said that it went wrong."""
    why: str | None
    """Why it failed or was denied."""
    rules: tuple[str, ...]
    """The rules that matched when it was let through or denied; of what was never sent, those of its card."""
    request_id: str | None
    """Where it was held."""
    policy_sha256: str | None


def recorded(connection: Connection, limit: int) -> tuple[Recorded, ...]:
    """The newest `limit` calls, held and denied ones among them, the newest first."""
    calls, requests = tables.calls, tables.requests
    newest = connection.execute(
        select(calls, requests.c.card)
        .outerjoin(requests, requests.c.id == calls.c.request_id)
        .order_by(calls.c.started_at.desc(), calls.c.id)
        .limit(limit)
    )
    held = connection.execute(
        select(requests)
        .where(requests.c.kind == Kind.CALL.value)
        .where(requests.c.id.not_in(select(calls.c.request_id).where(calls.c.request_id.is_not(None))))
        .order_by(requests.c.opened_at.desc(), requests.c.id)
        .limit(limit)
    )
    return _newest([*map(_sent, newest), *map(_held, held)], limit)


def _newest(found: Iterable[Recorded], limit: int) -> tuple[Recorded, ...]:
    return tuple(sorted(found, key=lambda one: one.called.at, reverse=True)[:limit])


def _sent(row: Any) -> Recorded:
    arguments = json.loads(row.arguments)
    if row.card is not None:
        question = load_card(row.card).question
        assert isinstance(question, HeldCall)
        arguments = _asked(question)
    return Recorded(
        called=Called(row.tool, row.upstream, arguments, row.agent_name, row.started_at),
        given=row.workflow,
        action=_ACTIONS[row.permission],
        became=Became(row.state),
        is_error=row.is_error,
        why=row.why,
        rules=tuple(row.rules),
        request_id=row.request_id,
        policy_sha256=row.policy_sha256,
    )


def _held(row: Any) -> Recorded:
    card = load_card(row.card)
    question = card.question
    assert isinstance(question, HeldCall)
    return Recorded(
        called=Called(question.tool, question.upstream, _asked(question), row.agent_name, row.opened_at),
        given=row.workflow,
        action=Action.HOLD,
        became=became_of(row),
        is_error=False,
        why=None,
        rules=tuple(condition.rule for condition in card.conditions),
        request_id=row.id,
        policy_sha256=card.policy_sha256,
    )


def _asked(question: HeldCall) -> dict[str, Any]:
    return question.arguments if question.asked_arguments is None else question.asked_arguments


def became_of(row: Any) -> Became:
    """What became of a held call that was not sent, by the row of its request."""
    if row.outcome is None:
        return Became.WAITING
    if row.outcome == Outcome.ANSWERED:
        return Became.APPROVED if row.may_proceed else Became.REFUSED
    return _OUTCOMES[Outcome(row.outcome)]
