"""Moving a request along the table of transitions: the only code that writes `state`."""

from typing import Any

from sqlalchemy import update

from store import tables
from store.database import Transaction
from store.lifecycle import Event, Outcome, State, transition
from store.signals import INBOX


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
