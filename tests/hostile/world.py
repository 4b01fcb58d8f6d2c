"""Both sides on one real port, an attacker's raw calls, and what the database holds before and after them."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import Connection, text

from review_web.federation import Federation
from review_web.settings import SiteSettings
from review_web.site import create_site
from store.agents import Agents
from store.database import Database
from store.desk import Desk
from store.people import People
from tests.review_web.house import Browser
from tests.server.serving import LEGACY, MODERN, Serving, serving
from tests.stage import PASSWORD

REVISION = {LEGACY: "2025-06-18", MODERN: "2026-07-28"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": REVISION[MODERN],
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "attacker", "version": "1"},
}
DEPLOY = {"title": "Deploy 1.4 to production?", "hold_seconds": 0}
_NOT_COUNTED = {"sqlite_sequence"}


@dataclass
class Caller:
    """An agent that writes its own HTTP, in one era of the protocol. `body` goes out as it is."""

    http: httpx2.AsyncClient
    era: str
    headers: dict[str, str]

    async def post(self, body: bytes, *, tool: str = "ask_approval", **headers: str) -> httpx2.Response:
        sent = {**self.headers, **headers}
        if self.era == MODERN:
            sent |= {"mcp-method": "tools/call", "mcp-name": tool}
        return await self.http.post("/mcp", content=body, headers=sent)

    def body(self, tool: str = "ask_approval", arguments: Mapping[str, Any] = DEPLOY, **more: Any) -> dict[str, Any]:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        if self.era == MODERN:
            params["_meta"] = ENVELOPE
        return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params, **more}

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON-RPC message that answers a call."""
        answer = await self.post(json.dumps(self.body(tool, arguments)).encode(), tool=tool)
        return message_of(answer)

    async def refusal(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """The text of the tool error that must come of this call."""
        result = (await self.call(tool, arguments))["result"]
        assert result["isError"] is True
        assert result.get("structuredContent") is None
        (content,) = result["content"]
        said: str = content["text"]
        return said

    async def asked(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The structured result of a call that must succeed."""
        message = await self.call(tool, arguments)
        assert not message["result"].get("isError"), message
        result: dict[str, Any] = message["result"]["structuredContent"]
        return result


def message_of(answer: httpx2.Response) -> dict[str, Any]:
    """The last JSON-RPC message of an answer, plain or in an event stream."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        data = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
        text = data[-1]
    else:
        text = answer.text
    message: dict[str, Any] = json.loads(text)
    return message


@dataclass
class World:
    """A server with both sides, and the store behind it."""

    serving: Serving
    people: People
    agents: Agents
    desk: Desk
    database: Database

    @property
    def url(self) -> str:
        return self.serving.url

    @asynccontextmanager
    async def caller(self, token: str, era: str = MODERN) -> AsyncIterator[Caller]:
        """The agent of this token, past whatever its era says first."""
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": REVISION[era],
        }
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=30) as http:
            caller = Caller(http, era, headers)
            if era == LEGACY:
                headers["mcp-session-id"] = await self.open_session(http, headers)
            else:
                # An agent's first call is an entry of the log, whatever comes of it; what counts here comes after.
                await http.get("/mcp", headers=headers)
            yield caller

    async def open_session(self, http: httpx2.AsyncClient, headers: Mapping[str, str]) -> str:
        """A session of the older era; its id."""
        hello = {
            "jsonrpc": "2.0",
            "id": 0,
            "method": "initialize",
            "params": {
                "protocolVersion": REVISION[LEGACY],
                "capabilities": {},
                "clientInfo": {"name": "attacker", "version": "1"},
            },
        }
        answer = await http.post("/mcp", json=hello, headers=dict(headers))
        assert answer.status_code == 200, answer.text
        session = answer.headers["mcp-session-id"]
        await http.post(
            "/mcp",
            json={"jsonrpc": "2.0", "method": "notifications/initialized"},
            headers={**headers, "mcp-session-id": session},
        )
        return session

    @asynccontextmanager
    async def browser(self, username: str | None = None) -> AsyncIterator[Browser]:
        """A browser over the real port, signed in as this person, if as anybody."""
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=30) as client:
            browser = Browser(client, self.url)
            if username is not None:
                signed_in = await browser.sign_in(username, PASSWORD)
                assert signed_in.status_code == 303, signed_in.text
            yield browser

    async def rows(self) -> dict[str, int]:
        """How many rows each table holds, and what each request has come to."""
        return await self.database.read(_rows)


def _rows(connection: Connection) -> dict[str, int]:
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
    counted = {
        name: int(connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one())
        for name in sorted(set(names) - _NOT_COUNTED)
    }
    for row in connection.execute(text("SELECT state, outcome, count(*) AS n FROM requests GROUP BY 1, 2")):
        counted[f"{row.state}/{row.outcome}"] = row.n
    return counted


@asynccontextmanager
async def open_world(
    database: Database,
    desk: Desk,
    agents: Agents,
    people: People,
    federation: Federation | None = None,
    **settings_more: Any,
) -> AsyncIterator[World]:
    """Both sides on a free port, until the block ends; with `federation`, a provider to sign in with, and whatever else
    of the site's settings."""

    def site(host: str) -> Any:
        settings = SiteSettings(
            public_url=f"http://{host}",
            hosts=frozenset({host}),
            canonical_host=host,
            secure_cookies=False,
            version="1",
            password_over_plain_http_ok=False,
            **settings_more,
        )
        return create_site(desk, people, agents, settings, federation)

    async with serving(desk, agents, site) as running:
        yield World(running, people, agents, desk, database)
