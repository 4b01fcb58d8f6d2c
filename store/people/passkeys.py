"""WebAuthn credentials as rows. Verifying them is the site's; `store.people` calls these."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from store import tables
from store.audit.events import Concealed, PasskeyAdded, PasskeyRemoved, PasskeyRenamed
from store.database import Transaction
from store.identifiers import new_id
from store.people.accounts import Reviewer, reviewer_with_id
from store.problems import PeopleProblem
from store.signals import PEOPLE

_LONGEST_NAME = 60


@dataclass(frozen=True)
class NewPasskey:
    """A credential that was verified and is not kept yet."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: tuple[str, ...]


@dataclass(frozen=True)
class Passkey:
    """A WebAuthn credential of a reviewer."""

    id: str
    reviewer_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None


def add_passkey(transaction: Transaction, reviewer_id: str, new: NewPasskey) -> Passkey:
    """Keep it.

    Raises:
        PeopleProblem: it is registered already, by whomever.
    """
    if _row(transaction.connection, new.credential_id) is not None:
        raise PeopleProblem("this passkey is registered already", "Use it to sign in, or choose another device.")
    transaction.connection.execute(
        insert(tables.passkeys).values(
            id=new_id("pk"),
            reviewer_id=reviewer_id,
            credential_id=new.credential_id,
            public_key=new.public_key,
            sign_count=new.sign_count,
            name=_name(new.name),
            transports=list(new.transports),
            created_at=transaction.now,
        )
    )
    passkey = _passkey(_row(transaction.connection, new.credential_id))
    transaction.record(
        PasskeyAdded(
            reviewer_id,
            passkey.id,
            base64.b64encode(new.credential_id).decode(),
            base64.b64encode(new.public_key).decode(),
        )
    )
    transaction.touch(PEOPLE)
    return passkey


def passkeys_of(connection: Connection, reviewer_id: str) -> list[Passkey]:
    """Oldest first."""
    rows = connection.execute(
        select(tables.passkeys)
        .where(tables.passkeys.c.reviewer_id == reviewer_id)
        .order_by(tables.passkeys.c.created_at)
    )
    return [_passkey(row) for row in rows]


def passkey_and_owner(connection: Connection, credential_id: bytes) -> tuple[Passkey, Reviewer] | None:
    row = _row(connection, credential_id)
    return None if row is None else (_passkey(row), reviewer_with_id(connection, row.reviewer_id))


def mark_used(transaction: Transaction, credential_id: bytes, sign_count: int) -> None:
    transaction.connection.execute(
        update(tables.passkeys)
        .where(tables.passkeys.c.credential_id == credential_id)
        .values(sign_count=sign_count, last_used_at=transaction.now)
    )


def remove_passkey(transaction: Transaction, reviewer_id: str, passkey_id: str) -> bool:
    passkeys = tables.passkeys
    removed = transaction.connection.execute(
        delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.reviewer_id == reviewer_id)
    )
    if removed.rowcount != 1:
        return False
    transaction.record(PasskeyRemoved(reviewer_id, passkey_id))
    transaction.touch(PEOPLE)
    return True


def rename_passkey(transaction: Transaction, reviewer_id: str, passkey_id: str, name: str) -> bool:
    """Call one of this person's passkeys otherwise; whether there was one."""
    passkeys = tables.passkeys
    mine = update(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.reviewer_id == reviewer_id)
    if transaction.connection.execute(mine.values(name=_name(name))).rowcount != 1:
        return False
    transaction.record(PasskeyRenamed(reviewer_id, passkey_id, Concealed(_name(name))))
    transaction.touch(PEOPLE)
    return True


def _name(given: str) -> str:
    return " ".join(given.split())[:_LONGEST_NAME] or "Passkey"


def _row(connection: Connection, credential_id: bytes) -> Any:
    return connection.execute(
        select(tables.passkeys).where(tables.passkeys.c.credential_id == credential_id)
    ).one_or_none()


def _passkey(row: Any) -> Passkey:
    return Passkey(
        row.id,
        row.reviewer_id,
        row.credential_id,
        row.public_key,
        row.sign_count,
        row.name,
        tuple(row.transports),
        row.created_at,
        row.last_used_at,
    )
