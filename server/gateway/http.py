"""The protocol over HTTP, with a network and a server that may do anything.

What the SDK does not survive is turned into answers here: an error of the network ends its whole session, so each
becomes a 503 that fails one call; a body without an end is cut off; a redirect is an error, because what would be sent
on, headers with secrets among it, was meant for this address. Nothing is taken from the environment, nothing is
compressed, and no cookie is kept: one client serves the sessions of several agents.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache

import httpx2
import mcp_types as types
from mcp.client.streamable_http import MCP_SESSION_ID, streamable_http_client

from server.gateway.launching import Endpoint
from server.gateway.limits import Limits
from server.gateway.wire import TRANSPORT_FAULT, TransportStreams, Wire

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
_KEPT_OPEN = 32
_KEPT_OPEN_SECONDS = 4.0
"""Below the five seconds after which common servers close: what both close at once loses a call."""


@lru_cache(maxsize=1)
def _authorities() -> ssl.SSLContext:
    # Reading them takes tens of milliseconds: once, and not for each upstream.
    return ssl.create_default_context()


@asynccontextmanager
async def http_client(endpoint: Endpoint, limits: Limits, wire: Wire) -> AsyncIterator[httpx2.AsyncClient]:
    """What all sessions with one upstream are carried by."""
    pool = httpx2.Limits(
        max_connections=None, max_keepalive_connections=_KEPT_OPEN, keepalive_expiry=_KEPT_OPEN_SECONDS
    )
    verify = _authorities() if endpoint.url.startswith("https:") else False
    async with httpx2.AsyncClient(
        transport=_Careful(wire, limits, verify, pool),
        # How long an answer may take is the caller's to say: a person may be asked meanwhile.
        timeout=httpx2.Timeout(CONNECT_SECONDS, read=None, write=WRITE_SECONDS),
        headers={**endpoint.headers, "accept-encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    ) as client:
        yield client


@asynccontextmanager
async def http_transport(
    endpoint: Endpoint, client: httpx2.AsyncClient, limits: Limits
) -> AsyncIterator[TransportStreams]:
    """One session's streams."""
    async with streamable_http_client(
        endpoint.url, http_client=client, max_sse_event_size=limits.line_bytes
    ) as streams:
        yield streams


class _Careful(httpx2.AsyncHTTPTransport):
    """Answers in place of a network or a server that does not, or not within bounds."""

    def __init__(self, wire: Wire, limits: Limits, verify: ssl.SSLContext | bool, pool: httpx2.Limits) -> None:
        super().__init__(verify=verify, trust_env=False, limits=pool)
        self._wire = wire
        self._limits = limits

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError as error:
            self._wire.unreachable = True
            self._wire.suspicious(why := f"it cannot be reached ({reason(error)})")
            return _answer(503, why)
        refusal = self._refusal(request, response)
        if refusal is not None:
            await response.aclose()
            return refusal
        # One client carries several agents' sessions; a cookie would tie them together.
        response.headers.pop("set-cookie", None)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        stream = _Bounded(response.stream, None if _is_stream(response) else self._limits.line_bytes, self._wire)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def _refusal(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response | None:
        status = response.status_code
        if 300 <= status < 400:
            return _answer(502, f"it answers {status} and points to another address, which is not followed")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            return _answer(502, "it compresses its answers, although it was asked not to")
        if status in (401, 403):
            self._wire.suspicious(why := f"it answers {status}: what the policy gives it does not open it")
            return _answer(status, why)
        if status >= 500:
            self._wire.suspicious(f"it answers {status}")
        if status == 404 and MCP_SESSION_ID in request.headers:
            # It was started anew, and knows nothing of this session.
            self._wire.suspicious("it has forgotten our session")
        return None


class _Bounded(httpx2.AsyncByteStream):
    """A body up to a limit. What goes wrong on the way is an error of this answer, and of nothing else."""

    def __init__(self, body: httpx2.AsyncByteStream, most: int | None, wire: Wire) -> None:
        self._body = body
        self._most = most
        self._wire = wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._body:
                size += len(chunk)
                if self._most is not None and size > self._most:
                    raise httpx2.StreamError(f"it answered with more than {self._most:,} bytes")
                yield chunk
        except httpx2.TransportError as error:
            self._wire.suspicious(why := f"its answer broke off ({reason(error)})")
            # The SDK knows what to do about a body that cannot be read, and not about a network that fails.
            raise httpx2.StreamError(why) from error

    async def aclose(self) -> None:
        await self._body.aclose()


def reason(error: httpx2.TransportError) -> str:
    """What failed, in words of ours: those of the network may quote anything."""
    match error:
        case httpx2.ConnectTimeout() | httpx2.ReadTimeout() | httpx2.WriteTimeout() | httpx2.PoolTimeout():
            return "no answer in time"
        case httpx2.ConnectError():
            return "no connection"
        case httpx2.RemoteProtocolError():
            return "it does not keep to HTTP"
        case _:
            return "the connection broke"


def _is_stream(response: httpx2.Response) -> bool:
    return bool(response.headers.get("content-type", "").lower().startswith("text/event-stream"))


def _answer(status: int, message: str) -> httpx2.Response:
    problem = {"code": types.INTERNAL_ERROR, "message": message, "data": TRANSPORT_FAULT}
    error = {"jsonrpc": "2.0", "id": None, "error": problem}
    return httpx2.Response(status, headers={"content-type": "application/json"}, content=json.dumps(error).encode())
