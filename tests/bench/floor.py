"""The floor: the same SDK serving a tool that waits on an event in memory. Nothing is stored, nobody signs in.

Run as a program it prints its port and serves until it is ended.
"""

import socket

import anyio
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

EVENTS: dict[str, anyio.Event] = {}


async def list_tools(_: ServerRequestContext, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name="ask", input_schema={"type": "object"})])


async def call_tool(_: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
    await EVENTS.setdefault((params.arguments or {})["key"], anyio.Event()).wait()
    return types.CallToolResult(content=[types.TextContent(text="done")], structured_content={"status": "answered"})


async def decide(request: Request) -> PlainTextResponse:
    EVENTS[request.path_params["key"]].set()
    return PlainTextResponse("decided")


async def waiting(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.path_params["key"] in EVENTS))


def main() -> None:
    server = Server("floor", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    server.get_tool_input_schema = {"ask": {"type": "object"}}.get
    app = server.streamable_http_app(
        custom_starlette_routes=[
            Route("/decide/{key}", decide, methods=["POST"]),
            Route("/waiting/{key}", waiting),
        ]
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None)).run([listener])


if __name__ == "__main__":
    main()
