"""Which session a call gets, and to whom an upstream's question goes while it runs.

The modern protocol asks through results, so one session serves everybody. In the older one an upstream asks over the
session itself and does not say on whose behalf: over HTTP each call therefore has a session of its own, which is kept
for calls of the same agent only. A process has one session; its questions are passed on only where there is no doubt
whose they are.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp import Client, ClientSession
from mcp.client.session import ClientRequestContext, ElicitationFnT
from mcp.shared.exceptions import MCPError

from server.gateway.limits import Limits
from server.gateway.problems import Unavailable
from store.calls.definitions import Method
from store.policy.upstreams import Upstream

Sink = Callable[[types.ElicitRequestParams], Awaitable[types.ElicitResult | types.ErrorData]]
Open = Callable[[ElicitationFnT], AbstractAsyncContextManager[Client]]
"""Opens one session more; its questions go to the callback."""

_PING_SECONDS = 5.0


@dataclass(eq=False)
class Lease:
    """The right to send one call. Its holder sets `sink` to be asked what the upstream asks meanwhile."""

    upstream: Upstream
    session: ClientSession
    modern: bool
    """Whether it speaks 2026-07-28: then it asks through its result, and `sink` is never called."""
    hashes: Mapping[tuple[Method, str], str]
    sink: Sink | None = None

    def sha256(self, method: Method, name: str) -> str | None:
        """The hash of this definition as it was listed over this very connection; None for what was not."""
        return self.hashes.get((method, name))

    async def asked(self, params: types.ElicitRequestParams) -> types.ElicitResult | types.ErrorData:
        if self.sink is None:
            return _nobody("no call that can pass a question on is running")
        return await self.sink(params)


class Shared:
    """All calls over one session."""

    def __init__(self) -> None:
        self._running: set[Lease] = set()
        self._doubtful_until = 0.0

    @asynccontextmanager
    async def taken(self, lease: Lease) -> AsyncIterator[Lease]:
        self._running.add(lease)
        given_up = True
        try:
            yield lease
            given_up = False
        finally:
            self._running.discard(lease)
            if given_up and not lease.modern:
                # The upstream may still be at it, and what it asks then is not for whoever calls next.
                self._doubtful_until = anyio.current_time() + lease.upstream.timeout_seconds

    async def asked(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """What the process asks, answered by the one call that is running."""
        if len(self._running) != 1 or anyio.current_time() < self._doubtful_until:
            return _nobody("several calls are running, and the question does not say for which of them it is")
        return await next(iter(self._running)).asked(params)


@dataclass(eq=False)
class _Own:
    """A session for one call at a time."""

    session: ClientSession | None = None
    lease: Lease | None = None
    used_at: float = 0.0
    ready: anyio.Event = field(default_factory=anyio.Event)
    closing: anyio.Event = field(default_factory=anyio.Event)
    problem: Exception | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def close(self) -> None:
        """Let it end; what was not open yet never will be."""
        self.closing.set()
        if not self.ready.is_set():
            self.scope.cancel()

    async def run(self, open_session: Open) -> None:
        """Hold it open, in a task of its own: a session must be closed by the task that opened it."""
        try:
            with self.scope:
                async with open_session(self.asked) as client:
                    self.session = client.session
                    self.ready.set()
                    await self.closing.wait()
                    # Saying goodbye may take as long, and no longer.
                    self.scope.deadline = anyio.current_time() + _PING_SECONDS
        except Exception as problem:  # noqa: BLE001 (only this session's calls suffer, and whoever waits for it is told)
            self.problem = problem
        finally:
            self.closing.set()
            self.ready.set()

    async def asked(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        return _nobody("no call is running") if self.lease is None else await self.lease.asked(params)

    async def answers(self) -> bool:
        assert self.session is not None
        try:
            with anyio.fail_after(_PING_SECONDS):
                await self.session.send_ping()
        except (MCPError, TimeoutError):
            return False
        return not self.closing.is_set()


class OwnSessions:
    """A session for each call, kept for the agent's next."""

    def __init__(self, open_session: Open, tasks: TaskGroup, limits: Limits) -> None:
        self._open = open_session
        self._tasks = tasks
        self._limits = limits
        self._idle: defaultdict[str, list[_Own]] = defaultdict(list)
        self._in_use = 0

    @asynccontextmanager
    async def taken(self, agent_id: str, lease_of: Callable[[ClientSession], Lease]) -> AsyncIterator[Lease]:
        """Raises Unavailable where there are too many already, or no session can be opened."""
        if self._in_use >= self._limits.sessions:
            raise Unavailable(
                f"{self._in_use} calls of it are running, and it takes no more at once", "Wait until some have ended."
            )
        self._in_use += 1
        try:
            own = await self._kept(agent_id) or await self._opened()
            assert own.session is not None
            own.lease = lease_of(own.session)
            sound = False
            try:
                yield own.lease
                sound = True
            finally:
                own.lease, own.used_at = None, anyio.current_time()
                # A call that was given up may still be running over there, and ask: nobody gets its session.
                if sound and not own.closing.is_set():
                    self._idle[agent_id].append(own)
                else:
                    own.close()
        finally:
            self._in_use -= 1

    def let_go_of_idle(self, before: float) -> float:
        """Close those that nobody used since; when the oldest of the rest was used, or infinity."""
        for agent_id, kept in list(self._idle.items()):
            for own in kept:
                if own.used_at < before:
                    own.close()
            self._idle[agent_id] = [own for own in kept if not own.closing.is_set()]
            if not self._idle[agent_id]:
                del self._idle[agent_id]
        return min((own.used_at for kept in self._idle.values() for own in kept), default=float("inf"))

    async def _kept(self, agent_id: str) -> _Own | None:
        idle = self._idle[agent_id]
        while idle:
            own = idle.pop()
            fresh = anyio.current_time() - own.used_at < self._limits.check_seconds
            try:
                if not own.closing.is_set() and (fresh or await own.answers()):
                    return own
            except BaseException:
                own.close()
                raise
            own.close()
        return None

    async def _opened(self) -> _Own:
        idle = [(own.used_at, agent_id, own) for agent_id, kept in self._idle.items() for own in kept]
        if self._in_use + len(idle) > self._limits.sessions:
            _, agent_id, oldest = min(idle, key=lambda each: each[0])
            self._idle[agent_id].remove(oldest)
            oldest.close()
        own = _Own()
        self._tasks.start_soon(own.run, self._open)
        try:
            with anyio.fail_after(self._limits.connect_seconds):
                await own.ready.wait()
        except BaseException as problem:
            own.close()
            if isinstance(problem, TimeoutError):
                raise Unavailable("it does not open a session", "Try again later.") from problem
            raise
        if own.session is None:
            raise Unavailable("it does not open a session", "Try again later.") from own.problem
        return own


def _nobody(why: str) -> types.ErrorData:
    return types.ErrorData(code=types.INVALID_REQUEST, message=f"nobody can be asked: {why}")
