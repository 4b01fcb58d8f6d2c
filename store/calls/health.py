"""How the servers behind this one are doing: rows, by which the process that runs them and the site meet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from store import tables
from store.audit.events import Concealed, UpstreamRestarted
from store.calls.listings import NOTHING_LISTED, is_in_force
from store.calls.pins import upstreams_in_force
from store.database import Transaction
from store.people import Reviewer
from store.policy.active import require_admin
from store.problems import Problem
from store.signals import GATEWAY

NEVER_STARTED = "idle"
"""The state of an upstream of which nobody has said anything yet."""


class NoSuchUpstream(Problem):
    """The rules in force name no such upstream."""


@dataclass(frozen=True)
class UpstreamHealth:
    """An upstream of the rules in force, as far as the process that runs it knows."""

    name: str
    launch_sha256: str
    """Of the launch line that is in force."""
    launch_line: str
    state: str
    detail: str
    """The health line, in plain words."""
    changed_at: datetime | None
    """None where nobody has said anything yet."""
    restart_wanted: bool


def say(transaction: Transaction, name: str, launch_sha256: str, state: str, detail: str) -> None:
    """Keep how an upstream is doing under that launch line. Of another than the one in force it is old news."""
    if not is_in_force(transaction.connection, name, launch_sha256):
        return
    said = {"state": state, "detail": detail, "changed_at": transaction.now}
    row = {"name": name, "launch_sha256": NOTHING_LISTED, "restart_wanted": False, **said}
    upstreams = tables.upstreams
    transaction.connection.execute(
        insert(upstreams).values(**row).on_conflict_do_update(index_elements=["name"], set_=said)
    )
    transaction.touch(GATEWAY)


def is_said(connection: Connection, name: str, state: str, detail: str) -> bool:
    """Whether that is what stands there already."""
    row = _row(connection, name)
    return row is not None and (row.state, row.detail) == (state, detail)


def upstreams(connection: Connection) -> tuple[UpstreamHealth, ...]:
    """Every upstream of the rules in force, in the file's order.

    Raises:
        PolicyUnreadable
    """
    rows = {row.name: row for row in connection.execute(select(tables.upstreams))}
    return tuple(
        _health(one.name, one.launch_sha256, one.launch_line, rows.get(one.name))
        for one in upstreams_in_force(connection)
    )


def ask_restart(transaction: Transaction, name: str, *, reviewer: Reviewer | None, session_id: str | None) -> None:
    """A person wants it started anew.

    Raises:
        NoSuchUpstream
        NotAdmin: `reviewer` may not do this, or the session has ended.
    """
    require_admin(transaction.connection, reviewer, session_id)
    if name not in (one.name for one in upstreams_in_force(transaction.connection)):
        raise NoSuchUpstream(f"the rules in force name no upstream {name!r}", "List them: assent upstreams")
    row = {
        "name": name,
        "launch_sha256": NOTHING_LISTED,
        "state": "",
        "detail": "",
        "changed_at": transaction.now,
        "restart_wanted": True,
    }
    wanted = {"restart_wanted": True}
    transaction.connection.execute(
        insert(tables.upstreams).values(**row).on_conflict_do_update(index_elements=["name"], set_=wanted)
    )
    transaction.record(UpstreamRestarted(Concealed(name), None if reviewer is None else reviewer.id))
    transaction.touch(GATEWAY)


def any_restarts(connection: Connection) -> bool:
    columns = tables.upstreams.c
    return connection.execute(select(columns.name).where(columns.restart_wanted).limit(1)).first() is not None


def take_restarts(transaction: Transaction) -> tuple[str, ...]:
    """The upstreams that people want started anew; each is told once."""
    table = tables.upstreams
    taken = transaction.connection.execute(
        update(table).where(table.c.restart_wanted).values(restart_wanted=False).returning(table.c.name)
    )
    return tuple(sorted(taken.scalars()))


def _row(connection: Connection, name: str) -> Any:
    return connection.execute(select(tables.upstreams).where(tables.upstreams.c.name == name)).one_or_none()


def _health(name: str, launch_sha256: str, launch_line: str, row: Any) -> UpstreamHealth:
    if row is None or not row.state:
        wanted = row is not None and row.restart_wanted
        return UpstreamHealth(name, launch_sha256, launch_line, NEVER_STARTED, "not started yet", None, wanted)
    return UpstreamHealth(name, launch_sha256, launch_line, row.state, row.detail, row.changed_at, row.restart_wanted)
