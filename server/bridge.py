"""stdio to HTTP: what `assent stdio` does between a client that spawns servers and a server that outlives its clients.

Promises:

- stdout carries protocol and nothing else, one message a line, each whole.
- Calls are independent: none waits for another, and each lasts as long as the person takes.
- A server that restarts is found, or started, again. Calls in flight are asked again where that cannot do anything
  twice; the others are answered with an error that says so. The client's handshake is repeated without telling it.
- The bridge holds no state worth keeping: killing it loses nothing that the server has.
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from server.destination import Destination
from server.envelope import (
    CONNECTION_CLOSED,
    Message,
    MessageId,
    NotAMessage,
    ParamHeaders,
    cancelled_id,
    error_line,
    is_request,
    is_response,
    message_id,
    parsed,
    revision,
    tools_param_headers,
)
from server.link import Call, Link, Links, Lost, OpenClient, Relay, open_client
from server.losses import Losses
from store.problems import Problem

CHUNK = 1 << 16
LAST_ANSWERS_SECONDS = 1.0
LISTEN_PAUSE = 1.0


async def relay(destination: Destination) -> None:
    """Join this process's stdin and stdout to the server until stdin ends. Raises Problem when there is no server."""
    failure: Problem | None = None
    try:
        async with anyio.create_task_group() as calls:
            bridge = Bridge(destination, Lines(sys.stdout.fileno()), calls)
            try:
                await bridge.run(read_lines(sys.stdin.fileno()))
            except Problem as problem:
                failure = problem
            calls.cancel_scope.cancel()
    except* BrokenPipeError:
        # The client went away without closing its end first: nobody is left to answer.
        pass
    if failure is not None:
        raise failure


async def read_lines(descriptor: int) -> AsyncIterator[bytes]:
    """Each line until the end of the stream, of any length, the last one with or without its newline."""
    parts: list[bytes] = []
    while chunk := await anyio.to_thread.run_sync(os.read, descriptor, CHUNK, abandon_on_cancel=True):
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            yield b"".join([*parts, line])
            parts = []
        if rest:
            parts.append(rest)
    if parts:
        yield b"".join(parts)


