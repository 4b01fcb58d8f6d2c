"""The agents' side on a real port, in the test's own loop, beside the desk that answers: two sides of one table."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import uvicorn
from anyio.abc import TaskGroup
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from server.agent_gate import AgentGate
from server.gateway.front import Front
from server.gateway.gateway import Gateway
from server.gateway.upstreams import Upstreams
from server.halting import HaltWatch
from server.hooks.endpoint import AgentPaths, InTheirForm, hooks_side
from server.hooks.own_tools import OwnTools
from server.mcp_server import create_endpoint, create_mcp_server
from server.strict_body import StrictBody
from server.tools.calls import ToolCalls
from server.tools.permission_prompt import PermissionPrompt
from server.waiting import Drain, Waiting
from store.agents import Agents
from store.desk import Desk
from store.requests import RequestView
from store.signals import INBOX, PRESENCE

LEGACY, MODERN = "legacy", "auto"
ERAS = (LEGACY, MODERN)
BRIDGE_SECRET = "the bridge's secret"


@dataclass
class Serving:
    """A running server. `drain` is what a stop sets first."""

    url: str
    desk: Desk
    drain: Drain
    gateway: Gateway | None = None

    @asynccontextmanager
    async def client(self, token: str, era: str = MODERN, **options: Any) -> AsyncIterator[Client]:
        """The official client, connected as the agent of this token; `options` are the client's own."""
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False) as http:
            transport = streamable_http_client(f"{self.url}/mcp", http_client=http)
            async with Client(transport, mode=era, cache=None, **options) as client:
                yield client

    async def card(self, *, waiting: bool = True, besides: frozenset[str] = frozenset()) -> RequestView:
        """The next open request; with `waiting`, once its agent is on the line."""
        with self.desk.signals.listen(INBOX, PRESENCE) as listener, anyio.fail_after(20):
            while True:
                for view in await self.desk.inbox():
                    if view.request_id not in besides and (view.agent_waiting or not waiting):
                        return view
                await listener.changed()

    async def hung_up(self, request_id: str) -> None:
        """Return once no agent waits for this answer any more."""
        with self.desk.signals.listen(PRESENCE) as listener, anyio.fail_after(20):
            while request_id in self.desk.waiting:
                await listener.changed()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


@asynccontextmanager
async def serving(
    desk: Desk,
    agents: Agents,
    site: Callable[[str], ASGIApp] | None = None,
    upstreams: Upstreams | None = None,
    **options: Any,
) -> AsyncIterator[Serving]:
    """A server on a free port, until the block ends. `site` makes the people's side, `upstreams` the gateway;
    `options` are the calls' own."""
    drain = Drain()
    waiting = Waiting(desk, drain)
    watch = HaltWatch(desk.halts, desk.signals, desk.now)
    gateway = None if upstreams is None else Gateway(desk, waiting, upstreams, watch)
    # Named as TCP, a listener hands out connections that do not hold back small packets.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        calls = ToolCalls(
            desk,
            waiting,
            review_url=lambda id_: f"http://review.test/requests/{id_}",
            held=None if gateway is None else gateway.held,
            **options,
        )
        own_tools = OwnTools(desk, waiting, lambda id_: f"http://review.test/requests/{id_}")
        endpoint = create_endpoint(
            create_mcp_server(
                calls,
                version="1",
                website_url="http://review.test",
                front=None if gateway is None else Front(calls, gateway.passing, desk),
                changes=None if gateway is None else gateway.changes,
                prompt=PermissionPrompt(own_tools),
            ),
            hosts=frozenset({host}),
            origins=frozenset({f"http://{host}"}),
        )

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            watch.look()
            async with endpoint.sessions.run(), anyio.create_task_group() as tasks:
                tasks.start_soon(watch.run)
                if gateway is not None:
                    tasks.start_soon(gateway.run)
                yield
                tasks.cancel_scope.cancel()

        behind = AgentPaths(StrictBody(endpoint.app), hooks_side(own_tools))
        gate = InTheirForm(AgentGate(behind, agents, watch, bridge_secret=BRIDGE_SECRET))
        pages = [] if site is None else [Mount("", site(host))]
        app = Starlette(routes=[Route("/mcp", gate), Route("/hooks/{client}", gate), *pages], lifespan=lifespan)
        server = _Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        task = asyncio.create_task(server._serve([listener]))
        await server.answering.wait()
        try:
            yield Serving(f"http://{host}", desk, drain, gateway)
        finally:
            # What runs behind the gateway is ended by the lifespan, which is not waited for when forced.
            server.should_exit, server.force_exit = True, gateway is None
            await task


class Outcome:
    """What a call running beside the test came to."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.value: Any = None

    async def result(self) -> dict[str, Any]:
        """The structured result, once there is one."""
        with anyio.fail_after(20):
            await self.done.wait()
        if isinstance(self.value, Exception):
            raise self.value
        content: dict[str, Any] = self.value.structured_content
        return content


def beside(group: TaskGroup, call: Callable[..., Awaitable[Any]], *arguments: Any, **named: Any) -> Outcome:
    """Start a call that blocks, and go on."""
    outcome = Outcome()

    async def run() -> None:
        try:
            outcome.value = await call(*arguments, **named)
        except Exception as problem:  # noqa: BLE001 - handed to whoever asks for the result
            outcome.value = problem
        outcome.done.set()

    group.start_soon(run)
    return outcome
