"""`assent credentials …`: the secrets that people typed, by their handles. Nothing here can show one."""

from typing import Annotated

import anyio
from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from store.vault.credentials import Credential

credentials = App(name="credentials", help="Secrets that people typed: list, revoke.")


@credentials.command(name="list")
def list_(*, shared: Shared = NO_FLAGS) -> None:
    """Name every credential: its handle, its agent, the field it was typed into. Never the secret."""
    with opened(shared.settings()) as records:
        known = anyio.run(records.credentials.list)
    shared.answer(
        [_row(one) for one in known], "\n".join(_line(one) for one in known) or "nobody has typed a password yet"
    )


@credentials.command
def revoke(
    name: Annotated[str, Parameter(help="The handle, or the field's name where only one credential has it.")],
    /,
    *,
    shared: Shared = NO_FLAGS,
) -> None:
    """Take a credential away from its agent, for good. That it was there stays in the list."""
    with opened(shared.settings()) as records:
        revoked = anyio.run(records.credentials.revoke, name)
    shared.answer(
        {"revoked": revoked.handle, "agent": revoked.agent, "field": revoked.field},
        f"{revoked.handle} ({revoked.field}) is revoked: {revoked.agent} can use it no more\n"
        "Change the password where it opens something, if it may have been misused.",
    )


def _line(credential: Credential) -> str:
    ended = f", revoked {credential.revoked_at:%Y-%m-%d %H:%M} UTC" if credential.revoked_at else ""
    return (
        f"{credential.handle}  {credential.field} for {credential.agent}, "
        f"stored {credential.stored_at:%Y-%m-%d %H:%M} UTC in {credential.request_id}{ended}"
    )


def _row(credential: Credential) -> dict[str, object]:
    return {
        "handle": credential.handle,
        "agent": credential.agent,
        "field": credential.field,
        "request_id": credential.request_id,
        "version": credential.version,
        "stored_at": credential.stored_at.isoformat(),
        "revoked_at": credential.revoked_at.isoformat() if credential.revoked_at else None,
    }
