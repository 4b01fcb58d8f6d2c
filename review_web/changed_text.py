"""A piece of a file before and after, every line of both: what would be written, as a diff. Pure.

Nothing is left out, lines that stay included: what is not on the card was not approved.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# Strangers write both texts, and comparing takes as long as there are pairs of equal lines, times the places where the
# texts differ. Beyond this, all of the one stands above all of the other.
LINES_COMPARED = 2_000
PAIRS_COMPARED = 20_000
# No other: what else Unicode calls a space ends a line for some languages, or is a letter to a shell.
_BLANKS = re.compile(r"[ \t]+")
_Line = tuple[str, bool]
"""A line, and whether it ends."""


@dataclass(frozen=True)
class ChangedLine:
    """A line of a diff: `side` is `before`, `now` or `same`; `note` is Assent's own word on what eyes would miss."""

    side: str
    text: str
    note: str = ""


def changed_lines(before: str, now: str) -> tuple[ChangedLine, ...]:
    """Both texts in lines, those that stay once."""
    old, new = _lines(before), _lines(now)
    if max(len(old), len(new)) > LINES_COMPARED:
        return (*_of("before", old), *_of("now", new))
    # Pieces of files seldom end where a line does; it matters where one of the two does.
    uneven = bool(old and new) and old[-1][1] != new[-1][1]
    lines: list[ChangedLine] = []
    # Among too many pairs, lines that stand everywhere are found only beside those that do not.
    matcher = SequenceMatcher(None, old, new, autojunk=_pairs(old, new) > PAIRS_COMPARED)
    for change, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if change == "equal":
            lines += _of("same", new[new_from:new_to], noted=False)
            continue
        here, there = old[old_from:old_to], new[new_from:new_to]
        alike = _differ_in_blanks_only(here, there)
        lines += [*_of("before", here, uneven=uneven), *_of("now", there, uneven=uneven, only_blanks=alike)]
    return tuple(lines)


def added_lines(text: str) -> tuple[ChangedLine, ...]:
    """All of a text that is written where nothing is compared with it."""
    return tuple(_of("now", _lines(text), noted=False))


def _lines(text: str) -> list[_Line]:
    """Only a line feed ends a line here: everything else that may end one is shown as what it is."""
    if not text:
        return []
    *ended, last = text.split("\n")
    lines = [(line, True) for line in ended]
    return lines if not last else [*lines, (last, False)]


def _of(
    side: str, lines: Sequence[_Line], *, noted: bool = True, uneven: bool = False, only_blanks: bool = False
) -> list[ChangedLine]:
    if not noted:
        return [ChangedLine(side, text) for text, _ in lines]
    return [ChangedLine(side, text, _note(text, uneven and not ends, only_blanks)) for text, ends in lines]


def _note(text: str, is_open: bool, only_blanks: bool) -> str:
    said = []
    if text != text.rstrip(" \t"):
        said.append("blanks at its end")
    if is_open:
        said.append("no line end after it")
    if only_blanks:
        said.append("only blanks differ")
    return ", ".join(said)


def _differ_in_blanks_only(old: Sequence[_Line], new: Sequence[_Line]) -> bool:
    return _words(old) == _words(new) and bool(old)


def _words(lines: Sequence[_Line]) -> list[list[str]]:
    return [_BLANKS.split(text.strip(" \t")) for text, _ in lines]


def _pairs(old: Sequence[_Line], new: Sequence[_Line]) -> int:
    """How many pairs of equal lines the two have."""
    before, now = Counter(old), Counter(new)
    return sum(number * now[line] for line, number in before.items())
