"""A line of the feed, and a single call in it, in words for people. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from review_web.json_text import scalar_text
from review_web.words import count, milliseconds, size
from store.calls.feed import Item, Let, Line
from store.calls.recorded import Became
from store.held_back import Halt, HeldBack
from store.moments import to_text

ARGUMENTS_SHOWN = 160
"""Characters of the arguments in one line."""
RULES_NAMED = 3
REASON_SHOWN = 120

LET_WORDS: Mapping[Let, str] = {
    Let.ALLOWED: "Allowed",
    Let.NOTICED: "Noticed",
    Let.APPROVED: "Approved by people",
    Let.HELD: "Held",
    Let.DENIED: "Denied",
}
_TONES = {Let.ALLOWED: "", Let.NOTICED: "noticed", Let.APPROVED: "done", Let.HELD: "held", Let.DENIED: "refused"}
_ICONS = {
    Let.ALLOWED: "check",
    Let.NOTICED: "info",
    Let.APPROVED: "approval",
    Let.HELD: "call",
    Let.DENIED: "cross",
}
_CAME: Mapping[Became, str] = {
    Became.RETURNED: "returned",
    Became.RUNNING: "running",
    Became.FAILED: "failed",
    Became.CANCELLED: "cancelled",
    Became.UNKNOWN: "with unknown effect",
    Became.RELEASED: "let run by the client",
    Became.WAITING: "waiting for an answer",
    Became.APPROVED: "approved",
    Became.REFUSED: "refused",
    Became.RETURNED_TO_AGENT: "asked back",
    Became.EXPIRED: "expired",
    Became.WITHDRAWN: "withdrawn",
}


@dataclass(frozen=True)
class Told:
    """What is said of one call or of many alike."""

    let: str
    tone: str
    icon: str
    came: str
    """What came of it, in words; empty of denied ones, where the other word says it."""
    errors: str
    """Of many: how many returned an error, in words; empty where none did."""
    took: str
    """How long it took, and how much it returned; empty while it runs."""
    arguments: str
    """How the arguments begin, of many of the newest."""
    rules: str
    """The rules that matched, in words; where none did, why it was held or denied."""


@dataclass(frozen=True)
class LineRow:
    """A line as the page prints it."""

    line: Line
    told: Told
    many: str
    """How many calls, in words."""
    href: str
    """Where its calls stand one by one."""
    halt: Halt | None
    """What holds its agent back now."""


@dataclass(frozen=True)
class ItemRow:
    """A single call as a page prints it."""

    item: Item
    told: Told
    href: str
    """Its page; of one that is held, its card."""


def line_row(line: Line, held_back: HeldBack) -> LineRow:
    """A line of the feed."""
    newest = line.newest
    number = count(line.count, "call")
    told = Told(
        *_let(newest.let),
        came=_came_of_many(line),
        errors=f"{line.errors:,} returned an error" if line.errors and line.count > 1 else "",
        took=_took_of_many(line),
        arguments=arguments_in_short(newest.arguments),
        rules=_rules(newest),
    )
    many = f"at least {number}" if line.at_least else number
    return LineRow(line, told, many, href_of(line), held_back.of(newest.agent_id))


def item_row(item: Item) -> ItemRow:
    """A single call."""
    return ItemRow(item, told_of(item), f"/requests/{item.id}" if item.let is Let.HELD else f"/watch/{item.id}")


def told_of(item: Item) -> Told:
    """What is said of a single call."""
    took = "" if item.milliseconds is None or item.became is Became.RELEASED else _span(item.milliseconds)
    if took and item.result_bytes:
        took = f"{took}, {size(item.result_bytes)}"
    return Told(
        *_let(item.let),
        came=_came(item),
        errors="",
        took=took,
        arguments=arguments_in_short(item.arguments),
        rules=_rules(item),
    )


def href_of(line: Line) -> str:
    """Where the calls of a line stand one by one."""
    newest = line.newest
    terms = {
        "agent": newest.agent,
        "tool": newest.tool,
        "let": newest.let.value,
        "minute": to_text(line.minute),
        "line": line.id,
    }
    return f"/watch/calls?{urlencode(terms)}"


def arguments_in_short(text: str) -> str:
    """The beginning of a call's arguments, `name: value` each. Line ends and the like stand as JSON writes them."""
    if not text:
        return ""
    try:
        found = json.loads(text)
    except ValueError:
        # It was cut off, and reads well enough.
        return text[:ARGUMENTS_SHOWN] + "…"
    if not isinstance(found, dict):
        return _cut(text)
    return _cut(" · ".join(f"{_plain(name)}: {_value(value)}" for name, value in found.items()))


def rules_in_words(names: tuple[str, ...]) -> str:
    """Which rules matched, in words."""
    if not names:
        return "no rule matched"
    shown = ", ".join(f"“{name}”" for name in names[:RULES_NAMED])
    more = len(names) - RULES_NAMED
    return f"rule{'s' if len(names) > 1 else ''} {shown}{f' and {more} more' if more > 0 else ''}"


def _rules(item: Item) -> str:
    if not item.rules and item.why and item.let in (Let.HELD, Let.DENIED):
        return _plain(_cut(item.why, REASON_SHOWN))
    return rules_in_words(item.rules)


def _let(let: Let) -> tuple[str, str, str]:
    return LET_WORDS[let], _TONES[let], _ICONS[let]


def _came(item: Item) -> str:
    if item.let is Let.DENIED:
        return ""
    if item.became is Became.RETURNED and item.is_error:
        return "returned an error"
    return _CAME[item.became]


def _came_of_many(line: Line) -> str:
    if line.count == 1:
        return _came(line.newest)
    if line.newest.let is Let.DENIED:
        return ""
    became = dict(line.became)
    # Those that returned an error are told of by themselves.
    became[Became.RETURNED] = became.get(Became.RETURNED, 0) - line.errors
    parts = sorted(((number, _CAME[one]) for one, number in became.items() if number), reverse=True)
    if len(parts) == 1 and not line.errors:
        return f"all {parts[0][1]}"
    return ", ".join(f"{number:,} {words}" for number, words in parts)


def _took_of_many(line: Line) -> str:
    if line.newest.became is Became.RELEASED or line.median is None or line.worst is None:
        return ""
    if line.count == 1:
        return told_of(line.newest).took
    return f"median {_span(line.median)}, {_span(line.worst)} at worst"


def _span(number: int) -> str:
    """Short, for a line of many facts."""
    return f"{number} ms" if number < 1_000 else milliseconds(number)


def _value(value: object) -> str:
    if isinstance(value, str):
        return _plain(value) if value else "“”"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return scalar_text(value)


def _plain(text: str) -> str:
    """A text in one line."""
    return text if "\n" not in text and "\t" not in text else json.dumps(text, ensure_ascii=False)


def _cut(text: str, limit: int = ARGUMENTS_SHOWN) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
