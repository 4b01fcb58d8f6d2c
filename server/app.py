"""The composition root: both sides, the database between them, and one port. The only importer of the review site."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from review_web.federation import Federation
from review_web.security import HostGuard
from review_web.sessions import HOLDER_KEY
from review_web.settings import SiteSettings
from review_web.site import create_site
from server.agent_gate import PROTOCOL_PATH, AgentGate
from server.config import Settings
from server.draining import all_answered
from server.durable import open_database
from server.gateway.front import Front
from server.gateway.gateway import Gateway
from server.gateway.upstreams import open_upstreams
from server.halting import HaltWatch
from server.hooks.endpoint import AgentPaths, InTheirForm, hooks_side, is_hook
from server.hooks.own_tools import OwnTools
from server.mcp_server import create_endpoint, create_mcp_server
from server.oidc.joining import open_provider
from server.peer_user import PeerUser
from server.push.contact import token_contact
from server.push.key import open_push_key
from server.push.sender import Sender
from server.push.service import PushService
from server.strict_body import StrictBody
from server.tools.calls import ToolCalls
from server.tools.permission_prompt import PermissionPrompt
from server.vault_key import open_vault_key
from server.version import assent_version
from server.vitals import routes
from server.waiting import Drain, Waiting
from store.agents import Agents
from store.asking import Limits
from store.database import Database
from store.desk import Desk, needs_key
from store.people import People
from store.people.identities import Identities
from store.problems import DatabaseProblem
from store.runs import Runs
from store.vault.credentials import require_keys


@dataclass(frozen=True)
class Identity:
    """Which server this is, among all that may answer on its port, and the secret that opens it to the local bridge."""

    instance: str
    bridge_secret: str = field(repr=False)

    @classmethod
    def new(cls) -> "Identity":
        return cls(secrets.token_hex(16), secrets.token_urlsafe(32))


@dataclass(frozen=True)
class Application:
    """What one process serves. `drain` ends every wait with `pending`, and returns once the answers have left."""

    app: ASGIApp
    people: People
    drain: Callable[[], Awaitable[None]]
    close: Callable[[], None]


class _Sides(Starlette):
    """What agents reach, and everything else. Each layer around a call costs its part of every call that waits: here is
    none."""

    def __init__(self, agents: ASGIApp, **others: Any) -> None:
        super().__init__(**others)
        self._agents = agents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"] == PROTOCOL_PATH or is_hook(scope)):
            await self._agents(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class _AgentSide:
    endpoint: ASGIApp
    sessions: StreamableHTTPSessionManager
    gateway: Gateway
    watch: HaltWatch
    drain: Callable[[], Awaitable[None]]


def build(settings: Settings, identity: Identity) -> Application:
    """Put both sides together. `settings` name the real port. Raises Problem when the home cannot be used."""
    database = open_database(settings)
    try:
        keys = open_vault_key(settings, os.environ, make=not needs_key(database))
        database.read_now(lambda connection: require_keys(connection, keys))
        limits = Limits(requests_per_minute=settings.requests_per_minute, requests_per_hour=settings.requests_per_hour)
        return _assembled(settings, identity, database, Desk(database, keys, limits))
    except BaseException:
        database.close()
        raise


def site_settings(settings: Settings) -> SiteSettings:
    return SiteSettings(
        public_url=settings.page_url,
        hosts=settings.accepted_hosts,
        canonical_host=settings.canonical_host,
        secure_cookies=settings.page_url.startswith("https:"),
        version=assent_version(),
        password_over_plain_http_ok=False,
        policy_file=settings.policy_file,
    )


def _assembled(settings: Settings, identity: Identity, database: Database, desk: Desk) -> Application:
    people, agents, runs = People(database), Agents(database), Runs(database)
    side = _agent_side(settings, identity, database, desk, agents)
    push = open_push_key(settings.home.push_key_file) if settings.push else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # A link from before this start may have been seen by others.
        await people.void_setup_links()
        await runs.started(version=assent_version(), instance=identity.instance)
        # Before anything runs: what was stopped before this start stays stopped.
        side.watch.look()
        async with side.sessions.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(side.watch.run)
            tasks.start_soon(desk.keep_deadlines)
            tasks.start_soon(side.gateway.run)
            if push is not None:
                contact = token_contact(settings.page_url, settings.push_contact)
                tasks.start_soon(Sender(desk, PushService(push, contact)).run)
            yield
            tasks.cancel_scope.cancel()
        with contextlib.suppress(DatabaseProblem):
            # A log that cannot be written says by itself that this end was not a clean one.
            await runs.stopped(identity.instance)

    settled = replace(site_settings(settings), push_key=push.public if push else None)
    vitals = [Route(route.path, HostGuard(route, settled)) for route in routes(desk, database, identity.instance)]
    pages = create_site(desk, people, agents, settled, _federation(settings, database))
    site = Mount("", PeerUser(pages, HOLDER_KEY))
    return Application(
        _Sides(side.endpoint, routes=[*vitals, site], lifespan=lifespan),
        people,
        side.drain,
        database.close,
    )


def _federation(settings: Settings, database: Database) -> Federation | None:
    if settings.oidc is None:
        return None
    return Federation(open_provider(settings.oidc, settings.page_url, database.clock), Identities(database))


def _agent_side(settings: Settings, identity: Identity, database: Database, desk: Desk, agents: Agents) -> _AgentSide:
    draining = Drain()
    waiting = Waiting(desk, draining)
    watch = HaltWatch(desk.halts, desk.signals, desk.now)
    gateway = Gateway(desk, waiting, open_upstreams(settings, database, desk.calls), watch)

    def review_url(request_id: str) -> str:
        return f"{settings.page_url}/requests/{request_id}"

    calls = ToolCalls(
        desk,
        waiting,
        review_url=review_url,
        clients=settings.clients,
        tasks=settings.tasks,
        held=gateway.held,
    )
    own_tools = OwnTools(desk, waiting, review_url)
    mcp_server = create_mcp_server(
        calls,
        version=assent_version(),
        website_url=settings.page_url,
        front=Front(calls, gateway.passing, desk),
        changes=gateway.changes,
        prompt=PermissionPrompt(own_tools),
    )
    endpoint = create_endpoint(mcp_server, hosts=settings.accepted_hosts, origins=settings.accepted_origins)
    behind = AgentPaths(StrictBody(endpoint.app), hooks_side(own_tools))
    gate = AgentGate(behind, agents, watch, bridge_secret=identity.bridge_secret)

    async def drain() -> None:
        draining.started = True
        desk.signals.publish_all()
        await gateway.drain()
        await all_answered(gate.exchanges)

    return _AgentSide(InTheirForm(gate), endpoint.sessions, gateway, watch, drain)
