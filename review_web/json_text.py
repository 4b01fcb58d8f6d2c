"""JSON values as people read them: scalars exactly as they are sent, everything else in lines. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from store.canonical_json import canonical_text

_INDENT = "  "
# A list or an object of plain values stands in one line where it fits: rows of a table then read as rows.
_ONE_LINE = 100
_PLAIN_NAME = re.compile(r"[\w.-]+")
# A text that cannot be taken for any other value; all others stand in quotes.
_PLAIN_TEXT = re.compile(r"(?!(?:true|false|null)\Z)[^\W\d_].*", re.DOTALL)


def scalar_text(value: Any) -> str:
    """A text as itself; a number, true, false and null as they are sent (RFC 8785)."""
    return value if isinstance(value, str) else canonical_text(value)


def json_text(value: Any, *, in_order: bool = False) -> str:
    """A value in lines that are indented; `in_order` sorts the keys, so that two of them compare."""
    return "\n".join(_lines(value, "", "", in_order))


def entry_lines(name: str, value: Any) -> list[str]:
    """A named value in lines that no other one has: what strangers write must not read like something else."""
    name = name if _PLAIN_NAME.fullmatch(name) else _plain(name)
    if not isinstance(value, str):
        first, *further = json_text(value, in_order=True).split("\n")
    elif _PLAIN_TEXT.fullmatch(value):
        first, *further = value.replace("\r\n", "\n").split("\n")
    else:
        first, further = _plain(value), []
    return [f"{name}: {first}", *(f"  {line}" for line in further)]


def _lines(value: Any, indent: str, before: str, in_order: bool) -> Iterator[str]:
    """The lines of `value`, of which the first begins with `before`. Depth is bounded by who reads JSON in."""
    if not isinstance(value, dict | list) or not value:
        yield f"{indent}{before}{_plain(value)}"
        return
    if (row := _row(value, in_order)) is not None:
        yield f"{indent}{before}{row}"
        return
    opens, closes = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield f"{indent}{before}{opens}"
    entries: list[tuple[str, Any]]
    if isinstance(value, dict):
        names = sorted(value) if in_order else list(value)
        entries = [(f"{_plain(name)}: ", value[name]) for name in names]
    else:
        entries = [("", item) for item in value]
    for place, (name, item) in enumerate(entries, 1):
        comma = "," if place < len(entries) else ""
        *lines, last = _lines(item, indent + _INDENT, name, in_order)
        yield from lines
        yield last + comma
    yield f"{indent}{closes}"


def _row(value: dict[str, Any] | list[Any], in_order: bool) -> str | None:
    """All of it in one line; None where that is too long, or there is more in it than plain values."""
    items = value.values() if isinstance(value, dict) else value
    if len(value) > _ONE_LINE or any(isinstance(item, dict | list) and item for item in items):
        return None
    if isinstance(value, dict):
        names = sorted(value) if in_order else list(value)
        row = "{" + ", ".join(f"{_plain(name)}: {_plain(value[name])}" for name in names) + "}"
    else:
        row = "[" + ", ".join(map(_plain, value)) + "]"
    return row if len(row) <= _ONE_LINE else None


def _plain(value: Any) -> str:
    # RFC 8785 writes characters outside of ASCII as themselves; what of them cannot be seen is the page's to mark.
    return canonical_text(value)
