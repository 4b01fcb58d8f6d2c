"""Which entries of the log an agent may read of itself, and the line of words that it reads. Pure.

Invariants:

- An entry is told only if the agent did it, or was told it anyway: nothing of shows and votes, of edits before the end,
  of other agents, or of people beyond who decided.
- Every type of entry is here by name: one that is not, an agent never reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from store.audit.events import CallEnd, Permission
from store.lifecycle import Kind, Outcome

LONGEST_TEXT = 200


class Level(StrEnum):
    """How much an entry matters, the least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


@dataclass(frozen=True)
class Known:
    """What stands beside an entry, for its words. What was erased, or is not there, is None."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """The disclosed texts, by key."""
    title: str | None = None
    """Of its request, in the agent's own words."""
    tool: str | None = None
    """Of its request or call: the name by which rules match it."""
    decided_by: str | None = None
    why: str | None = None
    """Of a call that did not return."""


@dataclass(frozen=True)
class Line:
    """What an agent reads of an entry."""

    level: Level
    text: str


Entry = Mapping[str, Any]
_Words = Callable[[Entry, Known], tuple[Level, str]]


def line_of(entry: Entry, known: Known) -> Line:
    """The line of an entry whose type is in `OWN_TYPES`."""
    level, text = _WORDS[entry["type"]](entry, known)
    return Line(level, text)


def _signed_in(entry: Entry, known: Known) -> tuple[Level, str]:
    return Level.INFO, f"came by {'the local bridge' if entry['via'] == 'bridge' else 'its token'}"


def _halted(entry: Entry, known: Known) -> tuple[Level, str]:
    what = "this agent" if "agent" in entry else "everything"
    return Level.WARNING, f"people {entry['how']} {what}{_because(known, 'why_ref')}"


def _resumed(entry: Entry, known: Known) -> tuple[Level, str]:
    what = "this agent" if "agent" in entry else "what was stopped as a whole"
    return Level.INFO, f"people let {what} go on"


def _opened(entry: Entry, known: Known) -> tuple[Level, str]:
    if entry["kind"] == Kind.CALL:
        return Level.INFO, f"{_tool(known)} was held, and people were asked"
    return Level.INFO, f"asked {_title(known)}"


def _request_denied(entry: Entry, known: Known) -> tuple[Level, str]:
    return Level.WARNING, f"was kept from asking{_times(entry)}{_because(known, 'why_ref')}"


def _closed(entry: Entry, known: Known) -> tuple[Level, str]:
    outcome, what = Outcome(entry["outcome"]), _asked(known)
    by = "" if known.decided_by is None else f" by {known.decided_by}"
    match outcome:
        case Outcome.ANSWERED if entry["may_proceed"]:
            return Level.INFO, f"{what} was answered{by}: it may proceed"
        case Outcome.ANSWERED:
            return Level.WARNING, f"{what} was answered{by}: it may not proceed"
        case Outcome.DECLINED:
            return Level.WARNING, f"{what} was declined{by}"
        case Outcome.RETURNED:
            return Level.WARNING, f"{known.decided_by or 'a person'} asked back about {what}"
        case Outcome.EXPIRED:
            return Level.WARNING, f"{what} expired: nobody answered in time"
        case Outcome.WITHDRAWN:
            return Level.INFO, f"{what} was withdrawn"


def _delivered(entry: Entry, known: Known) -> tuple[Level, str]:
    return Level.INFO, f"the outcome of {_asked(known)} was delivered"


def _released(entry: Entry, known: Known) -> tuple[Level, str]:
    return Level.WARNING, f"the outcome of {_asked(known)} was lost on its way; it can be collected again"


def _reported(entry: Entry, known: Known) -> tuple[Level, str]:
    return Level.INFO, f"reported what came of {_asked(known)}{_because(known, 'result_ref')}"


def _stored(entry: Entry, known: Known) -> tuple[Level, str]:
    return Level.INFO, f"a secret was stored as {entry['credential']}"


def _call_denied(entry: Entry, known: Known) -> tuple[Level, str]:
    return Level.WARNING, f"{_tool(known)} was turned away{_times(entry)}{_because(known, 'why_ref')}"


def _intended(entry: Entry, known: Known) -> tuple[Level, str]:
    by = "people" if entry["permission"] == Permission.APPROVED else "the rules"
    return Level.INFO, f"{_tool(known)} was let through by {by}"


def _ended(entry: Entry, known: Known) -> tuple[Level, str]:
    tool, after = _tool(known), f"after {entry['milliseconds']} ms"
    because = "" if known.why is None else f": {_plain(known.why)}"
    match CallEnd(entry["end"]):
        case CallEnd.RETURNED if entry["is_error"]:
            return Level.ERROR, f"{tool} returned an error {after}"
        case CallEnd.RETURNED:
            return Level.INFO, f"{tool} returned {entry['result_bytes']} bytes {after}"
        case CallEnd.FAILED:
            return Level.ERROR, f"{tool} failed {after}{because}"
        case CallEnd.CANCELLED:
            return Level.WARNING, f"{tool} was cancelled {after}{because}"
        case CallEnd.UNKNOWN:
            return Level.ERROR, f"whether {tool} took effect is not known{because}"
        case CallEnd.RELEASED:
            return Level.INFO, f"{tool} may run: what came of it only its client knows"


def _asked(known: Known) -> str:
    return _title(known) if known.tool is None else _tool(known)


def _title(known: Known) -> str:
    return "a question" if known.title is None else f'"{_plain(known.title)}"'


def _tool(known: Known) -> str:
    return "a call" if known.tool is None else _plain(known.tool)


def _times(entry: Entry) -> str:
    return f" {entry['count']} times" if entry["count"] > 1 else ""


def _because(known: Known, key: str) -> str:
    text = known.texts.get(key)
    return "" if text is None else f": {_plain(text)}"


def _plain(text: str) -> str:
    """In one line of visible characters, and not longer than a line should be."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


_WORDS: Mapping[str, _Words] = {
    "agent_signed_in": _signed_in,
    "agent_halted": _halted,
    "agent_resumed": _resumed,
    "request_opened": _opened,
    "request_denied": _request_denied,
    "request_closed": _closed,
    "answer_delivered": _delivered,
    "answer_released": _released,
    "consequence_reported": _reported,
    "credential_stored": _stored,
    "call_denied": _call_denied,
    "call_intended": _intended,
    "call_ended": _ended,
}
OWN_TYPES = frozenset(_WORDS)
"""The types of entries that an agent may read of itself."""
TEXT_KEYS = ("tool_ref", "why_ref", "result_ref")
"""The texts that their words take, of all that an entry conceals."""
