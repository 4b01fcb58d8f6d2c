"""Moving a request along the table of transitions: the only code that writes `state`, and the entry of how it ended."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, or_, update

from store import tables
from store.audit.events import Assurance, Concealed, Reference, RequestClosed
from store.database import Transaction
from store.lifecycle import Event, Kind, Outcome, State, Surface, meaning, transition
from store.signals import INBOX
from store.signing.signed import SignedDecision, signed_fields


@dataclass(frozen=True)
class Decisive:
    """Who decided, how they were authenticated, where, and what they said: canonical JSON and their own words."""

    reviewer: str
    authenticated_by: str
    surface: Surface
    answer: str | None
    comment: str | None
    signed: SignedDecision | None = None


def move(
    transaction: Transaction, request_id: str, event: Event, outcome: Outcome | None = None, **values: Any
) -> bool:
    """Compare-and-set: whether the request stood where `event` may start from, and has moved.

    Only `expire` works after the deadline: the deadline is part of the comparison.
    """
    old, target = transition(event, outcome)
    values["state"] = target.state.value
    if target.state is State.CLOSED:
        assert outcome is not None
        values |= {"closed_at": transaction.now, "outcome": outcome.value}
    step = _step(frozenset(old), after_deadline=event is Event.EXPIRE, columns=frozenset(values))
    known = {"the_request": request_id, "the_time": transaction.now}
    moved = transaction.connection.execute(step, known | {f"new_{name}": to for name, to in values.items()})
    if moved.rowcount != 1:
        return False
    transaction.touch(request_id, INBOX)
    return True


@cache
def _step(old: frozenset[State], *, after_deadline: bool, columns: frozenset[str]) -> Update:
    requests = tables.requests.c
    deadline = (
        requests.expires_at <= bindparam("the_time") if after_deadline else requests.expires_at > bindparam("the_time")
    )
    stood = or_(*(requests.state == state.value for state in sorted(old)))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
    return update(tables.requests).where(requests.id == bindparam("the_request"), stood, deadline).values(values)


def close(
    transaction: Transaction,
    row: Any,
    event: Event,
    outcome: Outcome,
    *,
    may_proceed: bool = False,
    decisive: Decisive | None = None,
    **values: Any,
) -> bool:
    """`move` to the end, with the entry that says how and what it means; whether it moved.

    `row` was read in this transaction.
    """
    if event is Event.EXPIRE and transaction.now < row.expires_at:
        return False
    index = transaction.log.next_index
    moved = move(transaction, row.id, event, outcome, may_proceed=may_proceed, closed_index=index, **values)
    if moved:
        transaction.record(
            RequestClosed(
                request=row.id,
                outcome=outcome,
                may_proceed=may_proceed,
                meaning=meaning(Kind(row.kind), outcome, may_proceed=may_proceed),
                card=Reference(row.card_ref),
                reviewer=decisive.reviewer if decisive else None,
                authenticated_by=decisive.authenticated_by if decisive else None,
                surface=decisive.surface if decisive else None,
                answer=Concealed(decisive.answer) if decisive and decisive.answer is not None else None,
                comment=Concealed(decisive.comment) if decisive and decisive.comment is not None else None,
                **signed_fields(decisive.signed if decisive else None),
            ),
            Assurance(row.assurance),
        )
    return moved
