"""A request as the clock has it: the loop that keeps deadlines may be a moment late."""

from typing import Any

from store.database import Transaction
from store.deciding.escalation import escalated_on_time
from store.lifecycle import Event, Outcome
from store.moves import close
from store.requests import find


def up_to_date(transaction: Transaction, row: Any) -> Any:
    """The row, expired or escalated if it is time: an answer after the deadline is never in time, and whom half-time
    adds may answer from then on."""
    if close(transaction, row, Event.EXPIRE, Outcome.EXPIRED):
        return find(transaction.connection, row.id)
    return escalated_on_time(transaction, row)
