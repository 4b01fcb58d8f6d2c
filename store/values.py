"""Which values a form field takes, and how they are read from what a browser sends. Pure.

The rules are read off the field, so that a question's `default` and a person's answer are held to the same ones.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from store.text import TEXT_LIMIT, compile_pattern, is_unicode, is_web_address, looks_like_email

SAFE_INTEGER = 2**53 - 1

_T = TypeVar("_T")


class FieldType(StrEnum):
    TEXT = "text"
    TEXTAREA = "textarea"
    NUMBER = "number"
    INTEGER = "integer"
    SELECT = "select"
    MULTISELECT = "multiselect"
    CHECKBOX = "checkbox"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    EMAIL = "email"
    URL = "url"
    PASSWORD = "password"


CHOICE_TYPES = frozenset({FieldType.SELECT, FieldType.MULTISELECT})
NUMBER_TYPES = frozenset({FieldType.NUMBER, FieldType.INTEGER})
TEXT_TYPES = frozenset({FieldType.TEXT, FieldType.TEXTAREA, FieldType.EMAIL, FieldType.URL, FieldType.PASSWORD})
MOMENT_TYPES = frozenset({FieldType.DATE, FieldType.TIME, FieldType.DATETIME})
MOMENTS: dict[FieldType, tuple[Callable[[str], date | time | datetime], str]] = {
    FieldType.DATE: (date.fromisoformat, "2026-11-22"),
    FieldType.TIME: (time.fromisoformat, "14:30"),
    FieldType.DATETIME: (datetime.fromisoformat, "2026-11-22T14:30"),
}


class Named(Protocol):
    """Something to select."""

    @property
    def id(self) -> str: ...


class FieldRules(Protocol):
    """What of a field's definition says which values it takes."""

    @property
    def type(self) -> FieldType: ...
    @property
    def required(self) -> bool: ...
    @property
    def options(self) -> Sequence[Named]: ...
    @property
    def min(self) -> int | float | str | None: ...
    @property
    def max(self) -> int | float | str | None: ...
    @property
    def pattern(self) -> str | None: ...


def parse_moment(kind: FieldType, text: str) -> date | time | datetime | None:
    """The date, time or local date-and-time that `text` writes in ISO 8601; None when it writes none."""
    try:
        moment = MOMENTS[kind][0](text)
    except ValueError:
        return None
    if isinstance(moment, time | datetime) and moment.tzinfo is not None:
        return None
    return moment


@dataclass(frozen=True)
class Refused:
    """Why a value does not fit, in words for the person who gave it."""

    reason: str


def check_value(field: FieldRules, value: Any) -> Any:
    """`value` as the field's own type, or `Refused`.

    Empty answers (None, "" and an empty list) are None where the field is optional. Numbers of an `integer` field may
    be written 3.0; booleans are never numbers. Moments come back as the ISO 8601 text they were given in.
    """
    if field.type is FieldType.CHECKBOX:
        return _check_checkbox(field, value)
    if value in (None, "") or value == []:
        return Refused("is required") if field.required else None
    if field.type in NUMBER_TYPES:
        return _check_number(field, value)
    if field.type in MOMENT_TYPES:
        return _check_moment(field, value)
    if field.type is FieldType.SELECT:
        ids = [option.id for option in field.options]
        return value if value in ids else Refused("choose one of the options")
    if field.type is FieldType.MULTISELECT:
        return _check_multiselect(field, value)
    return _check_text(field, value)


def _check_checkbox(field: FieldRules, value: Any) -> bool | Refused:
    if value is not None and not isinstance(value, bool):
        return Refused("is either true or false")
    if field.required and not value:
        return Refused("must be ticked")
    return bool(value)


def _check_number(field: FieldRules, value: Any) -> int | float | Refused:
    whole = field.type is FieldType.INTEGER
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_safe_number(value):
        return Refused("must be a whole number, such as 12" if whole else "must be a number, such as 12.5")
    if whole and value != int(value):
        return Refused("must be a whole number, such as 12")
    return _within(field, int(value) if whole else value, value)


def _check_moment(field: FieldRules, value: Any) -> str | Refused:
    moment = parse_moment(field.type, value) if isinstance(value, str) else None
    if moment is None or not isinstance(value, str):
        return Refused(f"must be a {field.type}, such as {MOMENTS[field.type][1]}")
    least = parse_moment(field.type, field.min) if isinstance(field.min, str) else None
    most = parse_moment(field.type, field.max) if isinstance(field.max, str) else None
    if least is not None and moment < least:  # type: ignore[operator]
        return Refused(f"must not be before {field.min}")
    if most is not None and moment > most:  # type: ignore[operator]
        return Refused(f"must not be after {field.max}")
    return value


def _check_multiselect(field: FieldRules, value: Any) -> list[str] | Refused:
    ids = [option.id for option in field.options]
    if not isinstance(value, list | tuple) or any(item not in ids for item in value) or len(set(value)) != len(value):
        return Refused("choose from the options, each at most once")
    return _within(field, list(value), len(value), "options")


def _check_text(field: FieldRules, value: Any) -> str | Refused:
    if not isinstance(value, str) or not is_unicode(value):
        return Refused("must be a text")
    if len(value) > TEXT_LIMIT:
        return Refused(f"must not be longer than {TEXT_LIMIT} characters")
    if field.type is FieldType.EMAIL and not looks_like_email(value):
        return Refused("must be an e-mail address, such as ana@example.com")
    if field.type is FieldType.URL and not is_web_address(value):
        return Refused("must be a whole address, such as https://example.com/page")
    if field.pattern is not None and compile_pattern(field.pattern).fullmatch(value) is None:
        return Refused(f"must match the pattern {field.pattern}")
    return _within(field, value, len(value), "characters")


def _within(field: FieldRules, value: _T, measure: int | float, unit: str = "") -> _T | Refused:
    unit = f" {unit}" if unit else ""
    if isinstance(field.min, int | float) and measure < field.min:
        return Refused(f"must be at least {field.min:g}{unit}")
    if isinstance(field.max, int | float) and measure > field.max:
        return Refused(f"must be at most {field.max:g}{unit}")
    return value


def is_safe_number(value: int | float) -> bool:
    """Whether every reader of JSON understands the same number."""
    # The comparison first: an integer of hundreds of digits has no float to be asked whether it is finite.
    return abs(value) <= SAFE_INTEGER and math.isfinite(value)


def from_text(field: FieldRules, texts: Sequence[str]) -> Any:
    """What an HTML form sent for one field, as a candidate for `check_value`.

    Never raises: what cannot be read is passed on as it came, and is refused there with a reason. Passwords and texts
    are not trimmed beyond the line endings that browsers add.
    """
    if field.type is FieldType.CHECKBOX:
        return any(text not in ("", "off", "false") for text in texts)
    if field.type is FieldType.MULTISELECT:
        return [text for text in texts if text]
    text = texts[-1] if texts else ""
    if text == "":
        return None
    if field.type in NUMBER_TYPES:
        return _number(text.strip())
    if field.type is FieldType.TEXTAREA:
        return text.replace("\r\n", "\n")
    return text


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
