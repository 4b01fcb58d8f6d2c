"""One permitted call on its way to its upstream and back.

Invariants:

- It was admitted before: that it will be sent is durable. What came of it is durable before anybody is told.
- It is sent once, with exactly the arguments that were admitted. Whatever ends it - an answer, a time limit, a caller
  that cancels, people who stop its agent, the end of the server - is written down.
- Of an agent that people stopped nothing is sent from the moment in which this process knows it; what was sent before
  is cancelled.
- An upstream that hangs, dies or answers nonsense costs this one call.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import mcp_types as types
import structlog
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from server.gateway.inputs import PARKED_SECONDS, Parking, Question, Requests, Responses, Route, Unanswered
from server.gateway.requests import properties_of, request_of
from server.gateway.results import Wire, cleaned, error_of, is_error, passed_on, size_of
from server.gateway.upstreams import Upstreams
from server.gateway.wire import TRANSPORT_FAULT
from server.halting import HaltWatch
from server.tools.faults import text_of
from store.agents import Agent
from store.audit.events import CallEnd
from store.calls.calls import Admitted, Ended
from store.calls.service import Calls
from store.held_back import Halt
from store.policy.upstreams import Upstream
from store.problems import Problem

ROUNDS = 10
"""How often an upstream may ask for more before its call counts as failed."""
ROUND_PAUSE_SECONDS = 0.1
DRAIN_SECONDS = 0.6
FINISH_SECONDS = 5.0
_BROKEN_OFF = frozenset({types.CONNECTION_CLOSED, types.PARSE_ERROR})
"""What the library itself calls a connection that ended under a call, and an answer that broke off."""
_WIRE = TypeAdapter(Wire)
_INPUT_REQUIRED = TypeAdapter(types.InputRequiredResult)

log = structlog.get_logger()

Progress = Callable[[float, float | None, str | None], Awaitable[None]]


class Passing:
    """What all calls on their way share."""

    def __init__(self, calls: Calls, upstreams: Upstreams, watch: HaltWatch) -> None:
        self.calls = calls
        self.upstreams = upstreams
        self.watch = watch
        self.parking = Parking()
        self.stopping = False
        self.under_way: set[Errand] = set()
        self._group: TaskGroup | None = None
        watch.when_changed(self._stop_who_is_stopped)

    def _stop_who_is_stopped(self) -> None:
        for errand in list(self.under_way):
            halt = self.watch.of(errand.agent_id)
            if halt is not None:
                errand.stop(halt)

    async def run(self) -> None:
        """Carry what was started, until cancelled: then nobody knows what becomes of it, and the log says so."""
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                await anyio.sleep_forever()
            finally:
                self.stopping, self._group = True, None

    @property
    def takes_more(self) -> bool:
        return self._group is not None and not self.stopping

    def start(self, errand: "Errand", done: Callable[[], None] = lambda: None) -> None:
        """Carry it through in the background, and call `done` once it is over. Only while this `takes_more`."""
        assert self._group is not None

        async def carried() -> None:
            try:
                await errand.run()
            finally:
                done()

        self._group.start_soon(carried)

    async def drain(self) -> None:
        """Give what is on its way a moment to come back, and then up: its callers are told that nobody knows."""
        self.stopping = True
        waited_for = [errand for errand in self.under_way if not errand.is_held]
        with anyio.move_on_after(DRAIN_SECONDS):
            for errand in waited_for:
                await errand.written.wait()
        for errand in waited_for:
            errand.cancel()


class Errand:
    """One permitted call. `run` carries it through; `over` says that `result` has what came of it.

    `route` leads to the user of whoever waits for it, and `progress` to their client, if anybody waits. `on_stir` is
    called when it is over, and when it asks something that its caller has to be answered with.
    """

    def __init__(
        self,
        passing: Passing,
        agent: Agent,
        admitted: Admitted,
        *,
        meta: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._passing = passing
        self._agent = agent
        self.admitted = admitted
        self._meta = meta or {}
        self.progress = progress
        self._route: Route | None = None
        self._routed = anyio.Event()
        self.question: Question | None = None
        self.on_stir: Callable[[], None] = lambda: None
        self.ended: Ended | None = None
        self.problem: Problem | None = None
        self.written = anyio.Event()
        """Set once what came of it is written down, or cannot be."""
        self._scope = anyio.CancelScope()
        self._cancelled = False
        self._halt: Halt | None = None
        self._sent_off = False
        self._asking = anyio.Lock()

    @property
    def route(self) -> Route | None:
        return self._route

    @route.setter
    def route(self, route: Route | None) -> None:
        self._route = route
        if route is not None:
            self._routed.set()
        elif self._routed.is_set():
            self._routed = anyio.Event()

    @property
    def agent_id(self) -> str:
        return self._agent.id

    @property
    def is_held(self) -> bool:
        """Whether a person approved it: then it runs to its end, whoever waits for it."""
        return self.admitted.request_id is not None

    @property
    def over(self) -> bool:
        return self.ended is not None or self.problem is not None

    def stir(self) -> None:
        self.on_stir()

    def abandon(self) -> None:
        """Nobody comes back to answer what it asks."""
        if self.is_held:
            self._answer_nobody("nobody answered in time")
        else:
            self.cancel()

    def _answer_nobody(self, why: str) -> None:
        if self.question is not None and not self.question.answer.done():
            self.question.answer.set_exception(Unanswered(why))

    def cancel(self) -> None:
        """Its caller cancels it; the upstream is told."""
        self._cancelled = True
        self._scope.cancel()

    def stop(self, halt: Halt) -> None:
        """People stopped its agent; the upstream is told that it is cancelled."""
        self._halt = self._halt or halt
        # Where an upstream of the older protocol asks, what waits for the answer is not within this call's scope.
        self._answer_nobody(halt.told())
        self._scope.cancel()

    def came_of_it(self) -> Ended:
        """What came of it, once it is over.

        Raises:
            Problem: that could not be written down, so nobody may be told.
        """
        if self.problem is not None:
            raise self.problem
        assert self.ended is not None
        return self.ended

    def result(self, tool: str, *, modern: bool) -> Wire | types.CallToolResult:
        """What its caller is answered, once it is over.

        Raises:
            Problem, MCPError: see `came_of_it` and `server.gateway.results.passed_on`.
        """
        return passed_on(self.admitted.method, tool, self.came_of_it(), modern=modern)

    async def run(self) -> None:
        """Send it and write down what came of it. Never fails; cancelled from outside, it is cancelled."""
        self._passing.under_way.add(self)
        ended = self._cut_short()
        try:
            with self._scope:
                ended = await self._within_its_time()
            if self._scope.cancelled_caught:
                ended = self._cut_short() if self._cancelled else self._too_late()
            if self._halt is not None and ended.end is not CallEnd.RETURNED:
                ended = self._cut_short()
        except anyio.get_cancelled_exc_class():
            ended = self._cut_short()
            raise
        finally:
            with anyio.move_on_after(FINISH_SECONDS, shield=True):
                await self._finish(ended)
            self._passing.under_way.discard(self)
            self.written.set()
            self.stir()

    async def _finish(self, ended: Ended) -> None:
        try:
            await self._passing.calls.finish(self.admitted.call_id, ended)
        except Problem as problem:
            self.problem = problem
        else:
            self.ended = ended

    async def _within_its_time(self) -> Ended:
        upstream = self._passing.upstreams.listing.upstreams.get(self.admitted.upstream)
        if upstream is None:
            return self._failed(f"the upstream {self.admitted.upstream} is not in the policy any more")
        self._scope.deadline = anyio.current_time() + upstream.timeout_seconds
        try:
            # Leasing need not wait for anything: a caller that has gone already must not cause a call.
            await checkpoint_if_cancelled()
            async with self._passing.upstreams.lease(upstream.name, self._agent.id) as lease:
                if lease.upstream.launch_sha256 != self.admitted.launch_sha256:
                    return self._failed("how it is started changed just now, so it was not called; call it again")
                if lease.sha256(self.admitted.method, self.admitted.name) != self.admitted.definition_sha256:
                    return self._failed("its definition changed just now, so it was not called; call it again")
                lease.sink = self._heard
                return await self._answered(lease.session, upstream)
        except Unanswered as unanswered:
            return self._failed(f"it asks for something that it cannot be given: {unanswered}")
        except Problem as problem:
            return self._failed(text_of(problem))
        except ValidationError:
            return self._failed("the upstream's answer is not what the protocol says; the call may have taken effect")
        except Exception as failure:  # whatever a stranger's server makes ours raise costs this one call
            log.warning("upstream_failed", upstream=upstream.name, reason=type(failure).__name__, exc_info=True)
            return self._failed("the upstream failed; whether the call took effect is not known")

    async def _answered(self, session: Any, upstream: Upstream) -> Ended:
        try:
            return await self._driven(session, upstream)
        except MCPError as error:
            if error.data == TRANSPORT_FAULT:
                return self._failed(f"{error.message}; whether the call took effect is not known")
            if error.code in _BROKEN_OFF:
                return self._failed(
                    "the upstream went away while the call was on its way; whether it took effect is not known"
                )
            return Ended(CallEnd.RETURNED, is_error=True, result=error_of(error))

    async def _driven(self, session: Any, upstream: Upstream) -> Ended:
        """Send it, and again with the answers wherever the upstream of the newer protocol asks for some."""
        answers: Responses | None = None
        state: str | None = None
        properties = properties_of(self._passing.upstreams.listing, self.admitted)
        for _ in range(ROUNDS + 1):
            request = request_of(self.admitted, upstream, properties, self._meta, answers, state)
            self._halt = self._halt or self._passing.watch.of(self._agent.id)
            if self._halt is not None:
                return self._cut_short()
            self._sent_off = True
            result: Wire = await session.send_request(
                request, _WIRE, progress_callback=self._progressed if self._listens else None
            )
            if result.get("resultType") != "input_required":
                return self._returned(cleaned(result))
            wanted = _INPUT_REQUIRED.validate_python(result, by_name=False)
            state = wanted.request_state
            if wanted.input_requests:
                answers = await self._ask(wanted.input_requests)
            else:
                answers = None
                await anyio.sleep(ROUND_PAUSE_SECONDS)
        return self._failed(f"it asked for more input {ROUNDS} times over, and was left alone")

    def _returned(self, result: Wire) -> Ended:
        size, most = size_of(result), self._passing.upstreams.limits.result_bytes
        if size > most:
            return self._failed(
                f"it ran, but its result has {size:,} bytes and at most {most:,} are passed on; ask for less at a time"
            )
        return Ended(CallEnd.RETURNED, is_error=is_error(result), result=result)

    @property
    def _listens(self) -> bool:
        return self.progress is not None or self.is_held

    async def _progressed(self, progress: float, total: float | None, message: str | None) -> None:
        if self.progress is not None:
            await self.progress(progress, total, message)

    async def _heard(self, params: types.ElicitRequestParams) -> types.ElicitResult | types.ErrorData:
        """What an upstream of the older protocol asks in the middle of its call."""
        try:
            answers = await self._ask({"input": types.ElicitRequest(params=params)})
        except Unanswered as unanswered:
            return unanswered.error
        answer = answers["input"]
        assert isinstance(answer, types.ElicitResult)
        return answer

    async def _ask(self, requests: Requests) -> Responses:
        async with self._asking:
            # People take their time, and none of it is the upstream's.
            left = self._scope.deadline - anyio.current_time()
            self._scope.deadline = float("inf")
            try:
                with anyio.move_on_after(PARKED_SECONDS):
                    # Who waits for an approved call may leave and come back.
                    while (route := self._route) is None:
                        await self._routed.wait()
                    return await route.ask(requests)
            finally:
                self._scope.deadline = anyio.current_time() + left
            raise Unanswered("nobody answered in time")

    def _failed(self, why: str) -> Ended:
        return Ended(CallEnd.FAILED, is_error=True, why=why, sent=self._sent_off)

    def _cut_short(self) -> Ended:
        if self._halt is not None:
            what = "while it was on its way; it may have taken effect" if self._sent_off else "before it was sent"
            why = f"{self._halt.told()} So this call was cancelled {what}."
            return Ended(CallEnd.CANCELLED, is_error=True, why=why, sent=self._sent_off)
        if self._passing.stopping:
            return Ended(CallEnd.UNKNOWN if self._sent_off else CallEnd.CANCELLED, is_error=True, sent=self._sent_off)
        return Ended(CallEnd.CANCELLED, is_error=True, sent=self._sent_off)

    def _too_late(self) -> Ended:
        upstream = self._passing.upstreams.listing.upstreams.get(self.admitted.upstream)
        seconds = "its time" if upstream is None else f"{upstream.timeout_seconds} seconds"
        return self._failed(f"the upstream did not answer within {seconds}; the call may have taken effect")
