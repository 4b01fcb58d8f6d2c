"""The door to `/mcp`: who calls, known before a byte of the body is read.

An agent's bearer token opens this door and nothing else. The local bridge comes with the home's bridge secret, which
only the user who owns the home can read, and names the agent it speaks for; it is taken from loopback only.

An agent that people stopped is turned away, whatever it calls for, and what waits here for it ends: calls with an
answer that says so, streams without one.
"""

import hmac
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address

import anyio
import structlog
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp_types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.assurance import assurance_of, bridged, came_with_bridge_secret
from server.envelope import AGENT_STOPPED
from server.exchange import Exchange
from server.halting import HaltWatch
from store.agents import Agent, Agents
from store.held_back import Halt
from store.moments import to_text
from store.problems import AgentProblem, DatabaseProblem

AGENT_HEADER = "Assent-Agent"
BRIDGE, TOKEN = "bridge", "token"
PROTOCOL_PATH = "/mcp"
NOTHING_PROCEEDS = (
    "Nothing may proceed: do nothing more, do not look for another way to the same end, and tell your user. What is "
    "open stays open, and can be asked again once people let this agent go on."
)

log = structlog.get_logger()


class AgentGate:
    """Pure ASGI around the protocol's endpoint, and around whatever else agents may reach."""

    def __init__(self, app: ASGIApp, agents: Agents, watch: HaltWatch, *, bridge_secret: str) -> None:
        self._app = app
        self._agents = agents
        self._watch = watch
        self._bridge_secret = bridge_secret
        self._known: set[tuple[str, str]] = set()
        self.exchanges: set[Exchange] = set()
        """The calls that are under way."""
        self._streams: set[Exchange] = set()
        watch.when_changed(self._stop_who_is_stopped)

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
        if agent.halt is not None and agent.halt.stops:
            self._look_again(agent, is_stopped=True)
            await _stopped(agent.halt, scope)(scope, receive, send)
            return
        self._look_again(agent, is_stopped=False)
        agent = replace(agent, assurance=assurance_of(scope))
        try:
            await self._signed_in(agent, scope)
        except DatabaseProblem as problem:
            await _unavailable(problem)(scope, receive, send)
            return
        # Asked last, with no wait before this call is among those that a stop ends: none slips through in between.
        halt = self._watch.of(agent.id)
        if halt is not None:
            await _stopped(halt, scope)(scope, receive, send)
            return
        scope["user"] = _user(agent.id)
        exchange = Exchange(agent)
        if scope["method"] == "POST":
            await self._serve(exchange, scope, receive, send, among=self.exchanges)
        else:
            await self._serve_stream(exchange, scope, receive, send)

    async def _serve_stream(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """What has no answer of its own: it breaks off once the agent is stopped."""
        with anyio.CancelScope() as stopped:
            exchange.when_lost(lambda: stopped.cancel() if exchange.halt else None)
            await self._serve(exchange, scope, receive, send, among=self._streams)
        if not stopped.cancelled_caught or exchange.halt is None:
            return
        if exchange.is_begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await _stopped(exchange.halt, scope)(scope, receive, send)

    def _look_again(self, agent: Agent, *, is_stopped: bool) -> None:
        """What another process changed a moment ago is known here with the first call that shows it."""
        if (self._watch.of(agent.id) is not None) is not is_stopped:
            self._watch.look()

    def _stop_who_is_stopped(self) -> None:
        for exchange in [*self.exchanges, *self._streams]:
            halt = self._watch.of(exchange.agent.id)
            if halt is not None:
                exchange.stop(halt)

    async def _serve(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send, *, among: set[Exchange]
    ) -> None:
        exchange.attach(scope)
        among.add(exchange)
        try:
            await self._app(scope, exchange.receiving(receive), exchange.sending(send))
        finally:
            among.discard(exchange)
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


def _stopped(halt: Halt, scope: Scope) -> JSONResponse:
    """Who stopped it, when, and what to do. On the protocol's path in the protocol's own form: models read that."""
    what = f"{halt.told()} {NOTHING_PROCEEDS}"
    facts = {"stopped_by": halt.by, "stopped_at": to_text(halt.at), "everything": halt.agent_id is None}
    if scope["path"] == PROTOCOL_PATH:
        error = {"code": INVALID_REQUEST, "message": what, "data": {"error": AGENT_STOPPED, **facts}}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status_code=403)
    return JSONResponse({"error": AGENT_STOPPED, "error_description": what, **facts}, status_code=403)


def _unavailable(problem: DatabaseProblem) -> JSONResponse:
    reason = f"{problem.message}. {problem.hint}"
    return JSONResponse({"error": "unavailable", "error_description": reason}, status_code=503)


def _refuse(reason: str) -> JSONResponse:
    return JSONResponse(
        {"error": "invalid_token", "error_description": reason},
        status_code=401,
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )
