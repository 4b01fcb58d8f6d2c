"""One field of a form: its definition, and which values it takes.

A field is checked twice: what an agent asks for when the question is posted, and what a person answers when it is
decided. Both read the rules from here, so a `default` can never be something that the answer would be refused for.
"""

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

import re2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

TITLE_LIMIT = 200
TEXT_LIMIT = 64 * 1024
LIST_LIMIT = 50
SAFE_INTEGER = 2**53 - 1
PATTERN_BYTES = 1 << 20
"""What one compiled pattern may take up; it also bounds how long compiling takes."""

_T = TypeVar("_T")


def _one_line(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in ("Cc", "Zl", "Zp"):
            raise ValueError(f"must be one line of text, without line breaks and without U+{ord(character):04X}")
    return text


def _no_nul(text: str) -> str:
    # Databases and programs in C end a text there: what is stored must be what was shown.
    if "\0" in text:
        raise ValueError("must not contain U+0000")
    return text


OneLine = AfterValidator(_one_line)
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.\-]+$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=TITLE_LIMIT, strip_whitespace=True), OneLine]
Text = Annotated[str, StringConstraints(max_length=TEXT_LIMIT), AfterValidator(_no_nul)]


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
_MOMENTS: dict[FieldType, tuple[Callable[[str], date | time | datetime], str]] = {
    FieldType.DATE: (date.fromisoformat, "2026-11-22"),
    FieldType.TIME: (time.fromisoformat, "14:30"),
    FieldType.DATETIME: (datetime.fromisoformat, "2026-11-22T14:30"),
}


class Value(BaseModel):
    """A frozen value that refuses arguments it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def require_unique(kind: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{kind} {twice[0]!r} appears twice; each must be unique")


def with_label(data: Any, source: str) -> Any:
    if isinstance(data, dict) and data.get("label") is None and isinstance(data.get(source), str):
        return {**data, "label": data[source]}
    return data


class Choice(Value):
    """One option to select."""

    id: Identifier = Field(description="What you get back when it is selected.")
    label: Label = Field(default="", description="What the person reads. Defaults to the id.")
    description: Text | None = Field(default=None, description="A line that helps to choose.")

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_id(cls, data: Any) -> Any:
        return with_label(data, "id")


class FormField(Value):
    """One field of a form."""

    name: Identifier = Field(description="Key of the answer in `values`, or in `credentials` for a password.")
    label: Label = Field(default="", description="What the person reads. Defaults to the name.")
    type: FieldType = Field(default=FieldType.TEXT)
    required: bool = Field(default=False)
    options: Annotated[tuple[Choice, ...], Field(max_length=LIST_LIMIT)] = Field(
        default=(), description="For select and multiselect: what can be chosen."
    )
    default: Any = Field(default=None, description="What the field holds at first, in the field's own type.")
    help: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_no_nul)] | None = Field(
        default=None, description="A line under the field."
    )
    min: int | float | str | None = Field(
        default=None,
        description="Least value (number, integer, date, time, datetime), length (texts) or count (multiselect).",
    )
    max: int | float | str | None = Field(default=None, description="Greatest value, length or count; see `min`.")
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None, description="For texts: an RE2 pattern that the whole text must match."
    )

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_name(cls, data: Any) -> Any:
        return with_label(data, "name")

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else _compiling(pattern)

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if (self.type in CHOICE_TYPES) != bool(self.options):
            raise ValueError(
                f"a {self.type} field needs `options`, such as [{{'id': 'eu'}}, {{'id': 'us'}}]"
                if self.type in CHOICE_TYPES
                else f"`options` fit select and multiselect only, not {self.type}"
            )
        require_unique("option", [option.id for option in self.options])
        if self.pattern is not None and self.type not in TEXT_TYPES:
            raise ValueError(f"`pattern` fits texts only, not {self.type}")
        if self.type is FieldType.PASSWORD and self.default is not None:
            raise ValueError("a password field cannot have a `default`")
        self._check_bounds()
        if self.default is not None:
            found = check_value(self, self.default)
            if isinstance(found, Refused):
                raise ValueError(f"`default` does not fit: {found.reason}")
        return self

    def _check_bounds(self) -> None:
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None:
                self._check_bound(name, bound)
        if self.min is not None and self.max is not None and self._order(self.min) > self._order(self.max):
            raise ValueError(f"`min` ({self.min}) is above `max` ({self.max})")

    def _check_bound(self, name: str, bound: int | float | str) -> None:
        if self.type in MOMENT_TYPES:
            example = _MOMENTS[self.type][1]
            if not isinstance(bound, str) or parse_moment(self.type, bound) is None:
                raise ValueError(f"`{name}` of a {self.type} field is a text such as {example!r}")
        elif self.type in NUMBER_TYPES:
            if isinstance(bound, str) or not _is_safe_number(bound):
                raise ValueError(f"`{name}` of a {self.type} field is a number between ±{SAFE_INTEGER}")
        elif self.type in (FieldType.SELECT, FieldType.CHECKBOX):
            raise ValueError(f"`{name}` does not fit a {self.type} field")
        elif not isinstance(bound, int) or not 0 <= bound <= TEXT_LIMIT:
            raise ValueError(f"`{name}` of a {self.type} field counts from 0 to {TEXT_LIMIT} in whole numbers")

    def _order(self, bound: int | float | str) -> Any:
        return parse_moment(self.type, bound) if isinstance(bound, str) else bound


def compile_pattern(pattern: str) -> Any:
    """A compiled RE2 pattern: linear in time, whatever an agent writes.

    Raises:
        ValueError: it does not compile.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as problem:
        reason = problem.args[0] if problem.args else "unknown reason"
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise ValueError(f"does not compile as an RE2 pattern ({reason}); an example: ^[A-Z]{{2}}[0-9]+$") from None


