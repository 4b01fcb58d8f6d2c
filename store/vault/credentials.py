"""Credentials as rows: sealed when a form is answered, in the transaction of the answer."""

from sqlalchemy import Connection, func, insert, select

from store import tables
from store.database import Transaction
from store.identifiers import new_id
from store.vault.keys import KeyProvider
from store.vault.sealing import Binding, Sealed, seal, unseal

FIRST_VERSION = 1


def store_credential(
    transaction: Transaction, keys: KeyProvider, *, agent_id: str, request_id: str, field: str, secret: str
) -> str:
    """Seal `secret` and return its handle. The handle is a name, not authority: look-ups are scoped to the agent."""
    handle = new_id("cred", bits=128)
    sealed = seal(secret, Binding(handle, FIRST_VERSION, agent_id), keys.current())
    transaction.connection.execute(
        insert(tables.credentials).values(
            handle=handle,
            agent_id=agent_id,
            request_id=request_id,
            field=field,
            version=FIRST_VERSION,
            kid=sealed.kid,
            wrapped_key=sealed.wrapped_key,
            sealed=sealed.ciphertext,
            created_at=transaction.now,
        )
    )
    return handle


def open_credential(connection: Connection, keys: KeyProvider, *, agent_id: str, handle: str) -> str | None:
    """The secret behind an agent's own handle; None for a handle that this agent does not have.

    Raises:
        KeyProblem: the row or its key was changed.
    """
    credentials = tables.credentials.c
    row = connection.execute(
        select(tables.credentials).where(credentials.handle == handle, credentials.agent_id == agent_id)
    ).one_or_none()
    if row is None:
        return None
    return unseal(
        Sealed(row.kid, row.wrapped_key, row.sealed), Binding(handle, row.version, agent_id), keys.named(row.kid)
    )


def any_credentials(connection: Connection) -> bool:
    """Whether anything is sealed: then the vault's key must be there."""
    return connection.execute(select(func.count()).select_from(tables.credentials)).scalar_one() > 0
