"""Accounts of another provider with which people sign in, as rows. Keyed on issuer and subject, and on nothing else.

An e-mail address or a name can be changed, given away and chosen by others, so neither ever finds an account here. To
which reviewer an identity belongs is said once: by that person, by an invitation, or by making a new account.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from store import tables
from store.audit.events import Concealed, IdentityLinked, IdentityUnlinked
from store.database import Database, Transaction
from store.identifiers import new_id
from store.people import invitations
from store.people.accounts import (
    NewAccount,
    Origin,
    Reviewer,
    Role,
    checked_username,
    insert_account,
    reviewer_of,
    reviewer_with_id,
)
from store.people.passkeys import passkeys_of
from store.people.sessions import Session, require_open
from store.problems import PeopleProblem, Problem
from store.signals import PEOPLE

_LABEL_LIMIT = 100
_NAME_LIMIT = 100


class ProviderProblem(Problem):
    """A provider cannot be reached, or says what it must not. For the log of the process, never for a page."""


class IdentityTaken(PeopleProblem):
    """That account of the provider signs somebody else in here."""


class OnlyWayIn(PeopleProblem):
    """Without it nobody could sign in to the account."""


@dataclass(frozen=True)
class ForeignIdentity:
    """Whom a provider says that it signed in, after all was checked. Only `issuer` and `subject` say who it is."""

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    fresh: bool = False
    """The provider was told to ask the person anew, and says that it did."""

    @property
    def label(self) -> str:
        """What people recognise it by."""
        return (self.email or self.name or self.subject)[:_LABEL_LIMIT]

    @property
    def display_name(self) -> str | None:
        """The name for a new account, as others read it; None where the provider says none."""
        return (self.name or "").strip()[:_NAME_LIMIT] or None

    @property
    def email_domain(self) -> str | None:
        """The domain of an address that the provider verified; None without one."""
        if self.email is None or not self.email_verified:
            return None
        local, _, domain = self.email.rpartition("@")
        return domain.lower() if local and domain else None


@dataclass(frozen=True)
class LinkedIdentity:
    """An account of another provider that signs a reviewer in."""

    id: str
    issuer: str
    label: str
    created_at: datetime
    last_used_at: datetime | None


class Identities:
    """Everything about accounts of other providers. Each method is one change or one query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reviewer(self, who: ForeignIdentity) -> Reviewer | None:
        """Whom this identity signs in, if anybody; an account that is disabled signs nobody in. Using it is kept."""
        return await self._database.write(lambda change: use(change, who))

    async def of(self, reviewer_id: str) -> list[LinkedIdentity]:
        """A person's identities, oldest first."""
        return await self._database.read(lambda connection: identities_of(connection, reviewer_id))

    async def link(self, who: ForeignIdentity, *, at: Session) -> None:
        """Let this identity sign in the person of this session; again changes nothing.

        Raises:
            IdentityTaken: it signs somebody else in.
            AccountClosed: the session ended meanwhile.
        """

        def change(transaction: Transaction) -> None:
            require_open(transaction.connection, at.id)
            link(transaction, at.reviewer.id, who)

        await self._database.write(change)

    async def unlink(self, identity_id: str, *, at: Session) -> bool:
        """Forget one of this person's identities; whether there was one.

        Raises:
            OnlyWayIn: they have no password, no passkey and no other identity.
            AccountClosed: the session ended meanwhile.
        """

        def change(transaction: Transaction) -> bool:
            require_open(transaction.connection, at.id)
            _require_another_way(transaction.connection, at.reviewer.id)
            return unlink(transaction, at.reviewer.id, identity_id)

        return await self._database.write(change)

    async def make_reviewer(self, who: ForeignIdentity) -> Reviewer:
        """A new account, named by the e-mail address, in the role reviewer: what a provider claims makes no admin.

        Raises:
            NameTaken, BadName, IdentityTaken
        """
        name = checked_username(who.email or "")
        account = NewAccount(name, who.display_name or name, Role.REVIEWER, None, Origin.PROVIDER)

        def change(transaction: Transaction) -> Reviewer:
            reviewer = insert_account(transaction, account)
            link(transaction, reviewer.id, who)
            return reviewer

        return await self._database.write(change)

    async def use_invitation(self, token: str, who: ForeignIdentity) -> Reviewer:
        """The account that the link leads to, new or taken back, with this identity as its way in; the link is void.

        Raises:
            InvitationVoid, NameTaken, IdentityTaken
        """

        def change(transaction: Transaction) -> Reviewer:
            reviewer = invitations.use(transaction, token, None, who.display_name)
            link(transaction, reviewer.id, who)
            return reviewer

        return await self._database.write(change)


