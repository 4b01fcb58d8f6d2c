"""YAML as nodes that know where they stand, of the plain kind: no anchors, no tags, no second document. Pure.

What a name or a number is, is decided here by what YAML 1.2 says (`no` and `on` are words), never by a library's
construction of objects.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, DocumentStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from store.policy.rules import Place
from store.problems import Problem

LONGEST_TEXT = 256 * 1024
MOST_LINES = 20_000
DEEPEST = 8
_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,15})", re.ASCII)
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,15})?(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)


class PolicyMistake(Problem):
    """A policy file that is refused whole. `place` is where the mistake stands, as far as that can be said."""

    def __init__(self, message: str, place: Place | None = None, hint: str = "") -> None:
        where = "" if place is None else f"line {place.line}, column {place.column}: "
        super().__init__(where + message, hint or "Nothing was changed: the rules in force stay in force.")
        self.place = place


def root_of(text: str) -> Node:
    """The file's one document.

    Raises:
        PolicyMistake
    """
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT:
        raise PolicyMistake(f"the file is longer than {LONGEST_TEXT // 1024} KiB")
    if len(text.splitlines()) > MOST_LINES:
        raise PolicyMistake(f"the file has more than {MOST_LINES:,} lines")
    try:
        # Looked at as events first: composing nodes recurses, and follows aliases, as deep as a file likes.
        _require_plain(YAML(typ="safe", pure=True).parse(text))
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = None if mark is None else Place(mark.line + 1, mark.column + 1)
        raise PolicyMistake(f"this is not YAML: {problem.problem or problem.context}", place) from None
    except YAMLError as problem:
        raise PolicyMistake(f"this is not YAML: {' '.join(str(problem).split())}") from None
    if root is None:
        raise PolicyMistake("the file is empty", hint="The smallest policy is: version: 1")
    assert isinstance(root, Node)
    return root


def _require_plain(events: Iterable[Any]) -> None:
    depth = 0
    for event in events:
        if isinstance(event, DocumentStartEvent) and (event.version is not None or event.tags):
            # Under %YAML 1.1 `yes` and `on` are no words any more.
            raise PolicyMistake("directives (%) are not taken", _begin(event))
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
            raise PolicyMistake(
                "anchors and aliases (& and *) are not taken", _begin(event), "Write it out, or use a group."
            )
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise PolicyMistake(f"this is nested more than {DEEPEST} deep", _begin(event))


def place_of(node: Node) -> Place:
    return _begin(node)


def _begin(thing: Any) -> Place:
    return Place(thing.start_mark.line + 1, thing.start_mark.column + 1)


def fields_of(node: Node, what: str, known: Iterable[str] | None) -> dict[str, tuple[Node, Node]]:
    """A mapping's keys, each with its own node and its value's; `known` are the keys there may be.

    Raises:
        PolicyMistake
    """
    if not isinstance(node, MappingNode) or str(node.tag) != f"{_TAG}map":
        raise PolicyMistake(f"{what} should be fields, such as name: value", place_of(node))
    found: dict[str, tuple[Node, Node]] = {}
    for key, value in node.value:
        name = text_of(key, "a field's name")
        if known is not None and name not in known:
            close = get_close_matches(name, list(known), n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(known)}."
            raise PolicyMistake(f"{what} has no field {name!r}", place_of(key), hint)
        if name in found:
            raise PolicyMistake(f"{name!r} stands here twice", place_of(key))
        found[name] = (key, value)
    return found


def items_of(node: Node, what: str) -> list[Node]:
    """A list's items.

    Raises:
        PolicyMistake
    """
    if not is_list(node):
        raise PolicyMistake(f"{what} should be a list", place_of(node))
    return list(node.value)


def text_of(node: Node, what: str, longest: int = 100) -> str:
    """A text in one line.

    Raises:
        PolicyMistake
    """
    value = _scalar(node, what, "str", "a text; in quotes, if it looks like something else")
    text = value.strip()
    if not 0 < len(text) <= longest or not text.isprintable():
        raise PolicyMistake(f"{what} should be 1 to {longest} characters in one line", place_of(node))
    return text


def raw_text_of(node: Node, what: str, longest: int) -> str:
    """A text in one line, as it stands: with the blanks at its ends, and perhaps empty.

    Raises:
        PolicyMistake
    """
    value = _scalar(node, what, "str", "a text; in quotes, if it looks like something else")
    if len(value) > longest or not value.isprintable():
        raise PolicyMistake(f"{what} should be at most {longest:,} characters in one line", place_of(node))
    return value


def plain_value_of(node: Node, what: str, longest: int) -> str | int | float | bool | None:
    """A value of JSON that is no list and no object, of the very type and amount that JSON would have.

    Raises:
        PolicyMistake
    """
    kind = str(node.tag).removeprefix(_TAG) if isinstance(node, ScalarNode) else ""
    if kind == "bool":
        return flag_of(node, what)
    if kind == "null":
        return None
    if kind in ("int", "float"):
        return decimal_of(node, what)
    return raw_text_of(node, what, longest)


def decimal_of(node: Node, what: str) -> int | float:
    """A number as JSON writes it.

    Raises:
        PolicyMistake
    """
    if not isinstance(node, ScalarNode) or str(node.tag) not in (f"{_TAG}int", f"{_TAG}float"):
        raise PolicyMistake(f"{what} should be a number", place_of(node))
    number = number_written(str(node.value))
    if number is None:
        raise PolicyMistake(f"{what} should be a number in plain digits, such as 500 or -0.25", place_of(node))
    return number


def number_written(text: str) -> int | float | None:
    """The number that a file can write like this; None where it cannot."""
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) and isfinite(float(text)) else None


def flag_of(node: Node, what: str) -> bool:
    """true or false.

    Raises:
        PolicyMistake
    """
    return _scalar(node, what, "bool", "true or false").lower() == "true"


def number_of(node: Node, what: str, least: int, most: int) -> int:
    """A whole number in decimal digits.

    Raises:
        PolicyMistake
    """
    wanted = str(least) if least == most else f"a number from {least} to {most:,}"
    value = _scalar(node, what, "int", wanted)
    if not (value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most):
        raise PolicyMistake(f"{what} should be {wanted}", place_of(node))
    return int(value)


def is_number(node: Node) -> bool:
    return isinstance(node, ScalarNode) and str(node.tag) == f"{_TAG}int"


def is_fields(node: Node) -> bool:
    return isinstance(node, MappingNode)


def is_list(node: Node) -> bool:
    return isinstance(node, SequenceNode) and str(node.tag) == f"{_TAG}seq"


def _scalar(node: Node, what: str, tag: str, wanted: str) -> str:
    if not isinstance(node, ScalarNode) or str(node.tag) != _TAG + tag:
        raise PolicyMistake(f"{what} should be {wanted}", place_of(node))
    return str(node.value)
