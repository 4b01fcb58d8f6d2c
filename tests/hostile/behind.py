"""A server process with an upstream behind it, agents that write their own HTTP, and what came of what they sent."""

import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value

from server.config import load
from server.durable import open_database
from store.agents import Agents
from store.policy.upstreams import Upstream
from tests.hostile.world import ENVELOPE, REVISION, message_of
from tests.server.house import House, house_in
from tests.server.serving import LEGACY, MODERN
from tests.server.talking import PATIENCE, environment, run
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything, policy_text

Json = dict[str, Any]
BRIEF = "attacker"
"""A client's name whose calls are held for a second only."""
PATIENT = "mcp"
"""One whose calls are held for as long as it takes."""
SPARE = 250
"""Agents that are made at once: one after the other the command line would take a second for each."""


@dataclass
class Agent:
    """An agent in one era of the protocol, past whatever that says first. It sends exactly what it is told to."""

    name: str
    token: str
    http: httpx2.AsyncClient
    era: str
    client: str
    session: str | None = None
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    """The ids of its requests: no two that are under way in one session may have the same."""

    async def post(self, body: bytes, **headers: str) -> httpx2.Response:
        sent = {
            "authorization": f"Bearer {self.token}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": REVISION[self.era],
            **({"mcp-session-id": self.session} if self.session else {}),
            **headers,
        }
        return await self.http.post("/mcp", content=body, headers=sent)

    def message(self, method: str, params: Mapping[str, Any], *, notifies: bool = False) -> Json:
        envelope = {**ENVELOPE, "io.modelcontextprotocol/clientInfo": {"name": self.client, "version": "1"}}
        meta = {**params.get("_meta", {}), **(envelope if self.era == MODERN else {})}
        message: Json = {"jsonrpc": "2.0", "method": method, "params": {**params, **({"_meta": meta} if meta else {})}}
        return message if notifies else {**message, "id": next(self.numbers)}

    async def ask(self, method: str, **params: Any) -> Json:
        """The JSON-RPC message that answers."""
        headers = {}
        if self.era == MODERN:
            headers["mcp-method"] = method
            if (key := NAME_BEARING_METHODS.get(method)) is not None and key in params:
                headers["mcp-name"] = encode_header_value(str(params[key]))
        answer = await self.post(json.dumps(self.message(method, params)).encode(), **headers)
        return message_of(answer)

    async def call(self, tool: str, /, **arguments: Any) -> Json:
        return await self.ask("tools/call", name=tool, arguments=arguments)

    async def told(self, tool: str, /, **arguments: Any) -> Json:
        """What Assent says instead of running a call: the fields of its error result."""
        result = (await self.call(tool, **arguments))["result"]
        assert result["isError"] is True, result
        assert result.get("structuredContent") is None
        said: Json = json.loads(result["content"][0]["text"])
        return said

    async def said(self, tool: str, /, **arguments: Any) -> str:
        """The text of a result that must be none of an error."""
        message = await self.call(tool, **arguments)
        assert not message["result"].get("isError"), message
        text: str = message["result"]["content"][0]["text"]
        return text

    async def pending(self, tool: str, /, **arguments: Any) -> str:
        """The request's id of a call that is held and that nobody has answered yet."""
        told = await self.told(tool, **arguments)
        assert (told["status"], told["may_proceed"]) == ("pending", False), told
        request_id: str = told["request_id"]
        return request_id


def is_refused(message: Json) -> bool:
    """Whether this answer is an error, of the protocol or of the tool."""
    return "error" in message or message["result"].get("isError") is True


def gives_no_leave(message: Json) -> bool:
    """Whether this answer of `await_review` says that nothing ran, and that the agent may not proceed."""
    return is_refused(message) or message["result"]["structuredContent"]["may_proceed"] is False


