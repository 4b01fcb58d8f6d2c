"""The door to `/mcp`: who calls, known before a byte of the body is read.

An agent's bearer token opens this door and nothing else. The local bridge comes with the home's bridge secret, which
only the user who owns the home can read, and names the agent it speaks for; it is taken from loopback only.
"""

import hmac
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address

import anyio
import structlog
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.assurance import assurance_of, bridged, came_with_bridge_secret
from server.exchange import Exchange
from store.agents import Agent, Agents
from store.problems import AgentProblem, DatabaseProblem

AGENT_HEADER = "Assent-Agent"
BRIDGE, TOKEN = "bridge", "token"

log = structlog.get_logger()


class AgentGate:
    """Pure ASGI around the protocol's endpoint."""

    def __init__(self, app: ASGIApp, agents: Agents, *, bridge_secret: str) -> None:
        self._app = app
        self._agents = agents
        self._bridge_secret = bridge_secret
        self._known: set[tuple[str, str]] = set()
        self.exchanges: set[Exchange] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            agent = await self._authenticate(scope)
        except AgentProblem as problem:
            await _refuse(f"{problem.message}. {problem.hint}")(scope, receive, send)
            return
        if agent is None:
            reason = "agent token missing, unknown or revoked; make one with `assent agent add NAME`"
            await _refuse(reason)(scope, receive, send)
            return
        agent = replace(agent, assurance=assurance_of(scope))
        try:
            await self._signed_in(agent, scope)
        except DatabaseProblem as problem:
            await _unavailable(problem)(scope, receive, send)
            return
        scope["user"] = _user(agent.id)
        await self._serve(Exchange(agent), scope, receive, send)

    async def _serve(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        exchange.attach(scope)
        posting = scope["method"] == "POST"
        if posting:
            self.exchanges.add(exchange)
        try:
            await self._app(scope, exchange.receiving(receive), exchange.sending(send))
        finally:
            self.exchanges.discard(exchange)
            # Whether an answer arrived must be written down even when this very task is being cancelled.
            with anyio.CancelScope(shield=True):
                await exchange.finish()

    async def _signed_in(self, agent: Agent, scope: Scope) -> None:
        """The first call of an agent by a door is an entry; the ones after it are not."""
        via = BRIDGE if bridged(scope) else TOKEN
        if (agent.id, via) not in self._known:
            await self._agents.signed_in(agent, via)
            self._known.add((agent.id, via))

    async def _authenticate(self, scope: Scope) -> Agent | None:
        headers = Headers(scope=scope)
        values = headers.getlist("authorization")
        scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        if hmac.compare_digest(token.encode(), self._bridge_secret.encode()):
            return await self._from_bridge(scope, headers)
        return await self._agents.authenticate(token)

    async def _from_bridge(self, scope: Scope, headers: Headers) -> Agent | None:
        name = headers.get(AGENT_HEADER)
        if not name or not _is_loopback(scope):
            log.warning("bridge_refused", reason="no agent named" if not name else "not from this machine")
            return None
        came_with_bridge_secret(scope)
        return await self._agents.enrol(name)


@lru_cache(maxsize=1024)
def _user(agent_id: str) -> AuthenticatedUser:
    """What the SDK binds a session to: another agent's session id answers 404."""
    return AuthenticatedUser(AccessToken(token="", client_id=agent_id, scopes=[]))


def _is_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _unavailable(problem: DatabaseProblem) -> JSONResponse:
    reason = f"{problem.message}. {problem.hint}"
    return JSONResponse({"error": "unavailable", "error_description": reason}, status_code=503)


def _refuse(reason: str) -> JSONResponse:
    return JSONResponse(
        {"error": "invalid_token", "error_description": reason},
        status_code=401,
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )
