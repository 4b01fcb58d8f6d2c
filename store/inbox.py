"""What waits, for one person: their own first, a window at a time, however much there is.

Every row that waits is looked at in short, for its order and its numbers; only what is in the window is read whole.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, not_, or_, select, true

from store import tables
from store.card import load_condition
from store.lifecycle import VOTED_KINDS
from store.names import fold
from store.people.accounts import Reviewer
from store.policy.demands import Condition
from store.questions import Risk
from store.requests import RequestView, find, is_open, views

WINDOW = 100
# How far next to a request another one of one's own is sought: mostly it is near, and somewhere there is an end to it.
GLANCE = 20
REACH = 1000

_open = tables.requests.c
_not_critical = case((_open.risk == Risk.CRITICAL.value, 0), else_=1)
_ORDER = (_not_critical, _open.expires_at, _open.id)
# The conditions as text: most of what waits has the same, and reading JSON takes longer than finding it.
_SHORT = (
    _open.id,
    _open.kind,
    _open.escalated_at.is_not(None).label("escalated"),
    _open.card["conditions"].as_string().label("conditions"),
)


class Place(IntEnum):
    """Why a request is in somebody's inbox; the order in which they stand."""

    FOR_YOU = 0
    """This person's answer counts, and is missing."""
    ANSWERED = 1
    """This person has answered; others have not yet."""
    OTHERS = 2
    """Others are asked; this person may read it."""


@dataclass(frozen=True)
class Waiting:
    """A request that waits, and why it is in this inbox."""

    view: RequestView
    place: Place


@dataclass(frozen=True)
class Mark:
    """Where a window ended. The request may be answered or closed since; it was at that place then."""

    place: Place
    request_id: str


@dataclass(frozen=True)
class Window:
    """A part of what waits, and how much there is in all."""

    rows: tuple[Waiting, ...]
    counts: Mapping[Place, int]
    before: int
    """How many stand before the first row of the window."""
    newest: datetime | None
    """When the newest of all that waits was opened."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def end(self) -> "Mark | None":
        """What the next window begins after; None where this is the last."""
        last = self.rows[-1] if self.before + len(self.rows) < self.total else None
        return None if last is None else Mark(last.place, last.view.request_id)


@dataclass(frozen=True)
class Neighbours:
    """What else waits for this person, next to a request in the order of their inbox."""

    next_id: str | None = None
    """The one behind it; behind the last comes the first."""
    next_title: str | None = None
    previous_id: str | None = None


def window(
    connection: Connection,
    reviewer: Reviewer,
    waiting: frozenset[str],
    *,
    after: Mark | None = None,
    limit: int = WINDOW,
) -> Window:
    """What waits, from behind `after`: one's own first, critical before the rest, the next to expire first."""
    eye = _Eye(connection, reviewer)
    start = None if after is None else find(connection, after.request_id)
    beyond = true() if start is None else _behind(start)
    rows = connection.execute(select(*_SHORT, beyond.label("beyond")).where(is_open()).order_by(*_ORDER)).all()
    placed = sorted(((eye.place(row), row) for row in rows), key=lambda pair: pair[0])
    before = 0
    if after is not None and start is not None:
        before = sum(place < after.place or (place is after.place and not row.beyond) for place, row in placed)
    chosen = placed[before : before + limit]
    whole = connection.execute(select(tables.requests).where(_open.id.in_([row.id for _, row in chosen]))).all()
    found = {view.request_id: view for view in views(connection, whole, waiting)}
    return Window(
        rows=tuple(Waiting(found[row.id], place) for place, row in chosen),
        counts={place: sum(one is place for one, _ in placed) for place in Place},
        before=before,
        newest=connection.execute(select(func.max(_open.opened_at)).where(is_open())).scalar(),
    )


