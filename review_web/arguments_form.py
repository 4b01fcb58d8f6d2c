"""Changing what a held call would run with: an input for each argument, and the way back to JSON. Pure.

An argument that nobody touched comes back as it was, to the byte: browsers change line ends, and nobody may approve a
change that nobody made. What cannot be typed in its own input is written as JSON.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import escape

from review_web.arguments_table import same
from review_web.json_text import json_text, scalar_text
from review_web.own_tools import is_code
from review_web.visible import marked
from store.answers import Fault
from store.calls.schema import WHOLE, unfit
from store.questions import HeldCall
from store.strict_json import NotStrictJson, read_strict_json

# Beyond this the page would be a wall of inputs: then all of it is written as JSON.
MOST_INPUTS = 60
_ONE_LINE = 80
_FEW = 40
_NO_NUMBER = "write a number, such as 12 or 12.5"
_NOTHING: Mapping[str, Any] = {}
_TRUE_OR_FALSE: Mapping[str, Any] = {"type": "boolean"}


@dataclass(frozen=True)
class ArgumentChoice:
    """An entry of a list: the value as JSON, and what it reads."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class ArgumentInput:
    """One argument, ready to print."""

    name: str
    key: str
    """The input's name and id. A hash, because an argument's name can be anything."""
    control: str
    """`line`, `lines`, `code`, `number`, `choice` or `json`."""
    value: str
    """What stands in it."""
    choices: tuple[ArgumentChoice, ...]
    present: bool
    """The card's call has this argument."""
    required: bool
    """The upstream says that a call needs it."""
    left_out: bool
    """The box that leaves it out is ticked."""
    help: str | None
    """What the upstream says of it."""
    kind: str
    """What it takes, in words."""
    error: str | None = None

    @property
    def may_be_left_out(self) -> bool:
        return self.present and not self.required

    def concerns(self, fault: Fault) -> bool:
        """Whether that is wrong with this argument, or with something in it."""
        return fault.field == self.name or fault.field.startswith((f"{self.name}.", f"{self.name}["))


@dataclass(frozen=True)
class Sent:
    """What was sent, to be read and, where it cannot be taken, to be shown again."""

    as_json: bool = False
    whole: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """By key."""
    left_out: frozenset[str] = frozenset()
    """The keys of the arguments to leave out."""


def inputs_of(
    question: HeldCall, schema: Mapping[str, Any], sent: Sent | None = None, faults: Sequence[Fault] = ()
) -> tuple[ArgumentInput, ...]:
    """The inputs for the card's arguments, then for those that it could have as well; none where JSON serves better.

    `schema` is the tool's, as it was accepted; empty where there is none. `sent` is what was typed, `faults` what was
    wrong with it.
    """
    properties = _mapping(schema.get("properties"))
    needed = schema.get("required")
    names = list(dict.fromkeys([*question.arguments, *properties]))
    if len(names) > MOST_INPUTS:
        return ()
    required = frozenset(name for name in needed if isinstance(name, str)) if isinstance(needed, list) else frozenset()
    return tuple(
        _input(name, question, _mapping(properties.get(name)), name in required, sent, faults) for name in names
    )


def key_of(name: str) -> str:
    """The key of an argument's input."""
    return f"argument-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def whole_text(question: HeldCall) -> str:
    """All arguments as JSON, to be changed; what cannot be seen is written as escapes."""
    return _typeable(question.arguments)


def read_arguments(question: HeldCall, schema: Mapping[str, Any], sent: Sent) -> dict[str, Any] | tuple[Fault, ...]:
    """The arguments that were sent, or what is wrong with them. Whether they fit the tool is the desk's to say."""
    read = _read_whole(question, sent) if sent.as_json else _read_inputs(question, schema, sent)
    if isinstance(read, tuple):
        return read
    if (fault := unfit(read)) is not None:
        return (fault,)
    if same(read, question.arguments):
        return (Fault(WHOLE, "are what the card says already; change something, or approve it as it is"),)
    return read


def _read_whole(question: HeldCall, sent: Sent) -> dict[str, Any] | tuple[Fault, ...]:
    text = sent.whole.replace("\r\n", "\n")
    if text.strip() == whole_text(question).strip():
        return question.arguments
    try:
        value = read_strict_json(text.encode(errors="surrogatepass"))
    except NotStrictJson as problem:
        return (Fault(WHOLE, f"are not JSON as it can be taken: {problem}"),)
    if not isinstance(value, dict):
        return (Fault(WHOLE, 'write an object with every argument, such as {"name": "value"}'),)
    return value


