"""A server with upstreams behind it, agents before it and a desk beside it: everything is real but the port's name."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types

from server.gateway.listing import Listing
from server.gateway.upstreams import Upstreams
from store.agents import Agents
from store.answers import Answer, Chosen
from store.calls.recorded import Recorded
from store.database import Database
from store.deciding.decisions import Decided
from store.desk import Desk
from store.people import Reviewer
from store.policy.active import Via, activate
from store.policy.upstreams import Upstream
from store.signals import GATEWAY
from tests.server.gateway.house import QUICK
from tests.server.serving import Serving, serving
from tests.stage import answered
from tests.upstreams.running import policy_text

RUN, REFUSE = Chosen("run"), Chosen("refuse")
ALLOW = "  - {name: all, tool: 'up__*', action: allow}\n  - {name: prompts, tool: 'up:*', action: allow}"


@dataclass
class Fronted:
    """What a test has: the server, its database and its upstreams."""

    server: Serving
    database: Database
    upstreams: Upstreams

    @property
    def desk(self) -> Desk:
        return self.server.desk

    @property
    def listing(self) -> Listing:
        return self.upstreams.listing

    def client(self, token: str, era: str, **options: Any) -> Any:
        return self.server.client(token, era, **options)

    async def activate(self, *upstreams: Upstream, rules: str = "", default: str = "hold") -> None:
        """Put these rules in force."""
        await put_in_force(self.database, _text(*upstreams, rules=rules, default=default))

    async def listed(self, name: str = "up__echo") -> None:
        """Return once this tool is known, and accepted."""
        await self.until(lambda: (one := self.listing.tools.get(name)) is not None and one.accepted is not None)

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once this is so; looked at whenever anything about upstreams changes."""
        with self.desk.signals.listen(GATEWAY) as listener, anyio.fail_after(30):
            while not true():
                await listener.changed(within=0.1)

    async def decide(self, reviewer: Reviewer, given: Answer = RUN, comment: str | None = None) -> Decided:
        """Answer the next card for which an agent waits."""
        card = await self.server.card()
        return await answered(self.desk, reviewer, card.request_id, given, comment=comment)


def _text(*upstreams: Upstream, rules: str, default: str) -> str:
    return policy_text(*upstreams, rules=rules, default=default) if upstreams else "version: 1\n"


async def recorded_as(desk: Desk, became: str) -> Recorded:
    """The newest call, once this has become of it."""
    with anyio.fail_after(30):
        while (newest := (await desk.calls.recorded(1))[0]).became != became:  # noqa: ASYNC110  # nothing is published
            await anyio.sleep(0.01)
    return newest


async def put_in_force(database: Database, text: str) -> None:
    await database.write(lambda change: activate(change, text, reviewer=None, via=Via.COMMAND_LINE))


@asynccontextmanager
async def fronted(
    desk: Desk,
    agents: Agents,
    database: Database,
    folder: Path,
    *upstreams: Upstream,
    rules: str = "",
    default: str = "hold",
    wait_for: str | None = "up__echo",
    limits: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Fronted]:
    """A server whose rules name these upstreams, once it knows the tool `wait_for`."""
    await put_in_force(database, _text(*upstreams, rules=rules, default=default))
    behind = Upstreams(
        database,
        desk.calls,
        replace(QUICK, **(limits or {})),
        folder=folder / "upstreams",
        environment=lambda: dict(os.environ),
    )
    async with serving(desk, agents, upstreams=behind, **options) as server:
        found = Fronted(server, database, behind)
        if wait_for is not None:
            await found.listed(wait_for)
        yield found


def said(result: types.CallToolResult) -> str:
    """The text of a result that is one text."""
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text
