"""An upstream over HTTP that breaks it: each path is one way to be bad.

usage: python -m tests.upstreams.broken_http; prints its port, then serves until it is ended.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

MEBIBYTE = 1 << 20
SEEN: list[dict[str, str]] = []
"""The headers of every request that came by a redirect."""


async def redirect(request: Request) -> Response:
    """Sends its caller elsewhere, with whatever that carries."""
    return RedirectResponse("/elsewhere", status_code=307)


async def elsewhere(request: Request) -> Response:
    SEEN.append(dict(request.headers))
    return PlainTextResponse("not found", 404)


async def seen(_: Request) -> Response:
    """What came by the redirect, as JSON."""
    return PlainTextResponse(json.dumps(SEEN))


async def fails(_: Request) -> Response:
    return PlainTextResponse("<h1>Internal Server Error</h1>", 500)


async def unauthorized(_: Request) -> Response:
    return PlainTextResponse("who are you?", 401, headers={"www-authenticate": "Bearer"})


async def page(_: Request) -> Response:
    """A page of a site, with a status that says it worked."""
    return Response("<html>Please sign in</html>", media_type="text/html")


async def not_json(_: Request) -> Response:
    return Response("{'not': json", media_type="application/json")


async def flood(_: Request) -> Response:
    """A hundred MiB in one body."""

    async def body() -> object:
        yield b'{"jsonrpc": "2.0", "id": 1, "result": {"x": "'
        for _ in range(100):
            yield b"x" * MEBIBYTE
            # Writing to a connection that is closed gives way to nobody.
            await asyncio.sleep(0)
        yield b'"}}'

    return StreamingResponse(body(), media_type="application/json")  # type: ignore[arg-type]


async def endless_events(_: Request) -> Response:
    """An event that never ends."""

    async def body() -> object:
        yield b"data: "
        while True:
            yield b"x" * MEBIBYTE
            await asyncio.sleep(0)

    return StreamingResponse(body(), media_type="text/event-stream")  # type: ignore[arg-type]


async def silent(_: Request) -> Response:
    """Takes the request and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def cut(_: Request) -> Response:
    """Ends the connection in the middle of its answer."""

    async def body() -> object:
        yield b"data: {"
        raise ConnectionResetError

    return StreamingResponse(body(), media_type="text/event-stream")  # type: ignore[arg-type]


WAYS: tuple[Callable[[Request], Awaitable[Response]], ...] = (
    redirect,
    fails,
    unauthorized,
    page,
    not_json,
    flood,
    endless_events,
    silent,
    cut,
)


def main() -> None:
    routes = [Route(f"/{way.__name__}", way, methods=["GET", "POST", "DELETE"]) for way in WAYS]
    routes += [Route("/elsewhere", elsewhere, methods=["GET", "POST", "DELETE"]), Route("/seen", seen)]
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(Starlette(routes=routes), log_config=None, timeout_graceful_shutdown=0)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
