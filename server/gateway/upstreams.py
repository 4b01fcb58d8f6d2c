"""The upstreams of the rules in force: each looked after by a task of its own, and all of them as one listing.

The rules are followed as they come into force, and people's wishes to start one anew are rows that are read here. One
upstream's trouble is its own: it delays neither the others, nor the start and the stop of the server.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup

from server.config import Settings
from server.gateway.children import Children
from server.gateway.connection import Means
from server.gateway.health import Health
from server.gateway.inventory import Inventory
from server.gateway.limits import Limits
from server.gateway.listing import Listing, Resources, build
from server.gateway.problems import UpstreamDown
from server.gateway.sessions import Lease
from server.gateway.slots import Slots
from server.gateway.supervising import Supervisor
from server.upstream_environment import read
from store.calls.definitions import Pinned
from store.calls.service import Calls
from store.database import Database
from store.held_back import Halt
from store.policy.active import active
from store.policy.upstreams import Upstream
from store.problems import DatabaseProblem, Problem
from store.signals import GATEWAY

log = structlog.get_logger("assent.gateway")

_STUMBLE_SECONDS = 5.0
_FIRST_SECONDS = 10.0


class Upstreams:
    """`run` it beside the server; everything else may be asked of it at any time.

    `environment` is what the policy's `{{env:…}}` may name; `folder` is where processes work, each in one of its own.
    """

    def __init__(
        self,
        database: Database,
        calls: Calls,
        limits: Limits,
        *,
        folder: Path,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self._database = database
        self._calls = calls
        self.limits = limits
        self.listing = Listing()
        """All that there is now. Replaced as a whole when anything changes, and then GATEWAY is published."""
        self.children = Children(limits)
        self._means = Means(limits, self.children, folder, environment)
        self._slots = Slots(limits.processes)
        self._mounted: tuple[Upstream, ...] = ()
        self._supervisors: dict[str, Supervisor] = {}
        self._resources: dict[str, Resources] = {}
        self._untold: dict[str, tuple[str, Health]] = {}
        self._something_to_tell = anyio.Event()
        self._refreshing = anyio.Lock()
        self._begun = anyio.Event()
        self._held: Halt | None = None

    async def run(self) -> None:
        """Run until cancelled. When this returns, no process of any upstream is left."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_health)
                await self._follow(tasks)
        finally:
            with anyio.CancelScope(shield=True):
                await self.children.close()

    @asynccontextmanager
    async def lease(self, name: str, agent_id: str) -> AsyncIterator[Lease]:
        """The right to send one call to the upstream `name` for this agent; it is started if it sleeps.

        Raises:
            UpstreamDown: it cannot be had. Where that is known, at once. Nothing was sent.
        """
        with anyio.move_on_after(_FIRST_SECONDS):
            await self._begun.wait()
        supervisor = self._supervisors.get(name)
        if supervisor is None:
            raise UpstreamDown(
                f"there is no upstream {name} in the rules in force", "Nothing was sent. Ask for the tools anew."
            )
        async with supervisor.lease(agent_id) as lease:
            yield lease

    async def known(self, *, within: float, resources: bool = False) -> Listing:
        """The listing, after waiting `within` seconds at most for upstreams of which nothing is known yet.

        What they list of resources is not kept: with `resources`, all that were not asked since the server's start are.
        """
        with anyio.move_on_after(within):
            await self._begun.wait()
            asked = {each.definition.upstream for each in self._all_pinned()} if not resources else set()
            missing = [each for name, each in self._supervisors.items() if name not in asked]
            for each in missing:
                each.look()
            for each in missing:
                await each.looked()
        return self.listing

    def hold(self, halt: Halt | None) -> None:
        """People stopped everything: end all that runs, and start none, until this is called with None."""
        if halt == self._held:
            return
        self._held = halt
        self.children.hurried = halt is not None
        for supervisor in self._supervisors.values():
            supervisor.hold(halt)

    def _all_pinned(self) -> Iterable[Pinned]:
        return (*self.listing.tools.values(), *self.listing.prompts.values())

    async def _follow(self, tasks: TaskGroup) -> None:
        with self._database.signals.listen(GATEWAY) as listener:
            while True:
                try:
                    await self._look(tasks)
                except Problem as problem:
                    # The calls themselves are refused then, for the same reason.
                    log.warning("the upstreams could not be read", problem=problem.message)
                    await listener.changed(within=_STUMBLE_SECONDS)
                    continue
                except Exception:  # with this task dead nothing would ever be started again
                    log.exception("the upstreams could not be read")
                    await listener.changed(within=_STUMBLE_SECONDS)
                    continue
                await listener.changed()

    async def _look(self, tasks: TaskGroup) -> None:
        policy = await self._database.read(active)
        mounted = () if policy is None else policy.upstreams
        if mounted != self._mounted or not self._begun.is_set():
            self._mounted = mounted
            for upstream in mounted:
                self._mount(upstream, tasks)
            for name in self._supervisors.keys() - {each.name for each in mounted}:
                self._supervisors.pop(name).retire()
                self._resources.pop(name, None)
        await self._refresh()
        if not self._begun.is_set():
            self._look_at_the_unknown()
            self._begun.set()
        for name in await self._calls.take_restarts():
            if name in self._supervisors:
                self._supervisors[name].start_anew()

    def _mount(self, upstream: Upstream, tasks: TaskGroup) -> None:
        known = self._supervisors.get(upstream.name)
        if known is not None and known.upstream.launch_sha256 == upstream.launch_sha256:
            known.upstream = upstream
            return
        if known is not None:
            known.retire()
            self._resources.pop(upstream.name, None)
        supervisor = Supervisor(
            upstream,
            self._means,
            self._slots,
            self._database.clock,
            listed=self._listed,
            told=lambda name, health: self._tell(name, upstream.launch_sha256, health),
        )
        supervisor.hold(self._held)
        self._supervisors[upstream.name] = supervisor
        tasks.start_soon(self._supervise, supervisor)
        if self._begun.is_set():
            # What came into force just now is listed at once: nobody can call what nobody was told of.
            supervisor.look()

    def _look_at_the_unknown(self) -> None:
        known = {each.definition.upstream for each in self._all_pinned()}
        for name, supervisor in self._supervisors.items():
            if name not in known:
                supervisor.look()

    async def _supervise(self, supervisor: Supervisor) -> None:
        while True:
            try:
                await supervisor.run()
                return
            except Exception:  # a fault of ours in one of them must not take the others along
                log.exception("looking after an upstream failed", upstream=supervisor.upstream.name)
                await anyio.sleep(_STUMBLE_SECONDS)

    async def _listed(self, upstream: Upstream, inventory: Inventory) -> None:
        current = self._supervisors.get(upstream.name)
        if current is None or current.upstream.launch_sha256 != upstream.launch_sha256:
            # Other rules came into force meanwhile: what it lists is nobody's business any more.
            return
        await self._calls.observe(upstream, inventory.definitions)
        self._resources[upstream.name] = inventory.resources
        await self._refresh()

    async def _refresh(self) -> None:
        """Make the listing anew from the rows."""
        async with self._refreshing:
            pinned = await self._calls.definitions()
            listing = build(self._mounted, pinned, self._resources)
            if listing != self.listing:
                self.listing = listing
                self._database.signals.publish([GATEWAY])

    def _tell(self, name: str, launch_sha256: str, health: Health) -> None:
        self._untold[name] = (launch_sha256, health)
        self._something_to_tell.set()

    async def _keep_health(self) -> None:
        """Write health lines, the newest of each upstream. No upstream waits for them."""
        while True:
            await self._something_to_tell.wait()
            self._something_to_tell = anyio.Event()
            while self._untold:
                name, (launch_sha256, health) = self._untold.popitem()
                try:
                    await self._calls.health(name, launch_sha256, health.state, health.detail)
                except DatabaseProblem:
                    self._untold.setdefault(name, (launch_sha256, health))
                    await anyio.sleep(_STUMBLE_SECONDS)


def open_upstreams(settings: Settings, database: Database, calls: Calls) -> Upstreams:
    """The upstreams of one server. Processes work in `upstreams` of its home, unless the policy says where."""
    return Upstreams(
        database,
        calls,
        limits_of(settings),
        folder=settings.home.path / "upstreams",
        environment=lambda: {**read(settings.home.upstreams_env_file), **os.environ},
    )


def limits_of(settings: Settings) -> Limits:
    return Limits(
        processes=settings.upstream_processes,
        idle_seconds=float(settings.upstream_idle_seconds),
        result_bytes=settings.upstream_result_bytes,
        line_bytes=settings.upstream_line_bytes,
    )
