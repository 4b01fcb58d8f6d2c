"""What was measured, beside what it should be."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One budget. `met` is None where nothing is demanded; `remark` says what the numbers do not."""

    what: str
    floor: str
    assent: str
    ratio: str
    budget: str
    met: bool | None
    remark: str = ""


def render(rows: Iterable[Row]) -> str:
    """The rows as a table, and under it what there is to remark."""
    rows = list(rows)
    cells = [("what", "floor", "assent", "ratio", "budget", "")]
    cells += [(row.what, row.floor, row.assent, row.ratio, row.budget, _verdict(row.met)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    remarks = [f"{row.what}: {row.remark}" for row in rows if row.remark]
    return "\n".join([*lines, *([""] if remarks else []), *remarks])


def _verdict(met: bool | None) -> str:
    return "" if met is None else "met" if met else "not met"
