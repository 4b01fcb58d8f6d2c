"""What a rule says about the arguments of a call. Pure.

A test answers yes, no, or that it cannot be answered (`Erred`): a value of another type than the test is for, or a name
that can be read in two ways. What cannot be answered never counts as a no, because the arguments come from an agent.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any, Final

import re2

from store.policy.globs import compiled

Scalar = str | int | float | bool | None


class Op(StrEnum):
    """The tests there are."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    IN = "in"
    NOT_IN = "not_in"
    GLOB = "glob"
    MATCHES = "matches"
    LONGER = "longer"
    EXISTS = "exists"


COMPARISONS: Mapping[Op, Callable[[Any, Any], bool]] = {Op.GT: gt, Op.GE: ge, Op.LT: lt, Op.LE: le}


@dataclass(frozen=True)
class Check:
    """One test: a number for comparisons and `longer`, a text for patterns, a tuple for `in` and `not_in`."""

    op: Op
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class Matcher:
    """All tests of one argument. A dotted name goes down into objects."""

    name: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Erred:
    """It cannot be said whether the call matches. `why` says nothing of what the agent sent but its type."""

    why: str


_DOT, _END = r"(?:\.|%(?:25)*2[Ee])", r"(?:[/\\?#;\x00]|%(?:25)*(?:2[Ff]|5[Cc]|3[BbFf]|23|00)|\z)"
_BACK = re2.compile(rf"(?:^|[/\\:=]|%(?:25)*(?:2[Ff]|5[Cc])){_DOT}{_DOT}{_END}")


class _Missing:
    pass


MISSING: Final = _Missing()


def all_hold(matchers: tuple[Matcher, ...], arguments: Mapping[str, Any]) -> bool | Erred:
    """Whether every test holds. One clear no is a no, whatever else cannot be answered."""
    erred: Erred | None = None
    for matcher in matchers:
        value = value_of(arguments, matcher.name)
        for check in matcher.checks:
            answer = holds(check, value, matcher.name)
            if answer is False:
                return False
            if isinstance(answer, Erred) and erred is None:
                erred = answer
    return True if erred is None else erred


def value_of(arguments: Mapping[str, Any], name: str) -> Any:
    """The argument of this name, `MISSING`, or `Erred`.

    `a.b` is the key `a.b`, or the key `b` of the object `a`. Where both are there, rule and upstream could mean
    different ones, so neither is taken.
    """
    if "." not in name:
        return arguments.get(name, MISSING)
    readings = list(islice(_readings(arguments, name), 2))
    if len(readings) > 1:
        return Erred(f"{name} can be read in two ways")
    return readings[0] if readings else MISSING


def _readings(holder: Mapping[str, Any], name: str) -> Iterator[Any]:
    if name in holder:
        yield holder[name]
    for at, letter in enumerate(name):
        if letter == "." and (head := name[:at]) in holder:
            inner = holder[head]
            if isinstance(inner, Mapping):
                yield from _readings(inner, name[at + 1 :])
            elif inner is not None:
                yield Erred(f"{head} is {kind_of(inner)}, not an object")


def only_named(matchers: tuple[Matcher, ...], arguments: Mapping[str, Any]) -> bool:
    """Whether each argument has a test of its own. An object has one by its name, unless there are tests of what is in
    it: then all that is in it must have one, and nothing beside it may have a name that reads like a field of it."""
    return _are_named({matcher.name for matcher in matchers}, arguments, "")


def _are_named(names: set[str], holder: Mapping[str, Any], before: str) -> bool:
    return all(
        _is_named(names, f"{before}{key}", inner) and not _reads_like_a_field(names, before, key)
        for key, inner in holder.items()
    )


def _is_named(names: set[str], name: str, value: Any) -> bool:
    within = any(one.startswith(f"{name}.") for one in names)
    if isinstance(value, Mapping) and value and (within or name not in names):
        return _are_named(names, value, f"{name}.")
    return name in names and not within


def _reads_like_a_field(names: set[str], before: str, key: str) -> bool:
    return any(letter == "." and f"{before}{key[:at]}" in names for at, letter in enumerate(key))


def kind_of(value: Any) -> str:
    """The type of a JSON value, in words."""
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a number"
    if isinstance(value, float | Decimal):
        return "a number" if isfinite(value) else "no finite number"
    if value is None:
        return "null"
    return "a list" if isinstance(value, list | tuple) else "an object"


def holds(check: Check, value: Any, name: str) -> bool | Erred:
    """Whether a value, `MISSING` or an `Erred` passes one test of the argument of this name."""
    if isinstance(value, Erred):
        return value
    if check.op is Op.EXISTS:
        return (value is not MISSING) == check.value
    if value is MISSING:
        return False
    match check.op:
        case Op.EQ | Op.NE:
            equal = _is_one_of(value, (check.value,), name)
            return equal if isinstance(equal, Erred) else equal is (check.op is Op.EQ)
        case Op.IN | Op.NOT_IN:
            assert isinstance(check.value, tuple)
            among = _is_one_of(value, check.value, name)
            return among if isinstance(among, Erred) else among is (check.op is Op.IN)
        case Op.GLOB | Op.MATCHES:
            if not isinstance(value, str):
                return Erred(f"{name} is {kind_of(value)}, not a text")
            if "/" in str(check.value) and leads_back(value):
                return Erred(f"{name} goes back by .., so that its beginning does not say where it leads")
            pattern = compiled(str(check.value)) if check.op is Op.GLOB else expression(str(check.value))
            try:
                return pattern.fullmatch(value) is not None
            except UnicodeEncodeError:
                return Erred(f"{name} is not Unicode text")
        case Op.LONGER:
            if not isinstance(value, str | list | tuple | Mapping):
                return Erred(f"{name} is {kind_of(value)}, which has no length")
            assert isinstance(check.value, int)
            return len(value) > check.value
        case _:
            if kind_of(value) != "a number":
                return Erred(f"{name} is {kind_of(value)}, not a number")
            # Python compares whole numbers, fractions and decimals by what they are, without rounding either.
            return COMPARISONS[check.op](value, check.value)


def leads_back(text: str) -> bool:
    """Whether a path or an address has a segment that leads out of what stands before it, in plain or %-encoded."""
    # Encoded twice, too: who decodes it once more finds the same.
    return ("." in text or "%" in text) and _BACK.search(text) is not None


def _is_one_of(value: Any, wanted: tuple[Any, ...], name: str) -> bool | Erred:
    kind = kind_of(value)
    alike = [one for one in wanted if kind_of(one) == kind]
    if value in alike:
        return True
    # Null is a value of its own, and other than every other; any other type is a mistake of somebody.
    strangers = [one for one in wanted if one is not None]
    if alike or value is None or not strangers:
        return False
    return Erred(f"{name} is {kind}, not {kind_of(strangers[0])}")


@lru_cache(maxsize=4096)
def expression(pattern: str) -> Any:
    """The RE2 expression, for `fullmatch`.

    Raises:
        re2.error
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(pattern, options)
