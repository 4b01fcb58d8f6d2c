"""A reviewer changes what a held call would run with: a change for the writer; `store.desk` calls it.

Invariants:

- Only who was shown the card, and may approve it, makes another of it.
- What stands on the new card was validated and judged like a call of the agent's; what the rules deny is refused.
- Nothing that was said to the old card counts for the new one: its votes and signatures go, everybody must be shown it
  anew, and no two cards of a request are alike.
- The request stays that of the agent's own arguments: the same call attaches to it. Its deadline never moves back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import delete

from store import tables
from store.answers import Fault
from store.audit.events import ArgumentsEdited, Assurance, Concealed, Reference
from store.calls import pins
from store.calls.calls import GovernedCall
from store.calls.judgement import called_of, judged, validated
from store.calls.schema import WHOLE, unfit
from store.canonical_json import canonical_text
from store.card import Card
from store.database import Transaction
from store.deciding.decisions import BadAnswer, NotAllowed, NotFound, Refusal
from store.deciding.eligibility import why_not_approve
from store.deciding.examining import Speaker, examine_speaker
from store.deciding.times import up_to_date
from store.lifecycle import Event, Surface
from store.moves import move
from store.people.accounts import Reviewer
from store.policy.rules import Action
from store.policy.verdicts import Verdict
from store.questions import HeldCall
from store.requests import RequestView, find
from store.strict_json import NotStrictJson, read_strict_json

_HELD_ANYHOW = ("a reviewer changed its arguments; with these, no rule would hold it",)
EDITS_LIMIT = 20
"""How often a held call can be edited: each time is a card that is kept."""


@dataclass(frozen=True)
class Editing:
    """What a reviewer wants run instead, on which card, how they were authenticated, and where they saw it."""

    reviewer: Reviewer
    card_sha256: str
    arguments: Mapping[str, Any]
    surface: Surface
    authenticated_by: str
    session_id: str | None = None


@dataclass(frozen=True)
class Edited:
    """The request has another card. Nobody was shown it yet, whoever edited included."""

    view: RequestView


def edit(transaction: Transaction, request_id: str, editing: Editing, waiting: frozenset[str]) -> Card | Refusal:
    """The new card; or why there is none, and nothing was written.

    Raises:
        PolicyUnreadable: nobody can say what the rules ask of it. DatabaseProblem: the card was changed.
    """
    row = find(transaction.connection, request_id)
    if row is None:
        return NotFound()
    row = up_to_date(transaction, row)
    speaker = examine_speaker(
        transaction.connection,
        transaction.now,
        row,
        reviewer_id=editing.reviewer.id,
        card_sha256=editing.card_sha256,
        session_id=editing.session_id,
        waiting=waiting,
    )
    if not isinstance(speaker, Speaker):
        return speaker
    card = speaker.card
    if not isinstance(card.question, HeldCall):
        return NotAllowed("only a held call has arguments to edit")
    if (why_not := why_not_approve(card, speaker.person, speaker.circumstances)) is not None:
        return NotAllowed(why_not)
    if row.edits >= EDITS_LIMIT:
        return NotAllowed(f"this call was edited {EDITS_LIMIT} times, which is the limit; refuse it and say what to do")
    edited = _edited(transaction, row, card, card.question, editing)
    if isinstance(edited, Card):
        _write(transaction, row, edited, editing)
    return edited


def _edited(transaction: Transaction, row: Any, card: Card, question: HeldCall, editing: Editing) -> Card | Refusal:
    arguments = _read(editing.arguments)
    if isinstance(arguments, Fault):
        return BadAnswer((arguments,))
    if canonical_text(arguments) == canonical_text(question.arguments):
        return _bad("are what the card says already; change something, or approve it as it is")
    call = replace(called_of(question), arguments=arguments)
    if _has_moved(transaction, call):
        return _bad("are of a definition that has changed since; refuse this, and let the agent call it again")
    verdict = judged(
        transaction.connection, agent=row.agent_name, workflow=row.workflow, call=call, now=transaction.now
    )
    if verdict.action is Action.DENY:
        return _bad(f"must not be these: {_inline(verdict.denied or 'the rules deny it')}")
    faults = validated(transaction.connection, call)
    if faults:
        return BadAnswer(faults)
    try:
        changed = HeldCall.model_validate(
            question.model_dump()
            | {
                "arguments": arguments,
                "held_because": verdict.reasons if verdict.action is Action.HOLD else _HELD_ANYHOW,
                "edited_by": editing.reviewer.display_name,
                "asked_arguments": question.arguments if question.asked_arguments is None else question.asked_arguments,
            }
        )
    except ValidationError:
        return _bad("are too large for a person to read, beside those of the agent; send less")
    return _card(transaction.now, row, card, changed, verdict)


def _read(arguments: Mapping[str, Any]) -> dict[str, Any] | Fault:
    """The arguments as a stranger's JSON is read everywhere else: with one meaning."""
    if (fault := unfit(arguments)) is not None:
        return fault
    try:
        read = read_strict_json(canonical_text(dict(arguments)).encode())
    except NotStrictJson as problem:
        return Fault(WHOLE, f"are not JSON with one meaning: {problem}")
    assert isinstance(read, dict)
    return read


