"""A decision that came with a signature: what the site hands to the desk, and whether it counts. The seam.

`check_signed` runs inside the transaction of the decision and is called after every other check, because it consumes
what it finds good. `NeedsSignature` is `store.deciding.decide`'s own: a condition of the card asks for a passkey, and
the decision brought none.
"""

import hmac
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from store import tables
from store.answers import Answer, Fault
from store.audit.events import Concealed
from store.card import load_card
from store.signing.assertion import SignatureRefused, VerifiedAssertion, verify_assertion
from store.signing.statement import (
    SignedAnswer,
    answer_commitment,
    base64_text,
    executed,
    executed_args_commitment,
    load_statement,
    signed_answer,
)

_log = logging.getLogger(__name__)

FIELD = "assertion"
"""The field of a form or JSON body that carries a signature, and that a `Fault` about it names."""
_UNCHECKED = Fault(FIELD, "the signature could not be checked; press the button again")
_TOO_LATE = Fault(
    FIELD, "the signature was asked for more than ten minutes ago, or used before; press the button again"
)
_ANOTHER = Fault(FIELD, "the signature is for another answer than this one; press the button again")


@dataclass(frozen=True)
class SignedDecision:
    """What a person's browser signed, as it came. Nothing of it is believed before `check_signed`."""

    passkey_id: str
    statement: str
    """The canonical JSON that was signed: the text that was handed out with the options, to the letter."""
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    session_id: str
    """The session that hands it in; a signature counts only in the session that it was asked for in."""


def check_signed(
    connection: Connection,
    signed: SignedDecision,
    *,
    row: Any,
    reviewer_id: str,
    answer: Answer,
    comment: str | None,
    now: datetime,
) -> Fault | None:
    """Why this signature does not stand under this answer of this reviewer; None if it does.

    Then it is consumed: its nonce is gone, the passkey's counter moved on, and the signature is kept in `signatures`.
    A fault leaves everything as it was. Call it inside the writer's transaction, after every other check, with the
    request's row, the answer as `store.answers.check` gave it back, and the comment as it will be kept (stripped, None
    if empty).
    """
    nonces = tables.signing_nonces.c
    asked = connection.execute(
        select(tables.signing_nonces).where(nonces.session_id == signed.session_id, nonces.request_id == row.id)
    ).one_or_none()
    passkey = connection.execute(
        select(tables.passkeys).where(
            tables.passkeys.c.id == signed.passkey_id, tables.passkeys.c.reviewer_id == reviewer_id
        )
    ).one_or_none()
    if asked is None or now >= asked.expires_at:
        return _TOO_LATE
    if not hmac.compare_digest(asked.statement.encode(), signed.statement.encode("utf-8", "surrogatepass")):
        return _TOO_LATE
    if passkey is None or (asked.reviewer_id, asked.passkey_id) != (reviewer_id, passkey.id):
        return _refused("it is another person's or another passkey's")
    if _answer_of(asked.statement) != _expected(row, answer, comment, asked.statement):
        return _ANOTHER
    try:
        verified = verify_assertion(
            public_key=passkey.public_key,
            statement=asked.statement,
            client_data=signed.client_data,
            authenticator_data=signed.authenticator_data,
            signature=signed.signature,
            origin=asked.origin,
            relying_party=asked.relying_party,
        )
    except SignatureRefused as refused:
        return _refused(refused.message)
    # A counter that does not move forward is a copied key; authenticators that keep none always say zero.
    if (verified.sign_count or passkey.sign_count) and verified.sign_count <= passkey.sign_count:
        return _refused("its passkey's counter went back: the passkey may have been copied")
    _keep(connection, signed, row.id, reviewer_id, passkey, verified, now)
    return None


def signed_fields(signed: SignedDecision | None) -> dict[str, Any]:
    """The fields that `RequestVoted` and `RequestClosed` have more of when the decision was signed."""
    if signed is None:
        return {}
    return {
        "passkey": signed.passkey_id,
        "statement": Concealed(signed.statement),
        "client_data": Concealed(signed.client_data.decode()),
        "authenticator_data": base64_text(signed.authenticator_data),
        "signature": base64_text(signed.signature),
    }


def _answer_of(statement: str) -> tuple[str, SignedAnswer, str, str | None]:
    said = load_statement(statement)
    answer = SignedAnswer(said.option, said.approves, said.meaning)
    return said.card_sha256, answer, said.answer_commitment, said.executed_args_commitment


def _expected(
    row: Any, answer: Answer, comment: str | None, statement: str
) -> tuple[str, SignedAnswer, str, str | None]:
    card, nonce = load_card(row.card), load_statement(statement).nonce
    what, content = signed_answer(card, answer)
    runs = executed_args_commitment(nonce, executed(card, approves=what.approves))
    return row.card_sha256, what, answer_commitment(nonce, content, comment), runs


def _refused(reason: str) -> Fault:
    _log.warning("a signed decision was refused: %s", reason)
    return _UNCHECKED


def _keep(
    connection: Connection,
    signed: SignedDecision,
    request_id: str,
    reviewer_id: str,
    passkey: Any,
    verified: VerifiedAssertion,
    now: datetime,
) -> None:
    nonces = tables.signing_nonces.c
    connection.execute(
        delete(tables.signing_nonces).where(nonces.session_id == signed.session_id, nonces.request_id == request_id)
    )
    connection.execute(
        update(tables.passkeys)
        .where(tables.passkeys.c.id == passkey.id)
        .values(sign_count=verified.sign_count, last_used_at=now)
    )
    connection.execute(
        insert(tables.signatures).values(
            request_id=request_id,
            reviewer_id=reviewer_id,
            passkey_id=passkey.id,
            passkey_name=passkey.name,
            statement=signed.statement,
            client_data=signed.client_data,
            authenticator_data=signed.authenticator_data,
            signature=signed.signature,
            at=now,
        )
    )
