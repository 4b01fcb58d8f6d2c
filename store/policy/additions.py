"""A policy file with something added to it, or taken out again, and every other character as it was. Pure.

The file is somebody's own, with comments and an order that mean something, so nothing is ever written anew. The result
is read again: it must say what the file said before, and the addition, and nothing else.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from store.policy.upstreams import Upstream
from store.policy.yaml_nodes import root_of
from store.problems import Problem

UPSTREAMS, RULES = "upstreams", "rules"
START = "version: 1\n"
_TAG = "tag:yaml.org,2002:"
_PLAIN_KEY = re.compile(r"(?!(?i:true|false|null)\Z)[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


class CannotAdd(Problem):
    """The file is written in a way in which nothing can be added for sure. Nothing was changed."""


@dataclass(frozen=True)
class Added:
    """The new text, and what was put into it: longest first, each of which may be cut out again."""

    text: str
    inserted: tuple[str, ...]


def with_upstreams(text: str, upstreams: Sequence[Upstream]) -> Added:
    """The policy with these upstreams, too, whose names it does not have yet.

    Raises:
        PolicyMistake: `text` is no YAML.
        CannotAdd
    """
    return _with(text, UPSTREAMS, {one.name: _fields(one) for one in upstreams})


def with_rules(text: str, rules: Sequence[Mapping[str, Any]]) -> Added:
    """The policy with these rules, too.

    Raises:
        PolicyMistake: `text` is no YAML.
        CannotAdd
    """
    return _with(text, RULES, list(rules))


def without(text: str, inserted: Sequence[str], names: Sequence[str]) -> str | None:
    """The policy without the upstreams of these names, which were `inserted` in that way; None where that is not found
    any more as it was put there."""
    before = _said(root_of(text))
    wanted = _less(before, names)
    for piece in inserted:
        if text.count(piece) == 1:
            cut = text.replace(piece, "")
            try:
                after = _said(root_of(cut))
            except Problem:
                continue
            if _less(after, ()) == wanted:
                return cut
    return None


def as_yaml(section: str, content: Any, indent: str = "") -> str:
    """A section as it would be written into a file."""
    return f"{section}:\n{_block(content, indent + '  ')}"


def _with(text: str, section: str, content: Any) -> Added:
    root = root_of(text)
    said = _said(root)
    start, end, pieces = _insertion(text, root, section, content)
    changed = text[:start] + pieces[0] + text[end:]
    old = said.get(section) or ({} if isinstance(content, dict) else [])
    new = _meant(content)
    wanted = {**said, section: {**old, **new} if isinstance(old, dict) else [*old, *new]}
    try:
        kept = _said(root_of(changed)) == wanted
    except Problem:
        kept = False
    if not kept:
        raise CannotAdd(
            "this file is written in a way in which nothing can be added for sure",
            f"Nothing was changed. Add this yourself: {json.dumps({section: content}, ensure_ascii=False)}",
        )
    return Added(changed, pieces)


def _insertion(text: str, root: Node, section: str, content: Any) -> tuple[int, int, tuple[str, ...]]:
    """From where to where the first of these pieces takes the place of what stands there; the pieces as in `Added`."""
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    found = next((pair for pair in root.value if pair[0].value == section), None)
    if found is None:
        block = _block(content, "  ").replace("\n", end_of_line)
        return _at(len(text), text, end_of_line, f"{end_of_line}{section}:{end_of_line}{block}", block)
    key, value = found
    if isinstance(value, ScalarNode):
        block = _block(content, "  ").replace("\n", end_of_line)
        return _at(_next_line(text, key.end_mark.index), text, end_of_line, block)
    if not value.value:
        block = _block(content, "  ").replace("\n", end_of_line).rstrip()
        return value.start_mark.index, value.end_mark.index, (f"{end_of_line}{block}",)
    if value.flow_style:
        end = value.end_mark.index - 1
        return end, end, (", " + json.dumps(content, ensure_ascii=False)[1:-1],)
    first = value.value[0][0] if isinstance(value, MappingNode) else value
    block = _block(content, " " * first.start_mark.column).replace("\n", end_of_line)
    return _at(_end(text, value), text, end_of_line, block)


def _at(place: int, text: str, end_of_line: str, *pieces: str) -> tuple[int, int, tuple[str, ...]]:
    """At the begin of a line, which is made one if the file ends without."""
    if text[place - 1 : place] in ("\n", ""):
        return place, place, pieces
    return place, place, (f"{end_of_line}{pieces[0]}", *pieces)


def _end(text: str, node: Node) -> int:
    """Where the line after a block's last line begins."""
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    at: int = node.end_mark.index
    return at if text[at - 1 : at] == "\n" else _next_line(text, at)


def _next_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _block(content: Any, indent: str) -> str:
    """Lines of YAML, each with its end. Every text is in quotes: what it looks like never matters."""
    if isinstance(content, Mapping):
        return "".join(f"{indent}{_key(key)}:{_after_key(value, indent)}" for key, value in content.items())
    lines = []
    for item in content:
        first, *others = _block(item, indent + "  ").splitlines(keepends=True)
        lines += [f"{indent}- {first.lstrip(' ')}", *others]
    return "".join(lines)


def _key(name: str) -> str:
    # Names of arguments come from outside, so a key is in quotes, too, unless it is a plain word.
    return name if _PLAIN_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _after_key(value: Any, indent: str) -> str:
    if isinstance(value, Mapping):
        return f"\n{_block(value, indent + '  ')}"
    return f" {json.dumps(value, ensure_ascii=False)}\n"


def _fields(upstream: Upstream) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if upstream.url is not None:
        found["url"] = upstream.url
    else:
        found["command"] = upstream.command
        if upstream.args:
            found["args"] = list(upstream.args)
    if upstream.cwd is not None:
        found["cwd"] = upstream.cwd
    for key, values in (("env", upstream.env), ("headers", upstream.headers)):
        if values:
            found[key] = dict(values)
    return found


def _said(node: Node) -> Any:
    """What the nodes say, whatever way it is written in."""
    if isinstance(node, MappingNode):
        return {key.value: _said(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_said(item) for item in node.value]
    return None if str(node.tag).endswith(":null") else (str(node.tag), node.value)


def _meant(content: Any) -> Any:
    """What `_said` finds in nodes that say this."""
    if isinstance(content, Mapping):
        return {key: _meant(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_meant(value) for value in content]
    if content is None:
        return None
    if isinstance(content, str):
        return f"{_TAG}str", content
    kind = "bool" if isinstance(content, bool) else "int" if isinstance(content, int) else "float"
    return f"{_TAG}{kind}", json.dumps(content)


def _less(said: Any, names: Sequence[str]) -> Any:
    upstreams = {name: value for name, value in (said.get(UPSTREAMS) or {}).items() if name not in names}
    return {**{key: value for key, value in said.items() if key != UPSTREAMS}, UPSTREAMS: upstreams}
