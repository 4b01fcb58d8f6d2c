"""Names by pattern: `*` stands for anything, `?` for one character, all else for itself. Pure."""

from functools import lru_cache
from typing import Any, NamedTuple, Self

import re2

from store.names import fold


class Name(NamedTuple):
    """A name as it stands, and as it looks."""

    exact: str
    folded: str

    @classmethod
    def of(cls, name: str) -> Self:
        return cls(name, fold(name))


class Names:
    """What some patterns match; folded, or to the letter.

    Most patterns are whole names or beginnings, and those are compared as texts: a policy of a thousand rules tries
    them all against a name that it sees for the first time.
    """

    __slots__ = ("_begins", "_exact", "_folded", "_patterns")

    def __init__(self, globs: tuple[str, ...], *, folded: bool) -> None:
        kept = [fold(glob) if folded else glob for glob in globs]
        self._folded = folded
        self._exact = frozenset(glob for glob in kept if not is_wild(glob))
        self._begins = tuple(glob[:-1] for glob in kept if glob.endswith("*") and not is_wild(glob[:-1]))
        self._patterns = tuple(
            compiled(glob) for glob in kept if is_wild(glob) and (is_wild(glob[:-1]) or glob[-1] != "*")
        )

    def match(self, name: Name) -> bool:
        text = name.folded if self._folded else name.exact
        return (
            text in self._exact
            or text.startswith(self._begins)
            or any(pattern.fullmatch(text) is not None for pattern in self._patterns)
        )


def is_wild(glob: str) -> bool:
    """Whether it stands for more than itself."""
    return "*" in glob or "?" in glob


@lru_cache(maxsize=4096)
def compiled(glob: str) -> Any:
    """The pattern, for `fullmatch`."""
    # RE2, because its time is linear in a name that comes from outside, whatever the pattern.
    return re2.compile("".join({"*": "(?s:.*)", "?": "(?s:.)"}.get(one, re2.escape(one)) for one in glob))


def can_begin(glob: str, beginning: str) -> bool:
    """Whether it matches some name that is longer than `beginning` and begins with it."""
    literal = _literal(glob)
    if not beginning.startswith(literal[: len(beginning)]):
        return False
    if literal == glob:
        return len(glob) > len(beginning)
    places = _closed(glob, {0})
    for letter in beginning:
        places = _closed(
            glob,
            {
                place if glob[place] == "*" else place + 1
                for place in places
                if place < len(glob) and glob[place] in ("*", "?", letter)
            },
        )
        if not places:
            return False
    return any(place < len(glob) for place in places)


def _literal(glob: str) -> str:
    """What every name that it matches begins with."""
    return glob[: min(place for place in (glob.find("*"), glob.find("?"), len(glob)) if place >= 0)]


def _closed(glob: str, places: set[int]) -> set[int]:
    """These places, and those behind stars that stand for nothing."""
    found = set(places)
    for place in places:
        at = place
        while at < len(glob) and glob[at] == "*":
            at += 1
            found.add(at)
    return found


def covers(wide: str, narrow: str) -> bool:
    """Whether `wide` surely matches whatever `narrow` matches."""
    literal = _literal(wide)
    if literal == wide or not narrow.startswith(literal):
        return wide == narrow
    # The narrow pattern is read as a name in which its own wildcards are letters that only wildcards match: a star only
    # by a star. What this says yes to is covered; a few odd patterns that are covered, too, get a no.
    places = _closed(wide, {0})
    for letter in narrow:
        fitting = ("*",) if letter == "*" else ("*", "?") if letter == "?" else ("*", "?", letter)
        places = _closed(
            wide,
            {
                place if wide[place] == "*" else place + 1
                for place in places
                if place < len(wide) and wide[place] in fitting
            },
        )
        if not places:
            return False
    return len(wide) in places
