"""Asking an upstream what it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
from mcp import ClientSession
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from server.gateway.limits import Limits
from server.gateway.listing import Resources, admissible, readable
from server.gateway.problems import Unavailable
from store.calls.definitions import Definition, Method

_AS_SENT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_MakeRequest = Callable[[types.PaginatedRequestParams], types.Request[Any, Any]]


@dataclass(frozen=True)
class Inventory:
    """What one upstream has at one moment, as far as it can be offered to anybody."""

    definitions: tuple[Definition, ...] = ()
    resources: Resources = field(default_factory=Resources)
    left_out: tuple[str, ...] = ()

    @property
    def hashes(self) -> Mapping[tuple[Method, str], str]:
        return {(each.method, each.name): each.sha256 for each in self.definitions}


async def take_inventory(session: ClientSession, upstream: str, limits: Limits) -> Inventory:
    """All its lists, page by page.

    Raises:
        MCPError: it refuses to say, or the connection broke.
        Unavailable: what it says is not what the protocol demands.
    """
    able = session.server_capabilities or types.ServerCapabilities()
    reader = _Reader(session, limits)
    tools = await reader.tools() if able.tools is not None else []
    prompts, resources, templates = [], [], []
    if able.prompts is not None:
        prompts = await reader.all("prompts", lambda params: types.ListPromptsRequest(params=params))
    if able.resources is not None:
        resources = await reader.all("resources", lambda params: types.ListResourcesRequest(params=params))
        templates = await reader.templates()
    named = [
        admissible(upstream, Method.TOOL, tools, limits),
        admissible(upstream, Method.PROMPT, prompts, limits),
    ]
    return Inventory(
        definitions=tuple(each for one in named for each in one.definitions),
        resources=Resources(readable(resources, "uri"), readable(templates, "uriTemplate")),
        left_out=(*reader.left_out, *(each for one in named for each in one.left_out)),
    )


class _Reader:
    def __init__(self, session: ClientSession, limits: Limits) -> None:
        self._session = session
        self._limits = limits
        self.left_out: list[str] = []

    async def tools(self) -> list[dict[str, Any]]:
        entries = await self.all("tools", lambda params: types.ListToolsRequest(params=params))
        # The session has to know the tools as well: some arguments travel in headers, which their schemas name. It
        # offers no other way to tell it of a list that was read in full.
        known = self._session._absorb_tool_listing(
            types.ListToolsResult.model_validate({"tools": entries}, by_name=False), complete=True
        )
        if self._session.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return entries
        kept = {tool.name for tool in known.tools}
        if len(kept) < len({entry["name"] for entry in entries}):
            self.left_out.append("tools are left out whose schemas name headers that cannot be")
        return [entry for entry in entries if entry["name"] in kept]

    async def templates(self) -> list[dict[str, Any]]:
        return await self.all(
            "resources/templates",
            lambda params: types.ListResourceTemplatesRequest(params=params),
            key="resourceTemplates",
        )

    async def all(self, what: str, request: _MakeRequest, key: str | None = None) -> list[dict[str, Any]]:
        """Every entry of one list, as it was sent: what is pinned is all of it, known to this protocol or not."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(self._limits.pages):
            # The SDK checks the page by the protocol; typed for models, it takes any adapter.
            asked = request(types.PaginatedRequestParams(cursor=cursor))
            try:
                page = await self._session.send_request(asked, _AS_SENT)  # type: ignore[type-var]
            except ValidationError as problem:
                raise Unavailable(f"its list of {what} is not what the protocol demands") from problem
            found += page[key or what]
            cursor = page.get("nextCursor")
            if len(found) > self._limits.definitions:
                del found[self._limits.definitions :]
                break
            if cursor is None:
                return found
            if cursor in seen:
                break
            seen.add(cursor)
        self.left_out.append(f"its list of {what} does not end; the first {len(found):,} entries are looked at")
        return found
