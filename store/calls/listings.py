"""Taking in what upstreams list.

Invariants:

- The first listing under a launch line that was activated is accepted with it. Whatever comes or changes later is not,
  until a person accepts it.
- Another launch line accepts what was never seen before. What was seen, and is not as it was accepted, stays changed.
- Nothing that was ever seen is forgotten: what goes and comes back has not become new.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from store import tables
from store.audit.events import Concealed, DefinitionSeen
from store.calls.definitions import Definition
from store.calls.pins import rows_of, set_values, upstreams_in_force
from store.database import Transaction
from store.policy.upstreams import Upstream
from store.signals import GATEWAY

DEFINITIONS_LIMIT = 2_000
"""Definitions of one upstream that are remembered; what it lists beyond them is not taken in, and cannot be called."""
CONTENT_LIMIT = 262_144
"""Characters of one definition."""
NOTHING_LISTED = ""
"""In place of a launch line's hash: nothing was listed under any yet."""

_DEFINITIONS = tables.definitions.c


def is_known(connection: Connection, upstream: Upstream, definitions: Sequence[Definition]) -> bool:
    """Whether this listing says nothing new, so that nothing need be written."""
    if _listed_under(connection, upstream.name) != upstream.launch_sha256:
        return False
    query = select(_DEFINITIONS.method, _DEFINITIONS.name, _DEFINITIONS.sha256).where(
        _DEFINITIONS.upstream == upstream.name, _DEFINITIONS.gone_at.is_(None)
    )
    before = {(row.method, row.name): row.sha256 for row in connection.execute(query)}
    return before == {(one.method.value, one.name): one.sha256 for one in definitions}


def observe(transaction: Transaction, upstream: Upstream, definitions: Sequence[Definition]) -> None:
    """Take in what an upstream lists. A listing under a launch line that is not in force says nothing."""
    connection = transaction.connection
    if not is_in_force(connection, upstream.name, upstream.launch_sha256):
        return
    before = _listed_under(connection, upstream.name)
    rows = {(row.method, row.name): row for row in connection.execute(rows_of(upstream.name))}
    listed = {(one.method.value, one.name): one for one in definitions}
    room = DEFINITIONS_LIMIT - len(rows)
    for key, one in listed.items():
        row = rows.get(key)
        if row is None:
            room -= 1
            if room >= 0:
                _add(transaction, one, accepted=before != upstream.launch_sha256)
        elif row.sha256 != one.sha256 or row.gone_at is not None:
            _renew(transaction, one, row)
    for key, row in rows.items():
        if key not in listed and row.gone_at is None:
            set_values(connection, row, gone_at=transaction.now)
    if before != upstream.launch_sha256:
        _list_under(transaction, upstream, known=before is not None)
    transaction.touch(GATEWAY)


def is_in_force(connection: Connection, name: str, launch_sha256: str) -> bool:
    """Whether the rules in force have this upstream under this launch line."""
    return (name, launch_sha256) in ((one.name, one.launch_sha256) for one in upstreams_in_force(connection))


def storable(definitions: Iterable[Definition]) -> tuple[Definition, ...]:
    """Those that have a canonical form, and one of bearable length."""
    return tuple(one for one in definitions if _has_form(one))


def _has_form(definition: Definition) -> bool:
    try:
        return len(definition.canonical) <= CONTENT_LIMIT and bool(definition.sha256)
    except (ValueError, RecursionError):
        return False


def _listed_under(connection: Connection, name: str) -> str | None:
    """The launch line of the newest listing; None where the upstream has no row."""
    return connection.execute(
        select(tables.upstreams.c.launch_sha256).where(tables.upstreams.c.name == name)
    ).scalar_one_or_none()


def _list_under(transaction: Transaction, upstream: Upstream, *, known: bool) -> None:
    upstreams = tables.upstreams
    if known:
        transaction.connection.execute(
            update(upstreams).where(upstreams.c.name == upstream.name).values(launch_sha256=upstream.launch_sha256)
        )
        return
    transaction.connection.execute(
        insert(upstreams).values(
            name=upstream.name,
            launch_sha256=upstream.launch_sha256,
            state="",
            detail="",
            changed_at=transaction.now,
            restart_wanted=False,
        )
    )


def _add(transaction: Transaction, definition: Definition, *, accepted: bool) -> None:
    values = {
        "upstream": definition.upstream,
        "method": definition.method.value,
        "name": definition.name,
        "exposed": definition.exposed,
        "content": definition.canonical,
        "sha256": definition.sha256,
        "seen_at": transaction.now,
    }
    if accepted:
        values |= {
            "accepted_content": definition.canonical,
            "accepted_sha256": definition.sha256,
            "accepted_at": transaction.now,
        }
    transaction.connection.execute(insert(tables.definitions).values(**values))
    _seen(transaction, definition, accepted=accepted)


def _renew(transaction: Transaction, definition: Definition, row: Any) -> None:
    """It is listed otherwise than before, or again."""
    if row.sha256 == definition.sha256:
        set_values(transaction.connection, row, gone_at=None)
        return
    set_values(
        transaction.connection,
        row,
        content=definition.canonical,
        sha256=definition.sha256,
        seen_at=transaction.now,
        gone_at=None,
    )
    _seen(transaction, definition, accepted=row.accepted_sha256 == definition.sha256)


def _seen(transaction: Transaction, definition: Definition, *, accepted: bool) -> None:
    transaction.record(
        DefinitionSeen(Concealed(definition.governed_as), Concealed(definition.sha256), accepted=accepted)
    )
