"""Watching calls as they happen: one look at the rows for everybody who watches, however many calls there are.

What was seen is kept in memory, in lines; a look reads what came since the last one, and what became of those that had
not ended. It is for display only: losing it loses nothing, and after a pause it is made anew from the newest rows.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
from sqlalchemy import Connection, select

from store import tables
from store.calls import sightings
from store.calls.feed import Feed, Item, Let, Line, Tally, Wanted, line_of, minute_of, tally_of
from store.calls.sightings import Mark, Page
from store.calls.watched import WatchedCall, watched
from store.database import Database
from store.held_back import HeldBack, held_back

REACH = timedelta(hours=1)
"""How far back the first look goes."""
AT_ONCE = 5_000
"""Rows that one look reads of a kind at most; what is left, the next look reads."""
LINES_KEPT = 600
FOLLOWED_AT_ONCE = 2_000
"""Calls that have not ended that one look asks about at most, in turns."""
STALE_AFTER = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class _Behind:
    """How far a kind of row was read: up to this moment, and of this moment these."""

    at: datetime
    seen: set[str] = field(default_factory=set)

    def takes(self, items: Iterable[Item]) -> list[Item]:
        """Those that were not read before."""
        fresh = [item for item in items if item.at > self.at or item.id not in self.seen]
        for item in fresh:
            if item.at > self.at:
                self.at, self.seen = item.at, set()
            self.seen.add(item.id)
        return fresh


class Watching:
    """Every look at calls, for pages that people watch."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Made by the first look: a lock belongs to an event loop, and commands have none.
        self._turn: anyio.Lock | None = None
        self._looked = float("-inf")
        self._feed: Feed | None = None
        self._board = _Board()

    async def look(self, *, every: float = 0.0) -> Feed:
        """The feed as it is now, or a moment later: whoever waits for the next look so many seconds after the last one
        shares it with everybody who waits for it."""
        asked = time.monotonic()
        if self._turn is None:
            self._turn = anyio.Lock()
        if asked < self._looked + every:
            await anyio.sleep(self._looked + every - asked)
        async with self._turn:
            if self._feed is None or self._looked < asked:
                began = time.monotonic()
                if began - self._looked > STALE_AFTER:
                    self._board = _Board(self._board.version)
                self._feed = await self._database.read(self._read)
                self._looked = began
            return self._feed

    def _read(self, connection: Connection) -> Feed:
        now = self._database.clock()
        if self._board.is_ahead_of(now):
            # The clock was set back: what comes now would seem to have been seen.
            self._board = _Board(self._board.version)
        return self._board.look(connection, now)

    async def one_by_one(
        self,
        wanted: Wanted,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after: Mark | None = None,
    ) -> Page:
        """Single calls, the newest first; see `store.calls.sightings.one_by_one`."""
        query = partial(sightings.one_by_one, wanted=wanted, since=since, until=until, after=after)
        return await self._database.read(query)

    async def call(self, call_id: str) -> WatchedCall | None:
        """One call with all that is known of it; None where there is none."""
        return await self._database.read(partial(watched, call_id=call_id))

    async def agents(self) -> tuple[tuple[str, str | None], ...]:
        """Name and workflow of every agent, by name."""
        agents = tables.agents.c
        query = select(agents.name, agents.workflow).order_by(agents.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple((row.name, row.workflow) for row in rows)


class _Board:
    """The lines, and what is needed to go on with them."""

    def __init__(self, version: int = 0) -> None:
        self.version = version
        self._begun = False
        self._tallies: dict[str, Tally] = {}
        self._unfinished: dict[str, tuple[Item, Tally]] = {}
        self._calls = _Behind(_EPOCH)
        self._held = _Behind(_EPOCH)
        self._back = HeldBack()
        self._back_since = version

    def is_ahead_of(self, now: datetime) -> bool:
        """Whether it has seen what, by this clock, has not happened yet."""
        return max(self._calls.at, self._held.at) > now

    def look(self, connection: Connection, now: datetime) -> Feed:
        version = max(self.version + 1, (now - _EPOCH) // timedelta(microseconds=1))
        if self._begun:
            self._follow(connection, version)
            fresh = [
                *self._calls.takes(sightings.calls_since(connection, self._calls.at, AT_ONCE)),
                *self._held.takes(sightings.held_since(connection, self._held.at, AT_ONCE)),
            ]
            self._add(fresh, version)
        else:
            self._begin(connection, now, version)
        back = held_back(connection)
        if back != self._back:
            self._back, self._back_since, self.version = back, version, version
        self._forget()
        return Feed(self.version, self._lines(), self._back, self._back_since)

    def _begin(self, connection: Connection, now: datetime, version: int) -> None:
        self._begun = True
        items = sightings.newest(connection, now - REACH, AT_ONCE)
        held = [item for item in items if item.let is Let.HELD]
        calls = [item for item in items if item.let is not Let.HELD]
        self._calls, self._held = _Behind(now - REACH), _Behind(now - REACH)
        self._add([*self._calls.takes(calls), *self._held.takes(held)], version)
        for some in (calls, held):
            if len(some) == AT_ONCE:
                # Of that minute the beginning was not read.
                first = minute_of(some[0])
                for tally in self._tallies.values():
                    tally.at_least = tally.at_least or tally.minute == first

    def _follow(self, connection: Connection, version: int) -> None:
        """What became of those that had not ended."""
        asked = list(self._unfinished.values())[:FOLLOWED_AT_ONCE]
        for now in sightings.as_they_are(connection, [item for item, _ in asked]):
            before, tally = self._unfinished[now.id]
            if (now.became, now.milliseconds) != (before.became, before.milliseconds):
                # It stands in the line that it was counted in.
                tally.change(before, now, version)
                self.version = version
                self._unfinished[now.id] = (now, tally)
        for item, _ in asked:
            current, tally = self._unfinished.pop(item.id)
            if current.is_unfinished:
                # To the end: the others' turn comes before it is asked about again.
                self._unfinished[item.id] = (current, tally)

    def _add(self, items: Iterable[Item], version: int) -> None:
        for item in items:
            line_id = line_of(item)
            tally = self._tallies.get(line_id)
            if tally is None:
                tally = self._tallies[line_id] = tally_of(item)
            tally.add(item, version)
            self.version = version
            if item.is_unfinished:
                self._unfinished[item.id] = (item, tally)

    def _forget(self) -> None:
        """Let go of the oldest lines, beyond as many as are kept: of who has the most, so that nobody pushes out what
        others did."""
        if len(self._tallies) <= LINES_KEPT:
            return
        of_agent: Counter[str] = Counter()
        ranked: list[tuple[int, str]] = []
        for tally in sorted(self._tallies.values(), key=_order, reverse=True):
            ranked.append((of_agent[tally.newest.agent_id], tally.id))
            of_agent[tally.newest.agent_id] += 1
        ranked.sort(key=lambda one: one[0])
        for _, line_id in ranked[LINES_KEPT:]:
            del self._tallies[line_id]
        kept = self._tallies
        self._unfinished = {key: one for key, one in self._unfinished.items() if one[1].id in kept}

    def _lines(self) -> tuple[Line, ...]:
        return tuple(tally.told() for tally in sorted(self._tallies.values(), key=_order, reverse=True))


def _order(tally: Tally) -> str:
    return tally.order
