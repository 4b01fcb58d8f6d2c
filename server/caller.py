"""Who calls, and over what: one request of an agent, as the code that answers it knows it."""

from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from server.exchange import Exchange
from server.stating import OWN_PREFIX, stated_in
from store.agents import Agent
from store.calls.calls import Stated
from store.text import is_unicode

CALL_ID = "claudecode/toolUseId"
"""Where Claude Code says, under `_meta`, which call of its model's this is: the same when it sends the call again."""
CALL_ID_LIMIT = 200
PROTOCOLS_OWN = "io.modelcontextprotocol/"
_PROGRESS_TOKENS = frozenset({"progressToken", "progress_token"})

Context = ServerRequestContext[Any, Any]


@dataclass(frozen=True)
class Caller:
    """One request: whose it is, its HTTP exchange, and its protocol's side."""

    agent: Agent
    exchange: Exchange
    context: Context

    @classmethod
    def of(cls, context: Context) -> "Caller":
        """The caller that the agent gate let in."""
        exchange = Exchange.of(context.request.scope)  # type: ignore[union-attr]
        return cls(exchange.agent, exchange, context)

    @property
    def client_name(self) -> str | None:
        """What the client says it is: a hint, for its patience only."""
        params = self.context.session.client_params
        return None if params is None else params.client_info.name

    @property
    def call_id(self) -> str | None:
        """What the client calls this call, where it says so in a usable way."""
        name = (self.context.meta or {}).get(CALL_ID)
        return name if isinstance(name, str) and 0 < len(name) <= CALL_ID_LIMIT and is_unicode(name) else None

    @property
    def is_modern(self) -> bool:
        """Whether it speaks the newer protocol, in which a server asks nothing while a call is on its way."""
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS

    @property
    def wants_progress(self) -> bool:
        return not _PROGRESS_TOKENS.isdisjoint(self.context.meta or {})

    @property
    def elicitation(self) -> types.ElicitationCapability | None:
        """How its user can be asked something, if at all."""
        capabilities = self.context.session.client_capabilities
        return None if capabilities is None else capabilities.elicitation

    @property
    def own_meta(self) -> dict[str, Any]:
        """What it says about its call, without what it says to this server only."""
        said = without_protocol(self.context.meta or {})
        return {key: value for key, value in said.items() if not key.startswith(OWN_PREFIX)}

    @property
    def stated(self) -> Stated | None:
        """What it states of its call by itself."""
        return stated_in(self.context.meta)


def without_protocol(meta: Any) -> dict[str, Any]:
    """`_meta` without the keys by which two neighbours speak the protocol: each connection has its own."""
    return {
        key: value for key, value in meta.items() if not key.startswith(PROTOCOLS_OWN) and key not in _PROGRESS_TOKENS
    }