class Lines:
    """Writes whole lines to a descriptor, one after the other, without holding up the event loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = anyio.Lock()

    async def write(self, line: str) -> None:
        # JSON has line breaks only between its tokens: a space there means the same.
        data = line.replace("\r", " ").replace("\n", " ").encode() + b"\n"
        async with self._lock:
            # A half-written line would garble everything after it, so no cancellation comes between.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._write_all, data)

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


@dataclass
class InFlight:
    """A request that the client waits for. `call` is what the server knows it as by now."""

    call: Call
    scope: anyio.CancelScope
    modern: bool
    cancelled: bool = False
    progress: float = 0.0
    progress_before: float = 0.0

    def advanced(self, message: Message, line: str) -> str:
        """A line of progress: it must only ever grow for the client, though a re-issued call begins at zero again."""
        said = message["params"].get("progress") if isinstance(message.get("params"), dict) else None
        if message.get("method") != "notifications/progress" or not isinstance(said, int | float):
            return line
        self.progress = self.progress_before + said
        if not self.progress_before:
            return line
        return json.dumps({**message, "params": {**message["params"], "progress": self.progress}})

    def reissue(self, number: int) -> None:
        self.call = self.call.again(number)
        self.progress_before = self.progress


class Bridge:
    def __init__(
        self, destination: Destination, output: Lines, calls: TaskGroup, open_client: OpenClient = open_client
    ) -> None:
        self._output = output
        self._calls = calls
        self._links = Links(destination, self._start_listening, open_client)
        self._in_flight: dict[MessageId, InFlight] = {}
        self._param_headers: dict[str, ParamHeaders] = {}
        self._hello: Call | None = None
        self._numbers = count(1)
        self._idle = anyio.Event()

    async def run(self, lines: AsyncIterator[bytes]) -> None:
        async with self._links:
            await self._links.ready()
            async for line in lines:
                if line.strip():
                    await self._take(line)
            with anyio.move_on_after(LAST_ANSWERS_SECONDS):
                await self._finished()
            self._calls.cancel_scope.cancel()

    async def _take(self, line: bytes) -> None:
        try:
            message = parsed(line)
        except NotAMessage as fault:
            await self._output.write(error_line(None, fault.code, str(fault)))
            return
        name = message.get("params", {}).get("name") if message.get("method") == "tools/call" else None
        call = Call.of(message, line, self._param_headers.get(name, {}) if isinstance(name, str) else {})
        if is_request(message):
            await self._take_request(call)
        elif message.get("method") == "notifications/cancelled":
            self._cancel(call)
        elif message.get("method") == "notifications/initialized":
            await self._initialized(call)
        elif self._hello is not None and revision(message) is None:
            # Only the older era has messages of clients that are no requests; the newer one drops them by its rules.
            self._calls.start_soon(self._send, call)

    async def _take_request(self, call: Call) -> None:
        identifier = message_id(call.message)
        assert identifier is not None
        flight = InFlight(call, anyio.CancelScope(), revision(call.message) is not None)
        self._in_flight[identifier] = flight
        if call.message["method"] == "initialize":
            # Whatever follows a handshake needs the session that its answer brings.
            self._hello = call
            await self._carry(identifier, flight)
        else:
            self._calls.start_soon(self._carry, identifier, flight)

    async def _carry(self, identifier: MessageId, flight: InFlight) -> None:
        """See a request through to its answer, across as many links as it takes."""

        async def answer(message: Message, line: str) -> None:
            if not is_response(message):
                await self._output.write(flight.advanced(message, line))
                return
            if "x-mcp-header" in line and flight.call.message["method"] == "tools/list":
                self._param_headers.update(tools_param_headers(message))
            same = message.get("id") == identifier
            await self._output.write(line if same else json.dumps({**message, "id": identifier}))

        try:
            with flight.scope:
                failure = await self._exchange(flight, answer)
                if failure is not None and not flight.cancelled:
                    await self._output.write(error_line(identifier, CONNECTION_CLOSED, failure))
        finally:
            # The id may be in use again by now: only its own entry is taken away.
            if self._in_flight.get(identifier) is flight:
                del self._in_flight[identifier]
            if not self._in_flight:
                self._idle.set()

    async def _exchange(self, flight: InFlight, answer: Relay) -> str | None:
        """None once the call is answered; otherwise why it cannot be, for the agent to read."""
        link: Link | None = None
        losses = Losses()
        while True:
            began = anyio.current_time()
            try:
                link = await self._links.ready(after=link)
                await link.exchange(flight.call, answer)
                return None
            except Problem as problem:
                return f"{problem.message}. {problem.hint}"
            except Lost as lost:
                loss = lost
            if flight.cancelled:
                return "cancelled"
            if loss.acted and not flight.call.repeatable:
                return f"{loss.reason}; whether this call took effect is unknown. Look before you repeat it."
            final = losses.final(loss, anyio.current_time() - began)
            if final is not None:
                return final
            await losses.pause()
            flight.reissue(next(self._numbers))

    async def _initialized(self, call: Call) -> None:
        if self._hello is None:
            return
        # Kept before it is delivered: whatever becomes of this link, the next one begins with it.
        self._links.remember(self._hello, call)
        link = await self._send(call)
        if link is not None:
            self._start_listening(link)

    async def _send(self, call: Call) -> Link | None:
        """Pass on what needs no answer. The link it went over, or None when it could not be delivered."""
        try:
            link = await self._links.ready()
            await link.exchange(call, self._aside)
        except Problem as problem:
            _log(f"{call.message.get('method', 'an answer')} was not delivered: {problem.message}")
            return None
        except Lost as lost:
            # A call that is in flight meets the same loss, and finds the way again for everybody.
            _log(f"{call.message.get('method', 'an answer')} was not delivered: {lost.reason}")
            return None
        return link

    def _cancel(self, call: Call) -> None:
        identifier = cancelled_id(call.message)
        flight = self._in_flight.get(identifier) if identifier is not None else None
        if flight is None:
            return
        flight.cancelled = True
        if flight.modern:
            # In this era a closed stream is the cancellation; there is no message for it.
            flight.scope.cancel()
            return
        params = {**call.message["params"], "requestId": flight.call.wire_id}
        message = {**call.message, "params": params}
        self._calls.start_soon(self._send, Call.of(message, json.dumps(message).encode(), {}))

    def _start_listening(self, link: Link) -> None:
        self._calls.start_soon(self._listen, link)

    async def _listen(self, link: Link) -> None:
        """Hear what an older server says outside any call, for as long as this link is the one in use."""
        listening = True
        while listening and self._links.is_current(link):
            listening = await link.listen(self._aside)
            await anyio.sleep(LISTEN_PAUSE)

    async def _aside(self, message: Message, line: str) -> None:
        await self._output.write(line)

    async def _finished(self) -> None:
        while self._in_flight:
            self._idle = anyio.Event()
            await self._idle.wait()


def _log(text: str) -> None:
    print(f"assent: {text}", file=sys.stderr, flush=True)
