"""Two texts side by side: what differs, with a few lines around it. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

CONTEXT_LINES = 3
# No comparison is worth more than some tenths of a second. It takes as long as there are pairs of equal lines, times
# the places where the texts differ: strangers write some of them, and a thousand lines alike would take minutes.
LINES_COMPARED = 2_000
PAIRS_COMPARED = 20_000


@dataclass(frozen=True)
class Line:
    """A line of a comparison: `side` is before, now or same; `gap` says that unchanged lines are left out above it."""

    side: str
    text: str
    gap: bool = False


def compared(before: str, now: str) -> tuple[Line, ...]:
    """What differs between two texts, each change with a few lines around it; of long texts, all of both."""
    return compared_lines(before.splitlines(), now.splitlines())


def compared_lines(old: Sequence[str], new: Sequence[str]) -> tuple[Line, ...]:
    """The same of texts that are lines already."""
    if max(len(old), len(new)) > LINES_COMPARED:
        return (*(Line("before", text) for text in old), *(Line("now", text) for text in new))
    lines: list[Line] = []
    # Among too many pairs, lines that stand everywhere are found only beside those that do not.
    matcher = SequenceMatcher(None, old, new, autojunk=_pairs(old, new) > PAIRS_COMPARED)
    for number, group in enumerate(matcher.get_grouped_opcodes(CONTEXT_LINES)):
        of_group: list[Line] = []
        for change, old_from, old_to, new_from, new_to in group:
            if change == "equal":
                of_group += [Line("same", text) for text in new[new_from:new_to]]
            else:
                of_group += [Line("before", text) for text in old[old_from:old_to]]
                of_group += [Line("now", text) for text in new[new_from:new_to]]
        first = of_group[0]
        lines += [Line(first.side, first.text, gap=number > 0), *of_group[1:]]
    return tuple(lines)


def _pairs(old: Sequence[str], new: Sequence[str]) -> int:
    """How many pairs of equal lines the two have."""
    before, now = Counter(old), Counter(new)
    return sum(number * now[line] for line, number in before.items())
