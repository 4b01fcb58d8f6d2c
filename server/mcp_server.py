"""The protocol's side of the server: the tools on the SDK, for both eras of the protocol, over streamable HTTP."""

from dataclasses import dataclass

import mcp_types as types
from mcp.server.context import HandlerResult
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from server.agent_sessions import AgentSessions
from server.strict_body import BODY_LIMIT
from server.tools.calls import Context, ToolCalls
from server.tools.catalogue import CATALOGUE
from server.tools.guidance import INSTRUCTIONS


@dataclass(frozen=True)
class Endpoint:
    """What answers on `/mcp`. Enter `sessions.run()` for as long as the server runs."""

    app: ASGIApp
    sessions: StreamableHTTPSessionManager


def create_mcp_server(calls: ToolCalls, *, version: str, website_url: str) -> Server:
    """The SDK's server with Assent's tools."""
    tools = [definition.tool() for definition in CATALOGUE.values()]
    schemas = {tool.name: tool.input_schema for tool in tools}

    async def list_tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> HandlerResult:
        return await calls.call(context, params.name, params.arguments or {})

    server = Server(
        "assent",
        version=version,
        title="Assent",
        description="Puts a person's consent between an agent and the world.",
        instructions=INSTRUCTIONS,
        website_url=website_url,
        # Without it the SDK runs the whole tool list before each call of the newer protocol.
        get_tool_input_schema=schemas.get,
        on_list_tools=list_tools,
    )
    # Added by hand: a task is a result that the constructor's types do not know.
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    calls.serve_tasks(server)
    return server


def create_endpoint(server: Server, *, hosts: frozenset[str], origins: frozenset[str]) -> Endpoint:
    """The endpoint, which answers under `hosts` only, and pages of `origins` only."""
    sessions = AgentSessions(
        server,
        security_settings=TransportSecuritySettings(allowed_hosts=sorted(hosts), allowed_origins=sorted(origins)),
        max_request_body_size=BODY_LIMIT,
    )
    return Endpoint(sessions, sessions)
