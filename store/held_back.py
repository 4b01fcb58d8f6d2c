"""Who is held back at a moment, as rows say; `store.halts` has the use cases that change it.

Whoever cannot tell whether an agent is held back treats it as stopped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, false, literal, null, or_, select, true, union_all

from store import tables
from store.audit.events import Halting
from store.memory import remembered

EVERYTHING = "*"
"""The scope of what holds for every agent, those to come among them."""


@dataclass(frozen=True)
class Halt:
    """That an agent, or everything, is held back."""

    agent_id: str | None
    """None: everything."""
    agent_name: str | None
    how: Halting
    at: datetime
    by: str | None
    """Who did it, by display name; None: whoever has the server's files."""
    why: str | None
    revoked: bool = False
    """It is not held back for a while, but revoked: it never goes on."""

    @property
    def stops(self) -> bool:
        return self.how is Halting.STOPPED

    def told(self) -> str:
        """A sentence for the agent."""
        when = f"{self.at:%Y-%m-%d at %H:%M} UTC"
        if self.revoked:
            return f"This agent was revoked on {when}."
        what = "everything" if self.agent_id is None else "this agent"
        said = "" if self.why is None else f', saying "{self.why}"'
        return f"{self.by or 'Whoever runs Assent'} {self.how.value} {what} on {when}{said}."


@dataclass(frozen=True)
class HeldBack:
    """All that is held back at one moment, revoked agents among it."""

    everything: Halt | None = None
    agents: Mapping[str, Halt] = field(default_factory=dict)
    """By the agent's id."""

    def of(self, agent_id: str) -> Halt | None:
        """What holds this agent back: a stop of everything before its own; None: nothing does."""
        return self.everything or self.agents.get(agent_id)


@dataclass(frozen=True)
class Stops(HeldBack):
    """Those that are stopped altogether: no pauses among them."""


def held_back(connection: Connection) -> HeldBack:
    """All that is held back now. The writer remembers it."""
    return remembered(connection, "halts", _held_back)


def halt_of(connection: Connection, agent_id: str) -> Halt | None:
    """What holds this agent back: the strictest, a stop of everything before its own; None: nothing does."""
    return held_back(connection).of(agent_id)


def stop_of(connection: Connection, agent_id: str) -> Halt | None:
    """What stops this agent altogether; None: nothing does, though it may be paused."""
    halt = halt_of(connection, agent_id)
    return halt if halt is not None and halt.stops else None


_HALTS = tables.halts.c
_AGENTS = tables.agents.c
COLUMNS: tuple[ColumnElement[Any], ...] = (
    _HALTS.scope.label("halt_scope"),
    _HALTS.how.label("halt_how"),
    _HALTS.at.label("halt_at"),
    _HALTS.by.label("halt_by"),
    _HALTS.why.label("halt_why"),
)
"""What a query selects beside an agent, joined by `with_halts`, for `strictest` to read."""


def with_halts(source: FromClause, agent_id: ColumnElement[str]) -> FromClause:
    """`source` with what people hold this agent back by: one row for each such halt, and one where there is none."""
    return source.outerjoin(tables.halts, or_(_HALTS.scope == agent_id, _HALTS.scope == EVERYTHING))


def strictest(rows: Iterable[Any], agent_name: str) -> Halt | None:
    """What holds an agent back by these rows of `COLUMNS`: a stop of everything before its own; None: nothing does."""
    found = {row.halt_scope: row for row in rows if row.halt_scope is not None}
    if not found:
        return None
    return _halt(found.get(EVERYTHING) or next(iter(found.values())), agent_name)


def stop_in(rows: Sequence[Any], agent_id: str, agent_name: str, revoked_at: datetime | None) -> Halt | None:
    """What stops an agent altogether by these rows of `COLUMNS`; None: nothing does."""
    if revoked_at is not None:
        return Halt(agent_id, agent_name, Halting.STOPPED, revoked_at, None, None, revoked=True)
    halt = strictest(rows, agent_name)
    return halt if halt is not None and halt.stops else None


_HELD_BACK = union_all(
    select(*COLUMNS, _AGENTS.name, false().label("revoked")).select_from(
        tables.halts.outerjoin(tables.agents, _AGENTS.id == _HALTS.scope)
    ),
    select(
        _AGENTS.id,
        literal(Halting.STOPPED.value),
        _AGENTS.revoked_at,
        null(),
        null(),
        _AGENTS.name,
        true(),
    ).where(_AGENTS.revoked_at.is_not(None)),
)


def _halt(row: Any, agent_name: str | None, *, revoked: bool = False) -> Halt:
    everything = row.halt_scope == EVERYTHING
    return Halt(
        agent_id=None if everything else row.halt_scope,
        agent_name=None if everything else agent_name,
        how=Halting(row.halt_how),
        at=row.halt_at,
        by=row.halt_by,
        why=row.halt_why,
        revoked=revoked,
    )


def _each(connection: Connection) -> list[Halt]:
    return [_halt(row, row.name, revoked=bool(row.revoked)) for row in connection.execute(_HELD_BACK)]


def by_people(connection: Connection) -> tuple[Halt, ...]:
    halts = [halt for halt in _each(connection) if not halt.revoked]
    return tuple(sorted(halts, key=lambda halt: (halt.agent_id is not None, halt.agent_name or "")))


def _held_back(connection: Connection) -> HeldBack:
    return HeldBack(*_sorted_out(_each(connection)))


def stops(connection: Connection) -> Stops:
    return Stops(*_sorted_out(halt for halt in _each(connection) if halt.stops))


def _sorted_out(halts: Iterable[Halt]) -> tuple[Halt | None, Mapping[str, Halt]]:
    """The one of everything, and the others by their agents; that an agent was revoked hides what held it back."""
    everything: Halt | None = None
    agents: dict[str, Halt] = {}
    for halt in halts:
        if halt.agent_id is None:
            everything = halt
        elif halt.revoked or halt.agent_id not in agents:
            agents[halt.agent_id] = halt
    return everything, agents
