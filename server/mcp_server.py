"""The protocol's side of the server: the tools on the SDK, for both eras of the protocol, over streamable HTTP."""

from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.context import HandlerResult
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from server.agent_sessions import AgentSessions
from server.caller import Caller, Context
from server.gateway.changes import Changes
from server.gateway.front import Front
from server.strict_body import BODY_LIMIT
from server.tools import permission_prompt
from server.tools.calls import Back, ToolCalls
from server.tools.catalogue import CATALOGUE
from server.tools.guidance import INSTRUCTIONS
from server.tools.permission_prompt import PermissionPrompt


@dataclass(frozen=True)
class Endpoint:
    """What answers on `/mcp`. Enter `sessions.run()` for as long as the server runs."""

    app: ASGIApp
    sessions: StreamableHTTPSessionManager


class _Server(Server[Any]):
    """The SDK's server, which says of itself what is true of this one: lists change, resources are not watched."""

    def get_capabilities(self, *arguments: Any, **named: Any) -> types.ServerCapabilities:
        everything = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        found = super().get_capabilities(everything, *arguments[1:], **named)
        if found.resources is not None:
            found.resources.subscribe = False
        return found


def create_mcp_server(
    calls: ToolCalls,
    *,
    version: str,
    website_url: str,
    front: Front | None = None,
    changes: Changes | None = None,
    prompt: PermissionPrompt | None = None,
) -> Server:
    """The SDK's server with Assent's tools; with `front` and `changes`, also with what the upstreams have.

    `prompt` is listed for those whom it is for, and nobody else.
    """
    tools = [definition.tool() for definition in CATALOGUE.values()]
    schemas = {tool.name: tool.input_schema for tool in (*tools, permission_prompt.TOOL)}

    async def list_tools(context: Context, params: types.PaginatedRequestParams) -> HandlerResult:
        own = prompt is not None and params.cursor is None and prompt.is_for(Caller.of(context))
        if front is None:
            return types.ListToolsResult(tools=[*tools, permission_prompt.TOOL] if own else tools)
        listed = await front.list_tools(context.protocol_version, params.cursor)
        return {**listed, "tools": [*listed["tools"], permission_prompt.ENTRY]} if own else listed

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> HandlerResult:
        caller = Caller.of(context)
        if prompt is not None and params.name == permission_prompt.NAME:
            return await prompt.call(caller, params.arguments or {})
        if front is not None and params.name not in CATALOGUE:
            return await front.call_tool(caller, params)
        back = None if params.request_state is None else Back(params.request_state, params.input_responses)
        return await calls.call(caller, params.name, params.arguments or {}, back)

    kind = Server if front is None else _Server
    server: Server[Any] = kind(
        "assent",
        version=version,
        title="Assent",
        description="Puts a person's consent between an agent and the world.",
        instructions=INSTRUCTIONS,
        website_url=website_url,
        # Without it the SDK runs the whole tool list before each call of the newer protocol.
        get_tool_input_schema=lambda name: schemas.get(name) or (None if front is None else front.input_schema(name)),
    )
    # Added by hand: the constructor's types know neither tasks nor results that are passed on as they came.
    server.add_request_handler("tools/list", types.PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    if front is not None:
        _serve_upstreams(server, front)
    if changes is not None:
        server.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, changes.listen)
        server.add_notification_handler("notifications/initialized", types.NotificationParams, changes.initialized)
    calls.serve_tasks(server)
    return server


def _serve_upstreams(server: Server[Any], front: Front) -> None:
    async def list_prompts(context: Context, params: types.PaginatedRequestParams) -> HandlerResult:
        return await front.list_prompts(context.protocol_version, params.cursor)

    async def list_resources(context: Context, params: types.PaginatedRequestParams) -> HandlerResult:
        return await front.list_resources(context.protocol_version, params.cursor)

    async def list_templates(context: Context, params: types.PaginatedRequestParams) -> HandlerResult:
        return await front.list_templates(context.protocol_version, params.cursor)

    async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> HandlerResult:
        return await front.get_prompt(Caller.of(context), params)

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> HandlerResult:
        return await front.read_resource(Caller.of(context), params)

    server.add_request_handler("prompts/list", types.PaginatedRequestParams, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("resources/list", types.PaginatedRequestParams, list_resources)
    server.add_request_handler("resources/templates/list", types.PaginatedRequestParams, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read_resource)


def create_endpoint(server: Server, *, hosts: frozenset[str], origins: frozenset[str]) -> Endpoint:
    """The endpoint, which answers under `hosts` only, and pages of `origins` only."""
    sessions = AgentSessions(
        server,
        security_settings=TransportSecuritySettings(allowed_hosts=sorted(hosts), allowed_origins=sorted(origins)),
        max_request_body_size=BODY_LIMIT,
    )
    return Endpoint(sessions, sessions)
