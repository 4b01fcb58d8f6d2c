from datetime import UTC, datetime
from typing import Any

import pytest

from server.gateway.listing import Listing
from server.gateway.lists import Lists, input_schema
from store.calls.definitions import Definition, Method, Pinned
from store.policy.upstreams import Upstream

OLDER, NEWER = "2025-06-18", "2026-07-28"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
OBJECT = {"type": "object", "properties": {"to": {"type": "string"}, "key": {"type": "string"}}, "required": ["key"]}


def listing(*tools: dict[str, Any], accepted: bool = True, **upstream: Any) -> Listing:
    found = [Definition("up", Method.TOOL, tool["name"], tool) for tool in tools]
    pinned = [Pinned(one, one if accepted else None, NOW, NOW, None, None) for one in found]
    return Listing(
        upstreams={"up": Upstream("up", url="http://up.test/mcp", **upstream)},
        tools={one.definition.exposed: one for one in pinned},
    )


def names(found: Listing, version: str) -> list[str]:
    return [entry["name"] for entry in Lists([]).tools(found, version, None).entries]


def test_a_definition_that_nobody_accepted_is_not_listed() -> None:
    assert names(listing({"name": "a", "inputSchema": OBJECT}, accepted=False), NEWER) == []


@pytest.mark.parametrize("version", [OLDER, NEWER])
def test_an_entry_that_a_version_cannot_say_takes_nothing_else_along(version: str) -> None:
    odd = {"name": "odd", "inputSchema": "no schema"}
    assert names(listing(odd, {"name": "a", "inputSchema": OBJECT}), version) == ["up__a"]


def test_a_result_that_is_no_object_is_promised_to_the_newer_protocol_only() -> None:
    found = listing({"name": "a", "inputSchema": OBJECT, "outputSchema": {"type": "array"}})
    (newer,) = Lists([]).tools(found, NEWER, None).entries
    (older,) = Lists([]).tools(found, OLDER, None).entries
    assert newer["outputSchema"] == {"type": "array"}
    assert "outputSchema" not in older


def test_the_argument_that_assent_gives_itself_is_not_asked_of_agents() -> None:
    found = listing({"name": "a", "inputSchema": OBJECT}, idempotency_argument="key")
    (entry,) = Lists([]).tools(found, NEWER, None).entries
    assert entry["inputSchema"] == {"type": "object", "properties": {"to": {"type": "string"}}, "required": []}
    assert input_schema(found, "up__a") == entry["inputSchema"]
    assert input_schema(found, "up__b") is None


def test_a_list_is_made_once_for_each_version_until_it_changes() -> None:
    lists, first, second = Lists([]), listing({"name": "a", "inputSchema": OBJECT}), listing()
    assert lists.tools(first, NEWER, None).entries[0] is lists.tools(first, NEWER, None).entries[0]
    assert lists.tools(second, NEWER, None).entries == []
