"""The signatures that were kept: who signed which answer, and with what."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from store import tables


@dataclass(frozen=True)
class SignedBy:
    """A person who signed their answer, and what they call the passkey."""

    display_name: str
    passkey_name: str


def signed_by(connection: Connection, request_ids: Sequence[str]) -> dict[str, list[SignedBy]]:
    """Who signed their answers to these requests, the first first. Of what is open it is nobody's to see."""
    signatures, reviewers = tables.signatures, tables.reviewers
    found: dict[str, list[SignedBy]] = {}
    query = (
        select(signatures.c.request_id, signatures.c.passkey_name, reviewers.c.display_name)
        .join(reviewers, reviewers.c.id == signatures.c.reviewer_id)
        .where(signatures.c.request_id.in_(request_ids))
        .order_by(signatures.c.at, signatures.c.reviewer_id)
    )
    for row in connection.execute(query):
        found.setdefault(row.request_id, []).append(SignedBy(row.display_name, row.passkey_name))
    return found
