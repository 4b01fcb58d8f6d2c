"""One connection to one upstream, from its start to its end, of either kind and either era."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp import Client, ClientSession
from mcp.client.session import ElicitationFnT, IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from server.gateway.children import Children
from server.gateway.http import http_client, http_transport
from server.gateway.inventory import Inventory
from server.gateway.launching import endpoint, launch
from server.gateway.limits import Limits
from server.gateway.problems import Unavailable
from server.gateway.sessions import Lease, Open, OwnSessions, Shared
from server.gateway.stdio import stdio_transport
from server.gateway.wire import TransportStreams, Wire
from server.version import assent_version
from store.policy.upstreams import Upstream

_CHANGES = (
    types.ToolListChangedNotification,
    types.PromptListChangedNotification,
    types.ResourceListChangedNotification,
)
_LISTEN_TRIES = 5


@dataclass(frozen=True)
class Means:
    """What connections are made with."""

    limits: Limits
    children: Children
    folder: Path
    """Each process works in a folder of its own under this one, unless the policy names another."""
    environment: Callable[[], Mapping[str, str]]
    """Read anew at each start. May raise Problem."""


class Connection:
    """`wire` knows how it is. `relist` is set whenever the upstream says that what it has changed."""

    def __init__(self, upstream: Upstream, client: Client, wire: Wire, shared: Shared) -> None:
        self.upstream = upstream
        self.client = client
        self.wire = wire
        self.inventory = Inventory()
        self._shared = shared
        self._own: OwnSessions | None = None

    @property
    def session(self) -> ClientSession:
        return self.client.session

    @property
    def modern(self) -> bool:
        return self.client.protocol_version in MODERN_PROTOCOL_VERSIONS

    def give_each_call_its_own(self, sessions: OwnSessions) -> None:
        self._own = sessions

    def lease(self, agent_id: str) -> AbstractAsyncContextManager[Lease]:
        """Raises Unavailable where none can be had."""
        if self._own is not None:
            return self._own.taken(agent_id, self._lease)
        return self._shared.taken(self._lease(self.session))

    def let_go_of_idle(self, before: float) -> float:
        """See `OwnSessions.let_go_of_idle`."""
        return float("inf") if self._own is None else self._own.let_go_of_idle(before)

    def _lease(self, session: ClientSession) -> Lease:
        return Lease(self.upstream, session, self.modern, self.inventory.hashes)


@asynccontextmanager
async def connected(
    upstream: Upstream, means: Means, wire: Wire, on_change: Callable[[], None]
) -> AsyncIterator[Connection]:
    """A connection whose protocol is settled. `on_change` is called whenever it says that it has other things now.

    Raises:
        Unavailable, MCPError, and whatever else a stranger can cause; groups of these.
    """
    shared = Shared()
    async with AsyncExitStack() as stack:
        transport: AbstractAsyncContextManager[TransportStreams]
        if upstream.command is not None:
            folder = means.folder / upstream.name
            start = launch(upstream, means.environment(), folder)
            wire.secrets = start.secrets
            open_client: Open | None = None
            transport = stdio_transport(start, means.children, means.limits, wire)
        else:
            place = endpoint(upstream, means.environment())
            wire.secrets = place.secrets
            carrier = await stack.enter_async_context(http_client(place, means.limits, wire))
            transport = http_transport(place, carrier, means.limits)

            def another(asked: ElicitationFnT) -> Client:
                # An older server tells of changes the session whose call made them, and often no other.
                return _client(http_transport(place, carrier, means.limits), "legacy", asked, on_change)

            open_client = another
        client = await stack.enter_async_context(_client(transport, "auto", shared.asked, on_change))
        connection = Connection(upstream, client, wire, shared)
        if not connection.modern and wire.unreachable:
            # What failed in the first question says nothing about which protocol it speaks.
            raise Unavailable(wire.suspect or "it cannot be reached", "Try again later.")
        tasks = await stack.enter_async_context(_task_group())
        if connection.modern:
            tasks.start_soon(_listen, connection, on_change)
        elif open_client is not None:
            connection.give_each_call_its_own(OwnSessions(open_client, tasks, means.limits))
        yield connection


@asynccontextmanager
async def _task_group() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        finally:
            tasks.cancel_scope.cancel()


def _client(
    transport: AbstractAsyncContextManager[TransportStreams],
    mode: str,
    asked: ElicitationFnT,
    on_change: Callable[[], None],
) -> Client:
    async def heard(message: IncomingMessage) -> None:
        if isinstance(message, _CHANGES):
            on_change()

    return Client(
        transport,
        mode=mode,
        cache=None,
        client_info=types.Implementation(name="assent", version=assent_version()),
        elicitation_callback=asked,
        message_handler=heard,
    )


async def _listen(connection: Connection, on_change: Callable[[], None]) -> None:
    """Hear of changes as the modern protocol tells them. What cannot be heard is found by asking now and then."""
    able = connection.client.server_capabilities
    tools = bool(able.tools and able.tools.list_changed)
    prompts = bool(able.prompts and able.prompts.list_changed)
    resources = bool(able.resources and able.resources.list_changed)
    if not (tools or prompts or resources):
        return
    pause = 1.0
    for _ in range(_LISTEN_TRIES):
        try:
            async with connection.client.listen(
                tools_list_changed=tools, prompts_list_changed=prompts, resources_list_changed=resources
            ) as changes:
                async for _change in changes:
                    on_change()
        except (ListenNotSupportedError, MCPError, SubscriptionLost):
            pass
        # Something may have changed while nobody listened; asking also shows whether it is still there.
        on_change()
        await anyio.sleep(pause)
        pause *= 4