def neighbours(connection: Connection, reviewer: Reviewer, request_id: str) -> Neighbours:
    """What waits for this person besides that request: the one behind it in their inbox, and the one before it."""
    here = find(connection, request_id)
    if here is None:
        return Neighbours()
    eye = _Eye(connection, reviewer)
    behind, forth = _behind(here), _ORDER
    back = tuple(column.desc() for column in _ORDER)
    next_one = eye.first_of_ones_own(and_(behind, _open.id != request_id), forth)
    before = eye.first_of_ones_own(and_(not_(behind), _open.id != request_id), back)
    following = next_one or (before and eye.first_of_ones_own(and_(not_(behind), _open.id != request_id), forth))
    if following is None:
        return Neighbours()
    return Neighbours(following.id, following.title, before.id if before else None)


def arrived_since(connection: Connection, moment: datetime | None) -> int:
    """How many of those that wait were opened later."""
    query = select(func.count()).select_from(tables.requests).where(is_open())
    return connection.execute(query if moment is None else query.where(_open.opened_at > moment)).scalar_one()


def _behind(row: Any) -> ColumnElement[bool]:
    """The condition of standing after `row`, as far as the place is the same."""
    grade = 0 if row.risk == Risk.CRITICAL.value else 1
    same_grade, same_time = _not_critical == grade, _open.expires_at == row.expires_at
    return or_(
        _not_critical > grade,
        and_(same_grade, _open.expires_at > row.expires_at),
        and_(same_grade, same_time, _open.id > row.id),
    )


class _Eye:
    """One person's look at many rows: each different set of conditions is judged once."""

    def __init__(self, connection: Connection, reviewer: Reviewer) -> None:
        self._connection = connection
        self._reviewer = reviewer
        self._username = fold(reviewer.username)
        self._answered = _answered_by(connection, reviewer)
        self._judged: dict[tuple[str, bool, str | None], bool] = {}

    def place(self, row: Any) -> Place:
        if row.id in self._answered:
            return Place.ANSWERED
        # An auditor answers nothing: for them there is one list, and it is everybody's.
        return Place.FOR_YOU if not self._reviewer.may_decide or self._is_for(row) else Place.OTHERS

    def first_of_ones_own(self, among: ColumnElement[bool], order: Sequence[ColumnElement[Any]]) -> Any:
        """The first open row of `among` that waits for this person, or None."""
        for skipped, reach in ((0, GLANCE), (GLANCE, REACH)):
            # Sorted by themselves: reading what a card asks takes far longer than finding the few that are looked at.
            ids = select(_open.id).where(is_open(), among).order_by(*order).offset(skipped).limit(reach).subquery()
            query = select(*_SHORT, _open.title).join(ids, ids.c.id == _open.id).order_by(*order)
            for row in self._connection.execute(query):
                if self.place(row) is Place.FOR_YOU:
                    return row
        return None

    def _is_for(self, row: Any) -> bool:
        sight = (row.kind, bool(row.escalated), row.conditions)
        if sight not in self._judged:
            self._judged[sight] = _asks(self._username, *sight)
        return self._judged[sight]


def _asks(username: str, kind: str, escalated: bool, conditions: str | None) -> bool:
    """Whether conditions as they are stored ask that person: `deciding.eligibility.why_not_answer`, without the cards.

    The order of the inbox hangs on it and nothing else: what an answer counts for is the desk's to say.
    """
    loaded: list[Condition] = [load_condition(one) for one in json.loads(conditions or "[]")]
    if kind in VOTED_KINDS:
        narrow = [one for one in loaded if one.reviewers is not None or one.approvals > 1]
        return not narrow or any(one.asks(username, escalated=escalated) for one in narrow)
    return all(one.asks(username, escalated=escalated) for one in loaded)


def _answered_by(connection: Connection, reviewer: Reviewer) -> frozenset[str]:
    query = (
        select(tables.votes.c.request_id)
        .join(tables.requests, tables.requests.c.id == tables.votes.c.request_id)
        .where(tables.votes.c.reviewer_id == reviewer.id, is_open())
    )
    return frozenset(connection.execute(query).scalars())
