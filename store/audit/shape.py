"""Which fields an entry has, and of which form: worked out from the entry types in `events`. Pure.

The log is written from those types and checked against them: an entry that verifies is one that they could have made.
"""

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

from store.audit.canonical import EntryProblem
from store.audit.events import EVENTS, FORMAT, Assurance, Concealed, Event, Reference

REFERENCE = "_ref"
"""How the key of a salted reference ends."""

_MOMENT = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")

Form = Callable[[Any], bool]


@dataclass(frozen=True)
class Shape:
    """The fields of one entry type beside those that every entry has."""

    forms: Mapping[str, Form]
    required: frozenset[str]


def check_shape(entry: Mapping[str, Any]) -> None:
    """Refuse an entry that none of the entry types makes.

    Raises:
        EntryProblem: it says what is wrong.
    """
    kind = entry.get("type")
    shape = SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise EntryProblem(f"its type {kind!r} is not known to this version")
    forms = shape.forms
    for key, value in entry.items():
        form = forms.get(key)
        if form is None:
            raise EntryProblem(f"an entry {kind} has no field {key!r}")
        if not form(value):
            raise EntryProblem(f"its field {key} has not the form it should have")
    if not entry.keys() >= shape.required:
        raise EntryProblem(f"its field {min(shape.required - entry.keys())} is missing")


def is_moment(value: Any) -> bool:
    """UTC with exactly six decimals."""
    return type(value) is str and _MOMENT.fullmatch(value) is not None


def is_hash(value: Any) -> bool:
    """SHA-256 in lower-case hex."""
    return type(value) is str and _HASH.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_number(value: Any) -> bool:
    return type(value) is int


def _is_flag(value: Any) -> bool:
    return type(value) is bool


_COMMON: dict[str, Form] = {
    "format": lambda value: value == FORMAT,
    "type": _is_text,
    "at": is_moment,
    "assurance": frozenset(one.value for one in Assurance).__contains__,
}


def _shape_of(event: type[Event]) -> Shape:
    hints = get_type_hints(event)
    forms, required = dict(_COMMON), set(_COMMON)
    for field in fields(event):
        kinds = set(get_args(hints[field.name])) if _is_union(hints[field.name]) else {hints[field.name]}
        optional = type(None) in kinds
        kinds.discard(type(None))
        reference = kinds <= {Concealed, Reference}
        key = field.name + REFERENCE if reference else field.name
        forms[key] = is_hash if reference else _form_of(kinds)
        if not optional:
            required.add(key)
    return Shape(forms, frozenset(required))


def _is_union(hint: Any) -> bool:
    return isinstance(hint, types.UnionType) or get_origin(hint) is not None


def _form_of(kinds: set[type]) -> Form:
    (kind,) = kinds
    if issubclass(kind, StrEnum):
        values = frozenset(one.value for one in kind)
        return lambda value: type(value) is str and value in values
    return {str: _is_text, int: _is_number, bool: _is_flag, datetime: is_moment}[kind]


SHAPES: Mapping[str, Shape] = {name: _shape_of(event) for name, event in EVENTS.items()}
"""The shape of every entry type, by its name."""
