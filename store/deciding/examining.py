"""Whether an answer would stand at this moment: every check of a decision, and nothing written."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from store.answers import AskedBack, Fault, check
from store.card import Card
from store.deciding.decisions import BadAnswer, Conflict, NotAllowed, NotFound, NotSeen, Ready, Refusal, Statement
from store.deciding.eligibility import Circumstances, Person, needs_passkey, why_not_answer, why_not_approve
from store.deciding.kept_answers import meaning_of
from store.deciding.shows import was_shown
from store.deciding.votes import circumstances, has_voted, person
from store.lifecycle import Outcome, State
from store.people.sessions import is_open
from store.requests import RequestView, checked_card, find, views
from store.text import is_unicode

COMMENT_LIMIT = 10_000


def examine(
    connection: Connection, now: datetime, request_id: str, statement: Statement, waiting: frozenset[str]
) -> Ready | Refusal:
    """Whether this statement would stand now, but for its signature."""
    row = find(connection, request_id)
    return NotFound() if row is None else examine_row(connection, now, row, statement, waiting)


def examine_row(
    connection: Connection, now: datetime, row: Any, statement: Statement, waiting: frozenset[str]
) -> Ready | Refusal:
    """`examine` for a row that was just read."""
    speaker = examine_speaker(
        connection,
        now,
        row,
        reviewer_id=statement.reviewer.id,
        card_sha256=statement.card_sha256,
        session_id=statement.session_id,
        waiting=waiting,
    )
    if not isinstance(speaker, Speaker):
        return speaker
    card, speaks, around = speaker.card, speaker.person, speaker.circumstances
    answer = check(card.question, statement.answer)
    faults = (*(answer if isinstance(answer, tuple) else ()), *_comment_faults(statement))
    if faults or isinstance(answer, tuple):
        return BadAnswer(faults)
    outcome, may_proceed = meaning_of(card, answer)
    if may_proceed:
        if (why_not := why_not_approve(card, speaks, around)) is not None:
            return NotAllowed(why_not)
        if card.reason_required and statement.words is None:
            return BadAnswer((Fault("comment", "say why: by its rules, this is not approved without a reason"),))
    signature = may_proceed and needs_passkey(card, speaks, around)
    by_rule = any(one.passkey and one.asks(speaks.username_key, escalated=around.escalated) for one in card.conditions)
    return Ready(row, card, answer, speaks, around, outcome, may_proceed, signature, by_rule)


@dataclass(frozen=True)
class Speaker:
    """Somebody who may say something to this card now: they were shown it, are asked, and did not answer yet."""

    card: Card
    person: Person
    circumstances: Circumstances


def examine_speaker(
    connection: Connection,
    now: datetime,
    row: Any,
    *,
    reviewer_id: str,
    card_sha256: str,
    session_id: str | None,
    waiting: frozenset[str],
) -> Speaker | Refusal:
    """Whether this person may say anything to the card of that hash, of a row that was just read."""
    # Looked at here, too: a call that is sent slowly began before its session was ended, or its account reset.
    if session_id is not None and not is_open(connection, session_id):
        return NotAllowed("your session has ended, and nothing was changed; sign in again")
    speaks = person(connection, reviewer_id)
    if speaks is None or not speaks.may_decide:
        return NotAllowed()
    if (conflict := _conflict(connection, now, row, card_sha256, waiting)) is not None:
        return conflict
    if not was_shown(connection, reviewer_id, row):
        return NotSeen()
    card = checked_card(row)
    around = circumstances(connection, row, card, now)
    if card.needs_several and has_voted(connection, row.id, speaks.id):
        return Conflict(
            views(connection, [row], waiting)[0], "your answer is in already, and counts once; it cannot be changed"
        )
    if (why_not := why_not_answer(card, speaks, around)) is not None:
        return NotAllowed(why_not)
    return Speaker(card, speaks, around)


def _conflict(
    connection: Connection, now: datetime, row: Any, card_sha256: str, waiting: frozenset[str]
) -> Conflict | None:
    if row.state == State.CLOSED.value or row.expires_at <= now:
        view = views(connection, [row], waiting)[0]
        return Conflict(view, closed_message(view))
    if card_sha256 != row.card_sha256:
        view = views(connection, [row], waiting)[0]
        return Conflict(view, "this answer was for another version of the card; read it again")
    return None


def closed_message(view: RequestView) -> str:
    """Why a closed request, or one whose time is over, takes no answer, in one plain line."""
    match view.outcome:
        case Outcome.EXPIRED | None:
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
    if isinstance(statement.answer, AskedBack) and statement.words is None:
        return (Fault("comment", "say what you want to know: the agent gets these words"),)
    return ()
