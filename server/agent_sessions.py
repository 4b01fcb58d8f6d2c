"""The older protocol's sessions, shared out: no agent can open so many that there are none left for the others."""

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import INVALID_REQUEST
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

SESSIONS_AN_AGENT = 100


class _TooMany(Exception):
    """This agent has all the sessions that one may have."""


class AgentSessions(StreamableHTTPSessionManager):
    """The library's sessions, at most `SESSIONS_AN_AGENT` of one agent at a time. Pure ASGI."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.handle_request(scope, receive, send)
        except _TooMany:
            await _refusal()(scope, receive, send)

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        # Where the library counts, and under its lock: a count made earlier would be passed by many calls at once.
        if sum(owner == requestor for owner in self._session_owners.values()) >= SESSIONS_AN_AGENT:
            raise _TooMany
        return super()._admit_session(requestor)


def _refusal() -> JSONResponse:
    message = (
        f"this agent has {SESSIONS_AN_AGENT} open sessions, which is the limit. End those that you no longer use (HTTP "
        "DELETE with their Mcp-Session-Id), or wait: one that is idle ends after 30 minutes. Nothing was done."
    )
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": message}}
    return JSONResponse(error, status_code=429, headers={"Retry-After": "60"})
