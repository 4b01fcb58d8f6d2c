"""What is sent to an upstream for a permitted call: its arguments as they were admitted, and little else. Pure."""

from collections.abc import Mapping
from typing import Any

import mcp_types as types

from server.gateway.inputs import Responses
from server.gateway.listing import Listing
from store.calls.calls import Admitted
from store.calls.definitions import SEPARATOR, Method
from store.policy.upstreams import Upstream

Request = types.CallToolRequest | types.GetPromptRequest | types.ReadResourceRequest


def request_of(
    admitted: Admitted,
    upstream: Upstream,
    properties: Mapping[str, Any],
    meta: Mapping[str, Any],
    answers: Responses | None,
    state: str | None,
) -> Request:
    """The request. `properties` are those that the tool's schema names, `meta` is what the agent said beside its
    arguments; `answers` and `state` are what the upstream asked for before."""
    key = admitted.request_id or admitted.call_id
    arguments, own = dict(admitted.arguments), upstream.idempotency_argument
    if own is not None and own in properties:
        # What was permitted stays as it is, even where these rules reserved the name only a moment ago.
        arguments.setdefault(own, key)
    # What an agent says beside its arguments was shown to nobody, so nothing that was approved carries it.
    sent = {} if admitted.request_id is not None else dict(meta)
    if upstream.idempotency_meta is not None:
        sent[upstream.idempotency_meta] = key
    more: dict[str, Any] = {"input_responses": answers, "request_state": state, "_meta": sent or None}
    match admitted.method:
        case Method.TOOL:
            return types.CallToolRequest(
                params=types.CallToolRequestParams(name=admitted.name, arguments=arguments, **more)
            )
        case Method.PROMPT:
            return types.GetPromptRequest(
                params=types.GetPromptRequestParams(name=admitted.name, arguments=arguments, **more)
            )
        case Method.RESOURCE:
            return types.ReadResourceRequest(params=types.ReadResourceRequestParams(uri=arguments["uri"], **more))
        case Method.OWN:
            raise AssertionError("a tool of an agent's own is sent nowhere")


def properties_of(listing: Listing, admitted: Admitted) -> Mapping[str, Any]:
    """What the schema of the tool that is called names; nothing for what is no tool."""
    pinned = None
    if admitted.method is Method.TOOL:
        pinned = listing.tools.get(f"{admitted.upstream}{SEPARATOR}{admitted.name}")
    schema = {} if pinned is None else (pinned.accepted or pinned.definition).content.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}
