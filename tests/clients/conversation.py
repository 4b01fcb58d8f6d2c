"""What one agent was told, in order, and what the server holds of it afterwards."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation

from tests.clients.conftest import NodeSide
from tests.server.house import House
from tests.server.talking import LONGEST_LINE, PATIENCE, environment

Line = dict[str, Any]


class Conversation:
    """Lines in the form of the programs in `node`, as they come."""

    def __init__(self, lines: AsyncIterator[Line]) -> None:
        self._lines = lines
        self.said: list[str] = []

    async def next(self) -> Line:
        """The next line; `said` has its status, or that the client gave up."""
        line = await anext(self._lines)
        self.said.append("gave up" if "gave_up" in line else f"{line['tool']}: {line['result']['status']}")
        return line


@asynccontextmanager
async def node_conversation(side: NodeSide, program: str, spec: Line) -> AsyncIterator[Conversation]:
    """A client on Node."""
    command = [str(side.node), str(side.folder / program), json.dumps(spec)]
    async with await anyio.open_process(command, stderr=None, cwd=side.folder, env=environment()) as process:
        assert process.stdout is not None
        stream = BufferedByteReceiveStream(process.stdout)

        async def lines() -> AsyncIterator[Line]:
            while True:
                line: Line = json.loads(await stream.receive_until(b"\n", LONGEST_LINE))
                yield line

        try:
            yield Conversation(lines())
        finally:
            with anyio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.wait()


@asynccontextmanager
async def _python_client(spec: Line) -> AsyncIterator[Client]:
    info = Implementation(name=spec["name"], version="1")
    if spec["command"] is not None:
        program, *arguments = spec["command"]
        bridge = StdioServerParameters(command=program, args=arguments, env=environment())
        async with Client(bridge, mode=spec["era"], cache=None, client_info=info) as client:
            yield client
        return
    headers = {"Authorization": f"Bearer {spec['token']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False) as http:
        transport = streamable_http_client(f"{spec['url']}/mcp", http_client=http)
        async with Client(transport, mode=spec["era"], cache=None, client_info=info) as client:
            yield client


@asynccontextmanager
async def python_conversation(spec: Line) -> AsyncIterator[Conversation]:
    """The official Python client, in this process, saying what the programs in `node` say."""
    async with _python_client(spec) as client:
        send, receive = anyio.create_memory_object_stream[Line](float("inf"))

        async def talk() -> None:
            tool, arguments, seconds = "ask_approval", spec["question"], spec["options"].get("seconds")
            status = "pending"
            while status == "pending":
                try:
                    answer = await client.call_tool(tool, arguments, read_timeout_seconds=seconds)
                except MCPError as problem:
                    send.send_nowait({"tool": tool, "gave_up": problem.error.code})
                    seconds, arguments = None, {**arguments, **spec["options"].get("again", {})}
                    continue
                assert answer.structured_content is not None, answer.content
                status = answer.structured_content["status"]
                send.send_nowait({"tool": tool, "result": answer.structured_content})
                tool, arguments = "await_review", {"request_id": answer.structured_content["request_id"]}

        async with send, receive, anyio.create_task_group() as group:
            group.start_soon(talk)
            yield Conversation(receive)
            group.cancel_scope.cancel()


async def the_only_card(reviewer: httpx2.AsyncClient, title: str) -> str:
    """The id of the one request of this title, once an agent waits for its answer."""
    with anyio.fail_after(PATIENCE):
        while True:
            answer = await reviewer.get("/api/requests", params={"state": "all"})
            cards = [card for card in answer.json()["requests"] if card["title"] == title]
            assert len(cards) <= 1
            if cards and cards[0]["agent_waiting"]:
                request_id: str = cards[0]["request_id"]
                return request_id


async def log_of(house: House, title: str) -> list[str]:
    """What the log holds of the one request of this title, once its answer was delivered."""
    with anyio.fail_after(PATIENCE):
        async with house.reviewer() as reviewer:
            found = (await reviewer.get("/api/requests", params={"state": "all"})).json()["requests"]
            (request_id,) = [card["request_id"] for card in found if card["title"] == title]
            while True:
                answer = await reviewer.get("/api/audit/entries")
                entries = [json.loads(base64.b64decode(one["entry"])) for one in answer.json()["entries"]]
                types = [entry["type"] for entry in entries if entry.get("request") == request_id]
                if "answer_delivered" in types:
                    return [one for one in types if one in ("request_opened", "request_closed", "answer_delivered")]
