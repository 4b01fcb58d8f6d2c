"""The two servers that are measured beside each other, each a process of its own."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2

from server.config import load
from server.durable import open_database
from store.agents import Agents
from tests.bench.wire import Wire, tool_call
from tests.repository import ROOT
from tests.server.house import House, house_in, open_requests
from tests.server.talking import environment

AT_ONCE_PER_AGENT = 20
REVIEWERS = 4


class Side(Protocol):
    """A server, what a call that waits looks like, and how all of them are answered."""

    port: int
    pid: int

    def call(self, number: int) -> tuple[dict[str, str], bytes]: ...

    async def waiting(self) -> int: ...

    async def read_all(self) -> None:
        """What a person does before answering; it is not timed."""
        ...

    async def answer_all(self) -> None: ...


@dataclass
class Floor:
    port: int
    pid: int
    keys: list[int] = field(default_factory=list)

    def call(self, number: int) -> tuple[dict[str, str], bytes]:
        self.keys.append(number)
        return tool_call(f"127.0.0.1:{self.port}", "ask", {"key": str(number)}, None)

    async def waiting(self) -> int:
        wire = await Wire.to(self.port)
        number = int(await wire.ask("GET", "/waiting", {"host": "floor"}))
        wire.close()
        return number

    async def read_all(self) -> None:
        pass

    async def answer_all(self) -> None:
        await _among(self.port, [(f"/decide/{key}", {"host": "floor"}, b"") for key in self.keys])
        self.keys.clear()


@dataclass
class Assent:
    port: int
    pid: int
    tokens: list[str]
    reviewer: httpx2.AsyncClient
    cards: list[dict[str, Any]] = field(default_factory=list)

    def call(self, number: int) -> tuple[dict[str, str], bytes]:
        token = self.tokens[number // AT_ONCE_PER_AGENT % len(self.tokens)]
        return tool_call(f"127.0.0.1:{self.port}", "ask_approval", {"title": f"Deploy {number}?"}, token)

    async def waiting(self) -> int:
        metrics = (await self.reviewer.get("/metrics")).text.splitlines()
        return next(int(float(line.split()[1])) for line in metrics if line.startswith("assent_waiting_requests "))

    async def read_all(self) -> None:
        ids = [found["request_id"] for found in await open_requests(self.reviewer)]
        self.cards = [(await self.reviewer.get(f"/api/requests/{request_id}")).json() for request_id in ids]

    async def answer_all(self) -> None:
        headers = {**self.reviewer.headers, "content-type": "application/json"}
        posts = []
        for card in self.cards:
            body = json.dumps({"card_sha256": card["card_sha256"], "decision": "approve"}).encode()
            posts.append((f"/api/requests/{card['request_id']}/decision", headers, body))
        await _among(self.port, posts)


async def _among(port: int, posts: list[tuple[str, dict[str, str], bytes]]) -> None:
    """Post all of these over a few connections, as several people would who answer at once."""

    async def work() -> None:
        wire = await Wire.to(port)
        while posts:
            path, headers, body = posts.pop()
            await wire.ask("POST", path, headers, body)
        wire.close()

    await asyncio.gather(*(work() for _ in range(REVIEWERS)))


@contextmanager
def floor_process() -> Iterator[Floor]:
    command = [sys.executable, "-m", "tests.bench.floor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield Floor(int(process.stdout.readline()), process.pid)
        finally:
            process.terminate()


@asynccontextmanager
async def house_with(agents: int) -> AsyncIterator[tuple[House, list[str]]]:
    """A running server with one reviewer and so many agents; and the agents' tokens."""
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        house = house_in(Path(folder))
        house.add_reviewer()
        tokens = await enrol(house, agents)
        house.serve("--log-level", "warning")
        try:
            yield house, tokens
        finally:
            house.clear()


async def enrol(house: House, agents: int) -> list[str]:
    """Straight into the database: the command line would take a second for each."""
    database = open_database(load({"home": house.home.path}, environment()))
    try:
        known = Agents(database)
        return [token for _, token in await asyncio.gather(*(known.add(f"bench-{n}") for n in range(agents)))]
    finally:
        database.close()


@asynccontextmanager
async def assent_process(agents: int) -> AsyncIterator[Assent]:
    """Assent's own process, with a reviewer who is signed in."""
    async with house_with(agents) as (house, tokens), house.reviewer() as reviewer:
        assert house.process is not None
        reviewer.timeout = httpx2.Timeout(None)
        port = int(house.running.endpoint.rpartition(":")[2])
        yield Assent(port, house.process.pid, tokens, reviewer)


def resident(pid: int) -> int:
    """KiB of memory that a process has in use."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))
