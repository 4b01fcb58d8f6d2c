"""JSON as clients write their configuration, with where each value stands: comments and trailing commas pass. Pure.

Everything but the values that are replaced stays to the letter, because other programs own these files.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class NotUnderstood(ValueError):
    """The text is not what a client writes. The message holds a place, never content."""


@dataclass(frozen=True)
class Member:
    """One key of an object, and where its value stands: from `start` up to `end`."""

    key: str
    value: Any
    start: int
    end: int


def plain(text: str) -> str:
    """The same text with comments, trailing commas and a byte order mark blanked out: every place stays what it was."""
    out = list(text)
    if text.startswith("\ufeff"):
        out[0] = " "
    for start, end in _blanks(text):
        out[start:end] = (character if character in "\r\n" else " " for character in text[start:end])
    return "".join(out)


def value_of(plain_text: str) -> Any:
    """The value of a text that was made `plain`.

    Raises:
        NotUnderstood: it is no JSON, or a key stands twice in one object.
    """
    try:
        return json.loads(plain_text or "{}", object_pairs_hook=_unique)
    except json.JSONDecodeError as problem:
        raise NotUnderstood(f"line {problem.lineno}: {problem.msg}") from None
    except RecursionError:
        raise NotUnderstood("it is nested too deeply") from None


def members(plain_text: str, start: int) -> Iterator[Member]:
    """The keys of the object that begins at or after `start`, in a text that `value_of` takes."""
    at = _past_space(plain_text, start) + 1
    while plain_text[at := _past_space(plain_text, at)] != "}":
        key, at = _DECODER.raw_decode(plain_text, at)
        begins = _past_space(plain_text, _past_space(plain_text, at) + 1)
        value, ends = _DECODER.raw_decode(plain_text, begins)
        yield Member(key, value, begins, ends)
        at = _past_space(plain_text, ends)
        at += plain_text[at] == ","


def _past_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotUnderstood("a key stands twice in one object")
    return found


def _blanks(text: str) -> Iterator[tuple[int, int]]:
    """Where comments and trailing commas stand."""
    at, comma = 0, -1
    while at < len(text):
        character = text[at]
        if character == '"':
            at, comma = _past_string(text, at), -1
        elif text.startswith(("//", "/*"), at):
            end = _past_comment(text, at)
            yield at, end
            at = end
        else:
            if character in "}]" and comma >= 0:
                yield comma, comma + 1
            if not character.isspace():
                comma = at if character == "," else -1
            at += 1


def _past_string(text: str, at: int) -> int:
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _past_comment(text: str, at: int) -> int:
    if text[at + 1] == "/":
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    end = text.find("*/", at + 2)
    return len(text) if end < 0 else end + 2
