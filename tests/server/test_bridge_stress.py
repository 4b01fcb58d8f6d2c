"""The bridge where things go wrong at once: kills under many, a port taken away, two versions, a machine that slept."""

import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import pytest

from server.bridge import Bridge, Lines
from server.destination import Reached
from server.home import write_private
from server.link import SILENCE_SECONDS, TIMEOUT, Call, Link, Lost, Stranger
from server.losses import Losses
from server.process import find, is_held, recorded
from server.version import assent_version
from tests.server.house import House, decide, house_in, open_requests
from tests.server.talking import MODERN, PATIENCE, Message, run, talking

pytestmark = pytest.mark.anyio
ERAS = pytest.mark.parametrize("modern", [False, True], ids=["older", "modern"])
KEEP_ALIVE_SECONDS = 15


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


def kill(house: House) -> str:
    """Kill the server, whoever started it; its identity."""
    running = house.running
    os.kill(running.pid, signal.SIGKILL)
    return running.instance


async def waiting(reviewer: httpx2.AsyncClient, number: int) -> dict[str, str]:
    """Id by title of what is open, once so many agents are on the line."""
    with anyio.fail_after(PATIENCE):
        while True:
            found = await open_requests(reviewer)
            if sum(request["agent_waiting"] for request in found) == number:
                return {request["title"]: request["request_id"] for request in found}


# Kills


async def test_a_kill_under_many_waiting_clients_ends_in_one_new_server_and_every_client_gets_its_own_answer(
    house: House,
) -> None:
    house.add_reviewer()
    async with AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(talking(*house.flags, "--agent", f"a{n}")) for n in range(3)]
        for number, talk in enumerate(talks):
            modern = number != 1
            await talk.begin(modern=modern)
            for call in range(2):
                await talk.call(call, "ask_approval", modern=modern, title=f"{number}-{call}")
        async with house.reviewer() as reviewer:
            before = await waiting(reviewer, 6)
        first = kill(house)
        await anyio.to_thread.run_sync(run, "open", "--print", *house.flags)
        second = house.running
        async with house.reviewer() as reviewer:
            after = await waiting(reviewer, 6)
            for title, request_id in after.items():
                await decide(reviewer, request_id, decision="approve", comment=title)
        said: dict[str, tuple[bool, str]] = {}
        for number, talk in enumerate(talks):
            # In whichever order they come.
            while {f"{number}-0", f"{number}-1"} - set(said):
                message = await talk.next()
                if "method" not in message:
                    answer = message["result"]["structuredContent"]
                    said[f"{number}-{message['id']}"] = (answer["may_proceed"], answer["comment"])

    assert after == before
    assert second.instance != first
    assert said == {title: (True, title) for title in before}
    assert starts(house) == 2


def starts(house: House) -> int:
    """How many servers came up detached in this home."""
    lines = house.home.log_file.read_text().splitlines()
    return sum('"event": "started"' in line for line in lines)


async def test_two_bridges_that_start_at_once_after_a_kill_end_up_at_one_server(house: House) -> None:
    async with talking(*house.flags) as earlier:
        await earlier.begin(modern=True)
        kill(house)
    async with talking(*house.flags) as one, talking(*house.flags) as other, anyio.create_task_group() as both:
        both.start_soon(one.shake_hands)
        both.start_soon(other.shake_hands)

    assert starts(house) == 2
    assert find(house.home) is not None


# The port


