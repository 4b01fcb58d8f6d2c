"""One way to a server that still stands: an HTTP client, the credential, and the older era's session if there is one.

A link is used until something about it fails, and never repaired: whoever meets the failure asks `Links` for the next.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Self

import anyio
import httpx2

from server.destination import Destination, Reached
from server.envelope import (
    VERSION_HEADER,
    Message,
    MessageId,
    ParamHeaders,
    header_value,
    is_repeatable,
    is_request,
    is_response,
    message_id,
    modern_headers,
    revision,
)

SESSION_HEADER = "mcp-session-id"
ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
# Servers send something every 15 seconds while a call waits. Three of them missed, and nobody is there any more: the
# server hangs, or this machine slept while the connection died. Time asleep does not count here, so it is noticed
# this long after waking at the latest.
SILENCE_SECONDS = 45.0
# What a proxy answers while the server behind it is away.
AWAY = (502, 503, 504)
TIMEOUT = httpx2.Timeout(30.0, connect=5.0, read=SILENCE_SECONDS)
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)

Relay = Callable[[Message, str], Awaitable[None]]
"""Takes one message of the server: parsed, and as one line of text."""

OpenClient = Callable[[Reached], httpx2.AsyncClient]


def open_client(reached: Reached) -> httpx2.AsyncClient:
    """A client for this server, which takes silence for a loss."""
    # Loopback traffic is no proxy's business; a remote server may well be behind the environment's.
    remote = reached.url.startswith("https:")
    return httpx2.AsyncClient(verify=reached.verify, trust_env=remote, timeout=TIMEOUT, limits=LIMITS)


class Lost(Exception):
    """The way to the server broke. `acted` says whether the server may have seen the request."""

    def __init__(self, reason: str, *, acted: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.acted = acted


class Stranger(Lost):
    """Something answered that is no MCP server: the server's place may be another program's by now."""


class Unauthorized(Lost):
    """The server does not take this credential; by `credential` one sees whether a later one is another."""

    def __init__(self, reason: str, credential: dict[str, str]) -> None:
        super().__init__(reason, acted=False)
        self.credential = credential


@dataclass(frozen=True)
class Call:
    """A message of the client, and the bytes that carry it: the client's own, or those of a re-issued request."""

    message: Message
    body: bytes
    param_headers: ParamHeaders = field(default_factory=dict)
    wire_id: MessageId | None = None

    @classmethod
    def of(cls, message: Message, body: bytes, param_headers: ParamHeaders) -> Self:
        return cls(message, body, param_headers, message_id(message))

    @property
    def repeatable(self) -> bool:
        return is_repeatable(self.message)

    def again(self, number: int) -> "Call":
        """The same request under a new id, as the protocol asks of whoever re-issues a call whose stream broke."""
        # What a subscription brings is told apart by the id of the request, which the client must therefore recognise.
        if not is_request(self.message) or self.message["method"] == "subscriptions/listen":
            return self
        wire_id = f"assent-again-{number}"
        return replace(self, body=json.dumps({**self.message, "id": wire_id}).encode(), wire_id=wire_id)


