"""What came before a request: the same question earlier, how that ended, and the rounds of which this is the last.

Queries only. What is like a request is said by the agent's own words for it, its title or its workflow, and is sought
among that agent's requests alone, so that no agent can borrow another's good record. Only what is closed counts: of an
open request nobody learns here what was answered so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from store import tables
from store.lifecycle import Kind, Outcome, State
from store.requests import RequestView, find, views

TRACK_DAYS = 30
LIKENESS_DAYS = 90
REFUSALS_TOLD = 3
ROUNDS_TOLD = 10

_closed = tables.requests.c


class Basis(StrEnum):
    """By what two requests are alike: by the agent's words, but for held calls."""

    TITLE = "title"
    WORKFLOW = "workflow"
    TOOL = "tool"
    """Of held calls: not the agent's words, but what it calls."""


@dataclass(frozen=True)
class Tally:
    """How often the like was asked in `TRACK_DAYS` days, by how it ended."""

    approved: int = 0
    """Answered so that the agent might proceed."""
    refused: int = 0
    """An option that does not approve, or declined."""
    returned: int = 0
    expired: int = 0
    withdrawn: int = 0

    @property
    def asked(self) -> int:
        return self.approved + self.refused + self.returned + self.expired + self.withdrawn


@dataclass(frozen=True)
class Precedents:
    """What a reviewer may want to know of the time before a request."""

    basis: Basis
    tally: Tally
    last_approved: RequestView | None
    """The newest like it in `LIKENESS_DAYS` days that was approved, or answered."""
    refusals: tuple[RequestView, ...]
    """The newest first, at most `REFUSALS_TOLD`, in `TRACK_DAYS` days."""
    rounds: tuple[RequestView, ...]
    """The requests that this one says it follows, the oldest first, at most `ROUNDS_TOLD`."""
    followed_by: str | None
    """The id of the newest request that says it follows this one."""


def precedents(connection: Connection, request_id: str, now: datetime) -> Precedents | None:
    """What came before a request, as of now or of when it was closed; None where there is no such request."""
    row = find(connection, request_id)
    if row is None:
        return None
    until = row.closed_at or now
    basis = _basis(connection, row, until)
    alike = _alike(row, basis)
    recent = and_(alike, _in_days(until, TRACK_DAYS))
    approved = _newest(connection, and_(alike, _in_days(until, LIKENESS_DAYS), _permitted()), 1)
    refusals = _newest(connection, and_(recent, _refused()), REFUSALS_TOLD)
    rounds = _rounds(connection, row)
    known = {v.request_id: v for v in views(connection, [*approved, *refusals, *rounds], frozenset())}
    return Precedents(
        basis=basis,
        tally=_tally(connection, recent),
        last_approved=known[approved[0].id] if approved else None,
        refusals=tuple(known[one.id] for one in refusals),
        rounds=tuple(known[one.id] for one in rounds),
        followed_by=_followed_by(connection, row),
    )


def _basis(connection: Connection, row: Any, until: datetime) -> Basis:
    """The title where the like was asked under it before; else the workflow, where the request names one."""
    if row.kind == Kind.CALL:
        return Basis.TOOL
    if row.workflow is None:
        return Basis.TITLE
    by_title = select(_closed.id).where(_alike(row, Basis.TITLE), _in_days(until, LIKENESS_DAYS)).limit(1)
    return Basis.WORKFLOW if connection.execute(by_title).first() is None else Basis.TITLE


def _alike(row: Any, basis: Basis) -> ColumnElement[bool]:
    same = {
        Basis.TITLE: _closed.title == row.title,
        Basis.WORKFLOW: _closed.workflow == row.workflow,
        Basis.TOOL: _closed.tool == row.tool,
    }[basis]
    return and_(
        _closed.agent_id == row.agent_id,
        _closed.kind == row.kind,
        _closed.state == State.CLOSED.value,
        _closed.id != row.id,
        same,
    )


def _in_days(until: datetime, days: int) -> ColumnElement[bool]:
    return _closed.closed_at.between(until - timedelta(days=days), until)


def _permitted() -> ColumnElement[bool]:
    return and_(_closed.outcome == Outcome.ANSWERED.value, _closed.may_proceed.is_(True))


def _refused() -> ColumnElement[bool]:
    answered_no = and_(_closed.outcome == Outcome.ANSWERED.value, _closed.may_proceed.is_(False))
    return or_(answered_no, _closed.outcome == Outcome.DECLINED.value)


def _newest(connection: Connection, condition: ColumnElement[bool], limit: int) -> Sequence[Any]:
    query = select(tables.requests).where(condition).order_by(_closed.closed_at.desc(), _closed.id.desc())
    return connection.execute(query.limit(limit)).all()


def _tally(connection: Connection, condition: ColumnElement[bool]) -> Tally:
    query = select(_closed.outcome, _closed.may_proceed, func.count()).where(condition)
    counts: dict[str, int] = {}
    for outcome, may_proceed, count in connection.execute(query.group_by(_closed.outcome, _closed.may_proceed)):
        name = _COUNTED_AS[Outcome(outcome), bool(may_proceed)]
        counts[name] = counts.get(name, 0) + count
    return Tally(**counts)


_COUNTED_AS = {
    (Outcome.ANSWERED, True): "approved",
    (Outcome.ANSWERED, False): "refused",
    (Outcome.DECLINED, False): "refused",
    (Outcome.RETURNED, False): "returned",
    (Outcome.EXPIRED, False): "expired",
    (Outcome.WITHDRAWN, False): "withdrawn",
}


def _rounds(connection: Connection, row: Any) -> list[Any]:
    """The chain that `follows` names. Asking took only requests of the same agent, and only earlier ones, for it."""
    chain: list[Any] = []
    named = row.follows
    while named is not None and len(chain) < ROUNDS_TOLD:
        chain.append(find(connection, named))
        named = chain[-1].follows
    return chain[::-1]


def _followed_by(connection: Connection, row: Any) -> str | None:
    found = connection.execute(select(_closed.id, _closed.opened_at).where(_closed.follows == row.id)).all()
    newest = max(found, key=lambda one: one.opened_at, default=None)
    return None if newest is None else newest.id
