"""From the click to the resumed call: how long an agent still waits once a person has answered."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.bench.samples import Samples
from tests.bench.sides import floor_process, house_with
from tests.bench.table import Row
from tests.server.house import open_requests

ROUNDS = 300
WARM_UP = 20
BUDGET = 4.0


async def rows() -> list[Row]:
    taken = await measure(ROUNDS)
    floor, assent = taken["floor"], taken["assent"]
    return [
        Row(
            f"click to resumed call, 1 waiting, {name}",
            f"{bare:.2f} ms",
            f"{ours:.2f} ms",
            f"{ours / bare:.2f} x",
            f"<= {BUDGET:.0f} x floor",
            ours <= BUDGET * bare,
        )
        for name, bare, ours in (("p50", floor.p50, assent.p50), ("p99", floor.p99, assent.p99))
    ]


@dataclass(frozen=True)
class Side:
    """One of the two servers. `prepare` returns what to click once the call waits; `click` clicks it."""

    client: Client
    tool: str
    arguments: Callable[[int], dict[str, Any]]
    prepare: Callable[[int], Awaitable[Any]]
    click: Callable[[Any], Awaitable[None]]


async def measure(rounds: int) -> dict[str, Samples]:
    """Milliseconds from sending the click to the call's result, for the floor and for Assent, taken in turns."""
    taken: dict[str, list[float]] = {"floor": [], "assent": []}
    async with _floor() as floor, _assent() as assent:
        for number in range(rounds + WARM_UP):
            for name, side in (("floor", floor), ("assent", assent)):
                elapsed = await _once(side, number)
                if number >= WARM_UP:
                    taken[name].append(elapsed)
    return {name: Samples(tuple(values)) for name, values in taken.items()}


async def _once(side: Side, number: int) -> float:
    resumed = 0.0

    async def call() -> None:
        nonlocal resumed
        await side.client.call_tool(side.tool, side.arguments(number))
        resumed = time.perf_counter()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        target = await side.prepare(number)
        clicked = time.perf_counter()
        await side.click(target)
    return (resumed - clicked) * 1000


@asynccontextmanager
async def _connected(url: str, **headers: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode="auto", cache=None) as client,
    ):
        yield client


@asynccontextmanager
async def _floor() -> AsyncIterator[Side]:
    with floor_process() as process:
        base = f"http://127.0.0.1:{process.port}"
        async with httpx2.AsyncClient(base_url=base, trust_env=False) as http, _connected(f"{base}/mcp") as client:

            async def prepare(number: int) -> str:
                while (await http.get(f"/waiting/{number}")).text != "True":
                    pass
                return str(number)

            async def click(key: str) -> None:
                await http.post(f"/decide/{key}")

            yield Side(client, "ask", lambda number: {"key": str(number)}, prepare, click)


@asynccontextmanager
async def _assent() -> AsyncIterator[Side]:
    async with (
        house_with(1) as (house, tokens),
        house.reviewer() as reviewer,
        _connected(f"{house.running.endpoint}/mcp", Authorization=f"Bearer {tokens[0]}") as client,
    ):

        async def prepare(_: int) -> dict[str, Any]:
            while not (found := (await open_requests(reviewer))[0])["agent_waiting"]:
                pass
            card: dict[str, Any] = (await reviewer.get(f"/api/requests/{found['request_id']}")).json()
            return card

        async def click(card: dict[str, Any]) -> None:
            body = {"card_sha256": card["card_sha256"], "decision": "approve"}
            await reviewer.post(f"/api/requests/{card['request_id']}/decision", json=body)

        yield Side(client, "ask_approval", lambda n: {"title": f"Deploy {n}?"}, prepare, click)
