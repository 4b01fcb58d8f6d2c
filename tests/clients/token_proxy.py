"""A reverse proxy that adds an agent's token: the conformance suites can send none.

Nothing else is changed, but for the proxy's own address in Host and Origin: there the server's own name is put, as if
the suite had been given that, which not every machine can resolve.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import uvicorn
from starlette.types import Receive, Scope, Send

HOP_BY_HOP = (b"connection", b"keep-alive", b"transfer-encoding")


class TokenProxy:
    """One upstream, one agent."""

    def __init__(self, own: str, upstream: str, public: str, token: str) -> None:
        self._own = own.encode()
        self._upstream = upstream
        self._host = public.removeprefix("http://").encode()
        self._bearer = (b"authorization", f"Bearer {token}".encode())
        self._client = httpx2.AsyncClient(timeout=None, trust_env=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        async with anyio.create_task_group() as group:
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)

            async def leave_with_the_caller() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(leave_with_the_caller)
            await self._relay(scope, body, send)
            group.cancel_scope.cancel()

    async def _relay(self, scope: Scope, body: bytes, send: Send) -> None:
        headers = [(name, self._rewritten(name, value)) for name, value in scope["headers"] if name not in HOP_BY_HOP]
        url = f"{self._upstream}{scope['path']}"
        request = httpx2.Request(scope["method"], url, headers=[*headers, self._bearer], content=body)
        answer = await self._client.send(request, stream=True)
        try:
            kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            with anyio.CancelScope(shield=True):
                await answer.aclose()

    def _rewritten(self, name: bytes, value: bytes) -> bytes:
        if name in (b"host", b"origin"):
            return value.replace(self._own, self._host)
        return value

    async def close(self) -> None:
        await self._client.aclose()


@asynccontextmanager
async def token_proxy(upstream: str, public: str, token: str) -> AsyncIterator[str]:
    """The address of a proxy to this upstream, which knows itself as `public`, until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        own = f"127.0.0.1:{listener.getsockname()[1]}"
        proxy = TokenProxy(own, upstream, public, token)
        server = uvicorn.Server(uvicorn.Config(proxy, log_config=None, timeout_graceful_shutdown=1, lifespan="off"))
        # Bound, but not listening yet: connections made from now on wait in the backlog until the loop takes them.
        listener.listen()
        task = asyncio.create_task(server._serve([listener]))
        try:
            yield f"http://{own}"
        finally:
            server.should_exit = server.force_exit = True
            await task
            await proxy.close()
