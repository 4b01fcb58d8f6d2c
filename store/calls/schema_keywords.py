"""The keywords of JSON Schema as they are judged here: those of the library, counted, and some of ours. Pure.

Ours stand in the place of those that use Python's `re`, or take a quadratic time. All work is counted in steps, of some
microseconds each, and ends where the steps of `within` are used up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import rfc8785
from jsonschema import validators
from jsonschema.exceptions import ValidationError

from store.text import compile_pattern

_steps: ContextVar[list[int]] = ContextVar("steps")
_UNKNOWN_PATTERN = 100
"""Steps that it takes to find out that RE2 does not know a pattern."""
_COMPILED_A_STEP, _SEARCHED_A_STEP = 4, 4096
"""Instructions of a pattern that compile in one step; and how many of them, for each character, search in one. Both as
in the worst case: what a pattern does with a text is not known before."""


class TooMuch(Exception):
    """The work is more than it is worth."""


class Named(ValidationError):
    """An error whose message is the name of the member that is at fault; every other's is emptied."""


@contextmanager
def within(steps: int) -> Iterator[None]:
    """Judging in here takes at most so many steps, and raises `TooMuch` where that is not enough."""
    token = _steps.set([steps])
    try:
        yield
    finally:
        _steps.reset(token)


Judgement = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]


def spend(steps: int) -> None:
    """Take so many steps, or raise `TooMuch`."""
    left = _steps.get()
    left[0] -= steps
    if left[0] < 0:
        raise TooMuch


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> Any:
    """The compiled pattern; None where RE2 does not know it."""
    try:
        return compile_pattern(pattern)
    except ValueError:
        return None


def _has(pattern: Any, text: str) -> bool | None:
    """Whether the pattern is found in the text; None where nobody can say."""
    known = _pattern(pattern) if isinstance(pattern, str) else None
    if known is None:
        spend(_UNKNOWN_PATTERN)
        return None
    spend(1 + known.programsize // _COMPILED_A_STEP + len(text) * known.programsize // _SEARCHED_A_STEP)
    return known.search(text) is not None


def _pattern_keyword(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and _has(value, instance) is False:
        yield ValidationError("")


def _pattern_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, inner in value.items():
        for name, member in instance.items():
            if _has(pattern, name):
                yield from validator.descend(member, inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), list(schema.get("patternProperties", {}))
    for name, member in instance.items():
        spend(1)
        # What an unknown pattern may mean is not judged, in either direction.
        if name in known or any(_has(pattern, name) is not False for pattern in patterns):
            continue
        if value is False:
            yield Named(name)
        else:
            yield from validator.descend(member, value, path=name)


def _required(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        yield from (Named(name) for name in value if name not in instance)


def _dependent_required(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, needed in value.items():
            if name in instance:
                yield from (Named(one) for one in needed if one not in instance)


def _property_names(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in instance:
            if next(iter(validator.descend(instance=name, schema=value)), None) is not None:
                yield Named(name)


def _unique_items(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if value is True and isinstance(instance, list):
        spend(len(instance))
        if len({rfc8785.dumps(one) for one in instance}) < len(instance):
            yield ValidationError("")


def _not_judged(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    return iter(())


_OURS: Mapping[str, Judgement] = {
    "pattern": _pattern_keyword,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "required": _required,
    "dependentRequired": _dependent_required,
    "propertyNames": _property_names,
    "uniqueItems": _unique_items,
    "unevaluatedItems": _not_judged,
    "unevaluatedProperties": _not_judged,
    "format": _not_judged,
}


def _counted(judgement: Judgement) -> Judgement:
    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        spend(1 + (len(value) if isinstance(value, list | dict) else 0))
        for error in judgement(validator, value, instance, schema) or ():
            # The library quotes the whole value in each message: that costs time, and kept it would cost memory.
            if not isinstance(error, Named):
                spend(len(error.message) // 64)
                error.message = ""
            yield error

    return judge


_extended: Callable[..., Any] = validators.extend


@lru_cache(maxsize=16)
def judge_of(dialect: Any) -> Any:
    """The library's validator for this `$schema`, bounded. What has none, or an unknown one, is of 2020-12."""
    known = validators.Draft202012Validator
    if isinstance(dialect, str):
        known = validators.validator_for({"$schema": dialect}, default=known)
    ours = {name: judgement for name, judgement in _OURS.items() if name in known.VALIDATORS}
    return _extended(known, {name: _counted(judgement) for name, judgement in (dict(known.VALIDATORS) | ours).items()})
