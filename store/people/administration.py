"""What admins, and whoever has the server's files, do to other people's accounts.

`by` is the session of the admin who asks, None the command line. Whether that session is still open and still an
admin's is looked at inside the change: authority that was taken back while it waited changes nothing.
"""

from dataclasses import dataclass

from sqlalchemy import func, select, update

from store import tables
from store.audit.events import AccountDisabled, AccountEnabled, AccountReset, RoleChanged
from store.database import Database, Transaction
from store.identifiers import new_secret
from store.people import identities, invitations, passkeys, sessions
from store.people.accounts import Reviewer, Role, checked_username, known_reviewer, reviewer_with_id
from store.people.invitations import Invitation
from store.people.sessions import Session
from store.problems import PeopleProblem
from store.push.ends import Ended, forget_all
from store.signals import PEOPLE


class NotAnAdmin(PeopleProblem):
    """Whoever asks is not an admin, or not any more."""


class LastAdmin(PeopleProblem):
    """Nobody would be left who can give anybody a role."""


class UnknownAccount(PeopleProblem):
    """There is no such account."""


@dataclass(frozen=True)
class Link:
    """A one-time link just made. `token` is shown this once."""

    token: str
    invitation: Invitation


class Administration:
    """Roles, invitations, resets, and accounts that end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def invite(self, username: str, *, role: Role, by: Session | None) -> Link:
        """A link, for a day and once, to a new account of this name and role. An earlier one for the name is void.

        Raises:
            BadName, NameTaken, NotAnAdmin, AccountClosed
        """
        username = checked_username(username)
        token = new_secret("invite")

        def change(transaction: Transaction) -> Invitation:
            return invitations.invite(transaction, token, username, role, authority(transaction, by))

        return Link(token, await self._database.write(change))

    async def withdraw(self, invitation_id: str, *, by: Session | None) -> bool:
        """Make a link void; whether there was one.

        Raises:
            NotAnAdmin, AccountClosed
        """
        return await self._database.write(
            lambda change: invitations.withdraw(change, invitation_id, authority(change, by))
        )

    async def open_invitations(self) -> list[Invitation]:
        """The links that can be used, oldest first."""
        now = self._database.clock()
        return await self._database.read(lambda connection: invitations.open_invitations(connection, now))

    async def change_role(self, reviewer_id: str, role: Role, *, by: Session | None) -> Reviewer:
        """Give an account another role; it counts from the next thing that the person does.

        Raises:
            LastAdmin, UnknownAccount, NotAnAdmin, AccountClosed
        """
        return await self._database.write(lambda change: _change_role(change, reviewer_id, role, by))

    async def disable(self, reviewer_id: str, *, by: Session | None) -> Reviewer:
        """Let nobody sign in to an account any more; what the person did stays. Its name stays taken.

        Raises:
            LastAdmin, UnknownAccount, NotAnAdmin, AccountClosed
        """
        return await self._database.write(lambda change: _disable(change, reviewer_id, by))

    async def enable(self, reviewer_id: str, *, by: Session | None) -> Reviewer:
        """Take a disabled account back in, with the password and passkeys that it had.

        Raises:
            UnknownAccount, NotAnAdmin, AccountClosed
        """
        return await self._database.write(lambda change: _enable(change, reviewer_id, by))

    async def reset(self, reviewer_id: str, *, by: Session | None) -> Link:
        """Revoke every way into an account, and make a link back in. For a day its vote counts for no quorum.

        Raises:
            UnknownAccount, NotAnAdmin, AccountClosed
        """
        token = new_secret("invite")
        return Link(token, await self._database.write(lambda change: _reset(change, reviewer_id, token, by)))

    async def end_session(self, reviewer_id: str, session_id: str, *, by: Session | None) -> bool:
        """End somebody's session; whether there was one.

        Raises:
            NotAnAdmin, AccountClosed
        """
        return await self._database.write(
            lambda change: sessions.end_session(change, reviewer_id, session_id, authority(change, by))
        )


def authority(transaction: Transaction, by: Session | None) -> str | None:
    """Whose authority this is, for the entry: the admin's id, or None for the command line.

    Raises:
        NotAnAdmin, AccountClosed
    """
    if by is None:
        return None
    sessions.require_open(transaction.connection, by.id)
    admin = reviewer_with_id(transaction.connection, by.reviewer.id)
    if admin.role is not Role.ADMIN or admin.disabled_at is not None:
        raise NotAnAdmin(f"{admin.username} is no admin", "Ask an admin; the page People names them.")
    return admin.id


def _change_role(transaction: Transaction, reviewer_id: str, role: Role, by: Session | None) -> Reviewer:
    who = authority(transaction, by)
    before = _known(transaction, reviewer_id)
    if before.role is role:
        return before
    _require_another_admin(transaction, before)
    _set(transaction, reviewer_id, role=role.value)
    transaction.record(RoleChanged(reviewer_id, role.value, who))
    if before.role is Role.ADMIN:
        # A link handed out before would be a way back.
        invitations.withdraw_of(transaction, reviewer_id, who)
    return reviewer_with_id(transaction.connection, reviewer_id)


def _disable(transaction: Transaction, reviewer_id: str, by: Session | None) -> Reviewer:
    who = authority(transaction, by)
    before = _known(transaction, reviewer_id)
    if before.disabled_at is not None:
        return before
    _require_another_admin(transaction, before)
    sessions.end_all(transaction, reviewer_id, who)
    invitations.withdraw_of(transaction, reviewer_id, who)
    forget_all(transaction, reviewer_id, Ended.DISABLED)
    _set(transaction, reviewer_id, disabled_at=transaction.now)
    transaction.record(AccountDisabled(reviewer_id, who))
    return reviewer_with_id(transaction.connection, reviewer_id)


def _enable(transaction: Transaction, reviewer_id: str, by: Session | None) -> Reviewer:
    who = authority(transaction, by)
    if _known(transaction, reviewer_id).disabled_at is not None:
        _set(transaction, reviewer_id, disabled_at=None)
        transaction.record(AccountEnabled(reviewer_id, who))
    return reviewer_with_id(transaction.connection, reviewer_id)


def _reset(transaction: Transaction, reviewer_id: str, token: str, by: Session | None) -> Invitation:
    who = authority(transaction, by)
    before = _known(transaction, reviewer_id)
    if before.disabled_at is not None:
        raise PeopleProblem(f"the account {before.username} is disabled", "Enable it first; then reset it.")
    sessions.end_all(transaction, reviewer_id, who)
    for passkey in passkeys.passkeys_of(transaction.connection, reviewer_id):
        passkeys.remove_passkey(transaction, reviewer_id, passkey.id)
    identities.unlink_all(transaction, reviewer_id)
    forget_all(transaction, reviewer_id, Ended.RESET)
    invitations.withdraw_of(transaction, reviewer_id, who)
    _set(transaction, reviewer_id, password_hash=None, reset_at=transaction.now)
    transaction.record(AccountReset(reviewer_id, who))
    return invitations.invite_back(transaction, token, before, who)


def _known(transaction: Transaction, reviewer_id: str) -> Reviewer:
    found = known_reviewer(transaction.connection, reviewer_id)
    if found is None:
        raise UnknownAccount("there is no such account", "The page People names every account.")
    return found


def _require_another_admin(transaction: Transaction, leaving: Reviewer) -> None:
    if leaving.role is not Role.ADMIN or leaving.disabled_at is not None:
        return
    reviewers = tables.reviewers.c
    others = select(func.count()).where(
        reviewers.role == Role.ADMIN.value, reviewers.disabled_at.is_(None), reviewers.id != leaving.id
    )
    if transaction.connection.execute(others).scalar_one() == 0:
        raise LastAdmin(f"{leaving.username} is the last admin", "Make somebody else an admin first.")


def _set(transaction: Transaction, reviewer_id: str, **values: object) -> None:
    transaction.connection.execute(
        update(tables.reviewers).where(tables.reviewers.c.id == reviewer_id).values(**values)
    )
    transaction.touch(PEOPLE)
