"""Accounts as rows: names, roles, and passwords as Argon2id hashes. Changes and queries; `store.people` calls them."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, func, insert, select, update

from store import tables
from store.audit.events import AccountAdded, Concealed, PasswordChanged
from store.database import Transaction
from store.deciding.eligibility import RESET_BAR
from store.identifiers import new_id, new_secret
from store.names import fold
from store.problems import PeopleProblem
from store.signals import PEOPLE
from store.text import BLANK_LETTERS

PASSWORD_LIMITS = (10, 1000)

_USERNAME = re.compile(r"[\w][\w.\-@+]{0,63}")
_BETWEEN_NAMES = re.compile(r"\band\b|[,;&+/()]", re.IGNORECASE)
"""Letters to Unicode, and nothing to the eye: with one of them a name would look like another."""


class Role(StrEnum):
    """What a person may do: an auditor reads all and decides nothing."""

    ADMIN = "admin"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"


DECIDING_ROLES = frozenset({Role.ADMIN, Role.REVIEWER})


class Origin(StrEnum):
    """By which door an account came."""

    SETUP = "setup"
    COMMAND = "command"
    INVITATION = "invitation"
    PROVIDER = "provider"


@dataclass(frozen=True)
class Reviewer:
    """A person with an account."""

    id: str
    username: str
    display_name: str
    role: Role
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None = None
    """Since when the account signs nobody in; None while it does."""
    reset_at: datetime | None = None
    """When every way into it was last revoked."""

    @property
    def may_decide(self) -> bool:
        """Whether the role and the account's state allow an answer at all; a request may ask for more."""
        return self.role in DECIDING_ROLES and self.disabled_at is None

    def counts_among_several(self, now: datetime) -> bool:
        """Whether its answer counts where several people are needed: not in the day after a reset."""
        return self.reset_at is None or now >= self.reset_at + RESET_BAR


class NameTaken(PeopleProblem):
    """There is an account of that name, perhaps written otherwise."""


class BadName(PeopleProblem):
    """Not a user name."""


class WeakPassword(PeopleProblem):
    """Too short, too long, or the user name itself."""


class AccountClosed(PeopleProblem):
    """The account was disabled or reset meanwhile: what was proved before counts no more."""


@dataclass(frozen=True)
class NewAccount:
    """What `insert_account` needs; the password is hashed already."""

    username: str
    display_name: str
    role: Role
    password_hash: str | None
    origin: Origin = Origin.SETUP


def checked_username(username: str) -> str:
    """The name, trimmed.

    Raises:
        BadName
    """
    username = username.strip()
    # Its folded form is what rules name and logs compare, so it must be a name, too, and fold to itself.
    folded = fold(username)
    proper = _USERNAME.fullmatch(username) and _USERNAME.fullmatch(folded) and fold(folded) == folded
    if not proper or BLANK_LETTERS.intersection(folded):
        raise BadName(
            f"{username!r} is not a user name", "Use letters, digits and . - _ @ +, at most 64, such as ana.ruiz."
        )
    return username


class Passwords:
    """Hashing and checking. Both take tens of milliseconds by design, so never inside a change, and in a thread."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        # Verified in place of an unknown name's hash, so that both take as long.
        self._decoy = hasher.hash(new_secret("decoy"))

    def hash(self, username: str, password: str) -> str:
        """The hash to keep.

        Raises:
            WeakPassword
        """
        least, most = PASSWORD_LIMITS
        if not least <= len(password) <= most:
            raise WeakPassword(
                f"the password has {len(password)} characters; it needs {least} to {most}",
                "A few words that nobody would guess are easier to type than symbols.",
            )
        if fold(password) == fold(username):
            raise WeakPassword("the password is the user name", "Choose something that others cannot guess.")
        return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether this is the password of that hash; with no hash, no, after as long a time."""
        try:
            self._hasher.verify(stored or self._decoy, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker settings than today's."""
        return self._hasher.check_needs_rehash(stored)


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(tables.reviewers)).scalar_one()