async def test_a_port_that_another_program_took_is_named_and_once_free_the_next_call_finds_a_server(
    house: House,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    house.home.config_file.write_text(f"port = {port}\n")
    async with talking(*house.flags) as talk:
        await talk.begin(modern=True)
        kill(house)
        await gone(house)
        with another_program(port):
            await talk.call(1, "ask_approval", modern=True, title="Deploy?")
            refused = await talk.answer_to(1)
            left_behind = recorded(house.home)
        await talk.call(2, "ask_approval", modern=True, title="Deploy?", hold_seconds=0)
        answer = await talk.answer_to(2)

    assert f"port {port} of 127.0.0.1 is taken by another program" in refused["error"]["message"]
    assert left_behind is None
    assert answer["result"]["structuredContent"]["status"] == "pending"


@contextmanager
def another_program(port: int) -> Iterator[None]:
    """Something on this port that speaks HTTP and knows nothing of us."""
    with HTTPServer(("127.0.0.1", port), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class Quiet(BaseHTTPRequestHandler):
    """Answers every method with 501."""

    def log_message(self, format: str, *args: object) -> None:
        pass


async def gone(house: House) -> None:
    """Return once the killed server has let go of its home, and thereby of its port."""
    with anyio.fail_after(PATIENCE):
        while is_held(house.home):
            await anyio.lowlevel.checkpoint()


# Versions


@pytest.mark.parametrize("version", ["0.0.1", None], ids=["another version", "this version"])
def test_only_a_server_of_another_version_is_worth_a_word_on_stderr_and_it_is_used_all_the_same(
    house: House, version: str | None
) -> None:
    house.serve()
    running = replace(house.running, version=version or assent_version())
    write_private(house.home.run_file, json.dumps({**asdict(running), "unheard_of": 1}))
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}

    ended = run(
        "stdio",
        *house.flags,
        stdin=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n",
    )

    assert (ended.returncode, json.loads(ended.stdout)["result"]["serverInfo"]["name"]) == (0, "assent")
    if version is None:
        assert ended.stderr == ""
    else:
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"assent: the server that runs is Assent {version}, and this is {assent_version()}")
        assert f"assent stop --home {house.home.path}" in line


# Silence


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._moved = anyio.Event()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._moved.set()
        self._moved = anyio.Event()

    async def reached(self, moment: float) -> None:
        while self.now < moment:
            await self._moved.wait()


class Stream(httpx2.AsyncByteStream):
    """The answer to one call: what the test says, and a read that times out by the test's clock."""

    def __init__(self, clock: Clock, silence: float) -> None:
        self._clock = clock
        self._silence = silence
        self._said: list[bytes] = []
        self._anything = anyio.Event()

    def say(self, data: bytes) -> None:
        self._said.append(data)
        self._anything.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            async with anyio.create_task_group() as either:

                async def time_out() -> None:
                    await self._clock.reached(self._clock.now + self._silence)
                    either.cancel_scope.cancel()  # the loop waits for this group before the next

                either.start_soon(time_out)
                await self._anything.wait()
                either.cancel_scope.cancel()
            if not self._said:
                raise httpx2.ReadTimeout("nothing was heard")
            yield self._said.pop(0)
            if not self._said:
                self._anything = anyio.Event()


