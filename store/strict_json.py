"""JSON that strangers write, read in the one way in which every reader understands it. Pure.

RFC 8259 leaves open what two equal keys, a lone surrogate, `NaN` or a nesting of thousands mean, and readers differ.
What a person decides on must not depend on the reader, so all of these are refused, with what to do instead.
"""

import json
from typing import Any, NoReturn

DEPTH_LIMIT = 64
DIGITS_LIMIT = 100
"""Characters of one number. Nothing here takes a number of more than sixteen digits; more only costs time."""


class NotStrictJson(ValueError):
    """The bytes are not JSON as Assent takes it. The message says what is wrong, and what to do."""


def read_strict_json(body: bytes) -> Any:
    """The value that `body` writes.

    Raises:
        NotStrictJson
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise NotStrictJson(
            f"byte {problem.start} is not UTF-8; send JSON in UTF-8, without a byte order mark"
        ) from None
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_number, parse_int=_integer, parse_float=_fraction
        )
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as problem:
        raise NotStrictJson(f"{problem.msg} at character {problem.pos}") from None
    if text.count("[") + text.count("{") > DEPTH_LIMIT:
        _check_depth(value)
    if "\\u" in text:
        _check_text(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise NotStrictJson(f"the key {shortened(twice)} appears twice in one object; send each key once")
    return found


def _no_number(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not a JSON number; send a finite number, or leave the value out")


def _integer(digits: str) -> int:
    _check_digits(digits)
    return int(digits)


def _fraction(digits: str) -> float:
    _check_digits(digits)
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise NotStrictJson(f"the number {digits} is too large; send at most 1.7e308")
    return number


def _check_digits(digits: str) -> None:
    if len(digits) > DIGITS_LIMIT:
        raise NotStrictJson(f"a number has {len(digits)} characters; send at most {DIGITS_LIMIT}, or a text")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> NotStrictJson:
    return NotStrictJson(f"it is nested too deeply; the limit is {DEPTH_LIMIT} levels")


def _check_text(value: Any) -> None:
    try:
        # A lone surrogate passes as a JSON escape and is no text: nothing could store, hash or show it.
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        code = ord(problem.object[problem.start])
        raise NotStrictJson(
            f"\\u{code:04x} is half of a character and not Unicode text; send whole characters"
        ) from None


def shortened(text: str, limit: int = 60) -> str:
    """`text` in quotes and short, for an error that echoes what a stranger sent."""
    return ascii(text if len(text) <= limit else text[:limit] + "…")
