"""What one agent may read of the log: the entries about itself, as lines, the newest first looked at.

`agent_entries` says which entries are whose: the log's append fills it. Where several people are being asked, nobody
but auditors reads where later entries stand, for the gaps between them would tell who has answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import re2
from sqlalchemy import BindParameter, Connection, bindparam, func, select

from store import tables
from store.audit.canonical import decode
from store.audit.own_lines import TEXT_KEYS, Known, Level, line_of
from store.deciding.votes import first_hidden_position
from store.moments import to_text
from store.problems import Problem

MOST_ENTRIES = 200
LONGEST_PATTERN = 200
CHUNK = 250
LOOKED_THROUGH = 2_000
"""Entries that one reading looks at, however few of them it finds."""


class OwnEntriesProblem(Problem):
    """It cannot be read as asked. `field` names the argument."""

    def __init__(self, field: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.field = field


@dataclass(frozen=True)
class Wanted:
    """Which entries. `level` is the least; `since` is included, `until` is not; `pattern` is RE2, found anywhere in the
    line; `cursor` is what the page before gave."""

    level: Level | None = None
    since: datetime | None = None
    until: datetime | None = None
    pattern: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True)
class OwnEntry:
    """One line of an agent's own log. `at` is as the entry has it; `index` None while where it stands is hidden."""

    index: int | None
    at: str
    type: str
    level: Level
    text: str
    request_id: str | None = None
    call_id: str | None = None
    tool: str | None = None


@dataclass(frozen=True)
class Page:
    """Lines, the newest last. `next_cursor` leads to older ones; None: there are none.

    With a filter a page may be short, or empty, and lead on all the same: one reading looks at so many entries only.
    """

    entries: tuple[OwnEntry, ...]
    next_cursor: str | None


def own_entries(connection: Connection, agent_id: str, wanted: Wanted) -> Page:
    """The newest of an agent's own entries that are wanted; with a cursor, the newest of those before it.

    Reading ends at the first entry older than `since`, as the log has them in order.

    Raises:
        OwnEntriesProblem: the pattern is no RE2 expression, the cursor is not one that was given, or a moment is
            none in UTC.
    """
    search = _search(wanted.pattern)
    since, until = _text("since", wanted.since), _text("until", wanted.until)
    hidden = first_hidden_position(connection)
    # A cursor counts the agent's own entries. A position would tell how many entries of others stand between.
    left = _left(connection, agent_id, wanted.cursor)
    before = _position(connection, agent_id, left)
    found: list[OwnEntry] = []
    end = left - LOOKED_THROUGH
    while before is not None and left > max(0, end) and len(found) < wanted.limit:
        rows = connection.execute(_CHUNK, {"the_agent": agent_id, "the_last": before}).all()
        entries = [(row.position, decode(row.data)) for row in rows]
        known = _Beside(connection, entries)
        for position, entry in entries:
            if since is not None and entry["at"] < since:
                return Page(tuple(reversed(found)), None)
            left -= 1
            one = _own(position, entry, known.of(position, entry), hidden)
            in_time = until is None or entry["at"] < until
            if in_time and _is_level(one, wanted.level) and (search is None or search(one.text)):
                found.append(one)
            if len(found) == wanted.limit:
                break
        before = rows[-1].position - 1 if len(rows) == CHUNK else None
    return Page(tuple(reversed(found)), str(left) if left > 0 else None)


_OWN, _ENTRIES, _TEXTS = tables.agent_entries.c, tables.log_entries.c, tables.disclosures.c
_REQUESTS, _CALLS = tables.requests.c, tables.calls.c
_COUNT = select(func.count()).select_from(tables.agent_entries).where(_OWN.agent_id == bindparam("the_agent"))
_NTH = (
    select(_OWN.position)
    .where(_OWN.agent_id == bindparam("the_agent"))
    .order_by(_OWN.position)
    .offset(bindparam("the_offset"))
    .limit(1)
)
_CHUNK = (
    select(_ENTRIES.position, _ENTRIES.data)
    .join(tables.agent_entries, _OWN.position == _ENTRIES.position)
    .where(_OWN.agent_id == bindparam("the_agent"), _OWN.position <= bindparam("the_last"))
    .order_by(_OWN.position.desc())
    .limit(CHUNK)
)
_MANY: BindParameter[Any] = bindparam("many", expanding=True)
_DISCLOSED = select(_TEXTS.position, _TEXTS.key, _TEXTS.text).where(
    _TEXTS.position.in_(_MANY), _TEXTS.key.in_(TEXT_KEYS)
)
_OF_REQUESTS = select(_REQUESTS.id, _REQUESTS.title, _REQUESTS.tool, _REQUESTS.decided_by).where(
    _REQUESTS.id.in_(_MANY)
)
_OF_CALLS = select(_CALLS.id, _CALLS.tool, _CALLS.why).where(_CALLS.id.in_(_MANY))


