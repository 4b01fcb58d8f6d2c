"""Approved calls: each runs once, in the background, and is read by whoever waits for it or asks again.

Invariants:

- A call begins only because somebody who may have its result waits for it, or came back for it in time.
- Once begun it runs to its end, whether anybody still waits or not, and its result is kept. Only people who stop its
  agent end it before that; and what they keep from beginning stays approved.
- The answer is claimed for a caller after the run, so that a caller who is lost meanwhile finds it again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from weakref import WeakValueDictionary

import anyio
import mcp_types as types

from server.caller import Caller
from server.gateway.inputs import InTheResult, OnTheStream, Parking, Responses, Route
from server.gateway.passing import Errand, Passing
from server.progress import Progress
from server.waiting import Call, Waiting
from store.agents import Agent
from store.asking import Report, Superseded, Ticket
from store.calls.calls import Admitted, Ended, NotRunnable, Run
from store.collecting import Halted, untold
from store.held_back import Halt
from store.lifecycle import Kind, Outcome
from store.signals import Signals


@dataclass(frozen=True)
class CarriedOut:
    """An approved call after its run, or after it turned out not to be runnable any more."""

    report: Report
    came: Ended | NotRunnable


@dataclass(frozen=True)
class Asked:
    """The run wants something of the caller's user, and this caller can only be asked in its result."""

    errand: Errand


@dataclass(frozen=True)
class Elsewhere:
    """It runs, and not here."""


class HeldCalls:
    """Approved calls: which of them run, and how they stand."""

    def __init__(self, passing: Passing, waiting: Waiting, signals: Signals) -> None:
        self._passing = passing
        self._waiting = waiting
        self._signals = signals
        self._running: dict[str, Errand] = {}
        self._turns: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def advance(self, agent: Agent, request_id: str) -> Errand | Elsewhere | Ended | NotRunnable | Halt:
        """How the run of an approved call stands; it begins now, if it has not.

        Raises:
            Problem: nobody can say; nothing began.
        """
        turn = self._turns.setdefault(request_id, anyio.Lock())
        # Cancelled between the record that it runs and its start, it would never have run and never ended.
        with anyio.CancelScope(shield=True):
            async with turn:
                return self._running.get(request_id) or await self._advanced(agent, request_id)
        raise AssertionError("a shield lets nothing through")

    async def _advanced(self, agent: Agent, request_id: str) -> Errand | Elsewhere | Ended | NotRunnable | Halt:
        said: Admitted | Run | NotRunnable | Halt | None = await self._passing.calls.run_of(agent, request_id)
        if said is None:
            if not self._passing.takes_more:
                return Elsewhere()
            said = await self._passing.calls.begin(agent, request_id)
        match said:
            case Admitted():
                return self._started(agent, request_id, said)
            case Run(ended=None):
                return Elsewhere()
            case Run(ended=Ended() as ended):
                return ended
            case NotRunnable() | Halt():
                return said
            case _:
                raise AssertionError("a run ended, or it did not")

    def _started(self, agent: Agent, request_id: str, admitted: Admitted) -> Errand:
        errand = Errand(self._passing, agent, admitted)
        errand.on_stir = partial(self._signals.publish, [request_id])
        self._running[request_id] = errand
        self._passing.start(errand, done=lambda: self._over(request_id))
        return errand

    def _over(self, request_id: str) -> None:
        del self._running[request_id]

    async def follow(
        self, caller: Caller, ticket: Ticket, report: Report, call: Call, progress: Progress
    ) -> Report | Superseded | Halted | CarriedOut | Asked:
        """Wait for what comes of an approved call, and claim it for this caller. A `Report` says: not yet."""
        stands = await self.advance(caller.agent, ticket.request_id)
        if isinstance(stands, Halt):
            return Halted(untold(report), stands)
        if isinstance(stands, Elsewhere):
            return untold(report)
        if isinstance(stands, Errand):
            errand = stands
            with _attended(errand, caller, progress, self._passing.parking):
                await self._waiting.attend(
                    ticket.request_id, report, call, over=lambda: errand.over or errand.question is not None
                )
            if not errand.over:
                return self._left(errand, caller, report)
            stands = errand.came_of_it()
        if call.exchange.gone:
            return untold(report)
        claimed = await self._waiting.collect(ticket, call)
        return CarriedOut(claimed, stands) if isinstance(claimed, Report) else claimed

    def _left(self, errand: Errand, caller: Caller, report: Report) -> Report | Halted | Asked:
        """A wait ended while the call runs on: with a question to this caller, or with nothing yet."""
        if caller.exchange.halt is not None:
            return Halted(untold(report), caller.exchange.halt)
        if errand.question is None:
            return untold(report)
        if caller.is_modern and not caller.exchange.gone:
            return Asked(errand)
        # Who was to be asked has left, and whoever comes next must not wait for an answer that nobody can give.
        errand.abandon()
        return untold(report)

    async def is_over(self, agent: Agent, request_id: str) -> bool:
        """Whether an approved call has run, or cannot; it begins now, if it has not."""
        return isinstance(await self.advance(agent, request_id), Ended | NotRunnable)

    def required(self, agent: Agent, about: str, errand: Errand) -> types.InputRequiredResult:
        """The result that asks the user of a caller what its run wants to know. `about` names the caller's call."""
        return self._passing.parking.required(agent.id, about, errand)

    def take(self, state: str | None, agent: Agent, about: str, answers: Responses | None) -> None:
        """Give a run the answers that its caller came back with; where nothing is asked, nothing happens."""
        self._passing.parking.take(state, agent.id, about, answers)

    async def read(self, agent: Agent, report: Report) -> CarriedOut:
        """What came of a call whose answer was claimed before; reading runs nothing."""
        stands = await self.advance(agent, report.request_id)
        if isinstance(stands, Errand | Elsewhere):
            stands = NotRunnable("it still runs")
        if isinstance(stands, Halt):
            stands = NotRunnable(stands.told())
        return CarriedOut(report, stands)


def is_approved_call(standing: object) -> bool:
    """Whether something is to run because of this answer."""
    return (
        isinstance(standing, Report)
        and standing.kind is Kind.CALL
        and standing.outcome is Outcome.ANSWERED
        and standing.may_proceed
    )


@contextmanager
def _attended(errand: Errand, caller: Caller, progress: Progress, parking: Parking) -> Iterator[None]:
    """While the block runs, what the call asks goes to this caller's user, and what it reports to their client."""

    async def step(done: float, total: float | None, message: str | None) -> None:
        await progress.tell(_in_words(done, total, message))

    route: Route = InTheResult(caller, errand, parking) if caller.is_modern else OnTheStream(caller)
    errand.route, errand.progress = route, step
    try:
        yield
    finally:
        # Whoever came later has taken its place. And a question in a result waits for whoever comes next.
        if errand.route is route:
            errand.progress = None
            errand.route = route if caller.is_modern else None


def _in_words(done: float, total: float | None, message: str | None) -> str:
    steps = f"{done:g}" if total is None else f"{done:g} of {total:g}"
    return f"Approved, and running: {steps}{'' if message is None else f', {message}'}"
