"""Credentials as rows: sealed when a form is answered, in the transaction of the answer; opened for their agent alone.

A handle is a name, not authority: every look-up is scoped to the agent that holds it. To everybody else, and to all
once it is revoked, it is as if it had never been.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from store import tables
from store.audit.events import CredentialRevoked, CredentialStored
from store.database import Database, Transaction
from store.identifiers import new_id
from store.problems import CredentialProblem
from store.vault.keys import KeyProvider
from store.vault.sealing import Binding, Sealed, seal, unseal

FIRST_VERSION = 1


@dataclass(frozen=True)
class Credential:
    """What may be known of a secret."""

    handle: str
    agent: str
    field: str
    request_id: str
    version: int
    stored_at: datetime
    revoked_at: datetime | None


def store_credential(
    transaction: Transaction, keys: KeyProvider, *, origin: str, agent_id: str, request_id: str, field: str, secret: str
) -> str:
    """Seal `secret` for this agent; its handle. `origin` names the log: a row carried elsewhere does not open."""
    binding = Binding(origin, new_id("cred", bits=128), FIRST_VERSION, agent_id)
    sealed = seal(secret, binding, keys.current())
    transaction.connection.execute(
        insert(tables.credentials).values(
            handle=binding.handle,
            agent_id=agent_id,
            request_id=request_id,
            field=field,
            version=binding.version,
            targets=list(binding.targets),
            kid=sealed.kid,
            wrapped_key=sealed.wrapped_key,
            sealed=sealed.ciphertext,
            created_at=transaction.now,
        )
    )
    transaction.record(
        CredentialStored(
            credential=binding.handle,
            version=binding.version,
            request=request_id,
            agent=agent_id,
            kid=sealed.kid,
            ciphertext_sha256=sealed.ciphertext_sha256,
        )
    )
    return binding.handle


def open_credential(
    connection: Connection, keys: KeyProvider, *, origin: str, agent_id: str, handle: str
) -> str | None:
    """The secret behind an agent's own handle; None for a handle that this agent does not have, or no longer has.

    Raises:
        KeyProblem: the row or its key was changed.
    """
    credentials = tables.credentials.c
    row = connection.execute(
        select(tables.credentials).where(
            credentials.handle == handle, credentials.agent_id == agent_id, credentials.revoked_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    binding = Binding(origin, handle, row.version, agent_id, tuple(row.targets))
    return unseal(Sealed(row.kid, row.wrapped_key, row.sealed), binding, keys.named(row.kid))


def any_credentials(connection: Connection) -> bool:
    """Whether anything is sealed that may be opened again: then the vault's key must be there."""
    return bool(_kids(connection))


def require_keys(connection: Connection, keys: KeyProvider) -> None:
    """Every secret's key is among `keys`: asked at the start, because at the first use it is too late.

    Raises:
        KeyProblem: one is not.
    """
    for kid in _kids(connection):
        keys.named(kid)


def _kids(connection: Connection) -> list[str]:
    credentials = tables.credentials.c
    return list(
        connection.execute(select(credentials.kid).where(credentials.revoked_at.is_(None)).distinct()).scalars()
    )


class Credentials:
    """What people do with credentials: look them over, and take them away. Neither needs the vault's key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> list[Credential]:
        """All of them, newest first, revoked ones too."""
        return await self._database.read(lambda connection: _credentials(connection))

    async def revoke(self, name: str) -> Credential:
        """Take away the credential with this handle, or the only one in force that was typed into a field so named.

        Raises:
            CredentialProblem: there is none, it is revoked already, or several have that name.
        """
        return await self._database.write(lambda transaction: revoke(transaction, name))


def revoke(transaction: Transaction, name: str) -> Credential:
    """See `Credentials.revoke`. The secret's own key is forgotten, so that no change of the row brings it back."""
    found = _only_one(_credentials(transaction.connection), name)
    credentials = tables.credentials
    transaction.connection.execute(
        update(credentials)
        .where(credentials.c.handle == found.handle, credentials.c.revoked_at.is_(None))
        .values(revoked_at=transaction.now, wrapped_key=b"")
    )
    transaction.record(CredentialRevoked(credential=found.handle))
    return _credentials(transaction.connection, found.handle)[0]


def _only_one(known: list[Credential], name: str) -> Credential:
    # The handle first: agents choose the names of fields, and one may be spelled like another agent's handle.
    if (named := next((credential for credential in known if credential.handle == name), None)) is not None:
        if named.revoked_at is not None:
            raise CredentialProblem(f"{name} is revoked already", "Nothing was changed. See: assent credentials list")
        return named
    typed = [credential for credential in known if credential.field == name and credential.revoked_at is None]
    if not typed:
        raise CredentialProblem(
            f"there is no credential {name} to revoke", "Give a handle or a field of: assent credentials list"
        )
    if len(typed) > 1:
        handles = ", ".join(f"{credential.handle} ({credential.agent})" for credential in typed)
        raise CredentialProblem(f"{len(typed)} credentials are called {name}", f"Give a handle: {handles}")
    return typed[0]


def _credentials(connection: Connection, handle: str | None = None) -> list[Credential]:
    credentials, agents = tables.credentials.c, tables.agents.c
    query = (
        select(tables.credentials, agents.name.label("agent"))
        .join(tables.agents, agents.id == credentials.agent_id)
        .order_by(credentials.created_at.desc(), credentials.handle)
    )
    if handle is not None:
        query = query.where(credentials.handle == handle)
    return [_credential(row) for row in connection.execute(query)]


def _credential(row: Any) -> Credential:
    return Credential(row.handle, row.agent, row.field, row.request_id, row.version, row.created_at, row.revoked_at)
