"""Load on a real server that is about to be killed: agents ask, a reviewer answers, both are promised things.

A promise is what somebody was told: a request id that an agent got, an answer that the reviewer saw accepted, an
outcome that reached an agent. Whatever happens to the server afterwards, each must still hold.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.server.house import House

AGENTS = 6
_BROKEN = (
    httpx2.HTTPError,
    MCPError,
    OSError,
    KeyError,
    ValueError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)


@dataclass
class Promises:
    """What was acknowledged, by request id."""

    asked: set[str] = field(default_factory=set)
    decided: dict[str, str] = field(default_factory=dict)
    delivered: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)


async def under_load(house: House, token: str, promises: Promises, ended: anyio.Event) -> None:
    """Ask and answer until the server is gone, however that looks to each."""
    async with anyio.create_task_group() as group:
        for _ in range(AGENTS):
            group.start_soon(_agent, house.running.endpoint, token, promises)
        group.start_soon(_reviewer, house, promises)
        await ended.wait()
        group.cancel_scope.cancel()


async def _agent(endpoint: str, token: str, promises: Promises) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False) as http,
            Client(streamable_http_client(f"{endpoint}/mcp", http_client=http), mode="auto", cache=None) as client,
        ):
            while True:
                await _ask(client, promises)
    except* _BROKEN:
        pass


async def _ask(client: Client, promises: Promises) -> None:
    title = f"Deploy {next(promises.numbers)}?"
    posted = await client.call_tool("ask_approval", {"title": title, "hold_seconds": 0})
    if posted.is_error:
        # Earlier kills left as many open requests as an agent may have; the reviewer answers them in the meantime.
        raise ValueError(posted.content)
    pending = posted.structured_content
    promises.asked.add(pending["request_id"])
    result = (await client.call_tool("await_review", {"request_id": pending["request_id"]})).structured_content
    if result["status"] == "answered":
        promises.delivered[result["request_id"]] = result["decision"]


async def _reviewer(house: House, promises: Promises) -> None:
    try:
        async with house.reviewer() as browser:
            for number in count():
                await _answer_all(browser, promises, "approve" if number % 2 else "reject")
    except _BROKEN:
        pass


async def _answer_all(browser: httpx2.AsyncClient, promises: Promises, decision: str) -> None:
    for request in (await browser.get("/api/requests", params={"state": "open"})).json()["requests"]:
        card = (await browser.get(f"/api/requests/{request['request_id']}")).json()
        body = {"card_sha256": card["card_sha256"], "decision": decision}
        answer = await browser.post(f"/api/requests/{request['request_id']}/decision", json=body)
        if answer.status_code == 200:
            promises.decided[request["request_id"]] = decision
