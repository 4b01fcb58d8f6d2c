"""One question to people, from a program that is no MCP client: asked, waited for, and found again after a loss.

Speaks the newer protocol bare, one POST a call. First the question is posted without waiting, so that its request is
known from the start; from then on that request is waited for, and an answer that was lost on the way is read again.
"""

import json
from collections.abc import Callable
from itertools import count
from math import ceil

import anyio

from server.destination import Destination
from server.envelope import AGENT_STOPPED, VERSION_META, Message, is_response
from server.link import Call, Link, Links, Lost
from server.losses import Losses
from server.version import assent_version
from store.problems import Problem

REVISION = "2026-07-28"
CLIENT_NAME = "assent-ask"
PENDING = "pending"
SUPERSEDED = "Another call of yours"
"""How the server begins what it tells a call whose question another call has taken over."""
# A server that is about to stop answers `pending` at once: let it go before asking it again.
QUICK_SECONDS = 1.0
PAUSE_SECONDS = 0.2
# The server ends a hold by itself; this is for one that fell silent.
LATE_SECONDS = 5.0


class Refused(Exception):
    """The server took the call and refused it, in these words."""


class Inquiry:
    """A question on its way. `latest` is its last known standing: None while it may not have been posted."""

    def __init__(
        self, destination: Destination, tool: str, arguments: Message, *, posted: Callable[[Message], None]
    ) -> None:
        self._destination = destination
        self._tool = tool
        self._arguments = arguments
        self._posted = posted
        self._numbers = count(1)
        self.latest: Message | None = None
        self.on_progress: Callable[[str], None] = lambda message: None
        self.on_loss: Callable[[str], None] = lambda reason: None

    async def answered(self, hold: int | None) -> Message:
        """The tool's result, once a person answered, `hold` seconds passed or another call took over.

        Raises Refused, or Problem when no server can be reached before the question is posted.
        """
        until = None if hold is None else anyio.current_time() + hold
        async with Links(self._destination, lambda link: None) as links:
            result = await self._call(links, self._tool, {**self._arguments, "hold_seconds": 0}, Losses())
            if result["status"] == PENDING:
                self.latest = result
                self._posted(result)
            while result["status"] == PENDING and not is_superseded(result):
                began = anyio.current_time()
                if until is not None and began >= until:
                    break
                waiting = {"request_id": result["request_id"]}
                if until is None:
                    result = await self._call(links, "await_review", waiting, Losses(limit=None))
                else:
                    with anyio.move_on_at(until + LATE_SECONDS):
                        hold_seconds = min(ceil(until - began), 86_400)
                        waiting["hold_seconds"] = hold_seconds
                        result = await self._call(links, "await_review", waiting, Losses(limit=None))
                if result["status"] == PENDING and anyio.current_time() - began < QUICK_SECONDS:
                    await anyio.sleep(PAUSE_SECONDS)
        return result

    async def _call(self, links: Links, tool: str, arguments: Message, losses: Losses) -> Message:
        """The result of one tool call, across as many links as it takes. Every tool called here may be repeated."""
        heard: list[Message] = []

        async def relay(message: Message, line: str) -> None:
            if is_response(message):
                heard.append(message)
            elif message.get("method") == "notifications/progress":
                said = message.get("params", {}).get("message")
                if isinstance(said, str):
                    self.on_progress(said)

        link: Link | None = None
        while True:
            began = anyio.current_time()
            try:
                link = await links.ready(after=link)
                await link.exchange(self._issued(tool, arguments), relay)
                return _result(heard[0])
            except Lost as lost:
                final = losses.final(lost, anyio.current_time() - began)
                if final is not None:
                    raise Problem(final, "see: assent status, and assent doctor") from None
                self.on_loss(lost.reason)
            await losses.pause()

    def _issued(self, tool: str, arguments: Message) -> Call:
        number = next(self._numbers)
        meta = {
            VERSION_META: REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": CLIENT_NAME, "version": assent_version()},
            "progressToken": number,
        }
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        return Call.of(message, json.dumps(message).encode(), {})


def is_superseded(result: Message) -> bool:
    """Whether another call waits for the answer now. Waiting on would take it away from that call."""
    return result["status"] == PENDING and str(result.get("next")).startswith(SUPERSEDED)


def _result(message: Message) -> Message:
    """The structured result in a response. Raises Refused, and Problem for what is no result of ours."""
    result = message.get("result")
    if not isinstance(result, dict):
        error = message.get("error")
        reason, data = (error.get("message"), error.get("data")) if isinstance(error, dict) else (None, None)
        if isinstance(data, dict) and data.get("error") == AGENT_STOPPED:
            raise Refused(str(reason))
        raise Problem(f"the server refused the call: {reason}", "see: assent status, and the server's log")
    if result.get("isError"):
        content = result.get("content")
        texts = [str(part.get("text", "")) for part in content if isinstance(part, dict)] if content else []
        raise Refused(" ".join(texts))
    found = result.get("structuredContent")
    if not isinstance(found, dict) or not isinstance(found.get("status"), str) or "request_id" not in found:
        raise Problem("the server answered with something that is no result", "is this address an Assent server?")
    return found
