"""The feed that people watch: calls as they happen, put together in lines, so that a hundred alike are one. Pure.

A line is what one agent did in one minute with one tool, let by the same rules in the same way. Lines stand by minute,
the newest first, and within a minute by their first call: what comes later changes a line where it stands, and moves no
other.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from itertools import islice

from store.calls.recorded import Became
from store.canonical_json import canonical_text
from store.held_back import HeldBack
from store.moments import to_text
from store.policy.globs import compiled

LINES = 50
"""Lines of one page, at most."""
_EXACT_BELOW = 100
_UNFINISHED = frozenset({Became.WAITING, Became.APPROVED, Became.RUNNING})
_WENT_WRONG = frozenset({Became.FAILED, Became.UNKNOWN})


class Let(StrEnum):
    """What let a call through, or kept it."""

    ALLOWED = "allowed"
    NOTICED = "noticed"
    APPROVED = "approved"
    """People did, after it was held."""
    HELD = "held"
    """Nothing yet: people are asked, or were."""
    DENIED = "denied"


@dataclass(frozen=True)
class Item:
    """One call as it was when it was looked at. Held ones are two items: that people were asked, and that it ran."""

    id: str
    """The call's, or, where people were asked, the request's."""
    agent_id: str
    agent: str
    workflow: str | None
    tool: str
    let: Let
    rules: tuple[str, ...]
    at: datetime
    """When it was let through, held or denied."""
    became: Became
    is_error: bool = False
    """The upstream said that it went wrong."""
    milliseconds: int | None = None
    result_bytes: int | None = None
    why: str | None = None
    """Why it failed, was denied or was held."""
    arguments: str = ""
    """How its arguments begin: canonical JSON, cut off."""

    @property
    def is_an_error(self) -> bool:
        """Whether it returned, and the upstream said that it went wrong."""
        return self.is_error and self.became is Became.RETURNED

    @property
    def went_wrong(self) -> bool:
        """Whether it ended, and not as it should."""
        return self.is_an_error or self.became in _WENT_WRONG

    @property
    def is_unfinished(self) -> bool:
        """Whether more will come of it."""
        return self.became in _UNFINISHED


@dataclass(frozen=True)
class Line:
    """Calls that are alike. `id` and `order` stay; greater orders stand further up."""

    id: str
    order: str
    version: int
    """Of the feed that changed it last."""
    minute: datetime
    """Its beginning."""
    newest: Item
    count: int
    at_least: bool
    """There may have been more: of denied calls only the newest of a kind are kept."""
    became: Mapping[Became, int]
    errors: int
    """How many returned, and the upstream said that they went wrong."""
    first_at: datetime
    last_at: datetime
    median: int | None
    """Milliseconds, to two digits; None while none has ended."""
    worst: int | None


@dataclass(frozen=True)
class Wanted:
    """Which calls somebody wants to see, to the letter. None is any."""

    agent: str | None = None
    workflow: str | None = None
    tool: str | None = None
    """A pattern with `*` and `?`."""
    let: Let | None = None
    line: str | None = None
    """The id of a line: only the calls that it is made of."""

    def has(self, item: Item) -> bool:
        """Whether this call is one of them."""
        return (
            (self.let is None or item.let is self.let)
            and (self.agent is None or item.agent == self.agent)
            and (self.workflow is None or item.workflow == self.workflow)
            and (self.tool is None or compiled(self.tool).fullmatch(item.tool) is not None)
            and (self.line is None or line_of(item) == self.line)
        )


@dataclass(frozen=True)
class Feed:
    """The lines at one moment, the newest first. Versions grow with time, over restarts, too."""

    version: int
    lines: tuple[Line, ...]
    held_back: HeldBack
    """Who is paused or stopped at that moment."""
    held_back_since: int
    """The version since which that is so."""

    def page(self, wanted: Wanted) -> tuple[Line, ...]:
        """The newest lines of these calls, as many as a page has."""
        return tuple(islice((line for line in self.lines if wanted.has(line.newest)), LINES))


@dataclass
class Tally:
    """A line in the making."""

    id: str
    order: str
    minute: datetime
    newest: Item
    at_least: bool = False
    became: Counter[Became] = field(default_factory=Counter)
    errors: int = 0
    took: Counter[int] = field(default_factory=Counter)
    """How many calls took so many milliseconds, rounded: what is kept does not grow with the calls."""
    worst: int | None = None
    version: int = 0
    line: Line | None = None
    """As it was told last; None where it changed since."""

    def add(self, item: Item, version: int) -> None:
        """Count one more call."""
        self._count(item, 1)
        if (item.at, item.id) >= (self.newest.at, self.newest.id):
            self.newest = item
        self._changed(version)

    def change(self, before: Item, now: Item, version: int) -> None:
        """Something came of a call that was counted."""
        self._count(before, -1)
        self._count(now, 1)
        if self.newest.id == now.id:
            self.newest = now
        self._changed(version)

    def told(self) -> Line:
        """The line as it is now."""
        if self.line is None:
            self.line = Line(
                id=self.id,
                order=self.order,
                version=self.version,
                minute=self.minute,
                newest=self.newest,
                count=sum(self.became.values()),
                at_least=self.at_least,
                became={became: number for became, number in self.became.items() if number},
                errors=self.errors,
                first_at=_first_at(self.order),
                last_at=self.newest.at,
                median=_median(self.took),
                worst=self.worst,
            )
        return self.line

    def _count(self, item: Item, step: int) -> None:
        self.became[item.became] += step
        self.errors += step * item.is_an_error
        if item.milliseconds is not None:
            self.took[rounded(item.milliseconds)] += step
            self.worst = max(self.worst or 0, item.milliseconds)

    def _changed(self, version: int) -> None:
        self.version, self.line = version, None


def tally_of(item: Item) -> Tally:
    """The line that a call begins."""
    line_id = line_of(item)
    return Tally(line_id, f"{to_text(item.at)} {line_id}", minute_of(item), item, at_least=item.let is Let.DENIED)


def line_of(item: Item) -> str:
    """The id of the line that it belongs to."""
    alike = [
        item.agent_id,
        item.workflow or "",
        item.tool,
        item.let.value,
        *item.rules,
        to_text(minute_of(item)),
    ]
    return f"line-{sha256(canonical_text(alike).encode()).hexdigest()[:20]}"


def minute_of(item: Item) -> datetime:
    """The beginning of its minute."""
    return item.at.replace(second=0, microsecond=0)


def rounded(milliseconds: int) -> int:
    """To two digits, from a hundred on."""
    step = 1
    while milliseconds // step >= _EXACT_BELOW:
        step *= 10
    return milliseconds // step * step


def _first_at(order: str) -> datetime:
    return datetime.fromisoformat(order.partition(" ")[0])


def _median(took: Counter[int]) -> int | None:
    total = sum(took.values())
    if not total:
        return None
    passed = 0
    for value in sorted(took):
        passed += took[value]
        if passed * 2 >= total:
            return value
    return None
