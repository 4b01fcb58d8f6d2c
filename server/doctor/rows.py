"""What the database tells, read without opening it for writing: an upgrade or a new file would be no mere look."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from server.doctor.findings import Finding, note, unsafe, weak
from store import tables
from store.moments import from_text
from store.people.accounts import DECIDING_ROLES


@dataclass(frozen=True)
class Rows:
    """People and agents by name, the rules in force, and the newest moment that is written anywhere."""

    reviewers: tuple[str, ...]
    without_passkey: tuple[str, ...]
    without_owner: tuple[str, ...]
    setup_links: int
    newest: datetime | None
    policy: str | None = None
    """The text of the rules that were activated last."""
    waiting: int = 0
    """Definitions of upstreams that no person has accepted yet."""


class Unreadable(Exception):
    """The database could not be read."""


def read(database: Path, now: datetime) -> Rows:
    """Raises Unreadable."""
    try:
        with _looking_at(database) as connection:
            return _rows(connection, now)
    except (DBAPIError, OSError, ValueError) as problem:
        raise Unreadable(str(getattr(problem, "orig", problem))) from problem


def judged(rows: Rows) -> list[Finding]:
    found = []
    if not rows.reviewers:
        found.append(
            weak(
                "nobody-decides",
                "There is no account yet that can decide.",
                "Whoever opens a setup link first becomes the administrator.",
                "assent open",
            )
        )
    if rows.setup_links:
        found.append(
            note(
                "setup-pending",
                "A setup link is valid just now.",
                "Whoever has it becomes the administrator.",
                "use it, or make it void by starting the server anew",
            )
        )
    if rows.without_passkey:
        found.append(
            weak(
                "no-passkey",
                f"Without a passkey: {', '.join(rows.without_passkey)}.",
                "A password can be guessed, phished and read over a shoulder; their decisions carry no signature.",
                "each of them: /account on the page, Add a passkey",
            )
        )
    if rows.without_owner:
        found.append(
            weak(
                "no-owner",
                f"Agents that nobody answers for: {', '.join(rows.without_owner)}.",
                "When one of them misbehaves, nobody knows whom to ask.",
                "make it anew with: assent agent add NAME --owner PERSON",
            )
        )
    return found


def unreadable(database: Path, problem: Unreadable) -> Finding:
    return unsafe(
        "database-unreadable",
        f"The database {database} cannot be read: {problem}.",
        "Nothing can be decided or logged without it.",
        "assent serve says why, and what to do",
    )


@contextmanager
def _looking_at(database: Path) -> Iterator[Connection]:
    # A clean database has no journal beside it; SQLite would make one, as root with root's ownership. `immutable` keeps
    # it from that. With a journal there, its files are there too, and are only read.
    journal = database.with_name(f"{database.name}-wal").exists()
    address = f"{database.absolute().as_uri()}?{'mode=ro' if journal else 'immutable=1'}"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _rows(connection: Connection, now: datetime) -> Rows:
    people, agents, policies = tables.reviewers.c, tables.agents.c, tables.policies.c
    deciding = [role.value for role in DECIDING_ROLES]
    reviewers = connection.execute(
        select(people.username, people.id).where(people.role.in_(deciding)).order_by(people.username_key)
    ).all()
    with_passkey = set(connection.execute(select(tables.passkeys.c.reviewer_id)).scalars())
    ownerless = select(agents.name).where(agents.owner.is_(None), agents.revoked_at.is_(None)).order_by(agents.name)
    links = tables.setup_links.c
    live = connection.execute(select(func.count()).where(links.expires_at > now)).scalar_one()
    return Rows(
        reviewers=tuple(row.username for row in reviewers),
        without_passkey=tuple(row.username for row in reviewers if row.id not in with_passkey),
        without_owner=tuple(connection.execute(ownerless).scalars()),
        setup_links=live,
        newest=_newest(connection),
        policy=connection.execute(select(policies.text).order_by(policies.log_index.desc()).limit(1)).scalar(),
        waiting=_waiting(connection),
    )


def _waiting(connection: Connection) -> int:
    if not inspect(connection).has_table(tables.definitions.name):
        return 0  # a database from before there were upstreams, which the server has not opened since
    columns = tables.definitions.c
    new = columns.accepted_sha256.is_distinct_from(columns.sha256)
    count = select(func.count()).select_from(tables.definitions).where(new, columns.gone_at.is_(None))
    return int(connection.execute(count).scalar_one())


def _newest(connection: Connection) -> datetime | None:
    columns = (tables.requests.c.opened_at, tables.requests.c.closed_at, tables.sessions.c.last_seen_at)
    moments = [connection.execute(select(func.max(column))).scalar() for column in columns]
    entries = tables.log_entries.c
    last = connection.execute(select(entries.data).order_by(entries.position.desc()).limit(1)).scalar()
    if last is not None:
        moments.append(from_text(json.loads(last)["at"]))
    return max((moment for moment in moments if moment is not None), default=None)