class _Beside:
    """What stands beside some entries, read together."""

    def __init__(self, connection: Connection, entries: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        def rows(query: Any, many: list[Any]) -> Sequence[Any]:
            return connection.execute(query, {"many": many}).all() if many else ()

        self._texts: dict[int, dict[str, str]] = {}
        for row in rows(_DISCLOSED, [position for position, _ in entries]):
            self._texts.setdefault(row.position, {})[row.key] = row.text
        requests = {entry["request"] for _, entry in entries if "request" in entry}
        calls = {entry["call"] for _, entry in entries if entry["type"] == "call_ended"}
        self._requests = {row.id: row for row in rows(_OF_REQUESTS, sorted(requests))}
        self._calls = {row.id: row for row in rows(_OF_CALLS, sorted(calls))}

    def of(self, position: int, entry: Mapping[str, Any]) -> Known:
        texts = self._texts.get(position, {})
        request = self._requests.get(entry.get("request"))
        call = self._calls.get(entry.get("call"))
        tools = (texts.get("tool_ref"), getattr(call, "tool", None), getattr(request, "tool", None))
        return Known(
            texts=texts,
            title=getattr(request, "title", None),
            tool=next((one for one in tools if one is not None), None),
            decided_by=getattr(request, "decided_by", None),
            why=getattr(call, "why", None),
        )


def _own(position: int, entry: Mapping[str, Any], known: Known, hidden: int | None) -> OwnEntry:
    line = line_of(entry, known)
    # What claims and tells an answer is named by the call that carries it, which is not a governed one.
    governed = entry["type"] in ("call_intended", "call_ended")
    return OwnEntry(
        index=None if hidden is not None and position >= hidden else position,
        at=entry["at"],
        type=entry["type"],
        level=line.level,
        text=line.text,
        request_id=entry.get("request"),
        call_id=entry["call"] if governed else None,
        tool=known.tool,
    )


def _is_level(one: OwnEntry, least: Level | None) -> bool:
    return least is None or one.level.rank >= least.rank


def _left(connection: Connection, agent_id: str, cursor: str | None) -> int:
    """How many of the agent's own entries are before where reading begins."""
    count = int(connection.execute(_COUNT, {"the_agent": agent_id}).scalar_one())
    if cursor is None:
        return count
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18 and 0 < int(cursor) <= count):
        raise OwnEntriesProblem(
            "cursor", "this cursor was not given by an earlier page", "Pass next_cursor as it was, or leave it out."
        )
    return int(cursor)


def _position(connection: Connection, agent_id: str, nth: int) -> int | None:
    """Where the agent's nth entry stands, counted from one."""
    if nth == 0:
        return None
    found = connection.execute(_NTH, {"the_agent": agent_id, "the_offset": nth - 1}).scalar()
    return None if found is None else int(found)


def _search(pattern: str | None) -> Any:
    if pattern is None:
        return None
    if len(pattern) > LONGEST_PATTERN:
        raise OwnEntriesProblem(
            "pattern", f"the pattern has {len(pattern)} characters; it may have {LONGEST_PATTERN}", "Search for less."
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options).search
    except (re2.error, UnicodeEncodeError):
        raise OwnEntriesProblem(
            "pattern",
            "the pattern is no RE2 expression",
            "RE2 has no look-around and no back-references; example: denied|failed",
        ) from None


def _text(field: str, moment: datetime | None) -> str | None:
    try:
        return None if moment is None else to_text(moment)
    except OverflowError:
        raise OwnEntriesProblem(
            field, f"{field}: there is no such moment in UTC", "Write it like 2026-11-22T09:00:00Z."
        ) from None
