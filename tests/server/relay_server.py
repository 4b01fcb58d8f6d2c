"""A small MCP server on the official SDK, for tests of the bridge alone: what it relays, and what it does on a loss.

usage: relay_server.py PORT (0 for any); prints its port, then serves until it is killed.
"""

import socket
import sys
from collections import Counter

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "relay-token"
server = MCPServer("relay", version="1")
answers: dict[str, anyio.Event] = {}
seen: Counter[str] = Counter()
cancelled: dict[str, anyio.Event] = {}


class Name(BaseModel):
    name: str


@server.tool()
async def echo(text: str) -> str:
    """Give the text back."""
    return text


async def _wait(key: str, ctx: Context) -> str:
    seen[key] += 1
    await ctx.report_progress(1, None, f"waiting for {key}")
    try:
        await answers.setdefault(key, anyio.Event()).wait()
    except BaseException:
        cancelled.setdefault(key, anyio.Event()).set()
        raise
    return f"answered {key}"


@server.tool()
async def ask_approval(key: str, ctx: Context) -> str:
    """Wait for an answer; may be asked again."""
    return await _wait(key, ctx)


@server.tool()
async def pay(key: str, ctx: Context) -> str:
    """Wait for an answer; must not be repeated."""
    return await _wait(key, ctx)


@server.tool()
async def ask_name(ctx: Context) -> str:
    """Ask the client for a name, which only the older era does within a call."""
    answer = await ctx.elicit("Who are you?", Name)
    return f"{answer.action} {answer.data.name if answer.action == 'accept' else ''}"


async def answer(request: Request) -> Response:
    answers.setdefault(request.path_params["key"], anyio.Event()).set()
    return Response(status_code=204)


async def how_often(request: Request) -> Response:
    return JSONResponse(seen[request.path_params["key"]])


async def until_cancelled(request: Request) -> Response:
    await cancelled.setdefault(request.path_params["key"], anyio.Event()).wait()
    return Response(status_code=204)


class Bearer:
    """Refuses everything without the token, as the real gate does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = (b"authorization", f"Bearer {TOKEN}".encode())
        if scope["type"] == "http" and scope["path"] == "/mcp" and wanted not in scope["headers"]:
            refusal = {"error": "invalid_token", "error_description": "agent token missing, unknown or revoked"}
            await JSONResponse(refusal, 401)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def main() -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    print(listener.getsockname()[1], flush=True)
    app = server.streamable_http_app()
    app.router.routes += [
        Route("/answer/{key}", answer, methods=["POST"]),
        Route("/seen/{key}", how_often),
        Route("/cancelled/{key}", until_cancelled),
    ]
    uvicorn.Server(uvicorn.Config(Bearer(app), log_level="warning", timeout_graceful_shutdown=1)).run(
        sockets=[listener]
    )


if __name__ == "__main__":
    main()
