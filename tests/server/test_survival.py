"""A server that is killed without warning loses nothing: questions stay open, and whoever waited is served again."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.server.house import House, decide, house_in, open_requests
from tests.server.serving import ERAS, beside
from tests.server.talking import PATIENCE, run

pytestmark = pytest.mark.anyio

WAITING = ["Deploy 0?", "Deploy 1?", "Deploy 2?"]
TITLES = [f"Deploy {number}?" for number in range(10)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


def agent_token(house: House) -> str:
    added = run("agent", "add", "deploy-bot", "--json", *house.flags)
    token: str = json.loads(added.stdout)["token"]
    return token


@asynccontextmanager
async def client_of(house: House, token: str, era: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False) as http:
        transport = streamable_http_client(f"{house.running.endpoint}/mcp", http_client=http)
        async with Client(transport, mode=era, cache=None) as client:
            yield client


async def open_titles(reviewer: httpx2.AsyncClient, *, waiting: int) -> dict[str, str]:
    """Title and id of everything open, once so many agents are on the line."""
    with anyio.fail_after(PATIENCE):
        while True:
            found = await open_requests(reviewer)
            if sum(request["agent_waiting"] for request in found) >= waiting:
                return {request["title"]: request["request_id"] for request in found}


async def ask(house: House, token: str, era: str, title: str) -> Any:
    async with client_of(house, token, era) as client:
        return await client.call_tool("ask_approval", {"title": title})


@pytest.mark.parametrize("era", ERAS)
async def test_ten_open_requests_and_three_waiting_clients_survive_a_kill(house: House, era: str) -> None:
    house.add_reviewer()
    token = agent_token(house)
    house.serve()
    async with client_of(house, token, era) as client:
        for title in TITLES:
            await client.call_tool("ask_approval", {"title": title, "hold_seconds": 0})
    async with anyio.create_task_group() as group, house.reviewer() as reviewer:
        lost = [beside(group, ask, house, token, era, title) for title in WAITING]
        before = await open_titles(reviewer, waiting=3)
        house.kill()
        for call in lost:
            with anyio.fail_after(PATIENCE):
                await call.done.wait()
    house.serve()
    async with anyio.create_task_group() as group, house.reviewer() as reviewer:
        assert await open_titles(reviewer, waiting=0) == before
        again = [beside(group, ask, house, token, era, title) for title in WAITING]
        await open_titles(reviewer, waiting=3)
        for title in TITLES:
            await decide(reviewer, before[title], decision="approve")
        results = [await call.result() for call in again]

    assert sorted(before) == TITLES
    assert [(r["request_id"], r["may_proceed"]) for r in results] == [(before[title], True) for title in WAITING]
