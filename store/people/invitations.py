"""One-time links: to a new account, or back into one that was reset. A day, one use. `store.people` calls these.

Whoever holds the link gets the account, so it is kept as a hash, shown once to whoever made it, and never sent by us.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select

from store import tables
from store.audit.events import Concealed, InvitationMade, InvitationUsed, InvitationWithdrawn
from store.database import Transaction
from store.identifiers import new_id, secret_sha256
from store.names import fold
from store.people.accounts import (
    NameTaken,
    NewAccount,
    Origin,
    Reviewer,
    Role,
    insert_account,
    replace_password_hash,
    reviewer_with_id,
    row_named,
)
from store.problems import PeopleProblem
from store.signals import PEOPLE

LIFE = timedelta(hours=24)


@dataclass(frozen=True)
class Invitation:
    """A link that was made and not used. With `reviewer_id` it leads back into that account, which was reset."""

    id: str
    username: str
    role: Role
    reviewer_id: str | None
    made_by: str | None
    """The admin's id; None: the command line."""
    created_at: datetime
    expires_at: datetime


class InvitationVoid(PeopleProblem):
    """The link is unknown, used, too old, withdrawn, or was replaced."""


def invite(transaction: Transaction, token: str, username: str, role: Role, by: str | None) -> Invitation:
    """Make `token` the one link to a new account of this name.

    Raises:
        NameTaken
    """
    if row_named(transaction.connection, username) is not None:
        raise NameTaken(f"there is an account named {username} already", "Choose another name, or reset that account.")
    return _make(transaction, token, username, role, None, by)


def invite_back(transaction: Transaction, token: str, reviewer: Reviewer, by: str | None) -> Invitation:
    """Make `token` the one link back into this account."""
    return _make(transaction, token, reviewer.username, reviewer.role, reviewer.id, by)


def _make(
    transaction: Transaction, token: str, username: str, role: Role, reviewer_id: str | None, by: str | None
) -> Invitation:
    for earlier in open_invitations(transaction.connection, transaction.now):
        if fold(earlier.username) == fold(username):
            withdraw(transaction, earlier.id, by)
    invitations = tables.invitations
    transaction.connection.execute(delete(invitations).where(invitations.c.expires_at <= transaction.now))
    made = Invitation(new_id("inv"), username, role, reviewer_id, by, transaction.now, transaction.now + LIFE)
    transaction.connection.execute(
        insert(invitations).values(
            token_sha256=secret_sha256(token),
            id=made.id,
            username=username,
            role=role.value,
            reviewer_id=reviewer_id,
            made_by=by,
            created_at=made.created_at,
            expires_at=made.expires_at,
        )
    )
    transaction.record(InvitationMade(made.id, Concealed(username), role.value, made.expires_at, reviewer_id, by))
    transaction.touch(PEOPLE)
    return made


def invitation_of(connection: Connection, token: str, now: datetime) -> Invitation | None:
    """What this link leads to, if `use` would take it now."""
    found = _rows(connection, tables.invitations.c.token_sha256 == secret_sha256(token), now)
    return found[0] if found else None


def open_invitations(connection: Connection, now: datetime) -> list[Invitation]:
    """The links that can be used, oldest first."""
    return _rows(connection, tables.invitations.c.expires_at > now, now)


def use(transaction: Transaction, token: str, password_hash: str | None, display_name: str | None) -> Reviewer:
    """Make the account, or set the password of the one that was reset; the link is void with it.

    Without a password the caller gives the account another way in, in the same change.

    Raises:
        InvitationVoid, NameTaken
    """
    connection = transaction.connection
    invitation = invitation_of(connection, token, transaction.now)
    if invitation is None:
        raise InvitationVoid("this link is no longer valid", "Ask an admin for a new one.")
    _forget(transaction, invitation.id)
    if invitation.reviewer_id is None:
        name = display_name or invitation.username
        account = NewAccount(invitation.username, name, invitation.role, password_hash, Origin.INVITATION)
        reviewer = insert_account(transaction, account)
    else:
        if password_hash is not None:
            replace_password_hash(transaction, invitation.reviewer_id, password_hash)
        reviewer = reviewer_with_id(connection, invitation.reviewer_id)
    transaction.record(InvitationUsed(invitation.id, reviewer.id))
    transaction.touch(PEOPLE)
    return reviewer


def withdraw(transaction: Transaction, invitation_id: str, by: str | None) -> bool:
    """Make a link void; whether there was one."""
    if not _forget(transaction, invitation_id):
        return False
    transaction.record(InvitationWithdrawn(invitation_id, by))
    transaction.touch(PEOPLE)
    return True


def withdraw_of(transaction: Transaction, reviewer_id: str, by: str | None) -> None:
    """Make every link void that this person made, and the one back into their account."""
    invitations = tables.invitations.c
    theirs = or_(invitations.made_by == reviewer_id, invitations.reviewer_id == reviewer_id)
    for invitation in _rows(transaction.connection, theirs, transaction.now):
        withdraw(transaction, invitation.id, by)


def _forget(transaction: Transaction, invitation_id: str) -> bool:
    invitations = tables.invitations
    gone = transaction.connection.execute(delete(invitations).where(invitations.c.id == invitation_id))
    return gone.rowcount == 1


def _rows(connection: Connection, which: ColumnElement[bool], now: datetime) -> list[Invitation]:
    invitations = tables.invitations
    rows = connection.execute(
        select(invitations).where(which, invitations.c.expires_at > now).order_by(invitations.c.created_at)
    )
    return [_invitation(row) for row in rows]


def _invitation(row: Any) -> Invitation:
    return Invitation(
        row.id, row.username, Role(row.role), row.reviewer_id, row.made_by, row.created_at, row.expires_at
    )
