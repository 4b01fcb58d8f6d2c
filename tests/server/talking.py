"""Talking to subprocesses of the command line as a client would: whole lines of JSON over pipes, and no sleeps."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.repository import ROOT
from tests.server.relay_server import TOKEN

Message = dict[str, Any]
ENTRY = ROOT / "assent.py"
PATIENCE = 60.0
LONGEST_LINE = 1 << 24
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(ENTRY), *arguments]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any settings of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSENT_")}
    return {**kept, **more}


def run(
    *arguments: str, stdin: str | None = None, cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    options = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(**more),
        cwd=cwd,
        timeout=PATIENCE,
        **options,
    )


class Talk:
    """A bridge process, from the side of the client that started it."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)
        self.heard: list[Message] = []

    async def send(self, message: Message) -> None:
        await self.send_line(json.dumps({"jsonrpc": "2.0", **message}))

    async def send_line(self, line: str) -> None:
        await self._stdin.send(line.encode() + b"\n")

    async def next(self) -> Message:
        message: Message = json.loads(await self._lines.receive_until(b"\n", LONGEST_LINE))
        self.heard.append(message)
        return message

    async def answer_to(self, identifier: object) -> Message:
        """Everything up to the response of this id goes to `heard`."""
        while True:
            message = await self.next()
            if "method" not in message and message.get("id") == identifier:
                return message

    async def notified(self, method: str) -> Message:
        while True:
            message = await self.next()
            if message.get("method") == method:
                return message

    async def shake_hands(self, version: str = "2025-06-18", **capabilities: object) -> Message:
        """What a client of the older era says first."""
        client = {"name": "test", "version": "1"}
        params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": client}
        await self.send({"id": "hello", "method": "initialize", "params": params})
        answer = await self.answer_to("hello")
        await self.send({"method": "notifications/initialized"})
        return answer

    async def begin(self, *, modern: bool) -> None:
        """Whatever this era says first, up to an answer of the server: from then on there is one."""
        if not modern:
            await self.shake_hands()
        await self.send({"id": "begin", "method": "tools/list", "params": {"_meta": MODERN} if modern else {}})
        await self.answer_to("begin")

    async def call(self, identifier: object, tool: str, *, modern: bool = False, **arguments: object) -> None:
        """Ask for a tool, with progress."""
        meta = {"progressToken": f"progress of {identifier}", **(MODERN if modern else {})}
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        await self.send({"id": identifier, "method": "tools/call", "params": params})

    async def close(self) -> int:
        """End its stdin and wait until it is gone."""
        await self._stdin.aclose()
        return await self.process.wait()


@asynccontextmanager
async def talking(*arguments: str, **more: str) -> AsyncIterator[Talk]:
    """A bridge for the length of the block."""
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process(
            command("stdio", *arguments), env=environment(**more), stderr=sys.stderr
        ) as process:
            try:
                yield Talk(process)
            finally:
                with anyio.CancelScope(shield=True):
                    if process.returncode is None:
                        process.kill()
                    await process.wait()


class RelayServer:
    """The small server of relay_server.py, which a test may kill and start again on the same port."""

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        script = Path(__file__).with_name("relay_server.py")
        self._process = subprocess.Popen([sys.executable, script, str(self.port)], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        if self._process is not None:
            assert self._process.stdout is not None
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def bridge(self, **more: str) -> Any:
        return talking("--url", self.url, **{"ASSENT_TOKEN": TOKEN, **more})

    async def answer(self, key: str) -> None:
        async with httpx2.AsyncClient(base_url=self.url) as client:
            await client.post(f"/answer/{key}")

    async def seen(self, key: str) -> int:
        async with httpx2.AsyncClient(base_url=self.url) as client:
            count: int = (await client.get(f"/seen/{key}")).json()
            return count

    async def cancelled(self, key: str) -> None:
        """Return once the tool that waited for this key was cancelled."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=None) as client:
            await client.get(f"/cancelled/{key}")
