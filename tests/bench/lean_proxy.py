"""The floor of a gateway: one upstream passed on by the SDK's lowlevel server and client, with nothing in between.

usage: python -m tests.bench.lean_proxy URL, or: python -m tests.bench.lean_proxy COMMAND ARGUMENT…

It prints its port and serves `/mcp` until it is ended. Tools are passed on as they are, in the newer era of the
protocol, and in the older one without questions to the client.
"""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

Context = ServerRequestContext[Client, Any]
OF_THE_EXCHANGE = {
    types.PROTOCOL_VERSION_META_KEY,
    types.CLIENT_INFO_META_KEY,
    types.CLIENT_CAPABILITIES_META_KEY,
    "progressToken",
    "progress_token",
}


def target(arguments: list[str]) -> str | StdioServerParameters:
    if arguments[0].startswith("http"):
        return arguments[0]
    return StdioServerParameters(command=arguments[0], args=arguments[1:], env=dict(os.environ))


def proxy(upstream: str | StdioServerParameters) -> Server[Client]:
    @asynccontextmanager
    async def connected(server: Server[Client]) -> AsyncIterator[Client]:
        async with Client(upstream, cache=None) as client:
            listed = (await client.list_tools()).tools
            # Without it the SDK runs the whole tool list before each call.
            server.get_tool_input_schema = {tool.name: tool.input_schema for tool in listed}.get
            yield client

    async def list_tools(context: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return await context.lifespan_context.list_tools()

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        asked: dict[str, Any] = dict(context.params or {}).get("_meta") or {}
        meta: Any = {name: value for name, value in asked.items() if name not in OF_THE_EXCHANGE}
        return await context.lifespan_context.session.call_tool(
            params.name,
            params.arguments,
            progress_callback=context.session.report_progress if "progressToken" in asked else None,
            input_responses=params.input_responses,
            request_state=params.request_state,
            meta=meta or None,
            allow_input_required=True,
        )

    return Server("lean", version="1", on_list_tools=list_tools, on_call_tool=call_tool, lifespan=connected)


def main() -> None:
    app = proxy(target(sys.argv[1:])).streamable_http_app()
    # Named as TCP, a listener hands out connections that do not hold back small packets, as Assent's own does.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None)).run([listener])


if __name__ == "__main__":
    main()
