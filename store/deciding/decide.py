"""The reviewers' side: decide on a card, alone or among several; and the deadline, which nobody decides.

These are changes for the writer; `store.desk` calls them.
"""

from typing import Any

from sqlalchemy import select

from store import tables
from store.answers import Chosen, Fault
from store.audit.events import Assurance, Concealed, Reference, RequestVoted
from store.canonical_json import canonical_text
from store.database import Transaction
from store.deciding.decisions import BadAnswer, NeedsSignature, NotFound, Ready, Refusal, Statement, Taken
from store.deciding.eligibility import still_needed
from store.deciding.examining import examine_row
from store.deciding.kept_answers import in_words, kept
from store.deciding.times import up_to_date
from store.deciding.votes import approving, keep, signers, words_of
from store.lifecycle import Event, Outcome
from store.moves import Decisive, close, move
from store.requests import find, is_open
from store.signing.signed import check_signed, signed_fields
from store.vault.keys import KeyProvider

HELD_CALLS_ARE_SIGNED = "you have a passkey, and a held call is approved with its signature"


def decide(
    transaction: Transaction, request_id: str, statement: Statement, keys: KeyProvider, waiting: frozenset[str]
) -> Taken | Refusal:
    """Take this answer, if it is this reviewer's to give and the request is still open: it closes the request, or is
    one of the several that the card asks for.

    Passwords in it are sealed with `keys`.
    """
    row = find(transaction.connection, request_id)
    if row is None:
        return NotFound()
    row = up_to_date(transaction, row)
    ready = examine_row(transaction.connection, transaction.now, row, statement, waiting)
    if not isinstance(ready, Ready):
        return ready
    if ready.needs_signature and statement.signed is None:
        return NeedsSignature() if ready.by_rule else NeedsSignature(HELD_CALLS_ARE_SIGNED)
    if (fault := _signature_fault(transaction, ready, statement)) is not None:
        return BadAnswer((fault,))
    if ready.card.needs_several:
        return Taken(_vote(transaction, ready, statement, keys))
    _close(transaction, ready, statement, keys, statement.reviewer.display_name, statement.words)
    return Taken(0)


def _signature_fault(transaction: Transaction, ready: Ready, statement: Statement) -> Fault | None:
    if statement.signed is None:
        return None
    return check_signed(
        transaction.connection,
        statement.signed,
        row=ready.row,
        reviewer_id=statement.reviewer.id,
        answer=ready.answer,
        comment=statement.words,
        now=transaction.now,
    )


def _vote(transaction: Transaction, ready: Ready, statement: Statement, keys: KeyProvider) -> int:
    """Take one answer of several; how many more of the same are needed for it to stand, 0 if it ended the request."""
    card, around = ready.card, ready.circumstances
    option = ready.answer.option if isinstance(ready.answer, Chosen) else None
    said = in_words(card, ready.answer)
    same = [ready.person]
    if ready.may_proceed and option is not None:
        same = approving(transaction.connection, card, option, around, beside=ready.person)
    # A signature of this answer is kept by now; it was checked before.
    signed = signers(transaction.connection, ready.row.id)
    missing = still_needed(card, same, around, signed=signed) if ready.may_proceed else 0
    position = transaction.log.next_index
    if missing:
        _record_vote(transaction, ready, statement)
    keep(
        transaction,
        card,
        ready.person,
        option=option,
        approves=ready.may_proceed,
        said=said,
        comment=statement.words,
        authenticated_by=statement.authenticated_by,
        log_position=position,
    )
    if not missing:
        names = " and ".join(one.display_name for one in same)
        words = statement.words if len(same) == 1 else words_of(transaction.connection, ready.row.id, same)
        _close(transaction, ready, statement, keys, names, words)
    return missing


def _record_vote(transaction: Transaction, ready: Ready, statement: Statement) -> None:
    row = ready.row
    answer = kept_vote(ready)
    moved = move(transaction, row.id, Event.VOTE)
    assert moved, "a request moved inside the writer's own transaction"
    transaction.record(
        RequestVoted(
            request=row.id,
            reviewer=statement.reviewer.id,
            authenticated_by=statement.authenticated_by,
            surface=statement.surface,
            card=Reference(row.card_ref),
            answer=Concealed(canonical_text(answer)),
            comment=None if statement.words is None else Concealed(statement.words),
            **signed_fields(statement.signed),
        ),
        Assurance(row.assurance),
    )


def kept_vote(ready: Ready) -> dict[str, Any]:
    """A vote's answer as the log conceals it: that of the decision that it may become a part of."""
    assert isinstance(ready.answer, Chosen)
    return {"decision": ready.answer.option, "approved": ready.may_proceed}


def _close(
    transaction: Transaction,
    ready: Ready,
    statement: Statement,
    keys: KeyProvider,
    decided_by: str,
    comment: str | None,
) -> None:
    answer = kept(transaction, ready.row, ready.card, ready.answer, keys)
    moved = close(
        transaction,
        ready.row,
        Event.DECIDE,
        ready.outcome,
        may_proceed=ready.may_proceed,
        decisive=Decisive(
            statement.reviewer.id,
            statement.authenticated_by,
            statement.surface,
            None if answer is None else canonical_text(answer),
            statement.words,
            statement.signed,
        ),
        answer=answer,
        comment=comment,
        decided_by_id=statement.reviewer.id,
        decided_by=decided_by,
        authenticated_by=statement.authenticated_by,
        surface=statement.surface.value,
    )
    # What was examined is this very row inside this very transaction; nothing can have moved it since.
    assert moved, "a request moved inside the writer's own transaction"


def expire_due(transaction: Transaction) -> int:
    """Close everything whose time is over, whether or not anybody waits; how many there were."""
    due = select(tables.requests).where(is_open(), tables.requests.c.expires_at <= transaction.now)
    rows = transaction.connection.execute(due).all()
    return sum(close(transaction, row, Event.EXPIRE, Outcome.EXPIRED) for row in rows)
