"""Looks after one upstream: starts it when it is wanted, notices when it is gone, and starts it again.

Everything that concerns the upstream itself happens in this one task of its own: a session must be closed by the task
that opened it, and what breaks in here reaches nobody else.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import anyio
import structlog

from server.gateway.connection import Connection, Means, connected
from server.gateway.health import Health, Outage, State, summary, time_text
from server.gateway.inventory import Inventory, take_inventory
from server.gateway.problems import Unavailable, UpstreamDown
from server.gateway.reasons import why
from server.gateway.sessions import Lease
from server.gateway.slots import Slots
from server.gateway.wire import Wire
from store.held_back import Halt
from store.moments import Clock
from store.policy.upstreams import Upstream

log = structlog.get_logger("assent.gateway")

_WHAT_TO_DO = "Nothing was sent. Try again later, or tell whoever runs Assent: the page Upstreams says more."
_STOPPED = "Nothing was sent, and nothing may proceed."
_RELIST_PAUSE_SECONDS = 0.5
_RELIST_TROUBLED_SECONDS = 10.0


@dataclass(frozen=True)
class _Life:
    """How long it was up, and why it ended; None where it was let go of, or a person wants it anew."""

    problem: str | None
    seconds: float


class Supervisor:
    """One upstream under one launch line. `run` it in a task; `lease` may be asked for from any other.

    `listed` is awaited with what it has, each time it was asked; `told` is called with each change of its health.
    """

    def __init__(
        self,
        upstream: Upstream,
        means: Means,
        slots: Slots,
        clock: Clock,
        *,
        listed: Callable[[Upstream, Inventory], Awaitable[None]],
        told: Callable[[str, Health], None],
    ) -> None:
        self.upstream = upstream
        self.inventory: Inventory | None = None
        """What it had when it was asked last; None while it was never asked."""
        self._means = means
        self._limits = means.limits
        self._slots = slots
        self._clock = clock
        self._listed = listed
        self._told = told
        self._health: Health | None = None
        self._up: Connection | None = None
        self._outage: Outage | None = None
        """Why nobody need try just now. While it is tried again only `_down_since` says that it is down."""
        self._down_since: datetime | None = None
        self._users = 0
        self._used_at = -means.limits.idle_seconds
        self._wanted = False
        self._first_look = False
        self._anew = False
        self._over = False
        self._held: Halt | None = None
        self._relist = False
        self._scope: anyio.CancelScope | None = None
        self._notes: tuple[str, ...] = ()
        self._came_up_at = float("inf")
        self._revived = ""
        self._nudged = anyio.Event()
        self._moved = anyio.Event()

    # What others ask of it. None of this waits for the upstream, but `lease`.

    @asynccontextmanager
    async def lease(self, agent_id: str) -> AsyncIterator[Lease]:
        """The right to send one call, once it is up.

        Raises:
            UpstreamDown: at once where it is known to be down, else when starting it has failed.
        """
        connection = await self._connection()
        self._users += 1
        try:
            async with AsyncExitStack() as stack:
                try:
                    lease = await stack.enter_async_context(connection.lease(agent_id))
                except Unavailable as problem:
                    raise self._problem(problem.message) from problem
                lease.upstream = self.upstream
                yield lease
        finally:
            self._users -= 1
            self._used_at = anyio.current_time()
            if self._up is None:
                self._nudge()

    def look(self) -> None:
        """Start it, if it was never asked yet what it has, and keep trying until it was."""
        if self.inventory is None:
            self._first_look = self._wanted = True
            self._nudge()

    async def looked(self) -> None:
        """Wait until it has said what it has, or cannot for now."""
        while self.inventory is None and self._outage is None and self._held is None and not self._over:
            await self._moved.wait()

    def start_anew(self) -> None:
        """End it if it runs, whatever it does just now, and start it at once."""
        self._wanted = True
        self._end()

    def hold(self, halt: Halt | None) -> None:
        """People stopped everything: end it, whatever it does just now, and start it for nobody, until None."""
        self._held = halt
        if halt is not None:
            self._end()
        self._nudge()
        self._move()

    def _end(self) -> None:
        self._anew = True
        # It takes a while to end, and no call may be sent to it meanwhile.
        self._up = None
        if self._scope is not None:
            self._scope.cancel()
        self._nudge()

    def retire(self) -> None:
        """Take no more calls, and end once those that run are over."""
        self._over = True
        self._up = None
        if self._users == 0 and self._scope is not None:
            self._scope.cancel()
        self._nudge()
        self._move()

    @property
    def idle_since(self) -> float | None:
        return self._used_at if self._up is not None and self._users == 0 else None

    def let_go(self) -> None:
        if self._users == 0:
            self._up = None
            self._nudge()

    # Its own task.

    async def run(self) -> None:
        """Run until it is retired, or cancelled."""
        pause = self._limits.backoff_seconds
        while await self._until_wanted():
            life = await self._live()
            if self._over:
                return
            if life.problem is None or life.seconds >= self._limits.healthy_seconds:
                pause = self._limits.backoff_seconds
            self._revived = ""
            if life.problem is None:
                continue
            if life.seconds < 2 * pause:
                await self._rest(life.problem, pause)
            else:
                # What worked until now most likely works again: those who call meanwhile had better wait for it.
                self._revived = f"started anew since {time_text(self._clock())}, because {life.problem}"
                self._wanted = self._recently_used
            pause = min(2 * pause, self._limits.backoff_most_seconds)

    async def _until_wanted(self) -> bool:
        """Whether to start it; not, once it is retired."""
        retry = self._outage is not None and (self._recently_used or (self._first_look and self.inventory is None))
        if not (self._asked_for or (retry and self._held is None)):
            # Whoever wants it from now on starts it; the health line goes on saying why it is down.
            down, self._outage = self._outage, None
            while not self._asked_for:
                if self._held is not None:
                    down = None
                    self._tell(State.ASLEEP, f"{self._held.told()} It is started when it is called after that.")
                elif down is None:
                    self._tell(State.ASLEEP, "It is started when it is called.")
                await self._next_nudge()
        return not self._over

    async def _live(self) -> _Life:
        """One life of the upstream, from its start to its end."""
        self._wanted = self._anew = False
        self._came_up_at = float("inf")
        if self._down_since is None:
            self._tell(State.STARTING, "It is being started.")
        wire = Wire(self._nudge)
        ended: str | None = None
        with anyio.CancelScope(deadline=anyio.current_time() + self._limits.connect_seconds) as scope:
            self._scope = scope
            try:
                async with AsyncExitStack() as stack:
                    if self.upstream.command is not None:
                        await stack.enter_async_context(self._slots.taken(self))
                    connection = await stack.enter_async_context(
                        connected(self.upstream, self._means, wire, self._relist_soon)
                    )
                    await self._list(connection)
                    if wire.lost is None and not self._over:
                        scope.deadline = float("inf")
                        self._come_up(connection)
                        ended = await self._serve(connection)
                    else:
                        ended = wire.lost
                    self._up = None
            except Exception as problem:  # noqa: BLE001 (whatever a stranger causes ends this life and no more)
                ended = why(problem, wire)
                log.debug("an upstream failed", upstream=self.upstream.name, problem=type(problem).__name__)
            finally:
                self._up = self._scope = None
        if scope.cancelled_caught:
            ended = f"it has not said within {self._limits.connect_seconds:g} seconds what it has"
        self._notes = tuple(wire.notes.values())
        return _Life(None if self._was_let_go_of else ended, max(0.0, anyio.current_time() - self._came_up_at))

    async def _serve(self, connection: Connection) -> str | None:
        """Until it is lost, or nobody wants it."""
        wire = connection.wire
        listed_at, pause = anyio.current_time(), _RELIST_PAUSE_SECONDS
        while True:
            if wire.lost is not None:
                return wire.lost
            now = anyio.current_time()
            if self._users == 0 and (self._up is None or now - self._used_at >= self._limits.idle_seconds):
                return None
            tidy = connection.let_go_of_idle(now - self._limits.session_idle_seconds)
            due = listed_at + self._limits.relist_seconds
            if self._relist or wire.suspect is not None:
                due = min(due, listed_at + pause)
            if now >= due:
                trouble = await self._list_again(connection)
                listed_at = anyio.current_time()
                # Calls that still run may yet have their answers; they end by their own clock.
                if trouble is not None and self._users == 0:
                    return trouble
                pause = _RELIST_PAUSE_SECONDS if trouble is None else _RELIST_TROUBLED_SECONDS
                continue
            # The end of a call does not wake this loop, so that calls cost nothing here: it looks again by itself.
            idle = (now if self._users else self._used_at) + self._limits.idle_seconds
            with anyio.move_on_at(min(due, idle, tidy + self._limits.session_idle_seconds)):
                await self._next_nudge()

    async def _list(self, connection: Connection) -> None:
        self._relist = False
        connection.wire.suspect = None
        inventory = await take_inventory(connection.session, self.upstream.name, self._limits)
        await self._listed(self.upstream, inventory)
        connection.inventory = self.inventory = inventory
        self._move()

    async def _list_again(self, connection: Connection) -> str | None:
        """Why that failed, if it did."""
        try:
            with anyio.fail_after(self._limits.connect_seconds):
                await self._list(connection)
        except Exception as problem:  # noqa: BLE001 (as above; the caller decides what becomes of it)
            self._relist = True
            return why(problem, connection.wire)
        self._tell(State.UP, summary(connection, self._revived))
        return None

    def _come_up(self, connection: Connection) -> None:
        self._up = connection
        self._outage = self._down_since = None
        self._came_up_at = anyio.current_time()
        self._used_at = max(self._used_at, anyio.current_time())
        self._tell(State.UP, summary(connection, self._revived))
        self._move()

    async def _rest(self, problem: str, seconds: float) -> None:
        self._down_since = self._down_since or self._clock()
        self._outage = Outage(problem, self._down_since)
        self._tell(State.DOWN, "; ".join((self._outage.text, *self._notes)) + ".")
        self._move()
        with anyio.move_on_after(seconds):
            while not (self._anew or self._over):
                await self._next_nudge()

    async def _connection(self) -> Connection:
        self._used_at = anyio.current_time()
        while True:
            if self._over:
                raise UpstreamDown(f"{self.upstream.name} is not among the upstreams in force any more", _WHAT_TO_DO)
            if self._held is not None:
                raise UpstreamDown(f"the upstream {self.upstream.name} is not used: {self._held.told()}", _STOPPED)
            if self._up is not None and self._up.wire.lost is None:
                return self._up
            if self._outage is not None:
                raise self._problem(self._outage.text)
            if self.upstream.command is not None and self._slots.is_full and not self._starting:
                raise self._problem(self._slots.refusal.message)
            self._wanted = True
            self._nudge()
            await self._moved.wait()

    def _problem(self, what: str) -> UpstreamDown:
        return UpstreamDown(f"the upstream {self.upstream.name} cannot be used: {what}", _WHAT_TO_DO)

    @property
    def _was_let_go_of(self) -> bool:
        return self._anew or self._over

    @property
    def _starting(self) -> bool:
        return self._scope is not None

    @property
    def _asked_for(self) -> bool:
        return (self._wanted and self._held is None) or self._over

    @property
    def _recently_used(self) -> bool:
        return anyio.current_time() - self._used_at < self._limits.idle_seconds

    def _relist_soon(self) -> None:
        self._relist = True
        self._nudge()

    def _tell(self, state: State, detail: str) -> None:
        health = Health(state, detail)
        if health != self._health:
            self._health = health
            self._told(self.upstream.name, health)

    async def _next_nudge(self) -> None:
        await self._nudged.wait()
        self._nudged = anyio.Event()

    def _nudge(self) -> None:
        self._nudged.set()

    def _move(self) -> None:
        """Whoever waits for it looks again."""
        moved, self._moved = self._moved, anyio.Event()
        moved.set()
