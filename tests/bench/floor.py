"""The floor: the same SDK serving a tool that waits on an event in memory. Nothing is stored, nobody signs in.

Run as a program it prints its port and serves until it is ended; with `stdio` it serves stdin and stdout.
"""

import socket
import sys

import anyio
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

NOTHING = {"type": "object"}
EVENTS: dict[str, anyio.Event] = {}


async def list_tools(_: ServerRequestContext, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name="ask", input_schema=NOTHING)])


async def call_tool(_: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
    await EVENTS.setdefault((params.arguments or {})["key"], anyio.Event()).wait()
    return types.CallToolResult(content=[types.TextContent(text="done")], structured_content={"status": "answered"})


async def decide(request: Request) -> PlainTextResponse:
    EVENTS[request.path_params["key"]].set()
    return PlainTextResponse("decided")


async def waiting(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.path_params["key"] in EVENTS))


async def count(_: Request) -> PlainTextResponse:
    return PlainTextResponse(str(sum(not event.is_set() for event in EVENTS.values())))


def floor_server() -> Server:
    server = Server("floor", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    server.get_tool_input_schema = {"ask": NOTHING}.get
    return server


async def serve_stdio() -> None:
    server = floor_server()
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def serve_http() -> None:
    app = floor_server().streamable_http_app(
        custom_starlette_routes=[
            Route("/decide/{key}", decide, methods=["POST"]),
            Route("/waiting/{key}", waiting),
            Route("/waiting", count),
        ]
    )
    # Named as TCP, a listener hands out connections that do not hold back small packets, as Assent's own does.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None)).run([listener])


if __name__ == "__main__":
    if sys.argv[1:] == ["stdio"]:
        anyio.run(serve_stdio)
    else:
        serve_http()