class Link:
    def __init__(self, client: httpx2.AsyncClient, reached: Reached) -> None:
        self._client = client
        self.reached = reached
        self.session: str | None = None
        self.version: str | None = None

    async def exchange(self, call: Call, relay: Relay) -> None:
        """Send one message; relay what comes back until it is answered. Raises Lost."""
        answered = False

        async def watched(message: Message, line: str) -> None:
            nonlocal answered
            answered = answered or is_response(message)
            if answered and call.message.get("method") == "initialize":
                self._negotiated(message)
            await relay(message, line)

        try:
            async with self._client.stream(
                "POST", self.reached.url, content=call.body, headers=self._headers(call)
            ) as response:
                if call.message.get("method") == "initialize":
                    self.session = response.headers.get(SESSION_HEADER)
                await self._read(response, call, watched)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Lost(f"no connection ({type(error).__name__})", acted=False) from error
        except httpx2.TransportError as error:
            if not answered:
                raise Lost(f"the connection broke ({type(error).__name__})", acted=True) from error
        else:
            if not answered and is_request(call.message):
                raise Lost("the server ended the answer before it was complete", acted=True)

    async def listen(self, relay: Relay) -> bool:
        """Relay what an older server says outside any call. False when it offers no such stream, or none any more."""
        headers = {**self._session_headers(), "accept": "text/event-stream"}
        try:
            async with self._client.stream("GET", self.reached.url, headers=headers) as response:
                if response.status_code == 403:
                    # People stopped the agent. They may let it go on, and then there is something to hear again.
                    return True
                if response.status_code != 200:
                    return False
                await _relay_events(response, relay)
        except httpx2.ConnectError:
            return False
        except httpx2.TransportError:
            return True
        return True

    async def end_session(self) -> None:
        """Tell an older server that nobody comes back. It may well be gone itself."""
        if self.session is None:
            return
        try:
            await self._client.request("DELETE", self.reached.url, headers=self._session_headers())
        except httpx2.TransportError:
            return

    async def _read(self, response: httpx2.Response, call: Call, relay: Relay) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == 401:
            raise Unauthorized(_refusal(await response.aread()), self.reached.headers)
        if response.status_code == 404 and self.session is not None and SESSION_HEADER in self._headers(call):
            raise Lost("the server does not know this session any more", acted=False)
        if response.status_code in AWAY and kind != "application/json":
            raise Lost(f"the server is away (HTTP {response.status_code})", acted=True)
        if kind == "text/event-stream":
            await _relay_events(response, relay)
            return
        body = await response.aread()
        if not is_request(call.message):
            if response.status_code >= 400:
                print(f"assent: a notification was refused (HTTP {response.status_code})", file=sys.stderr)
            return
        message = _json_object(body) if kind == "application/json" else None
        if message is not None and is_response(message):
            await relay(message, body.decode())
        else:
            # Of what is refused by its form alone one may be sure that nothing was done.
            refused = 400 <= response.status_code < 500
            raise Stranger(f"the server answered with HTTP {response.status_code} and no message", acted=not refused)

    def _headers(self, call: Call) -> dict[str, str]:
        version = revision(call.message)
        if version is not None:
            return {**self.reached.headers, **ACCEPT, **modern_headers(call.message, version, call.param_headers)}
        if call.message.get("method") == "initialize":
            return {**self.reached.headers, **ACCEPT}
        return {**self._session_headers(), **ACCEPT}

    def _session_headers(self) -> dict[str, str]:
        headers = dict(self.reached.headers)
        if self.session is not None:
            headers[SESSION_HEADER] = self.session
        if self.version is not None:
            headers[VERSION_HEADER] = header_value(self.version)
        return headers

    def _negotiated(self, answer: Message) -> None:
        result = answer.get("result")
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        self.version = version if isinstance(version, str) else None


class Links:
    """Finds the server, and finds it again: at most one search at a time, for all the calls that wait for it.

    What an older client said at its handshake is kept, and said again on each new link: a server that restarted has
    forgotten the session, and the client need not know.
    """

    def __init__(
        self, destination: Destination, on_session: Callable[[Link], None], open_client: OpenClient = open_client
    ) -> None:
        self._destination = destination
        self._on_session = on_session
        self._open_client = open_client
        self._noted: str | None = None
        self._lock = anyio.Lock()
        self._clients = AsyncExitStack()
        self._client: tuple[object, httpx2.AsyncClient] | None = None
        self._link: Link | None = None
        self._handshake: tuple[Call, Call] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(1, shield=True):
            if self._link is not None:
                await self._link.end_session()
            await self._clients.aclose()

    async def ready(self, after: Link | None = None) -> Link:
        """A link that is not `after`, the one that just failed. Raises Lost, or Problem when there is no server."""
        async with self._lock:
            if self._link is None or self._link is after:
                self._link = None
                self._link = await self._opened()
            return self._link

    def is_current(self, link: Link) -> bool:
        return link is self._link

    def remember(self, hello: Call, initialized: Call) -> None:
        """An older client's handshake is complete: from here on it is repeated on each new link."""
        self._handshake = (hello, initialized)

    async def _opened(self) -> Link:
        reached = await self._destination.reach()
        if reached.note is not None and reached.note != self._noted:
            print(f"assent: {reached.note}", file=sys.stderr, flush=True)
        self._noted = reached.note
        link = Link(await self._client_for(reached), reached)
        if self._handshake is not None:
            hello, initialized = self._handshake
            await link.exchange(hello, _unheard)
            await link.exchange(initialized, _unheard)
            self._on_session(link)
        return link

    async def _client_for(self, reached: Reached) -> httpx2.AsyncClient:
        """One client for as long as the certificate's trust is the same: calls on an older link still use it."""
        if self._client is None or self._client[0] != reached.verify:
            client = self._open_client(reached)
            await self._clients.enter_async_context(client)
            self._client = (reached.verify, client)
        return self._client[1]


async def _unheard(message: Message, line: str) -> None:
    """For what the server says to a handshake that the client made long ago."""


async def _relay_events(response: httpx2.Response, relay: Relay) -> None:
    async for event in httpx2.EventSource(response, max_event_size=None):
        message = _json_object(event.data) if event.event == "message" and event.data else None
        if message is None:
            continue
        await relay(message, event.data)
        # A listening stream carries no responses; a call's stream has nothing left to say after its own.
        if is_response(message):
            return


def _json_object(text: str | bytes) -> Message | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _refusal(body: bytes) -> str:
    said = _json_object(body) or {}
    reason = said.get("error_description")
    return reason if isinstance(reason, str) else "the server does not accept this agent's credential"
