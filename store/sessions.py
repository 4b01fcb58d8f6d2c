"""Signed-in browsers and reading tokens as rows, known by the hash of their secret. `store.people` calls these."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from store import tables
from store.accounts import Reviewer, reviewer_of
from store.audit.events import ReviewerSignedIn, ReviewerTokenAdded, SessionEnded, SignInsFailed
from store.database import Transaction
from store.identifiers import new_id, secret_sha256
from store.signals import PEOPLE

SESSION_IDLE = timedelta(hours=12)
SESSION_LIFE = timedelta(days=7)
SEEN_EVERY = timedelta(minutes=1)


class SignIn(StrEnum):
    """How a session was authenticated."""

    PASSWORD = "password"
    PASSKEY = "passkey"
    SETUP = "setup"


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
        return now < self.expires_at and now < self.last_seen_at + SESSION_IDLE


def open_session(transaction: Transaction, reviewer: Reviewer, method: SignIn, client: str, secret: str) -> Session:
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


def end_session(transaction: Transaction, reviewer_id: str, session_id: str) -> bool:
    sessions = tables.sessions
    ended = transaction.connection.execute(
        delete(sessions).where(sessions.c.id == session_id, sessions.c.reviewer_id == reviewer_id)
    )
    if ended.rowcount != 1:
        return False
    transaction.record(SessionEnded(reviewer_id, session_id))
    transaction.touch(PEOPLE)
    return True


def end_session_of_secret(transaction: Transaction, secret: str) -> None:
    found = session_of_secret(transaction.connection, secret)
    if found is not None:
        end_session(transaction, found.reviewer.id, found.id)


def record_failures(transaction: Transaction, count: int) -> None:
    """Record attempts that signed nobody in."""
    transaction.record(SignInsFailed(count))


def add_token(transaction: Transaction, reviewer_id: str, token: str) -> None:
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
    return None if row is None else reviewer_of(row)


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
