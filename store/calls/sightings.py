"""Calls as rows have them, for who watches: what is new, what came of those that were seen, and a page of older ones.

Nothing here reads a call whole: of arguments only the beginning, and of results nothing.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from store import tables
from store.audit.events import Permission
from store.calls.calls import DENIED, RUNNING
from store.calls.feed import Item, Let, Wanted
from store.calls.recorded import Became, became_of
from store.moments import read_text, to_text
from store.policy.globs import is_wild

ARGUMENTS_SHOWN = 300
PAGE = 50
SCANNED = 5_000
"""Calls that a page of older ones looks through at most, whatever is wanted."""
_CHUNK = 500

_CALLS, _REQUESTS = tables.calls.c, tables.requests.c
_OF_CALLS = (
    _CALLS.id,
    _CALLS.request_id,
    _CALLS.agent_id,
    _CALLS.agent_name,
    _CALLS.workflow,
    _CALLS.tool,
    _CALLS.permission,
    _CALLS.rules,
    _CALLS.state,
    _CALLS.is_error,
    _CALLS.milliseconds,
    _CALLS.result_bytes,
    _CALLS.why,
    _CALLS.started_at,
    func.substr(_CALLS.arguments, 1, ARGUMENTS_SHOWN).label("arguments"),
)
# The parts of a card as text: cards are long, and what is needed of them is short.
_OF_REQUESTS = (
    _REQUESTS.id,
    _REQUESTS.agent_id,
    _REQUESTS.agent_name,
    _REQUESTS.workflow,
    _REQUESTS.tool,
    _REQUESTS.outcome,
    _REQUESTS.may_proceed,
    _REQUESTS.opened_at,
    _REQUESTS.card["conditions"].as_string().label("conditions"),
    _REQUESTS.card["question"]["held_because"].as_string().label("held_because"),
    func.substr(_REQUESTS.card["question"]["arguments"].as_string(), 1, ARGUMENTS_SHOWN).label("arguments"),
)
_IS_HELD = _REQUESTS.tool.is_not(None)
_LET = {
    Permission.ALLOWED.value: Let.ALLOWED,
    Permission.NOTICED.value: Let.NOTICED,
    Permission.APPROVED.value: Let.APPROVED,
    DENIED: Let.DENIED,
}


@dataclass(frozen=True)
class Mark:
    """Behind which call a page of older ones begins."""

    at: datetime
    id: str

    def text(self) -> str:
        """For an address."""
        return f"{to_text(self.at)}~{self.id}"

    @classmethod
    def read(cls, text: str) -> "Mark":
        """What `text` wrote.

        Raises:
            ValueError: it is no mark.
        """
        at, found, identifier = text.partition("~")
        moment = read_text(at)
        if not found:
            raise ValueError("not a mark")
        return cls(moment, identifier)


@dataclass(frozen=True)
class Page:
    """Calls one by one, the newest first."""

    items: tuple[Item, ...]
    further: Mark | None
    """Where the next page begins; None where nothing is older."""
    gave_up: bool = False
    """So many did not match that this page ends before it is full; older ones may match."""


def newest(connection: Connection, since: datetime, limit: int) -> list[Item]:
    """The newest calls and held requests, not older than `since`, the oldest first."""
    calls = select(*_OF_CALLS).where(_CALLS.started_at >= since).order_by(_CALLS.started_at.desc(), _CALLS.id.desc())
    held = _held_since(since).order_by(_REQUESTS.opened_at.desc(), _REQUESTS.id.desc())
    found = map(of_call, connection.execute(calls.limit(limit)))
    asked = map(of_request, connection.execute(held.limit(limit)))
    return sorted([*found, *asked], key=_in_time)


def calls_since(connection: Connection, since: datetime, limit: int) -> list[Item]:
    """The first calls that were let through or denied at that moment or later."""
    query = select(*_OF_CALLS).where(_CALLS.started_at >= since).order_by(_CALLS.started_at, _CALLS.id).limit(limit)
    return [of_call(row) for row in connection.execute(query)]


def held_since(connection: Connection, since: datetime, limit: int) -> list[Item]:
    """The first calls that people were asked about at that moment or later."""
    query = _held_since(since).order_by(_REQUESTS.opened_at, _REQUESTS.id).limit(limit)
    return [of_request(row) for row in connection.execute(query)]


def as_they_are(connection: Connection, items: Sequence[Item]) -> list[Item]:
    """Those of these calls that something came of, as they are now: not those that still run or wait for people."""
    asked = [item.id for item in items if item.let is Let.HELD]
    sent = [item.id for item in items if item.let is not Let.HELD]
    return [
        *(
            of_call(row)
            for some in _chunks(sent)
            for row in connection.execute(select(*_OF_CALLS).where(_CALLS.id.in_(some), _CALLS.state != RUNNING))
        ),
        *(
            of_request(row)
            for some in _chunks(asked)
            # Cards are long: those that still wait are not read, once a second, to learn nothing.
            for row in connection.execute(
                select(*_OF_REQUESTS).where(_REQUESTS.id.in_(some), _REQUESTS.outcome.is_not(None))
            )
        ),
    ]


def one_by_one(
    connection: Connection,
    wanted: Wanted,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: Mark | None = None,
    limit: int = PAGE,
) -> Page:
    """A page of these calls, in `since` ≤ at < `until`, from behind `after`.

    What was held and then ran stands as what ran, unless only what was held is wanted.
    """
    agent_id = None
    if wanted.agent is not None:
        agent_id = _agent_id(connection, wanted.agent)
        if agent_id is None:
            return Page((), None)
    span = _Span(agent_id, wanted.tool if wanted.tool and not is_wild(wanted.tool) else None, since, until)
    found: list[Item] = []
    scanned, last = 0, None
    for item in merge(*_sources(connection, wanted, span, after), key=_in_time, reverse=True):
        if len(found) == limit or scanned == SCANNED:
            return Page(tuple(found), last, gave_up=len(found) < limit)
        scanned, last = scanned + 1, Mark(item.at, item.id)
        if wanted.has(item):
            found.append(item)
    return Page(tuple(found), None)


@dataclass(frozen=True)
class _Span:
    """What the database itself picks by: what there is an index for."""

    agent_id: str | None
    tool: str | None
    since: datetime | None
    until: datetime | None


def _sources(connection: Connection, wanted: Wanted, span: _Span, after: Mark | None) -> list[Iterator[Item]]:
    sources = []
    if wanted.let is not Let.HELD:
        calls = _within(select(*_OF_CALLS), _CALLS, _CALLS.started_at, span)
        sources.append(_walk(connection, calls, _CALLS, _CALLS.started_at, after, of_call))
    if wanted.let in (None, Let.HELD):
        held = _within(select(*_OF_REQUESTS).where(_IS_HELD), _REQUESTS, _REQUESTS.opened_at, span)
        if wanted.let is None:
            held = held.where(_REQUESTS.id.not_in(select(_CALLS.request_id).where(_CALLS.request_id == _REQUESTS.id)))
        sources.append(_walk(connection, held, _REQUESTS, _REQUESTS.opened_at, after, of_request))
    return sources


def _within(query: Select[Any], columns: Any, moment: Any, span: _Span) -> Select[Any]:
    if span.agent_id is not None:
        query = query.where(columns.agent_id == span.agent_id)
    if span.tool is not None:
        query = query.where(columns.tool == span.tool)
    if span.since is not None:
        query = query.where(moment >= span.since)
    return query if span.until is None else query.where(moment < span.until)


def _walk(
    connection: Connection, query: Select[Any], columns: Any, moment: Any, after: Mark | None, read: Any
) -> Iterator[Item]:
    """All that the query finds, the newest first, a chunk at a time."""
    while True:
        part = query
        if after is not None:
            at_once = and_(moment == after.at, columns.id < after.id)
            part = part.where(moment <= after.at, or_(moment < after.at, at_once))
        rows = connection.execute(part.order_by(moment.desc(), columns.id.desc()).limit(_CHUNK)).all()
        for row in rows:
            item: Item = read(row)
            after = Mark(item.at, item.id)
            yield item
        if len(rows) < _CHUNK:
            return


def of_call(row: Any) -> Item:
    """A row of `calls`."""
    return Item(
        id=row.id,
        agent_id=row.agent_id,
        agent=row.agent_name,
        workflow=row.workflow,
        tool=row.tool,
        let=_LET[row.permission],
        rules=tuple(row.rules),
        at=row.started_at,
        became=Became(row.state),
        is_error=row.is_error,
        milliseconds=row.milliseconds,
        result_bytes=row.result_bytes,
        why=row.why,
        arguments=row.arguments,
    )


def of_request(row: Any) -> Item:
    """A row of `requests` that holds a call."""
    conditions = json.loads(row.conditions) if row.conditions else []
    return Item(
        id=row.id,
        agent_id=row.agent_id,
        agent=row.agent_name,
        workflow=row.workflow,
        tool=row.tool,
        let=Let.HELD,
        rules=tuple(condition["rule"] for condition in conditions),
        at=row.opened_at,
        became=became_of(row),
        why="; ".join(json.loads(row.held_because or "[]")) or None,
        arguments=row.arguments or "",
    )


def _held_since(since: datetime) -> Select[Any]:
    return select(*_OF_REQUESTS).where(_IS_HELD, _REQUESTS.opened_at >= since)


def _agent_id(connection: Connection, name: str) -> str | None:
    agents = tables.agents.c
    found: str | None = connection.execute(select(agents.id).where(agents.name == name)).scalar()
    return found


def _in_time(item: Item) -> tuple[datetime, str]:
    return item.at, item.id


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