def use(transaction: Transaction, who: ForeignIdentity) -> Reviewer | None:
    """The reviewer whom this identity signs in, if their account is not disabled."""
    row = _row_of(transaction.connection, who)
    if row is None or row.disabled_at is not None:
        return None
    transaction.connection.execute(
        update(tables.identities)
        .where(tables.identities.c.id == row.identity_id)
        .values(last_used_at=transaction.now, label=who.label)
    )
    return reviewer_of(row)


def link(transaction: Transaction, reviewer_id: str, who: ForeignIdentity) -> None:
    """Let this identity sign this reviewer in; again changes nothing.

    Raises:
        IdentityTaken
    """
    owner = _row_of(transaction.connection, who)
    if owner is not None and owner.id != reviewer_id:
        raise IdentityTaken(
            f"{who.label} signs somebody else in here", "Unlink it on that person's account page first."
        )
    if owner is not None:
        return
    identity_id = new_id("idn")
    transaction.connection.execute(
        insert(tables.identities).values(
            id=identity_id,
            reviewer_id=reviewer_id,
            identity_sha256=_key(who),
            issuer=who.issuer,
            label=who.label,
            created_at=transaction.now,
        )
    )
    transaction.record(IdentityLinked(reviewer_id, identity_id, Concealed(who.issuer), Concealed(who.subject)))
    transaction.touch(PEOPLE)


def unlink(transaction: Transaction, reviewer_id: str, identity_id: str) -> bool:
    """Forget one of this person's identities; whether there was one."""
    identities = tables.identities
    gone = transaction.connection.execute(
        delete(identities).where(identities.c.id == identity_id, identities.c.reviewer_id == reviewer_id)
    )
    if gone.rowcount != 1:
        return False
    transaction.record(IdentityUnlinked(reviewer_id, identity_id))
    transaction.touch(PEOPLE)
    return True


def unlink_all(transaction: Transaction, reviewer_id: str) -> None:
    """Forget every identity of this person: part of resetting or disabling an account."""
    for identity in identities_of(transaction.connection, reviewer_id):
        unlink(transaction, reviewer_id, identity.id)


def identities_of(connection: Connection, reviewer_id: str) -> list[LinkedIdentity]:
    """A person's identities, oldest first."""
    identities = tables.identities.c
    rows = connection.execute(
        select(tables.identities)
        .where(identities.reviewer_id == reviewer_id)
        .order_by(identities.created_at, identities.id)
    )
    return [LinkedIdentity(row.id, row.issuer, row.label, row.created_at, row.last_used_at) for row in rows]


def _require_another_way(connection: Connection, reviewer_id: str) -> None:
    reviewer = reviewer_with_id(connection, reviewer_id)
    if reviewer.has_password or passkeys_of(connection, reviewer_id) or len(identities_of(connection, reviewer_id)) > 1:
        return
    raise OnlyWayIn("that is the only way into this account", "Set a password or add a passkey first.")


def _row_of(connection: Connection, who: ForeignIdentity) -> Any:
    """The reviewer's row that this identity belongs to, with `identity_id`; or None."""
    return connection.execute(
        select(tables.reviewers, tables.identities.c.id.label("identity_id"))
        .join(tables.identities, tables.identities.c.reviewer_id == tables.reviewers.c.id)
        .where(tables.identities.c.identity_sha256 == _key(who))
    ).one_or_none()


def _key(who: ForeignIdentity) -> str:
    # The issuer's length in front: no other pair of issuer and subject writes the same bytes.
    issuer, subject = who.issuer.encode(), who.subject.encode()
    return hashlib.sha256(b"assent/identity/v1\0%d\0" % len(issuer) + issuer + subject).hexdigest()