def _has_moved(transaction: Transaction, call: GovernedCall) -> bool:
    if call.definition_sha256 is None:
        return False
    pin = pins.pin(transaction.connection, call.upstream, call.method, call.name)
    return pin is None or pin.sha256 != call.definition_sha256


def _card(now: datetime, row: Any, card: Card, question: HeldCall, verdict: Verdict) -> Card:
    """The next card of the request. What the rules ask of the new arguments takes the place of what they asked."""
    expires_at = row.expires_at
    if verdict.timeout_seconds is not None:
        expires_at = min(expires_at, now + timedelta(seconds=verdict.timeout_seconds))
    conditions = verdict.conditions if verdict.action is Action.HOLD else ()
    said = f"Edit {row.edits + 1}: {question.edited_by} changed the arguments on {now:%Y-%m-%d at %H:%M} UTC."
    return replace(
        card,
        question=question,
        expires_at=expires_at,
        # Numbered, so that no card is like one before, and what was shown of that one counts for nothing.
        notices=(*card.notices, said),
        conditions=conditions,
        escalates_at=_escalates_at(now, row, expires_at) if any(one.escalate_to for one in conditions) else None,
        policy_sha256=verdict.policy_sha256,
    )


def _escalates_at(now: datetime, row: Any, expires_at: datetime) -> datetime:
    half: datetime = now + (expires_at - now) / 2
    before: datetime | None = row.escalates_at
    return half if before is None else min(before, half)


def _write(transaction: Transaction, row: Any, card: Card, editing: Editing) -> None:
    recorded = transaction.record(
        ArgumentsEdited(
            request=row.id,
            reviewer=editing.reviewer.id,
            authenticated_by=editing.authenticated_by,
            surface=editing.surface,
            card=Concealed(canonical_text(card.content())),
            instead_of=Reference(row.card_ref),
            expires_at=card.expires_at,
        ),
        Assurance(row.assurance),
    )
    several = recorded.index if card.needs_several else None
    moved = move(
        transaction,
        row.id,
        Event.EDIT,
        card=card.content(),
        card_sha256=card.sha256,
        card_ref=recorded.entry.references["card"].commitment,
        edits=row.edits + 1,
        expires_at=card.expires_at,
        escalates_at=card.escalates_at,
        escalated_at=row.escalated_at if card.escalates_at == row.escalates_at else None,
        # What was hidden before stays so: there are answers to the old card in the log.
        hidden_from=several if row.hidden_from is None else row.hidden_from,
    )
    assert moved, "a request moved inside the writer's own transaction"
    for table in (tables.votes, tables.signatures, tables.signing_nonces):
        transaction.connection.execute(delete(table).where(table.c.request_id == row.id))


def _bad(message: str) -> BadAnswer:
    return BadAnswer((Fault(WHOLE, message),))


def _inline(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