def everybody(connection: Connection) -> list[Reviewer]:
    rows = connection.execute(select(tables.reviewers).order_by(tables.reviewers.c.username_key))
    return [reviewer_of(row) for row in rows]


def row_named(connection: Connection, username: str) -> Any:
    """The row with that name, however it is written; or None."""
    return connection.execute(
        select(tables.reviewers).where(tables.reviewers.c.username_key == fold(username))
    ).one_or_none()


def reviewer_with_id(connection: Connection, reviewer_id: str) -> Reviewer:
    return reviewer_of(connection.execute(select(tables.reviewers).where(tables.reviewers.c.id == reviewer_id)).one())


def known_reviewer(connection: Connection, reviewer_id: str) -> Reviewer | None:
    row = connection.execute(select(tables.reviewers).where(tables.reviewers.c.id == reviewer_id)).one_or_none()
    return None if row is None else reviewer_of(row)


def insert_account(transaction: Transaction, account: NewAccount) -> Reviewer:
    """Make the account.

    Raises:
        NameTaken
    """
    if row_named(transaction.connection, account.username) is not None:
        raise NameTaken(f"there is an account named {account.username} already", "Choose another name.")
    reviewer_id = new_id("usr")
    shown_name = _name_of_their_own(transaction.connection, account)
    transaction.connection.execute(
        insert(tables.reviewers).values(
            id=reviewer_id,
            username=account.username,
            username_key=fold(account.username),
            display_name=shown_name,
            role=account.role.value,
            password_hash=account.password_hash,
            created_at=transaction.now,
            origin=account.origin.value,
        )
    )
    transaction.record(
        AccountAdded(reviewer_id, account.role.value, Concealed(account.username), Concealed(shown_name))
    )
    transaction.touch(PEOPLE)
    return reviewer_with_id(transaction.connection, reviewer_id)


def _name_of_their_own(connection: Connection, account: NewAccount) -> str:
    """The name that others read, in one visible line. People choose it themselves, and decisions stand under it: where
    it is or names another person, the user name follows, which nobody else has."""
    visible = "".join(each if each.isprintable() else " " for each in account.display_name)
    name = " ".join(visible.split()) or account.username
    known = connection.execute(select(tables.reviewers.c.username, tables.reviewers.c.display_name))
    taken = {fold(one) for row in known for one in row}
    parts = [name, *_BETWEEN_NAMES.split(name)]
    return f"{name} ({account.username})" if any(fold(part) in taken for part in parts) else name


def require_unchanged(connection: Connection, reviewer: Reviewer) -> None:
    """The account is as open as it was when `reviewer` was read: checked inside a change, because proof takes time.

    Raises:
        AccountClosed
    """
    now = reviewer_with_id(connection, reviewer.id)
    if now.disabled_at is not None:
        raise AccountClosed(f"the account {now.username} is disabled", "Ask an admin to enable it.")
    if now.reset_at != reviewer.reset_at:
        raise AccountClosed(f"the account {now.username} was reset just now", "Use the link that came with the reset.")


def replace_password_hash(
    transaction: Transaction, reviewer_id: str, password_hash: str, *, instead_of: str | None = None
) -> None:
    """Set the password; with `instead_of`, only if that hash still stands."""
    reviewers = tables.reviewers
    replace = update(reviewers).where(reviewers.c.id == reviewer_id)
    if instead_of is not None:
        replace = replace.where(reviewers.c.password_hash == instead_of)
    if transaction.connection.execute(replace.values(password_hash=password_hash)).rowcount == 1:
        transaction.record(PasswordChanged(reviewer_id))
        transaction.touch(PEOPLE)


def reviewer_of(row: Any) -> Reviewer:
    return Reviewer(
        row.id,
        row.username,
        row.display_name,
        Role(row.role),
        row.password_hash is not None,
        row.created_at,
        row.disabled_at,
        row.reset_at,
    )
