"""Statements handed out to be signed: one a session and request, for ten minutes, used once. Rows."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert

from store import tables
from store.database import Transaction
from store.deciding.decisions import Ready, Refusal, Statement
from store.deciding.examining import examine
from store.moments import to_text
from store.people.passkeys import Passkey
from store.signing.statement import (
    NONCE_BYTES,
    DecisionStatement,
    answer_commitment,
    base64_text,
    executed,
    executed_args_commitment,
    signed_answer,
)

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True)
class Signer:
    """Who is about to sign, where, and with what."""

    session_id: str
    passkey: Passkey
    origin: str
    """The site's own address: the signature must come from a page of it."""
    relying_party: str


def hand_out(
    transaction: Transaction, request_id: str, said: Statement, signer: Signer, waiting: frozenset[str]
) -> str | Refusal:
    """The statement of what this reviewer says, in the canonical text that is to be signed; or why it would not stand.

    One that was handed out before to this session for this request is void with it. Nothing is decided here: everything
    is looked at again when the signature comes.
    """
    ready = examine(transaction.connection, transaction.now, request_id, said, waiting)
    if not isinstance(ready, Ready):
        return ready
    row, card, nonces = ready.row, ready.card, tables.signing_nonces
    nonce = secrets.token_hex(NONCE_BYTES)
    what, content = signed_answer(card, ready.answer)
    lapses_at = transaction.now + LIFETIME
    statement = DecisionStatement(
        log_origin=transaction.log.origin,
        request_id=row.id,
        card_sha256=row.card_sha256,
        option=what.option,
        approves=what.approves,
        meaning=what.meaning,
        answer_commitment=answer_commitment(nonce, content, said.words),
        executed_args_commitment=executed_args_commitment(nonce, executed(card, approves=what.approves)),
        reviewer_id=said.reviewer.id,
        credential_id=base64_text(signer.passkey.credential_id),
        policy_sha256=card.policy_sha256,
        nonce=nonce,
        expires_at=to_text(lapses_at),
    ).text
    mine = (nonces.c.session_id == signer.session_id) & (nonces.c.request_id == row.id)
    transaction.connection.execute(delete(nonces).where(mine | (nonces.c.expires_at <= transaction.now)))
    transaction.connection.execute(
        insert(nonces).values(
            session_id=signer.session_id,
            request_id=row.id,
            reviewer_id=said.reviewer.id,
            passkey_id=signer.passkey.id,
            statement=statement,
            origin=signer.origin,
            relying_party=signer.relying_party,
            expires_at=lapses_at,
        )
    )
    return statement
