"""Arguments whose names look like those that a definition has, and are not. Pure.

Many upstreams take `Amount` for `amount`: readers that do not tell case are common. A rule about `amount` does not see
it, so no call passes with a name that only looks like one that the tool has.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from store.names import fold

_ALTERNATIVES = ("allOf", "anyOf", "oneOf")
Path = tuple[str | int, ...]


def look_alike(schema: Any, arguments: Mapping[str, Any], spend: Callable[[int], None]) -> Path | None:
    """Where the first such name stands; None where there is none. `spend` counts the work, and ends it by raising."""
    todo: list[tuple[list[Any], Any, Path]] = [([schema], dict(arguments), ())]
    while todo:
        schemas, value, path = todo.pop()
        nodes = list(_nodes(schema, schemas, spend))
        if isinstance(value, dict):
            known = [one for node in nodes if isinstance(one := node.get("properties"), Mapping)]
            names = {name for properties in known for name in properties}
            spend(len(names) + len(value))
            strange = [name for name in value if name not in names]
            if strange and names:
                folded = {fold(str(name)) for name in names}
                found = next((name for name in strange if fold(name) in folded), None)
                if found is not None:
                    return (*path, found)
            for name, inner in value.items():
                if isinstance(inner, dict | list) and (below := [one[name] for one in known if name in one]):
                    todo.append((below, inner, (*path, name)))
        elif isinstance(value, list):
            below = [one for node in nodes if isinstance(one := node.get("items"), Mapping)]
            if below:
                spend(len(value))
                todo += [(below, one, (*path, at)) for at, one in enumerate(value) if isinstance(one, dict | list)]
    return None


def _nodes(root: Any, schemas: list[Any], spend: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
    """These schemas, and those that they refer to or are put together of, each once."""
    seen: set[int] = set()
    todo = list(schemas)
    while todo:
        node = todo.pop()
        if not isinstance(node, Mapping) or id(node) in seen:
            continue
        spend(1)
        seen.add(id(node))
        yield node
        if isinstance(reference := node.get("$ref"), str):
            todo.append(_within(root, reference))
        for word in _ALTERNATIVES:
            if isinstance(several := node.get(word), list):
                todo += several


def _within(root: Any, reference: str) -> Any:
    """What a reference within the schema leads to; None for any other, which is no business of this."""
    if not reference.startswith("#"):
        return None
    found = root
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