class Wire(httpx2.AsyncBaseTransport):
    """A network whose far end is the test: each POST becomes a stream."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: list[tuple[Message, Stream]] = []
        self._posted = anyio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(await request.aread())
        stream = Stream(self._clock, request.extensions["timeout"]["read"])
        self._calls.append((body, stream))
        self._posted.set()
        self._posted = anyio.Event()
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    async def call(self, number: int) -> tuple[Message, Stream]:
        """The call of this number, once it is made."""
        with anyio.fail_after(PATIENCE):
            while len(self._calls) <= number:
                await self._posted.wait()
        return self._calls[number]

    def client(self, reached: Reached) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self, timeout=TIMEOUT)


class Somewhere:
    async def reach(self) -> Reached:
        return Reached("http://127.0.0.1:1/mcp", {}, False)


class Heard(Lines):
    """What the client hears."""

    def __init__(self) -> None:
        super().__init__(-1)
        self._send, self.lines = anyio.create_memory_object_stream[Message](10)

    async def write(self, line: str) -> None:
        await self._send.send(json.loads(line))

    def close(self) -> None:
        self._send.close()
        self.lines.close()


@asynccontextmanager
async def bridged(wire: Wire, tool: str) -> AsyncIterator[Heard]:
    """A bridge on this wire, whose client has called one tool and listens."""
    heard = Heard()
    stdin, lines = anyio.create_memory_object_stream[bytes](10)
    params = {"name": tool, "arguments": {}, "_meta": MODERN}
    async with anyio.create_task_group() as calls:
        bridge = Bridge(Somewhere(), heard, calls, wire.client)
        calls.start_soon(bridge.run, lines)
        await stdin.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).encode())
        with anyio.fail_after(PATIENCE):
            yield heard
        calls.cancel_scope.cancel()
    for end in (stdin, lines, heard):
        end.close()


def response(call: Message, text: str) -> bytes:
    message = {"jsonrpc": "2.0", "id": call["id"], "result": {"structuredContent": {"text": text}}}
    return f"event: message\ndata: {json.dumps(message)}\n\n".encode()


async def test_a_connection_that_died_while_the_machine_slept_is_noticed_and_the_question_asked_again() -> None:
    clock = Clock()
    wire = Wire(clock)
    async with bridged(wire, "ask_approval") as heard:
        first, stream = await wire.call(0)
        stream.say(b": ping\n\n")
        await anyio.wait_all_tasks_blocked()
        clock.advance(SILENCE_SECONDS)
        again, stream = await wire.call(1)
        stream.say(response(again, "approved"))
        answer = await heard.lines.receive()

    assert again["id"] != first["id"]
    assert again["params"] == first["params"]
    assert (answer["id"], answer["result"]["structuredContent"]) == (7, {"text": "approved"})


async def test_a_server_that_is_heard_now_and_then_is_waited_for_without_end() -> None:
    clock = Clock()
    wire = Wire(clock)
    async with bridged(wire, "ask_approval") as heard:
        call, stream = await wire.call(0)
        for _ in range(10):
            await anyio.wait_all_tasks_blocked()
            clock.advance(KEEP_ALIVE_SECONDS)
            stream.say(b": ping\n\n")
        stream.say(response(call, "approved"))
        answer = await heard.lines.receive()

    assert answer["result"]["structuredContent"] == {"text": "approved"}
    assert len(wire._calls) == 1


async def test_after_a_silence_what_may_have_acted_is_not_repeated() -> None:
    clock = Clock()
    wire = Wire(clock)
    async with bridged(wire, "report_consequence") as heard:
        await wire.call(0)
        await anyio.wait_all_tasks_blocked()
        clock.advance(SILENCE_SECONDS)
        answer = await heard.lines.receive()

    assert "whether this call took effect is unknown" in answer["error"]["message"]
    assert len(wire._calls) == 1


def test_silence_is_longer_than_two_missed_keep_alives_and_shorter_than_a_minute() -> None:
    assert 2 * KEEP_ALIVE_SECONDS < SILENCE_SECONDS < 60
    assert TIMEOUT.read == SILENCE_SECONDS


# What is not the server


@pytest.mark.parametrize(("code", "acted"), [(502, True), (503, True), (504, True), (500, True), (404, False)])
async def test_a_page_of_a_proxy_or_of_a_stranger_is_a_loss_and_no_answer(code: int, acted: bool) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(code, html="<h1>Bad gateway</h1>"))
    message: dict[str, Any] = {"id": 1, "method": "tools/call", "params": {"name": "ask_approval"}}
    async with httpx2.AsyncClient(transport=transport) as client:
        link = Link(client, await Somewhere().reach())
        with pytest.raises(Lost, match=f"HTTP {code}") as lost:
            await link.exchange(Call.of(message, b"{}", {}), unheard)

    assert lost.value.acted is acted


def test_a_stranger_met_twice_in_a_row_is_what_there_is() -> None:
    losses = Losses()

    assert losses.final(Stranger("no message", acted=False), 0.0) is None
    assert losses.final(Stranger("no message", acted=False), 0.0) == "no message"


def test_a_server_that_is_away_is_looked_for_more_often_but_not_for_ever_unless_told_so() -> None:
    ends = [Losses(limit).final(Lost("away", acted=False), 0.0) for limit in (0, 1, None)]
    patient = Losses(limit=None)

    assert ends == ["the Assent server cannot be reached: away. Nothing was answered; ask again later.", None, None]
    assert {patient.final(Lost("away", acted=False), 0.0) for _ in range(1000)} == {None}


async def unheard(message: Message, line: str) -> None:
    raise AssertionError(f"relayed {line}")