@lru_cache(maxsize=4096)
def _compiling(pattern: str) -> str:
    """`pattern`, tried once: stored questions are read back for every page, and compiling takes milliseconds."""
    compile_pattern(pattern)
    return pattern


def parse_moment(kind: FieldType, text: str) -> date | time | datetime | None:
    """The date, time or local date-and-time that `text` writes in ISO 8601; None when it writes none."""
    try:
        moment = _MOMENTS[kind][0](text)
    except ValueError:
        return None
    if isinstance(moment, time | datetime) and moment.tzinfo is not None:
        return None
    return moment


@dataclass(frozen=True)
class Refused:
    """Why a value does not fit, in words for the person who gave it."""

    reason: str


def check_value(field: FormField, value: Any) -> Any:
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


def _is_safe_number(value: int | float) -> bool:
    # The comparison first: an integer of hundreds of digits has no float to be asked whether it is finite.
    return abs(value) <= SAFE_INTEGER and math.isfinite(value)


def _check_checkbox(field: FormField, value: Any) -> bool | Refused:
    if value is not None and not isinstance(value, bool):
        return Refused("is either true or false")
    if field.required and not value:
        return Refused("must be ticked")
    return bool(value)


def _check_number(field: FormField, value: Any) -> int | float | Refused:
    whole = field.type is FieldType.INTEGER
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_safe_number(value):
        return Refused("must be a whole number, such as 12" if whole else "must be a number, such as 12.5")
    if whole and value != int(value):
        return Refused("must be a whole number, such as 12")
    return _within(field, int(value) if whole else value, value)


def _check_moment(field: FormField, value: Any) -> str | Refused:
    moment = parse_moment(field.type, value) if isinstance(value, str) else None
    if moment is None or not isinstance(value, str):
        return Refused(f"must be a {field.type}, such as {_MOMENTS[field.type][1]}")
    least = parse_moment(field.type, field.min) if isinstance(field.min, str) else None
    most = parse_moment(field.type, field.max) if isinstance(field.max, str) else None
    if least is not None and moment < least:  # type: ignore[operator]
        return Refused(f"must not be before {field.min}")
    if most is not None and moment > most:  # type: ignore[operator]
        return Refused(f"must not be after {field.max}")
    return value


def _check_multiselect(field: FormField, value: Any) -> list[str] | Refused:
    ids = [option.id for option in field.options]
    if not isinstance(value, list | tuple) or any(item not in ids for item in value) or len(set(value)) != len(value):
        return Refused("choose from the options, each at most once")
    return _within(field, list(value), len(value), "options")


def _check_text(field: FormField, value: Any) -> str | Refused:
    if not isinstance(value, str) or not is_unicode(value):
        return Refused("must be a text")
    if len(value) > TEXT_LIMIT:
        return Refused(f"must not be longer than {TEXT_LIMIT} characters")
    if field.type is FieldType.EMAIL and not _looks_like_email(value):
        return Refused("must be an e-mail address, such as ana@example.com")
    if field.type is FieldType.URL and not is_web_address(value):
        return Refused("must be a whole address, such as https://example.com/page")
    if field.pattern is not None and compile_pattern(field.pattern).fullmatch(value) is None:
        return Refused(f"must match the pattern {field.pattern}")
    return _within(field, value, len(value), "characters")


def _within(field: FormField, value: _T, measure: int | float, unit: str = "") -> _T | Refused:
    unit = f" {unit}" if unit else ""
    if isinstance(field.min, int | float) and measure < field.min:
        return Refused(f"must be at least {field.min:g}{unit}")
    if isinstance(field.max, int | float) and measure > field.max:
        return Refused(f"must be at most {field.max:g}{unit}")
    return value


def is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8; a lone surrogate cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_web_address(text: str) -> bool:
    """Whether `text` is a whole http or https address."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    # Browsers take a backslash for a slash, so that the host they go to would not be the one that is shown.
    plain = not any(c.isspace() or c == "\\" or not c.isprintable() for c in text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def _looks_like_email(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return bool(at and local and host) and not any(c.isspace() for c in text) and "@" not in local


def from_text(field: FormField, texts: Sequence[str]) -> Any:
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
