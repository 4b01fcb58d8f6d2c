"""Moving a request along the table of transitions: the only code that writes `state`, and the entry of how it ended."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from store import tables
from store.audit.events import Assurance, Concealed, Reference, RequestClosed
from store.database import Transaction
from store.lifecycle import Event, Kind, Outcome, State, Surface, meaning, transition
from store.signals import INBOX


@dataclass(frozen=True)
class Decisive:
    """Who decided, how they were authenticated, where, and what they said: canonical JSON and their own words."""

    reviewer: str
    authenticated_by: str
    surface: Surface
    answer: str | None
    comment: str | None


def move(
    transaction: Transaction, request_id: str, event: Event, outcome: Outcome | None = None, **values: Any
) -> bool:
    """Compare-and-set: whether the request stood where `event` may start from, and has moved.

    Only `expire` works after the deadline: the deadline is part of the comparison.
    """
    old, target = transition(event, outcome)
    requests = tables.requests
    change = update(requests).where(requests.c.id == request_id, requests.c.state.in_([state.value for state in old]))
    if event is Event.EXPIRE:
        change = change.where(requests.c.expires_at <= transaction.now)
    else:
        change = change.where(requests.c.expires_at > transaction.now)
    if target.state is State.CLOSED:
        assert outcome is not None
        values |= {"closed_at": transaction.now, "outcome": outcome.value}
    moved = transaction.connection.execute(change.values(state=target.state.value, **values)).rowcount == 1
    if moved:
        transaction.touch(request_id, INBOX)
    return moved


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
    """`move` to the end, with the entry that says how and what it means; whether it moved."""
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
            ),
            Assurance(row.assurance),
        )
    return moved
