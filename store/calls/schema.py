"""Whether arguments are what an upstream's definition takes. Pure.

The schema comes from an upstream and the arguments from an agent or a form, so both are hostile until shown otherwise:

- Nothing is looked up elsewhere: a reference leads somewhere within the schema, or the check fails.
- Patterns are RE2. One that RE2 does not know (look-around, say) is not judged here; the upstream judges it itself.
  The same goes for `unevaluatedItems` and `unevaluatedProperties`, and for what a `format` means.
- Work is counted and ends at `WORK_LIMIT`, and then the arguments do not pass.
- No text of the schema or of the arguments stands in a fault but shortened and in quotes.

Passing here permits nothing: the rules do, and they look at the same arguments.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import rfc8785
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry

from store.answers import Fault
from store.calls.definitions import Method
from store.calls.look_alikes import look_alike
from store.calls.schema_keywords import Named, TooMuch, judge_of, spend, within
from store.canonical_json import settled
from store.strict_json import DEPTH_LIMIT, shortened

ARGUMENTS_LIMIT = 256 * 1024
"""Bytes of arguments in their canonical form: what a person can be shown."""
WORK_LIMIT = 100_000
"""Steps of one check: a second at the most. An ordinary call takes less than a hundred."""
QUICK_LIMIT = 1_000
FAULTS_LIMIT = 10
WHOLE = "arguments"
"""The field of a fault that is of no argument in particular."""
_TOO_LARGE = "have a number beyond 9007199254740991, which readers take for another; send it as a text"


def faults(schema: Any, arguments: Mapping[str, Any]) -> tuple[Fault, ...]:
    """What is wrong with these arguments, at most `FAULTS_LIMIT`; nothing where they are as the schema says.

    A fault's field is the dotted path to the value, beginning with the argument's name.
    """
    misshapen = unfit(arguments)
    if misshapen is not None:
        return (misshapen,)
    found = _faults(schema, arguments, WORK_LIMIT)
    too_much = Fault(WHOLE, "are too large to be compared with what the tool takes; send less at once")
    return (too_much,) if found is None else found


def quick_faults(schema: Any, arguments: Mapping[str, Any]) -> tuple[Fault, ...] | None:
    """The same of arguments that were `taken`, within some milliseconds; None where it takes longer: ask `faults`."""
    return _faults(schema, arguments, QUICK_LIMIT)


def _faults(schema: Any, arguments: Mapping[str, Any], steps: int) -> tuple[Fault, ...] | None:
    try:
        with within(steps):
            return tuple(_found(schema, arguments))
    except TooMuch:
        return None
    except RecursionError:
        return (Fault(WHOLE, "cannot be compared with what the tool takes: its definition leads round in a circle"),)
    except Exception:  # noqa: BLE001 - denies: a schema can be broken in any way
        return (Fault(WHOLE, "cannot be compared with what the tool takes: its definition is no sound JSON Schema"),)


def unfit(arguments: Mapping[str, Any]) -> Fault | None:
    """Why these cannot be arguments of any call: not JSON with one meaning, or more than a person can be shown."""
    found = taken(arguments)
    return found if isinstance(found, Fault) else None


def taken(arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], str] | Fault:
    """Arguments as they are sent, and their canonical form; or why they cannot be arguments of any call."""
    if _too_deep(arguments):
        return Fault(WHOLE, f"are nested too deeply; the limit is {DEPTH_LIMIT} levels")
    try:
        written = rfc8785.dumps(dict(arguments))
    except rfc8785.IntegerDomainError:
        return Fault(WHOLE, _TOO_LARGE)
    except (rfc8785.CanonicalizationError, ValueError, TypeError):
        return Fault(WHOLE, "are not JSON with one meaning: only finite numbers and whole Unicode texts are")
    try:
        as_sent = settled(arguments)
    except ValueError:
        return Fault(WHOLE, _TOO_LARGE)
    if len(written) > ARGUMENTS_LIMIT:
        return Fault(WHOLE, f"have {len(written):,} bytes; a person can be shown at most {ARGUMENTS_LIMIT:,}")
    # What is settled is what is read back from this form, and so has the same one.
    return as_sent, written.decode()


def input_schema(method: Method, content: Mapping[str, Any] | None) -> Any:
    """The schema of what a definition takes; `content` is None for a resource."""
    match method:
        case Method.TOOL:
            return (content or {}).get("inputSchema", False)
        case Method.PROMPT:
            named = [one for one in (content or {}).get("arguments") or [] if isinstance(one, dict)]
            return {
                "type": "object",
                "properties": {str(one.get("name")): {"type": "string"} for one in named},
                "required": [str(one.get("name")) for one in named if one.get("required") is True],
                "additionalProperties": False,
            }
        case Method.RESOURCE:
            return {
                "type": "object",
                "properties": {"uri": {"type": "string", "minLength": 1}},
                "required": ["uri"],
                "additionalProperties": False,
            }
        case Method.OWN:
            return {"type": "object"}


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list)
        ]
        if not level:
            return False
    return True


def _found(schema: Any, arguments: Mapping[str, Any]) -> Iterator[Fault]:
    if schema is not True and not isinstance(schema, Mapping):
        yield Fault(WHOLE, "cannot be compared with what the tool takes: its definition has no schema")
        return
    judge = judge_of(schema.get("$schema") if isinstance(schema, Mapping) else None)
    # An empty registry, or references would be looked up in what the library brings along and beyond.
    validator: Validator = judge(schema, registry=Registry())
    disguised = look_alike(schema, arguments, spend)
    if disguised is not None:
        path = ".".join(map(_step, disguised))
        yield Fault(path, "looks like another argument of this tool; write its name as the tool does")
        return
    for count, error in enumerate(validator.iter_errors(dict(arguments))):
        if count == FAULTS_LIMIT:
            return
        yield _fault(error)


def _fault(error: ValidationError) -> Fault:
    path = [_step(one) for one in error.absolute_path]
    keyword, value = error.validator, error.validator_value
    if isinstance(error, Named):
        path.append(_step(error.message))
    words = _WORDS.get(str(keyword), lambda _: "is not what the tool takes here")
    return Fault(".".join(path) or WHOLE, words(value))


def _step(one: str | int) -> str:
    text = str(one)
    plain = len(text) <= 60 and text.isascii() and text.isprintable()
    return text if plain else shortened(text)


def _said(value: Any) -> str:
    try:
        return shortened(json.dumps(value, ensure_ascii=True))[1:-1]
    except (TypeError, ValueError):
        return "another value"


def _type_words(value: Any) -> str:
    names = value if isinstance(value, list) else [value]
    return f"must be of the type {' or '.join(_said(name).strip(chr(34)) for name in names[:7])}"


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "required": lambda _: "is missing",
    "dependentRequired": lambda _: "is missing, and another argument needs it",
    "additionalProperties": lambda _: "is not an argument of this tool",
    "propertyNames": lambda _: "is not a name that may stand here",
    "type": _type_words,
    "enum": lambda value: f"must be one of {_said(value)}",
    "const": lambda value: f"must be {_said(value)}",
    "minimum": lambda value: f"must be at least {_said(value)}",
    "maximum": lambda value: f"must be at most {_said(value)}",
    "exclusiveMinimum": lambda value: f"must be more than {_said(value)}",
    "exclusiveMaximum": lambda value: f"must be less than {_said(value)}",
    "multipleOf": lambda value: f"must be a multiple of {_said(value)}",
    "minLength": lambda value: f"needs at least {_said(value)} characters",
    "maxLength": lambda value: f"takes at most {_said(value)} characters",
    "pattern": lambda value: f"does not have the form {_said(value)}",
    "minItems": lambda value: f"needs at least {_said(value)} items",
    "maxItems": lambda value: f"takes at most {_said(value)} items",
    "uniqueItems": lambda _: "must not have the same item twice",
    "minProperties": lambda value: f"needs at least {_said(value)} members",
    "maxProperties": lambda value: f"takes at most {_said(value)} members",
    "anyOf": lambda _: "fits none of the forms that the tool takes here",
    "oneOf": lambda _: "must fit exactly one of the forms that the tool takes here",
    "not": lambda _: "has a form that the tool does not take here",
}
