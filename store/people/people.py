"""Reviewers and how they sign in: accounts, passwords, sessions, passkeys, tokens, and one-time links to an account.

Secrets are kept as hashes: passwords by Argon2id, everything random by SHA-256. Each method is one change or one query;
hashing happens before a change is queued, never inside it, because the writer serves everybody.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import anyio
import anyio.to_thread
from argon2 import PasswordHasher

from store.database import Database, Transaction
from store.identifiers import new_secret
from store.people import accounts, invitations, notices, passkeys, sessions, setup_links
from store.people.accounts import NewAccount, Origin, Passwords, Reviewer, Role, checked_username
from store.people.administration import Administration
from store.people.invitations import Invitation
from store.people.notices import Notice
from store.people.passkeys import NewPasskey, Passkey
from store.people.sessions import Session, SignIn

HASHES_AT_ONCE = 4
_T = TypeVar("_T")
FAILURES_EVERY = timedelta(minutes=1)


class People:
    """Everything about accounts."""

    def __init__(self, database: Database, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self.administration = Administration(database)
        """What admins do to other people's accounts."""
        self._passwords = Passwords(hasher or PasswordHasher())
        self._hashing: anyio.CapacityLimiter | None = None
        self._failures = 0
        self._failures_recorded_at: datetime | None = None

    # Accounts

    async def count(self) -> int:
        return await self._database.read(accounts.count)

    async def reviewers(self) -> list[Reviewer]:
        """All accounts, by name."""
        return await self._database.read(accounts.everybody)

    async def reviewer(self, reviewer_id: str) -> Reviewer | None:
        """The account with that id."""
        return await self._database.read(lambda connection: accounts.known_reviewer(connection, reviewer_id))

    async def find(self, username: str) -> Reviewer | None:
        """The account of that name, however it is written."""
        row = await self._database.read(lambda connection: accounts.row_named(connection, username))
        return None if row is None else accounts.reviewer_of(row)

    async def notices(self) -> tuple[Notice, ...]:
        """What everybody should know of: what happened to accounts within a day, the newest first."""
        now = self._database.clock()
        return await self._database.read(lambda connection: notices.notices(connection, now))

    async def add_reviewer(
        self,
        username: str,
        *,
        role: Role,
        password: str | None = None,
        display_name: str | None = None,
        origin: Origin = Origin.SETUP,
    ) -> Reviewer:
        """A new account.

        Raises:
            BadName, NameTaken, WeakPassword
        """
        account = await self._new_account(username, password, role, display_name, origin)
        return await self._database.write(lambda change: accounts.insert_account(change, account))

    async def _new_account(
        self, username: str, password: str | None, role: Role, display_name: str | None, origin: Origin
    ) -> NewAccount:
        username = checked_username(username)
        return NewAccount(
            username,
            (display_name or "").strip()[:100] or username,
            role,
            None if password is None else await self._hash(username, password),
            origin,
        )

    # Passwords

    async def check_password(self, username: str, password: str) -> Reviewer | None:
        """The account whose name and password these are. An unknown name takes as long as a wrong password."""
        row = await self._database.read(lambda connection: accounts.row_named(connection, username))
        stored = None if row is None else row.password_hash
        matches = await self._at_work(self._passwords.matches, stored, password)
        if row is None or stored is None or not matches or row.disabled_at is not None:
            await self._sign_in_failed()
            return None
        if self._passwords.is_outdated(stored):
            hashed = await self._hash(row.username, password)
            # Not if it was replaced or revoked meanwhile: an old password must not come back.
            await self._database.write(
                lambda change: accounts.replace_password_hash(change, row.id, hashed, instead_of=stored)
            )
        return accounts.reviewer_of(row)

    async def _sign_in_failed(self) -> None:
        """Count it, and record the count at most once a minute: who guesses must not be able to flood the log."""
        self._failures += 1
        now = self._database.clock()
        if self._failures_recorded_at is None or now >= self._failures_recorded_at + FAILURES_EVERY:
            count, self._failures, self._failures_recorded_at = self._failures, 0, now
            await self._database.write(lambda change: sessions.record_failures(change, count))

    async def set_password(self, reviewer_id: str, password: str, *, at: Session | None = None) -> None:
        """Replace the password. Here and below, `at` is the session that asks; if it ended meanwhile, nothing changes.

        Raises:
            WeakPassword, AccountClosed
        """
        account = await self._database.read(lambda connection: accounts.reviewer_with_id(connection, reviewer_id))
        hashed = await self._hash(account.username, password)

        def change(transaction: Transaction) -> None:
            _require_open(transaction, at)
            accounts.replace_password_hash(transaction, reviewer_id, hashed)

        await self._database.write(change)

    async def _hash(self, username: str, password: str) -> str:
        return await self._at_work(self._passwords.hash, username, password)

    async def _at_work(self, work: Callable[..., _T], *arguments: str | None) -> _T:
        """In a thread, few at a time: each takes 64 MiB, and whoever is not signed in can ask for it."""
        if self._hashing is None:
            self._hashing = anyio.CapacityLimiter(HASHES_AT_ONCE)
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._hashing)

    # Sessions

    async def open_session(
        self, reviewer: Reviewer, method: SignIn, *, client: str = "", holder: str | None = None
    ) -> tuple[str, Session]:
        """Sign a browser in: the secret for its cookie, and the session. With a `holder` see `sessions.held`.

        Raises:
            AccountClosed: the account was disabled or reset since `reviewer` was read.
        """
        secret = new_secret("ses")
        session = await self._database.write(
            lambda change: sessions.open_session(change, reviewer, method, client, sessions.held(secret, holder))
        )
        return secret, session

    async def session(self, secret: str) -> Session | None:
        """The session of that cookie, unless it ended, expired, or was idle too long. Asking keeps it awake."""
        found = await self._database.read(lambda connection: sessions.session_of_secret(connection, secret))
        now = self._database.clock()
        if found is None or not found.is_live(now):
            return None
        if now >= found.last_seen_at + sessions.SEEN_EVERY:
            await self._database.write(lambda change: sessions.keep_awake(change, found.id))
        return found

    async def sessions(self, reviewer_id: str) -> list[Session]:
        """The live sessions of a person, newest first."""
        now = self._database.clock()
        found = await self._database.read(lambda connection: sessions.sessions_of(connection, reviewer_id))
        return [session for session in found if session.is_live(now)]

    async def end_session(self, reviewer_id: str, session_id: str) -> bool:
        """End one of this person's sessions; whether there was one."""
        return await self._database.write(lambda change: sessions.end_session(change, reviewer_id, session_id))

    async def end_session_by_secret(self, secret: str) -> None:
        """Sign a browser out."""
        await self._database.write(lambda change: sessions.end_session_of_secret(change, secret))

    # The first account

    async def create_setup_link(self) -> str:
        """A token that makes the first account, within 15 minutes; earlier ones become void.

        Raises:
            AlreadySetUp
        """
        token = new_secret("setup")
        await self._database.write(lambda change: setup_links.create(change, token))
        return token

    async def setup_link_valid(self, token: str) -> bool:
        """Whether `use_setup_link` would take this token now."""
        now = self._database.clock()
        return await self._database.read(lambda connection: setup_links.is_valid(connection, token, now))

    async def use_setup_link(
        self, token: str, username: str, password: str, display_name: str | None = None
    ) -> Reviewer:
        """The first account, an admin; every link becomes void with it.

        Raises:
            SetupLinkVoid, BadName, WeakPassword
        """
        account = await self._new_account(username, password, Role.ADMIN, display_name, Origin.SETUP)
        return await self._database.write(lambda change: setup_links.use(change, token, account))

    async def void_setup_links(self) -> None:
        """Take back every link; done at each start."""
        await self._database.write(setup_links.void)

    # Links of admins

    async def invitation(self, token: str) -> Invitation | None:
        """What this link leads to, if `use_invitation` would take it now."""
        now = self._database.clock()
        return await self._database.read(lambda connection: invitations.invitation_of(connection, token, now))

    async def use_invitation(
        self, invitation: Invitation, token: str, password: str, display_name: str | None = None
    ) -> Reviewer:
        """The account that the link leads to, new or taken back, with this password. The link is void with it.

        Raises:
            InvitationVoid, NameTaken, WeakPassword
        """
        hashed = await self._hash(invitation.username, password)
        name = (display_name or "").strip()[:100] or None
        return await self._database.write(lambda change: invitations.use(change, token, hashed, name))

    # Passkeys

    async def add_passkey(
        self,
        reviewer_id: str,
        *,
        credential_id: bytes,
        public_key: bytes,
        sign_count: int,
        name: str,
        transports: tuple[str, ...],
        at: Session | None = None,
    ) -> Passkey:
        """Keep a credential that the caller has verified.

        Raises:
            PeopleProblem: it is registered already.
            AccountClosed
        """
        new = NewPasskey(credential_id, public_key, sign_count, name, transports)

        def change(transaction: Transaction) -> Passkey:
            _require_open(transaction, at)
            return passkeys.add_passkey(transaction, reviewer_id, new)

        return await self._database.write(change)

    async def passkeys(self, reviewer_id: str) -> list[Passkey]:
        """A person's passkeys, oldest first."""
        return await self._database.read(lambda connection: passkeys.passkeys_of(connection, reviewer_id))

    async def passkey(self, credential_id: bytes) -> tuple[Passkey, Reviewer] | None:
        """A passkey by its credential id, and whose it is."""
        return await self._database.read(lambda connection: passkeys.passkey_and_owner(connection, credential_id))

    async def passkey_used(self, credential_id: bytes, sign_count: int) -> None:
        """Keep the authenticator's counter, and when it was used."""
        await self._database.write(lambda change: passkeys.mark_used(change, credential_id, sign_count))

    async def remove_passkey(self, reviewer_id: str, passkey_id: str) -> bool:
        """Forget one of this person's passkeys; whether there was one."""
        return await self._database.write(lambda change: passkeys.remove_passkey(change, reviewer_id, passkey_id))

    async def rename_passkey(self, reviewer_id: str, passkey_id: str, name: str) -> bool:
        """Call one of this person's passkeys otherwise; whether there was one."""
        return await self._database.write(lambda change: passkeys.rename_passkey(change, reviewer_id, passkey_id, name))

    # Tokens that read

    async def add_reviewer_token(self, reviewer_id: str) -> str:
        """A token that reads what this person may read, and decides nothing. Shown this once."""
        token = new_secret("rvt")
        await self._database.write(lambda change: sessions.add_token(change, reviewer_id, token))
        return token

    async def token_reviewer(self, token: str) -> Reviewer | None:
        """Whose reading token this is."""
        return await self._database.read(lambda connection: sessions.reviewer_of_token(connection, token))


def _require_open(transaction: Transaction, at: Session | None) -> None:
    if at is not None:
        sessions.require_open(transaction.connection, at.id)
