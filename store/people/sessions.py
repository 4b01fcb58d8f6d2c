"""Signed-in browsers and reading tokens as rows, known by the hash of their secret. `store.people` calls these."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from store import tables
from store.audit.events import ReviewerSignedIn, ReviewerTokenAdded, SessionEnded, SignInsFailed
from store.database import Transaction
from store.identifiers import new_id, secret_sha256
from store.people.accounts import AccountClosed, Reviewer, require_unchanged, reviewer_of, reviewer_with_id
from store.signals import PEOPLE

SESSION_IDLE = timedelta(hours=12)
SESSION_LIFE = timedelta(days=7)
SEEN_EVERY = timedelta(minutes=1)


class SignIn(StrEnum):
    """How a session was authenticated."""

    PASSWORD = "password"
    PASSKEY = "passkey"
    SETUP = "setup"
    INVITATION = "invitation"
    OIDC = "oidc"
    """By another provider, which may have asked nobody: whoever is signed in there comes straight back."""
    OIDC_FRESH = "oidc_fresh"
    """By another provider that was told to ask the person anew, and says that it did."""

    @property
    def words(self) -> str:
        """As it reads after "signed in by"."""
        return "another provider" if self in (SignIn.OIDC, SignIn.OIDC_FRESH) else self.value


@dataclass(frozen=True)
class Session:
    """A signed-in browser. `id` names it to its owner; the cookie's secret is another value."""

    id: str
    reviewer: Reviewer
    method: SignIn
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    client: str

    def is_live(self, now: datetime) -> bool:
        awake = now < self.expires_at and now < self.last_seen_at + SESSION_IDLE
        return awake and self.reviewer.disabled_at is None


def held(secret: str, holder: str | None) -> str:
    """A cookie's secret that opens its session only from this holder's hands: what is hashed in its place."""
    return secret if holder is None else f"{secret}\0{holder}"


def open_session(transaction: Transaction, reviewer: Reviewer, method: SignIn, client: str, secret: str) -> Session:
    """Sign in whoever was proved to be `reviewer`.

    Raises:
        AccountClosed: the account was disabled or reset since.
    """
    require_unchanged(transaction.connection, reviewer)
    now = transaction.now
    session = Session(new_id("ses"), reviewer, method, now, now + SESSION_LIFE, now, client.strip()[:200])
    transaction.connection.execute(
        insert(tables.sessions).values(
            secret_sha256=secret_sha256(secret),
            id=session.id,
            reviewer_id=reviewer.id,
            method=method.value,
            client=session.client,
            created_at=now,
            expires_at=session.expires_at,
            last_seen_at=now,
        )
    )
    transaction.record(ReviewerSignedIn(reviewer.id, session.id, method.value))
    transaction.touch(PEOPLE)
    return session


def session_of_secret(connection: Connection, secret: str) -> Session | None:
    """The session, live or not."""
    row = connection.execute(_OF_SECRET, {"digest": secret_sha256(secret)}).one_or_none()
    return None if row is None else _session(row)


def sessions_of(connection: Connection, reviewer_id: str) -> list[Session]:
    """All of a person's sessions, live or not, newest first."""
    rows = connection.execute(
        _rows().where(tables.sessions.c.reviewer_id == reviewer_id).order_by(tables.sessions.c.created_at.desc())
    )
    return [_session(row) for row in rows]


def keep_awake(transaction: Transaction, session_id: str) -> None:
    transaction.connection.execute(
        update(tables.sessions).where(tables.sessions.c.id == session_id).values(last_seen_at=transaction.now)
    )


def is_open(connection: Connection, session_id: str) -> bool:
    """Whether this session was not ended: by its person, an admin, or a reset of the account."""
    sessions = tables.sessions.c
    return connection.execute(select(sessions.id).where(sessions.id == session_id)).first() is not None


def require_open(connection: Connection, session_id: str) -> None:
    """What a person asks for at a session happens only if that session did not end while the change waited.

    Raises:
        AccountClosed
    """
    if not is_open(connection, session_id):
        raise AccountClosed("this session has ended, and nothing was changed", "Sign in again.")


def end_session(transaction: Transaction, reviewer_id: str, session_id: str, by: str | None = None) -> bool:
    """End it; `by` is the admin who does, None its own person."""
    sessions = tables.sessions
    ended = transaction.connection.execute(
        delete(sessions).where(sessions.c.id == session_id, sessions.c.reviewer_id == reviewer_id)
    )
    if ended.rowcount != 1:
        return False
    transaction.record(SessionEnded(reviewer_id, session_id, by))
    transaction.touch(PEOPLE)
    return True


def end_all(transaction: Transaction, reviewer_id: str, by: str | None) -> None:
    """End every session of a person, and take back the tokens that read as them."""
    for session in sessions_of(transaction.connection, reviewer_id):
        end_session(transaction, reviewer_id, session.id, by)
    tokens = tables.reviewer_tokens
    transaction.connection.execute(delete(tokens).where(tokens.c.reviewer_id == reviewer_id))


def end_session_of_secret(transaction: Transaction, secret: str) -> None:
    found = session_of_secret(transaction.connection, secret)
    if found is not None:
        end_session(transaction, found.reviewer.id, found.id)


def record_failures(transaction: Transaction, count: int) -> None:
    """Record attempts that signed nobody in."""
    transaction.record(SignInsFailed(count))


def add_token(transaction: Transaction, reviewer_id: str, token: str) -> None:
    """Keep a reading token.

    Raises:
        AccountClosed: the account is disabled.
    """
    if reviewer_with_id(transaction.connection, reviewer_id).disabled_at is not None:
        raise AccountClosed("the account is disabled", "Enable it first, on the page People.")
    transaction.connection.execute(
        insert(tables.reviewer_tokens).values(
            token_sha256=secret_sha256(token), reviewer_id=reviewer_id, created_at=transaction.now
        )
    )
    transaction.record(ReviewerTokenAdded(reviewer_id))
    transaction.touch(PEOPLE)


def reviewer_of_token(connection: Connection, token: str) -> Reviewer | None:
    row = connection.execute(
        select(tables.reviewers)
        .join(tables.reviewer_tokens, tables.reviewer_tokens.c.reviewer_id == tables.reviewers.c.id)
        .where(tables.reviewer_tokens.c.token_sha256 == secret_sha256(token))
    ).one_or_none()
    return None if row is None or row.disabled_at is not None else reviewer_of(row)


def _rows() -> Any:
    sessions = tables.sessions.c
    return select(
        tables.reviewers,
        sessions.id.label("session_id"),
        sessions.method,
        sessions.client,
        sessions.created_at.label("opened_at"),
        sessions.expires_at,
        sessions.last_seen_at,
    ).join(tables.sessions, sessions.reviewer_id == tables.reviewers.c.id)


_OF_SECRET = _rows().where(tables.sessions.c.secret_sha256 == bindparam("digest"))


def _session(row: Any) -> Session:
    return Session(
        id=row.session_id,
        reviewer=reviewer_of(row),
        method=SignIn(row.method),
        created_at=row.opened_at,
        expires_at=row.expires_at,
        last_seen_at=row.last_seen_at,
        client=row.client,
    )
