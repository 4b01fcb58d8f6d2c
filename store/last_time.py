"""What a new card says of the last time that the same was asked: how that ended, and what came of it."""

from typing import Any

from sqlalchemy import Connection

from store.audit.events import CallEnd
from store.calls.calls import RUNNING
from store.lifecycle import Kind, Outcome
from store.requests import run_of


def last_time(connection: Connection, row: Any) -> str | None:
    """What the new card says of the last time the same was asked."""
    if row is None:
        return None
    what = "call" if row.kind == Kind.CALL else "question"
    when = f"on {row.closed_at:%Y-%m-%d at %H:%M} UTC"
    match Outcome(row.outcome):
        case Outcome.EXPIRED:
            return f"The same {what} expired unanswered {when}."
        case Outcome.WITHDRAWN:
            return f"The agent withdrew the same {what} {when}."
        case _:
            return f"The same {what} was {_ended(row)} by {row.decided_by} {when}; {_came_of(connection, row)}."


def _came_of(connection: Connection, row: Any) -> str:
    told = "the agent was told" if row.claimed_by is not None else "the agent never collected it"
    if row.kind != Kind.CALL or not row.may_proceed:
        return told
    return f"{_ran(run_of(connection, row))}, and {told}"


def _ended(row: Any) -> str:
    match Outcome(row.outcome):
        case Outcome.ANSWERED if row.kind == Kind.APPROVAL:
            return "approved" if row.may_proceed else "not approved"
        case Outcome.ANSWERED if row.kind == Kind.CALL:
            return "approved" if row.may_proceed else "refused"
        case Outcome.RETURNED:
            return "asked back"
        case outcome:
            return outcome.value


def _ran(run: Any) -> str:
    """What came of an approved call, in words for the next card."""
    if run is None:
        return "it did not run"
    if not run.sent:
        return "it was never sent"
    match run.state:
        case CallEnd.RETURNED.value:
            return "it ran and reported an error" if run.is_error else "it ran"
        case CallEnd.RELEASED.value:
            return "it was let run"
        case CallEnd.UNKNOWN.value:
            return "whether it took effect is unknown"
        case _ if run.state == RUNNING:
            return "it is running"
        case _:
            return "it was sent and did not return, so it may have taken effect"
