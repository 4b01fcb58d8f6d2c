"""Definitions of tools and prompts, pinned: what was accepted, beside what an upstream lists now.

What an upstream lists comes in by `store.calls.listings`; here it is read, and a person accepts it. A definition is
compared by the hash of the whole of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from store import tables
from store.audit.events import Concealed, DefinitionAccepted
from store.calls.definitions import Definition, Method, Pinned
from store.database import Transaction
from store.people import Reviewer
from store.policy.active import active, require_admin
from store.policy.rules import Policy
from store.policy.upstreams import Upstream
from store.problems import Problem
from store.signals import GATEWAY


class DefinitionMoved(Problem):
    """The definition is not the one that was looked at any more. Nothing was accepted."""


@dataclass(frozen=True)
class Pin:
    """How the definition of a tool or prompt stands."""

    sha256: str
    """Of what the upstream lists now."""
    accepted_sha256: str | None
    accepted_content: str | None
    seen_at: datetime
    gone: bool

    @property
    def is_changed(self) -> bool:
        return self.sha256 != self.accepted_sha256


_DEFINITIONS = tables.definitions.c
_PIN = select(
    _DEFINITIONS.sha256,
    _DEFINITIONS.accepted_sha256,
    _DEFINITIONS.accepted_content,
    _DEFINITIONS.seen_at,
    _DEFINITIONS.gone_at,
).where(
    _DEFINITIONS.upstream == bindparam("the_upstream"),
    _DEFINITIONS.method == bindparam("the_method"),
    _DEFINITIONS.name == bindparam("the_name"),
)


def pin(connection: Connection, upstream: str, method: Method, name: str) -> Pin | None:
    """How this definition stands; None where the upstream never listed it."""
    known = {"the_upstream": upstream, "the_method": method.value, "the_name": name}
    row = connection.execute(_PIN, known).one_or_none()
    if row is None:
        return None
    return Pin(row.sha256, row.accepted_sha256, row.accepted_content, row.seen_at, row.gone_at is not None)


@lru_cache(maxsize=1024)
def content_of(text: str) -> Mapping[str, Any]:
    """A definition's content, read back once; not to be changed."""
    content = json.loads(text)
    assert isinstance(content, dict)
    return content


def pinned(connection: Connection) -> tuple[Pinned, ...]:
    """Every definition of the upstreams in the rules in force, those that are gone included, by upstream and name.

    Raises:
        PolicyUnreadable
    """
    names = {one.name for one in upstreams_in_force(connection)}
    order = (_DEFINITIONS.upstream, _DEFINITIONS.method, _DEFINITIONS.name)
    return tuple(
        _pinned(row) for row in connection.execute(select(tables.definitions).order_by(*order)) if row.upstream in names
    )


def one_pinned(connection: Connection, upstream: str, method: Method, name: str) -> Pinned | None:
    """One definition, whether or not its upstream is in the rules in force."""
    row = _row(connection, upstream, method, name)
    return None if row is None else _pinned(row)


def unaccepted(connection: Connection) -> int:
    """How many definitions wait for a person: new or changed, and still listed."""
    names = [one.name for one in upstreams_in_force(connection)]
    query = select(func.count()).select_from(tables.definitions)
    changed = _DEFINITIONS.accepted_sha256.is_distinct_from(_DEFINITIONS.sha256)
    return int(
        connection.execute(
            query.where(changed, _DEFINITIONS.gone_at.is_(None), _DEFINITIONS.upstream.in_(names))
        ).scalar_one()
    )


def accept(
    transaction: Transaction,
    upstream: str,
    method: Method,
    name: str,
    sha256: str,
    *,
    reviewer: Reviewer | None,
    session_id: str | None,
) -> None:
    """Let calls of this definition be governed by the rules alone again, or at all. `sha256` is what was looked at.

    Raises:
        DefinitionMoved: the upstream lists it otherwise by now, or not at all.
        NotAdmin: `reviewer` may not do this, or the session has ended.
    """
    connection = transaction.connection
    require_admin(connection, reviewer, session_id)
    row = _row(connection, upstream, method, name)
    if row is None or row.gone_at is not None:
        raise DefinitionMoved(f"{upstream} does not list {name} now", "Nothing was accepted. Look at the list again.")
    if row.sha256 != sha256:
        raise DefinitionMoved(
            f"{upstream} defines {name} otherwise by now", "Nothing was accepted: look at the differences again."
        )
    if row.accepted_sha256 == row.sha256:
        return
    set_values(
        connection,
        row,
        accepted_content=row.content,
        accepted_sha256=row.sha256,
        accepted_at=transaction.now,
        accepted_by=None if reviewer is None else reviewer.display_name,
    )
    governed_as = _definition(row, row.content).governed_as
    transaction.record(
        DefinitionAccepted(Concealed(governed_as), Concealed(sha256), None if reviewer is None else reviewer.id)
    )
    transaction.touch(GATEWAY)


def upstreams_in_force(connection: Connection) -> tuple[Upstream, ...]:
    """Those that the rules in force name, in the file's order.

    Raises:
        PolicyUnreadable
    """
    policy: Policy | None = active(connection)
    return () if policy is None else policy.upstreams


def rows_of(upstream: str) -> Any:
    """The query for every definition of an upstream."""
    return select(tables.definitions).where(_DEFINITIONS.upstream == upstream)


def _row(connection: Connection, upstream: str, method: Method, name: str) -> Any:
    query = rows_of(upstream).where(_DEFINITIONS.method == method.value, _DEFINITIONS.name == name)
    return connection.execute(query).one_or_none()


def set_values(connection: Connection, row: Any, **values: Any) -> None:
    """Change the row of a definition."""
    same = (
        _DEFINITIONS.upstream == row.upstream,
        _DEFINITIONS.method == row.method,
        _DEFINITIONS.name == row.name,
    )
    connection.execute(update(tables.definitions).where(*same).values(**values))


def _pinned(row: Any) -> Pinned:
    return Pinned(
        definition=_definition(row, row.content),
        accepted=None if row.accepted_content is None else _definition(row, row.accepted_content),
        seen_at=row.seen_at,
        accepted_at=row.accepted_at,
        accepted_by=row.accepted_by,
        gone_at=row.gone_at,
    )


def _definition(row: Any, content: str) -> Definition:
    return Definition(row.upstream, Method(row.method), row.name, content_of(content))