def _read_inputs(question: HeldCall, schema: Mapping[str, Any], sent: Sent) -> dict[str, Any] | tuple[Fault, ...]:
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for one in inputs_of(question, schema):
        if one.key in sent.left_out:
            continue
        value = _read(one, question.arguments, sent.values.get(one.key))
        if isinstance(value, Fault):
            faults.append(value)
        elif value is not _ABSENT:
            found[one.name] = value
    return tuple(faults) or found


class _Absent:
    """There is no such argument."""


_ABSENT = _Absent()


def _read(one: ArgumentInput, arguments: Mapping[str, Any], typed: str | None) -> Any:
    if typed is None:
        return arguments[one.name] if one.present else _ABSENT
    plain = typed.replace("\r\n", "\n")
    if plain == one.value.replace("\r\n", "\n").replace("\r", "\n"):
        return arguments[one.name] if one.present else _ABSENT
    if not plain.strip() and (not one.present or one.control == "choice"):
        return _ABSENT
    if one.control in ("line", "lines", "code"):
        return plain
    return _read_json(one, plain)


def _read_json(one: ArgumentInput, text: str) -> Any:
    try:
        value = read_strict_json(text.strip().encode(errors="surrogatepass"))
    except NotStrictJson as problem:
        if one.control == "number":
            return Fault(one.name, _NO_NUMBER)
        return Fault(one.name, f"this is not JSON as it can be taken: {problem}; a text stands in double quotes")
    if one.control == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
        return Fault(one.name, _NO_NUMBER)
    return value


def _input(
    name: str,
    question: HeldCall,
    schema: Mapping[str, Any],
    required: bool,
    sent: Sent | None,
    faults: Sequence[Fault],
) -> ArgumentInput:
    key = key_of(name)
    present = name in question.arguments
    value = question.arguments.get(name)
    own = question.is_own
    # Clients tell no schema of their own tools; what is true or false now is nothing else by a change.
    control, choices = _control(_TRUE_OR_FALSE if own and isinstance(value, bool) else schema, present, value)
    if own and control in ("line", "lines") and is_code(question.name, name):
        control = "code"
    text = "" if not present else _typeable(value) if control in ("json", "choice") else scalar_text(value)
    chosen = text if sent is None else sent.values.get(key, text)
    said = schema.get("description")
    one = ArgumentInput(
        name=name,
        key=key,
        control=control,
        value=chosen,
        choices=tuple(ArgumentChoice(one, _label(one), one == chosen) for one in choices),
        present=present,
        required=required,
        left_out=sent is not None and key in sent.left_out,
        help=said if isinstance(said, str) and said.strip() else None,
        kind=_kind(control, schema),
    )
    return replace(one, error="; ".join(fault.message for fault in faults if one.concerns(fault)) or None)


def _control(schema: Mapping[str, Any], present: bool, value: Any) -> tuple[str, tuple[str, ...]]:
    """How an argument is typed: by what it is now, and by what its schema says where it is not there yet."""
    listed = _listed(schema)
    if listed and (not present or any(same(one, value) for one in listed)):
        return "choice", tuple(map(_typeable, listed))
    kind = schema.get("type") if not present else _type_of(value)
    # Where other types are allowed as well, only JSON can say which of them is meant.
    if isinstance(schema.get("type"), list) or {"anyOf", "oneOf", "$ref"} & schema.keys():
        return "json", ()
    if kind in ("number", "integer"):
        return "number", ()
    if kind == "string":
        text = value if isinstance(value, str) else ""
        # What cannot be seen in an input cannot be left as it is there, either: JSON writes it as escapes.
        if not _seen(text) or "\r" in text:
            return "json", ()
        return ("lines" if "\n" in text or len(text) > _ONE_LINE else "line"), ()
    return "json", ()


def _listed(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    if schema.get("type") == "boolean":
        return (True, False)
    listed = schema.get("enum")
    if not isinstance(listed, list) or len(listed) > _FEW:
        return ()
    return tuple(one for one in listed if isinstance(one, str | int | float | bool))


def _type_of(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "json"


def _kind(control: str, schema: Mapping[str, Any]) -> str:
    match control:
        case "number":
            return "a whole number" if schema.get("type") == "integer" else "a number"
        case "choice":
            return "one of these"
        case "json":
            return "JSON: a text stands in double quotes"
        case _:
            return "a text"


def _label(text: str) -> str:
    value = json.loads(text)
    return value if isinstance(value, str) else text


def _typeable(value: Any) -> str:
    """A value as JSON for an input. Where some of it cannot be seen, all that is not ASCII is written as escapes."""
    text = json_text(value)
    return text if _seen(text) else json.dumps(value, ensure_ascii=True, indent=2)


def _seen(text: str) -> bool:
    """Whether everything in it can be seen."""
    return marked(text) == escape(text)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING
