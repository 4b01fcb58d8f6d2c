"""The protocol over the stdin and stdout of a process of ours.

The SDK's own transport reads lines of any length, writes what it cannot read into the log, and leaves alone what the
process started besides. This one bounds what it reads, quotes nothing, and ends the whole group.

A message that is too long costs the call that it answers and no other; where it does not say which, and where a process
writes nothing but garbage, the process is ended: whoever waits must not wait for what cannot come.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import mcp_types as types
from anyio.abc import ObjectReceiveStream, ObjectSendStream, Process
from mcp.shared.message import SessionMessage

from server.gateway.children import Children, exit_code
from server.gateway.launching import Launch
from server.gateway.limits import Limits
from server.gateway.lines import Splitter, TooLong, answered
from server.gateway.wire import TRANSPORT_FAULT, TransportStreams, Wire

_CHUNK = 1 << 16
_WATCH_SECONDS = 0.5
_LOOK_SECONDS = 0.01
_MOMENT_SECONDS = 1.0
_TAIL_CHARACTERS = 300
_CLOSED = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError)


@asynccontextmanager
async def stdio_transport(
    launch: Launch, children: Children, limits: Limits, wire: Wire
) -> AsyncIterator[TransportStreams]:
    """A process and the two streams to it, until the block ends. `wire` learns why it ended, if it did by itself.

    Raises:
        Unavailable
    """
    async with children.started(launch) as process:
        to_session, from_process = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_process, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        told = _LastWords()
        async with anyio.create_task_group() as tasks:
            reader = _Reader(process, to_session, limits, wire)
            tasks.start_soon(reader.run)
            tasks.start_soon(_write, process, from_session, wire)
            tasks.start_soon(told.read, process)
            tasks.start_soon(_watch, process, reader, told, wire)
            try:
                yield from_process, to_process
            finally:
                for stream in (to_session, from_process, to_process, from_session):
                    stream.close()
                tasks.cancel_scope.cancel()


class _Reader:
    """Reads messages from stdout."""

    def __init__(
        self, process: Process, into: ObjectSendStream[SessionMessage | Exception], limits: Limits, wire: Wire
    ) -> None:
        assert process.stdout is not None
        self._stdout = process.stdout
        self._into = into
        self._limits = limits
        self._wire = wire
        self._garbage = 0
        self.done = anyio.Event()

    async def run(self) -> None:
        splitter = Splitter(self._limits.line_bytes)
        with suppress(*_CLOSED):
            while self._wire.lost is None:
                for line in splitter.feed(await self._stdout.receive(_CHUNK)):
                    await self._take(line)
                if splitter.pending > self._limits.discarded_bytes:
                    self._wire.lose(f"it sent a message of more than {self._limits.discarded_bytes:,} bytes")
        self.done.set()

    async def close(self) -> None:
        """Whoever waits for an answer learns that none comes."""
        await self._into.aclose()

    async def _take(self, line: bytes | TooLong) -> None:
        if isinstance(line, TooLong):
            await self._refuse(line)
            return
        if not line.strip():
            return
        try:
            message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            if (request := answered(line, line)) is not None:
                # An answer that cannot be read, nested too deeply for one: nobody need wait for another.
                self._wire.note("unreadable", "it sent a message that is not JSON, or too deep to be read")
                await self._fail(request, "it answered with what cannot be read")
                return
            self._garbage += 1
            self._wire.note("garbage", "it writes lines to its stdout that are no messages")
            if self._garbage > self._limits.garbage_lines:
                self._wire.lose(f"it wrote {self._garbage} lines in a row that are no messages")
            return
        self._garbage = 0
        await self._into.send(SessionMessage(message))

    async def _refuse(self, line: TooLong) -> None:
        size = f"a message of {line.size:,} bytes; at most {self._limits.line_bytes:,} are read"
        if line.answers is None:
            self._wire.lose(f"it sent {size}")
            return
        self._wire.note("size", f"it sent {size}")
        await self._fail(line.answers, f"it answered with {size}")

    async def _fail(self, request: int, why: str) -> None:
        self._wire.stand_in = why
        error = types.ErrorData(code=types.INTERNAL_ERROR, message=why, data=TRANSPORT_FAULT)
        await self._into.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request, error=error)))


class _LastWords:
    """The last line that a process wrote to its stderr: why it ended, if anything says so."""

    def __init__(self) -> None:
        self.last = ""
        self.done = anyio.Event()

    async def read(self, process: Process) -> None:
        assert process.stderr is not None
        splitter = Splitter(_CHUNK)
        with suppress(*_CLOSED):
            while True:
                for line in splitter.feed(await process.stderr.receive(_CHUNK)):
                    if isinstance(line, bytes) and line.strip():
                        self.last = line.decode("utf-8", "replace").strip()
        self.done.set()


async def _write(process: Process, messages: ObjectReceiveStream[SessionMessage], wire: Wire) -> None:
    assert process.stdin is not None
    try:
        async for each in messages:
            json = each.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send(json.encode() + b"\n")
    except _CLOSED:
        # It closed its stdin. Answers may still come; without them, the callers' clocks end the wait.
        wire.suspicious("it takes no more messages")


async def _watch(process: Process, reader: _Reader, words: _LastWords, wire: Wire) -> None:
    """Say why it ended, and only then let those who wait know that it did."""
    async with anyio.create_task_group() as either:

        async def over(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            either.cancel_scope.cancel()

        either.start_soon(over, lambda: exit_code(process, _WATCH_SECONDS))
        either.start_soon(over, reader.done.wait)
    with anyio.move_on_after(_MOMENT_SECONDS):
        await exit_code(process, _LOOK_SECONDS)
        # A member of its group that holds its pipes open is not waited for.
        await words.done.wait()
    if words.last:
        # People are told; agents only that it ended. Quoted: it must not steer the terminal or the page that shows it.
        wire.note("words", f"it said {wire.scrubbed(words.last)[:_TAIL_CHARACTERS]!a}")
    wire.lose(_how_it_ended(process.returncode))
    await reader.close()


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "its process closed its stdout"
    return f"its process was ended by signal {-code}" if code < 0 else f"its process ended by itself with code {code}"
