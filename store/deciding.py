"""The reviewers' side: be shown a card, decide on it; and the deadline, which nobody decides.

These are changes for the writer; `store.desk` calls them.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from store import tables
from store.accounts import DECIDING_ROLES, Reviewer, Role
from store.answers import Answer, AskedBack, Chosen, Declined, Fault, Filled, Selected, Written, check, split_secrets
from store.audit.events import Assurance, Reference, RequestShown
from store.card import Card, canonical_text
from store.database import Transaction
from store.lifecycle import OPEN_STATES, Event, Outcome, State, Surface
from store.moves import Decisive, close, move
from store.questions import AskApproval, AskForm, AskTextInput
from store.requests import RequestView, checked_card, find, is_open, views
from store.text import is_unicode
from store.vault.credentials import store_credential
from store.vault.keys import KeyProvider

COMMENT_LIMIT = 10_000


@dataclass(frozen=True)
class Decided:
    """The decision stands."""

    view: RequestView


@dataclass(frozen=True)
class Conflict:
    """Somebody or something was quicker, or the card is another one. Nothing was written."""

    view: RequestView
    message: str


@dataclass(frozen=True)
class BadAnswer:
    """The answer does not fit the question. Nothing was written."""

    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class NotSeen:
    """This reviewer was not shown this card. Nothing was written."""

    message: str = "you have not been shown this card; open it, read it, then answer"


@dataclass(frozen=True)
class NotAllowed:
    """This person may not decide. Nothing was written."""

    message: str = "an auditor reads everything and decides nothing"


@dataclass(frozen=True)
class NotFound:
    """There is no such request."""


Decision = Decided | Conflict | BadAnswer | NotSeen | NotAllowed | NotFound


@dataclass(frozen=True)
class Statement:
    """What a reviewer says: which card, which answer, how they were authenticated, and where they saw it."""

    reviewer: Reviewer
    card_sha256: str
    answer: Answer
    comment: str | None
    surface: Surface
    authenticated_by: str


def show(transaction: Transaction, reviewer: Reviewer, request_id: str, surface: Surface) -> bool:
    """Record that this reviewer was shown the card as it stands; whether there is such a request.

    A closed card, or a person who may not decide, leaves no record: it would stand for nothing.
    """
    row = find(transaction.connection, request_id)
    if row is None:
        return False
    if row.state not in OPEN_STATES or not reviewer.may_decide:
        return True
    checked_card(row)
    seen_here = was_shown(transaction.connection, reviewer, row, surface)
    if not seen_here and move(transaction, request_id, Event.SHOW):
        transaction.connection.execute(
            insert(tables.shows).values(
                request_id=request_id,
                reviewer_id=reviewer.id,
                card_sha256=row.card_sha256,
                surface=surface.value,
                display_name=reviewer.display_name,
                at=transaction.now,
            )
        )
        transaction.record(
            RequestShown(request_id, reviewer.id, Reference(row.card_ref), surface), Assurance(row.assurance)
        )
    return True


_SHOW = tables.shows.c
_SHOWN = select(_SHOW.at).where(
    _SHOW.request_id == bindparam("request"),
    _SHOW.reviewer_id == bindparam("reviewer"),
    _SHOW.card_sha256 == bindparam("card"),
)
_SHOWN_HERE = _SHOWN.where(_SHOW.surface == bindparam("surface"))


def was_shown(connection: Connection, reviewer: Reviewer, row: Any, surface: Surface | None = None) -> bool:
    """Whether this reviewer was shown this very card, on that surface or on any."""
    known = {"request": row.id, "reviewer": reviewer.id, "card": row.card_sha256}
    if surface is None:
        return connection.execute(_SHOWN, known).first() is not None
    return connection.execute(_SHOWN_HERE, known | {"surface": surface.value}).first() is not None


def decide(
    transaction: Transaction, request_id: str, statement: Statement, keys: KeyProvider, waiting: frozenset[str]
) -> Decision:
    """Close the request with this answer, if it is this reviewer's to give and the request is still open.

    Passwords in it are sealed with `keys`.
    """
    row = find(transaction.connection, request_id)
    if row is None:
        return NotFound()
    if not _may_decide(transaction.connection, statement.reviewer):
        return NotAllowed()
    if (refusal := _conflict(transaction, row, statement, waiting)) is not None:
        return refusal
    if not was_shown(transaction.connection, statement.reviewer, row):
        return NotSeen()
    card = checked_card(row)
    answer = check(card.question, statement.answer)
    faults = (*(answer if isinstance(answer, tuple) else ()), *_comment_faults(statement))
    if faults or isinstance(answer, tuple):
        return BadAnswer(faults)
    outcome, may_proceed = _meaning(card, answer)
    kept = _kept(transaction, row, card, answer, keys)
    comment = (statement.comment or "").strip() or None
    moved = close(
        transaction,
        row,
        Event.DECIDE,
        outcome,
        may_proceed=may_proceed,
        decisive=Decisive(
            statement.reviewer.id,
            statement.authenticated_by,
            statement.surface,
            None if kept is None else canonical_text(kept),
            comment,
        ),
        answer=kept,
        comment=comment,
        decided_by_id=statement.reviewer.id,
        decided_by=statement.reviewer.display_name,
        authenticated_by=statement.authenticated_by,
        surface=statement.surface.value,
    )
    # The checks above looked at this very row inside this very transaction; nothing can have moved it since.
    assert moved, "a request moved inside the writer's own transaction"
    return Decided(_view(transaction, request_id, waiting))


_ROLE = select(tables.reviewers.c.role).where(tables.reviewers.c.id == bindparam("reviewer"))


def _may_decide(connection: Connection, reviewer: Reviewer) -> bool:
    role = connection.execute(_ROLE, {"reviewer": reviewer.id}).scalar()
    return role is not None and Role(role) in DECIDING_ROLES


def _conflict(transaction: Transaction, row: Any, statement: Statement, waiting: frozenset[str]) -> Conflict | None:
    # The clock's loop may be a moment late; a late answer never is in time.
    expired = close(transaction, row, Event.EXPIRE, Outcome.EXPIRED)
    if expired or row.state == State.CLOSED.value:
        view = _view(transaction, row.id, waiting)
        return Conflict(view, closed_message(view))
    if statement.card_sha256 != row.card_sha256:
        return Conflict(
            _view(transaction, row.id, waiting), "this answer was for another version of the card; read it again"
        )
    return None


def closed_message(view: RequestView) -> str:
    """Why a closed request takes no answer, in one plain line."""
    match view.outcome:
        case Outcome.EXPIRED:
            return "the time to answer is over; the agent was told that nobody answered"
        case Outcome.WITHDRAWN:
            return "the agent withdrew this question"
        case _:
            return f"already answered by {view.decided_by}"


def _comment_faults(statement: Statement) -> tuple[Fault, ...]:
    comment = statement.comment or ""
    if len(comment) > COMMENT_LIMIT:
        return (Fault("comment", f"takes at most {COMMENT_LIMIT} characters; it has {len(comment)}"),)
    if not is_unicode(comment):
        return (Fault("comment", "contains characters that are not Unicode text"),)
    if isinstance(statement.answer, AskedBack) and not comment.strip():
        return (Fault("comment", "say what you want to know: the agent gets these words"),)
    return ()


def _meaning(card: Card, answer: Answer) -> tuple[Outcome, bool]:
    """How the request ends, and whether the agent may proceed."""
    match answer:
        case Declined():
            return Outcome.DECLINED, False
        case AskedBack():
            return Outcome.RETURNED, False
        case Chosen(option) if isinstance(card.question, AskApproval):
            return Outcome.ANSWERED, any(o.id == option and o.approves for o in card.question.options)
        case _:
            return Outcome.ANSWERED, True


def _kept(transaction: Transaction, row: Any, card: Card, answer: Answer, keys: KeyProvider) -> dict[str, Any] | None:
    """The answer as it is stored and told: passwords are sealed here, and stand as handles from here on."""
    match answer:
        case Chosen(option):
            return {"decision": option, "approved": _meaning(card, answer)[1]}
        case Selected(ids):
            return {"selected": list(ids)}
        case Written(text):
            assert isinstance(card.question, AskTextInput)
            return {"text": text, "edited": text != card.question.prefill.replace("\r\n", "\n")}
        case Filled():
            assert isinstance(card.question, AskForm)
            values, secrets = split_secrets(card.question, answer)
            handles = {name: _sealed(transaction, row, keys, name, secret) for name, secret in secrets.items()}
            return {"values": values, "credentials": handles}
        case _:
            return None


def _sealed(transaction: Transaction, row: Any, keys: KeyProvider, field: str, secret: str) -> str:
    return store_credential(
        transaction,
        keys,
        origin=transaction.log.origin,
        agent_id=row.agent_id,
        request_id=row.id,
        field=field,
        secret=secret,
    )


def _view(transaction: Transaction, request_id: str, waiting: frozenset[str]) -> RequestView:
    return views(transaction.connection, [find(transaction.connection, request_id)], waiting)[0]


def expire_due(transaction: Transaction) -> int:
    """Close everything whose time is over, whether or not anybody waits; how many there were."""
    due = select(tables.requests).where(is_open(), tables.requests.c.expires_at <= transaction.now)
    rows = transaction.connection.execute(due).all()
    return sum(close(transaction, row, Event.EXPIRE, Outcome.EXPIRED) for row in rows)
