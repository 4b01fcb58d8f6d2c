"""The body of a call, read strictly before the protocol's library reads it.

The library takes `NaN`, the last of two equal keys and a nesting of hundreds, and other readers of the same bytes take
something else. Here such a body is refused with a JSON-RPC error that says what to send instead; any other is handed
on, byte for byte. Pure ASGI, behind the agent gate: strangers are turned away before a byte of theirs is read.
"""

import json
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import anyio
from mcp_types import INVALID_REQUEST, PARSE_ERROR
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.exchange import Exchange
from store.strict_json import NotStrictJson, read_strict_json

BODY_LIMIT = 1 << 20
READING_SECONDS = 30.0
_HEARD_OUT = 8
READING_AT_ONCE = 64
"""Bodies of one agent that are read at the same time. More of them wait: what they cost is bounded, others go on."""


class BodyRefused(Exception):
    """The body is not handed on. The message is for whoever wrote the client, or for the model behind it."""

    def __init__(self, status: int, message: str, *, code: int = INVALID_REQUEST, call_id: int | str | None = None):
        super().__init__(f"{message}. Nothing was done.")
        self.status = status
        self.code = code
        self.call_id = call_id

    @property
    def headers(self) -> dict[str, str]:
        # What is left of a body that was not read to its end would be taken for the next call.
        return {"Connection": "close"} if self.status in (408, 413) else {}


Refusal = Callable[[Scope, BodyRefused], Response]
"""How callers of this path are told that their body was not taken."""


def _by_the_protocol(_: Scope, refused: BodyRefused) -> Response:
    error = {"code": refused.code, "message": str(refused)}
    return JSONResponse(
        {"jsonrpc": "2.0", "id": refused.call_id, "error": error}, status_code=refused.status, headers=refused.headers
    )


class _HungUp(Exception):
    """The caller left before the body was complete."""


class StrictBody:
    """Pure ASGI in front of the protocol's endpoint. `limit` is in bytes, `seconds` how long a body may take."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int = BODY_LIMIT,
        seconds: float = READING_SECONDS,
        refusal: Refusal = _by_the_protocol,
    ) -> None:
        self._app = app
        self._refusal = refusal
        self._limit = limit
        self._seconds = seconds
        self._reading: WeakValueDictionary[str, anyio.Semaphore] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            again = await self._checked(scope, receive)
        except BodyRefused as refused:
            await self._refusal(scope, refused)(scope, receive, send)
        except _HungUp:
            return
        else:
            await self._app(scope, again, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` as it was before the body was read, once that has been checked."""
        body = await self._body(scope, receive)
        _check(body)
        return _replaying(body, receive)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        agent = Exchange.of(scope).agent.id
        turn = self._reading.setdefault(agent, anyio.Semaphore(READING_AT_ONCE))
        async with turn:
            try:
                with anyio.fail_after(self._seconds):
                    return await self._read(receive)
            except TimeoutError:
                raise BodyRefused(
                    408, f"the body was not complete after {self._seconds:.0f} seconds; send it at once"
                ) from None

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        length = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _HungUp
            length += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if length <= self._limit:
                body += message.get("body", b"")
            # A client that is cut off in the middle of its body sees a broken connection and no reason: it may finish.
            elif complete or length > self._limit * _HEARD_OUT:
                raise BodyRefused(
                    413, f"the body is larger than {self._limit:,} bytes; shorten the texts, or link to them"
                )
            if complete:
                return bytes(body)


def _check(body: bytes) -> None:
    try:
        message = read_strict_json(body)
    except NotStrictJson as problem:
        said = f"the body is not JSON as it is taken here: {problem}"
        raise BodyRefused(400, said, code=PARSE_ERROR, call_id=_call_id(body)) from None
    if not isinstance(message, dict):
        raise BodyRefused(400, "the body is not one JSON object; send one object a call, not a list of them")


def _call_id(body: bytes) -> int | str | None:
    """Which call the error belongs to, as far as that can be told: a client then knows which of its calls failed."""
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = message.get("id") if isinstance(message, dict) else None
    short = isinstance(found, str) and len(found) <= 200 and found.isprintable()
    return found if short or (type(found) is int and abs(found) < 1 << 53) else None


def _replaying(body: bytes, receive: Receive) -> Receive:
    kept: bytes | None = body

    async def replayed() -> Message:
        nonlocal kept
        if kept is None:
            return await receive()
        # A call may wait for a day; its body has been read by then, and need not.
        told, kept = kept, None
        return {"type": "http.request", "body": told, "more_body": False}

    return replayed
