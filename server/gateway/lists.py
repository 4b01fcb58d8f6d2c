"""What upstreams have, as agents are listed it: under our names, in pages, as each version of the protocol says it.

An entry that a version cannot say is left out for its clients, and takes nothing else along.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types import methods
from pydantic import ValidationError

from server.gateway.listing import Listed, Listing
from store.calls.definitions import Pinned

PAGE = 500
"""Entries a page. Many clients read the first page only, so it is a large one."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Some entries of a list, and where it goes on."""

    entries: list[Entry]
    next_cursor: str | None

    def result(self, key: str) -> dict[str, Any]:
        """As the protocol's result, for either era."""
        more = {} if self.next_cursor is None else {"nextCursor": self.next_cursor}
        return {key: self.entries, **more, **_ENVELOPE}


_ENVELOPE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
_WIRE_KEYS = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "resources/templates": "resourceTemplates",
}
_Keyed = list[tuple[str, Entry]]


class Lists:
    """The four lists. `own` are the tools that are always there, and come first."""

    def __init__(self, own: Sequence[types.Tool]) -> None:
        self._own = [(tool.name, tool.model_dump(by_alias=True, mode="json", exclude_none=True)) for tool in own]
        self._made: dict[tuple[str, str], tuple[Listing, _Keyed]] = {}

    def tools(self, listing: Listing, version: str, cursor: str | None) -> Page:
        return self._page("tools", listing, version, cursor, lambda: [*self._own, *_pinned(listing.tools, listing)])

    def prompts(self, listing: Listing, version: str, cursor: str | None) -> Page:
        return self._page("prompts", listing, version, cursor, lambda: _pinned(listing.prompts, listing))

    def resources(self, listing: Listing, version: str, cursor: str | None) -> Page:
        return self._page("resources", listing, version, cursor, lambda: _listed(listing.resources, "uri"))

    def templates(self, listing: Listing, version: str, cursor: str | None) -> Page:
        return self._page(
            "resources/templates", listing, version, cursor, lambda: _listed(listing.templates, "uriTemplate")
        )

    def _page(self, kind: str, listing: Listing, version: str, cursor: str | None, make: Callable[[], _Keyed]) -> Page:
        made = self._made.get((kind, version))
        if made is None or made[0] is not listing:
            entries = [(key, said) for key, entry in make() if (said := _said(kind, version, entry)) is not None]
            made = self._made[kind, version] = (listing, entries)
        return _paged(made[1], cursor)


def _paged(entries: _Keyed, cursor: str | None) -> Page:
    start = 0
    if cursor is not None:
        last = _read(cursor)
        start = next((number for number, (key, _) in enumerate(entries, 1) if key == last), 0)
        if not start:
            raise MCPError(types.INVALID_PARAMS, "the list changed since this cursor was given: list it from the start")
    end = start + PAGE
    more = base64.urlsafe_b64encode(entries[end - 1][0].encode()).decode() if end < len(entries) else None
    return Page([entry for _, entry in entries[start:end]], more)


def _pinned(pinned: Mapping[str, Pinned], listing: Listing) -> _Keyed:
    """Those that were accepted, as they were accepted."""
    return [
        (name, _named(name, one.accepted.content, listing.upstreams[one.accepted.upstream].idempotency_argument))
        for name, one in pinned.items()
        if one.accepted is not None
    ]


def _listed(listed: Iterable[Listed], key: str) -> _Keyed:
    return [(f"{one.upstream} {one.content[key]}", dict(one.content)) for one in listed]


def input_schema(listing: Listing, name: str) -> Mapping[str, Any] | None:
    """What a tool takes, as agents are listed it."""
    pinned = listing.tools.get(name)
    if pinned is None or pinned.accepted is None:
        return None
    own = listing.upstreams[pinned.accepted.upstream].idempotency_argument
    schema = _named(name, pinned.accepted.content, own).get("inputSchema")
    return schema if isinstance(schema, Mapping) else None


def _named(name: str, content: Mapping[str, Any], own_argument: str | None) -> Entry:
    # The tasks of 2025-11-25, which `execution` is about, are not passed on.
    entry = {key: value for key, value in content.items() if key != "execution"} | {"name": name}
    schema = entry.get("inputSchema")
    if own_argument is not None and isinstance(schema, Mapping):
        entry["inputSchema"] = _without(schema, own_argument)
    return entry


def _without(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A schema without the argument that Assent itself gives."""
    properties, required = schema.get("properties"), schema.get("required")
    changed = dict(schema)
    if isinstance(properties, Mapping):
        changed["properties"] = {key: value for key, value in properties.items() if key != name}
    if isinstance(required, list):
        changed["required"] = [key for key in required if key != name]
    return changed


def _said(kind: str, version: str, entry: Entry) -> Entry | None:
    """The entry as this version says it, or None where it cannot."""
    for candidate in (entry, {key: value for key, value in entry.items() if key != "outputSchema"}):
        try:
            found = methods.serialize_server_result(
                f"{kind}/list", version, {_WIRE_KEYS[kind]: [candidate], **_ENVELOPE}
            )
        except ValidationError:
            # The older protocol knows no results but objects: better a tool without that schema than no tool.
            continue
        said: Entry = found[_WIRE_KEYS[kind]][0]
        return said
    return None


def _read(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode("ascii")).decode()
    except ValueError:
        raise MCPError(types.INVALID_PARAMS, "this cursor was not given here: list from the start") from None