@dataclass
class Behind:
    """The server, the notebook of the upstream behind it, and agents that nobody uses yet."""

    house: House
    notebook: Notebook
    folder: Path
    upstreams: Sequence[Upstream]
    tokens: dict[str, str]
    spare: list[str] = field(default_factory=list)
    cookie: str | None = None

    @property
    def url(self) -> str:
        return self.house.running.endpoint

    @asynccontextmanager
    async def agent(self, era: str = MODERN, *, client: str = BRIEF, name: str | None = None) -> AsyncIterator[Agent]:
        """A new agent, or this one again."""
        name = name or self.spare.pop()
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=PATIENCE) as http:
            agent = Agent(name, self.tokens[name], http, era, client)
            if era == LEGACY:
                hello = {"protocolVersion": REVISION[LEGACY], "capabilities": {}}
                hello["clientInfo"] = {"name": client, "version": "1"}
                answer = await agent.post(json.dumps(agent.message("initialize", hello)).encode())
                assert answer.status_code == 200, answer.text
                agent.session = answer.headers["mcp-session-id"]
                await agent.post(json.dumps(agent.message("notifications/initialized", {}, notifies=True)).encode())
            yield agent

    @asynccontextmanager
    async def reviewer(self) -> AsyncIterator[httpx2.AsyncClient]:
        """One session of the reviewer, again and again: to sign in takes longer than most tests here."""
        if self.cookie is None:
            async with self.house.reviewer() as signed_in:
                self.cookie = signed_in.headers["cookie"]
        running = self.house.running
        headers = {"host": running.url.removeprefix("http://"), "origin": running.url, "cookie": self.cookie}
        async with httpx2.AsyncClient(base_url=running.endpoint, headers=headers, trust_env=False) as client:
            yield client

    async def open_of(self, agent: Agent) -> list[Json]:
        """What this agent asks and nobody has answered."""
        async with self.reviewer() as reviewer:
            answer = await reviewer.get("/api/requests", params={"state": "open"})
            return [found for found in answer.json()["requests"] if found["agent"] == agent.name]

    async def opened_by(self, agent: Agent) -> Json:
        """The only open request of this agent, once there is one."""
        with anyio.fail_after(PATIENCE):
            while not (found := await self.open_of(agent)):
                pass
        (only,) = found
        return only

    async def card(self, request_id: str) -> Json:
        """What a reviewer is shown of a request; it counts as shown."""
        async with self.reviewer() as reviewer:
            found: Json = (await reviewer.get(f"/api/requests/{request_id}")).json()
            return found

    async def decide(self, request_id: str, decision: str = "run", *, card: str | None = None, **more: Any) -> int:
        """The status of answering it as a reviewer who has read the card."""
        async with self.reviewer() as reviewer:
            shown = (await reviewer.get(f"/api/requests/{request_id}")).json()["card_sha256"]
            body = {"card_sha256": card or shown, "decision": decision, **more}
            return (await reviewer.post(f"/api/requests/{request_id}/decision", json=body)).status_code

    async def allowed(self, request_id: str) -> None:
        assert await self.decide(request_id) == 200

    async def entries(self, *types: str) -> list[Json]:
        """The log's entries of these types."""
        found: list[Json] = []
        async with self.reviewer() as reviewer:
            while True:
                answer = await reviewer.get("/api/audit/entries", params={"start": len(found)})
                page = [json.loads(base64.b64decode(one["entry"])) for one in answer.json()["entries"]]
                if not page:
                    return [entry for entry in found if entry["type"] in types]
                found += page

    async def denials(self) -> int:
        return len(await self.entries("call_denied"))

    def activate(self, rules: str) -> None:
        """Put these rules in force, over the same upstreams."""
        path = self.folder / "next.yaml"
        path.write_text(policy_text(*self.upstreams, rules=rules), encoding="utf-8")
        done = run("policy", "activate", str(path), *self.house.flags)
        assert done.returncode == 0, done.stderr

    def fault(self) -> str | None:
        """What the verifier finds wrong with the whole log."""
        done = run("audit", "verify", "--json", *self.house.flags)
        found: str | None = json.loads(done.stdout).get("fault")
        assert (done.returncode == 0) is (found is None), done.stderr
        return found

    async def again(self) -> None:
        """Start the server once more, after it was killed."""
        self.house.serve("--log-level", "warning")
        self.cookie = None
        await self.listed("up__echo")

    async def listed(self, *names: str) -> None:
        """Return once agents are told of these tools."""
        with anyio.fail_after(PATIENCE):
            async with self.agent(name=self.spare[0]) as agent:
                while True:
                    found = (await agent.ask("tools/list"))["result"]["tools"]
                    if set(names) <= {tool["name"] for tool in found}:
                        return


@contextmanager
def behind(folder: Path, rules: str, *more: Upstream, agents: int = SPARE, **up: Any) -> Iterator[Behind]:
    """A server with the well-behaved upstream `up`, and with `more`, under these rules; and so many agents.

    `up` are further fields of that upstream.
    """
    house = house_in(folder)
    with house.home.config_file.open("a", encoding="utf-8") as config:
        config.write(f"[clients]\n{BRIEF} = 1\n")
    house.add_reviewer()
    notebook = Notebook(folder / "notebook")
    tokens = anyio.run(_agents, house, agents)
    upstreams = (everything("up", notebook.folder, **up), *more)
    found = Behind(house, notebook, folder, upstreams, tokens, list(tokens))
    found.activate(rules)
    house.serve("--log-level", "warning")
    try:
        anyio.run(found.listed, "up__echo")
        yield found
    finally:
        house.clear()


async def _agents(house: House, number: int) -> dict[str, str]:
    database = open_database(load({"home": house.home.path}, environment()))
    try:
        known = Agents(database)
        return {name: (await known.add(name))[1] for name in (f"agent-{n}" for n in range(number))}
    finally:
        database.close()
