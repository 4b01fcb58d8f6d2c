"""Telling clients that a list changed, in both eras, without waiting for any of them."""

from collections import Counter
from typing import Any
from weakref import WeakSet

import anyio
import mcp_types as types
import structlog
from mcp.server.connection import Connection
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import PromptsListChanged, ResourcesListChanged, ServerEvent, ToolsListChanged

from server.caller import Caller, Context
from server.gateway.listing import Listing
from server.gateway.upstreams import Upstreams
from store.signals import GATEWAY, Signals

STREAMS_AN_AGENT = 16
STREAMS = 1_024
GATHERING_SECONDS = 0.05
"""Several upstreams that start together are one change."""
PATIENCE_SECONDS = 5.0
"""For one client of the older protocol to take the news."""

log = structlog.get_logger()

_NEWS: dict[type[ServerEvent], type[types.Notification[Any, Any]]] = {
    ToolsListChanged: types.ToolListChangedNotification,
    PromptsListChanged: types.PromptListChangedNotification,
    ResourcesListChanged: types.ResourceListChangedNotification,
}


class Changes:
    """Who wants to hear of changes, and the changes. `run` it beside the server."""

    def __init__(self, upstreams: Upstreams, signals: Signals) -> None:
        self._upstreams = upstreams
        self._signals = signals
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus, max_subscriptions=STREAMS)
        self._streams_of: Counter[str] = Counter()
        self._connections: WeakSet[Connection] = WeakSet()

    async def initialized(self, context: Context, _: types.NotificationParams | None) -> None:
        """A client of the older protocol is there, from now until its session ends."""
        # The library has no public name for it; what it hands out itself lives for one message only.
        self._connections.add(context.session._connection)

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream of changes to a client of the newer protocol; until people stop its agent."""
        caller = Caller.of(context)
        agent = caller.agent
        if self._streams_of[agent.id] >= STREAMS_AN_AGENT:
            message = f"this agent listens on {STREAMS_AN_AGENT} streams, which is the limit; end one of them"
            raise MCPError(types.INTERNAL_ERROR, message)
        # Changes within a resource are not passed on: the answer must not say that they are.
        wanted = params.notifications.model_copy(update={"resource_subscriptions": None})
        self._streams_of[agent.id] += 1
        try:
            with anyio.CancelScope() as stopped:
                caller.exchange.when_lost(lambda: stopped.cancel() if caller.exchange.halt else None)
                return await self._streams(context, params.model_copy(update={"notifications": wanted}))
        finally:
            self._streams_of[agent.id] -= 1
            if not self._streams_of[agent.id]:
                del self._streams_of[agent.id]
        assert caller.exchange.halt is not None, "nothing else cancels this stream alone"
        raise MCPError(types.INVALID_REQUEST, caller.exchange.halt.told())

    def close(self) -> None:
        """End all streams, in good order."""
        self._streams.close()

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as telling:
            with self._signals.listen(GATEWAY) as listener:
                seen = self._upstreams.listing
                while True:
                    await listener.changed()
                    # Looked at before and after the pause: what changed and changed back may have been read meanwhile.
                    now = self._upstreams.listing
                    news = _changes(seen, now)
                    if news:
                        await anyio.sleep(GATHERING_SECONDS)
                        seen = self._upstreams.listing
                        for event in dict.fromkeys([*news, *_changes(now, seen)]):
                            telling.start_soon(self._tell, event)

    async def _tell(self, event: ServerEvent) -> None:
        await self._bus.publish(event)
        notification = _NEWS[type(event)]()
        body = notification.model_dump(by_alias=True, mode="json", exclude_none=True)
        async with anyio.create_task_group() as group:
            for connection in list(self._connections):
                group.start_soon(_told, connection, body["method"])


async def _told(connection: Connection, method: str) -> None:
    with anyio.move_on_after(PATIENCE_SECONDS):
        await connection.outbound.notify(method, None)


def _changes(before: Listing, now: Listing) -> list[ServerEvent]:
    if before is now:
        return []
    found: list[ServerEvent] = []
    if _accepted(before.tools) != _accepted(now.tools):
        found.append(ToolsListChanged())
    if _accepted(before.prompts) != _accepted(now.prompts):
        found.append(PromptsListChanged())
    if (before.resources, before.templates) != (now.resources, now.templates):
        found.append(ResourcesListChanged())
    return found


def _accepted(pinned: Any) -> list[tuple[str, str]]:
    return [(name, one.accepted.sha256) for name, one in pinned.items() if one.accepted is not None]
