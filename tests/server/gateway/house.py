"""Upstreams as the server runs them, on a real database, with real processes and real servers behind them."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from pydantic import TypeAdapter

from server.gateway.limits import Limits
from server.gateway.listing import Listing
from server.gateway.sessions import Lease
from server.gateway.upstreams import Upstreams
from store.calls.health import UpstreamHealth
from store.calls.service import Calls
from store.database import Database
from store.policy.active import Via, activate
from store.policy.upstreams import Upstream
from store.signals import GATEWAY
from tests.upstreams.running import policy_text

RAW: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
QUICK = Limits(backoff_seconds=0.01, backoff_most_seconds=0.05, grace_seconds=0.5, connect_seconds=20.0)
AGENT = "agt_1"


@dataclass
class Gateway:
    """The upstreams of one test. Everything waits for what it is about, never for a time."""

    database: Database
    calls: Calls
    upstreams: Upstreams
    environment: dict[str, str]
    is_running: bool = False

    @property
    def listing(self) -> Listing:
        return self.upstreams.listing

    @property
    def processes(self) -> frozenset[int]:
        return self.upstreams.children.running

    async def activate(self, *upstreams: Upstream) -> None:
        """Put rules in force that have these upstreams and allow everything."""
        text = policy_text(*upstreams) if upstreams else "version: 1\n"
        await self.database.write(lambda change: activate(change, text, reviewer=None, via=Via.COMMAND_LINE))
        if self.is_running:
            await self.until(lambda: set(self.listing.upstreams.values()) == set(upstreams))

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once this is so; looked at whenever anything about upstreams changes."""
        with self.database.signals.listen(GATEWAY) as listener, anyio.fail_after(30):
            while not true():
                await listener.changed(within=0.1)

    async def health(self, name: str, state: str) -> UpstreamHealth:
        """The health line of an upstream, once it is in this state."""
        with self.database.signals.listen(GATEWAY) as listener, anyio.fail_after(30):
            while True:
                for each in await self.calls.upstreams():
                    if each.name == name and each.state == state:
                        return each
                await listener.changed()

    async def call(self, name: str, tool: str, agent: str = AGENT, /, **arguments: Any) -> dict[str, Any]:
        """Send one call as the front does, without rules."""
        async with self.upstreams.lease(name, agent) as lease:
            return await send(lease, tool, **arguments)


async def send(lease: Lease, tool: str, /, **arguments: Any) -> dict[str, Any]:
    request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=arguments))
    with anyio.fail_after(30):
        return await lease.session.send_request(request, RAW)  # type: ignore[type-var]


def text_of(result: Mapping[str, Any]) -> str:
    assert not result.get("isError"), result
    said = result["content"][0]["text"]
    assert isinstance(said, str)
    return said


@asynccontextmanager
async def gateway(
    database: Database, folder: Path, *upstreams: Upstream, limits: Limits = QUICK, **others: Any
) -> AsyncIterator[Gateway]:
    """Running upstreams, and no process of theirs afterwards."""
    environment = dict(os.environ)
    calls = Calls(database)
    running = Upstreams(
        database, calls, replace(limits, **others), folder=folder / "upstreams", environment=lambda: environment
    )
    found = Gateway(database, calls, running, environment)
    if upstreams:
        await found.activate(*upstreams)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.run)
        found.is_running = True
        yield found
        tasks.cancel_scope.cancel()
    assert running.children.running == frozenset()
