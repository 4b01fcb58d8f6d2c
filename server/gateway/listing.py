"""What agents may be told of: what all upstreams have, under the names of ours. Pure.

Names are never taken apart: whoever calls is looked up here, exactly. A name that could be mistaken for another, or
that not every client can say, is left out, and so is a definition that cannot be pinned.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate

from server.gateway.limits import Limits
from store.calls.definitions import LONGEST_NAME, NAME, SEPARATOR, Definition, Method, Pinned
from store.names import fold
from store.policy.upstreams import Upstream
from store.strict_json import DEPTH_LIMIT, shortened

LONGEST_URI = 2_048


@dataclass(frozen=True)
class Admissible:
    """What one list of an upstream comes to. `left_out` says of what is missing why, a short phrase each."""

    definitions: tuple[Definition, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """A resource or a template, as the upstream lists it."""

    upstream: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Resources:
    """What one upstream lists of resources and templates. Not pinned: their reading is governed as one."""

    resources: tuple[Mapping[str, Any], ...] = ()
    templates: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Listing:
    """All there is at one moment."""

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    """Those of the rules in force, by name."""
    tools: Mapping[str, Pinned] = field(default_factory=dict)
    """By the name that agents call. Agents are listed those that were accepted, as they were accepted."""
    prompts: Mapping[str, Pinned] = field(default_factory=dict)
    resources: tuple[Listed, ...] = ()
    """Without those that two upstreams list."""
    templates: tuple[Listed, ...] = ()
    contested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The addresses that several upstreams list, and which: they belong to none of them."""

    def upstreams_of(self, uri: str) -> tuple[str, ...]:
        """To whom reading this address may go: whoever lists it, else whoever has a template. Several: nobody."""
        if uri in self.contested:
            return self.contested[uri]
        owner = self._owners.get(uri)
        if owner is not None:
            return (owner,)
        if len(uri) > LONGEST_URI:
            return ()
        return tuple(sorted({name for name, template in self._templates if template.match(uri) is not None}))

    @cached_property
    def _owners(self) -> Mapping[str, str]:
        return {each.content["uri"]: each.upstream for each in self.resources}

    @cached_property
    def _templates(self) -> tuple[tuple[str, UriTemplate], ...]:
        return tuple((each.upstream, UriTemplate.parse(each.content["uriTemplate"])) for each in self.templates)


def admissible(upstream: str, method: Method, entries: Sequence[Mapping[str, Any]], limits: Limits) -> Admissible:
    """Those of an upstream's tools or prompts that can be called by a name of ours, and pinned."""
    found, left_out = [], []
    named = Counter(fold(str(entry["name"])) for entry in entries)
    for entry in entries:
        name = str(entry["name"])
        definition = Definition(upstream, method, name, entry)
        if named[fold(name)] > 1:
            why: str | None = "another one has the same name"
        elif not name or not NAME.fullmatch(definition.exposed):
            room = LONGEST_NAME - len(upstream) - len(SEPARATOR)
            why = f"its name is not 1 to {room} of A-Z, a-z, 0-9, _, . and -"
        else:
            why = _unpinnable(definition, limits)
        if why is None:
            found.append(definition)
        else:
            left_out.append(f"the {method} {shortened(name)} is left out: {why}")
    return Admissible(tuple(found), tuple(dict.fromkeys(left_out)))


def _unpinnable(definition: Definition, limits: Limits) -> str | None:
    if _is_deep(definition.content):
        return f"its definition is nested in more than {DEPTH_LIMIT} levels"
    try:
        size = len(definition.canonical.encode())
    except (ValueError, RecursionError):
        # Numbers that no two readers agree on, halves of characters.
        return "its definition is not JSON that means the same to everybody"
    if size > limits.definition_bytes:
        return f"its definition has {size:,} bytes; at most {limits.definition_bytes:,} are taken"
    return None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def readable(entries: Sequence[Mapping[str, Any]], key: str) -> tuple[Mapping[str, Any], ...]:
    """Those of an upstream's resources or templates, told apart by `key`, that can be asked for: each once."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        address = entry[key]
        if len(address) <= LONGEST_URI and address not in found and (key == "uri" or _is_template(address)):
            found[address] = entry
    return tuple(found.values())


def _is_template(text: str) -> bool:
    try:
        UriTemplate.parse(text)
    except InvalidUriTemplate:
        return False
    return True


def build(upstreams: Iterable[Upstream], pinned: Iterable[Pinned], resources: Mapping[str, Resources]) -> Listing:
    """The listing of these upstreams, from what is known of each."""
    mounted = {each.name: each for each in upstreams}
    order = {name: number for number, name in enumerate(mounted)}
    now = sorted(
        (each for each in pinned if each.gone_at is None and each.definition.upstream in mounted),
        key=lambda each: order[each.definition.upstream],
    )
    owners: dict[str, list[str]] = {}
    for name in mounted:
        for entry in resources.get(name, Resources()).resources:
            owners.setdefault(entry["uri"], []).append(name)
    contested = {uri: tuple(names) for uri, names in owners.items() if len(names) > 1}
    return Listing(
        upstreams=mounted,
        tools={each.definition.exposed: each for each in now if each.definition.method is Method.TOOL},
        prompts={each.definition.exposed: each for each in now if each.definition.method is Method.PROMPT},
        resources=tuple(
            Listed(name, entry)
            for name in mounted
            for entry in resources.get(name, Resources()).resources
            if entry["uri"] not in contested
        ),
        templates=tuple(
            Listed(name, entry) for name in mounted for entry in resources.get(name, Resources()).templates
        ),
        contested=contested,
    )
