"""What a call runs with, as the card prints it: a line for each argument, with what a reviewer changed in it. Pure.

Nothing is left out: a long value is folded, and the whole of it stands on the page.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from review_web.differences import Difference, difference_of_lines
from review_web.json_text import json_text, scalar_text
from review_web.words import count
from store.questions import HeldCall

# Of a longer value the beginning stands unfolded. A value is only folded where that hides more than a line or two.
LINES_UNFOLDED = 12
CHARACTERS_UNFOLDED = 600
_WORTH_FOLDING = 4
_LARGE_TEXT = 120
_GROUPED_FROM = 10_000

# Who gets it, or what it is done to: what a reviewer looks at first, beside the numbers.
_RECIPIENTS = frozenset(
    {"account", "address", "bcc", "beneficiary", "branch", "bucket", "cc", "channel", "command", "database", "domain"}
    | {"email", "environment", "file", "filename", "host", "iban", "path", "payee", "phone", "project", "query"}
    | {"recipient", "recipients", "region", "repo", "repository", "service", "sql", "table", "target", "to", "uri"}
    | {"url", "user", "username"}
)
_ADDRESSES = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[a-z][a-z0-9+.-]*://\S+|[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}")
_LOOKS_OTHERWISE = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


@dataclass(frozen=True)
class Shown:
    """A value in print. `head` and `rest` together are the whole of it."""

    head: str
    rest: str = ""
    more: str = ""
    """How much `rest` is, in words."""
    block: bool = False
    """Printed as a block of its own, in a fixed pitch."""
    large: bool = False
    code: bool = False
    """A number, true, false or null, not a text."""
    note: str = ""
    """Assent's own word on it."""


@dataclass(frozen=True)
class ArgumentRow:
    """One argument."""

    name: str
    now: Shown | None
    """None where a reviewer left it out."""
    asked: Shown | None
    """What the agent called it with, where a reviewer changed that or left it out."""
    edited: bool
    changes: Difference | None
    """Of a long value that a reviewer changed: the lines that differ."""


def argument_rows(question: HeldCall) -> tuple[ArgumentRow, ...]:
    """Every argument of the call, and those that a reviewer left out; then those that a reviewer added."""
    now, asked = question.arguments, question.asked_arguments
    # In the order of the agent's call, so that an edited card reads like the one before it.
    names = dict.fromkeys([*(asked or {}), *now])
    return tuple(_row(name, now, now if asked is None else asked) for name in names)


def _row(name: str, now: Mapping[str, Any], asked: Mapping[str, Any]) -> ArgumentRow:
    here = shown(name, now[name]) if name in now else None
    before = shown(name, asked[name]) if name in asked else None
    edited = (name in now) != (name in asked) or (name in now and not same(now[name], asked[name]))
    changes = None
    if edited and here is not None and before is not None and (here.block or before.block):
        changes = difference_of_lines(lines_of_value(asked[name]), lines_of_value(now[name]))
    return ArgumentRow(name, here, before if edited else None, edited, changes)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are sent as the same bytes. (To Python, 1 and true are equal.)"""
    return json_text(one, in_order=True) == json_text(other, in_order=True)


def lines_of_value(value: Any) -> list[str]:
    """A value as the lines in which it is compared."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").split("\n")
    return json_text(value, in_order=True).split("\n")


def shown(name: str, value: Any) -> Shown:
    """`value` of the argument `name`, in print."""
    if isinstance(value, dict | list):
        return _list_or_object(value)
    text = scalar_text(value)
    if isinstance(value, bool) or value is None:
        return Shown(text, code=True)
    if not isinstance(value, str):
        big = abs(value) >= _GROUPED_FROM
        return Shown(text, large=True, code=True, note=f"{value:,}" if big and isinstance(value, int) else "")
    if not value:
        return Shown("", note="an empty text")
    if _is_long(text):
        return _folded(text)
    note = "a text, in quotes" if _LOOKS_OTHERWISE.fullmatch(value) else ""
    return Shown(text, block="\n" in text, large=_matters(name, text), note=note)


def _list_or_object(value: dict[str, Any] | list[Any]) -> Shown:
    if not value:
        return Shown(
            scalar_text(value), code=True, note="an empty list" if isinstance(value, list) else "nothing in it"
        )
    text = json_text(value)
    return _folded(text) if _is_long(text) else Shown(text, block=True)


def _matters(name: str, text: str) -> bool:
    if len(text) > _LARGE_TEXT or "\n" in text:
        return False
    words = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    return not _RECIPIENTS.isdisjoint(words) or _ADDRESSES.fullmatch(text) is not None


def _is_long(text: str) -> bool:
    return text.count("\n") >= LINES_UNFOLDED + _WORTH_FOLDING or len(text) > CHARACTERS_UNFOLDED + 200


def _folded(text: str) -> Shown:
    head = "\n".join(text.split("\n")[:LINES_UNFOLDED])[:CHARACTERS_UNFOLDED]
    rest = text[len(head) :]
    lines = rest.count("\n") + 1
    more = count(lines - 1, "more line") if rest.startswith("\n") else f"{len(rest):,} more characters"
    return Shown(head, rest, more, block=True)
