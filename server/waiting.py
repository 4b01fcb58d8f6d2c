"""Holding a call open until its request closes, the caller leaves or is stopped, or the time for holding is over.

One task a call, which sleeps until something changed or a heartbeat is due, and reads the truth from the store when
something may have changed. Losing a call here loses nothing: the request stays open, and asking again re-attaches.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from server.exchange import Exchange
from store.asking import Report, Superseded, Ticket
from store.collecting import Halted, untold
from store.desk import Desk
from store.lifecycle import Kind
from store.problems import WriteRefused
from store.signals import Listener, Woken

HEARTBEAT_SECONDS = 10.0
LOOK_SECONDS = 60.0
"""However quiet it is, the truth is looked at as often as this; with each heartbeat, ten thousand calls would read a
thousand rows a second to learn nothing."""


@dataclass
class Drain:
    """Set once the server is asked to stop: every wait ends with `pending`."""

    started: bool = False


@dataclass(frozen=True)
class Call:
    """The caller's side of a wait. `seconds` is how long it may be held, None for as long as it takes."""

    exchange: Exchange
    seconds: float | None
    beat: Callable[[float, Report], Awaitable[None]]
    leaves_approved: bool = False
    """Whether the answer to a held call that approves it is left unclaimed: the call runs first."""


Standing = Report | Superseded | Halted


class Waiting:
    """Holds calls for one server."""

    def __init__(self, desk: Desk, drain: Drain) -> None:
        self._desk = desk
        self._drain = drain

    async def hold(self, ticket: Ticket, call: Call) -> Standing:
        """How the request stands when the wait ends; a `Report` without outcome means: still open, ask again.

        A closed one is claimed for this call, and settled by its exchange; see `Call.leaves_approved`. `Halted` says
        that people stopped the agent meanwhile.
        """
        with self._desk.signals.listen(ticket.request_id) as listener, self._desk.on_the_line(ticket.request_id):
            call.exchange.when_lost(listener.wake)
            return await unless_stopped(await self._watch(ticket, call, listener), call.exchange)

    async def attend(self, request_id: str, report: Report, call: Call, *, over: Callable[[], bool]) -> None:
        """Hold a call until `over`, which is looked at whenever the request's topic is published; or as `hold` does."""
        with self._desk.signals.listen(request_id) as listener, self._desk.on_the_line(request_id):
            call.exchange.when_lost(listener.wake)
            started = now = anyio.current_time()
            until = float("inf") if call.seconds is None else started + call.seconds
            next_beat = started + HEARTBEAT_SECONDS
            while not over() and not self._must_end(call) and now < until:
                if now >= next_beat:
                    await call.beat(now - started, report)
                    next_beat = now + HEARTBEAT_SECONDS
                await listener.changed(within=max(0.0, min(until, next_beat) - now))
                now = anyio.current_time()

    async def collect(self, ticket: Ticket, call: Call) -> Standing:
        """Claim what is closed for this call, as `hold` does."""
        return await self._collect(ticket, call)

    async def _watch(self, ticket: Ticket, call: Call, listener: Listener) -> Standing:
        started = looked = anyio.current_time()
        until = float("inf") if call.seconds is None else started + call.seconds
        next_beat = started + HEARTBEAT_SECONDS
        standing = await self._look(ticket, call)
        while not _is_over(standing):
            now = anyio.current_time()
            if self._must_end(call) or now >= until:
                break
            if now >= next_beat:
                assert isinstance(standing, Report)
                await call.beat(now - started, standing)
                next_beat = now + HEARTBEAT_SECONDS
            woken = await listener.changed(within=max(0.0, min(until, next_beat) - now))
            now = anyio.current_time()
            if woken is Woken.TOPIC and not (call.exchange.is_lost or call.leaves_approved):
                # A change of this very request is mostly its end. Claiming looks too, and saves looking first.
                standing, looked = await self._claim_or_look(ticket, call), now
            elif self._must_end(call):
                break
            elif woken is not Woken.TIME or now >= min(until, looked + LOOK_SECONDS):
                standing, looked = await self._look(ticket, call), now
        return standing

    def _must_end(self, call: Call) -> bool:
        """Whether nobody is there any more: the caller has left or was stopped, or the server is about to leave."""
        return call.exchange.is_lost or self._drain.started

    async def _claim_or_look(self, ticket: Ticket, call: Call) -> Standing:
        try:
            return await self._collect(ticket, call)
        except WriteRefused:
            # Where nothing is to be claimed, a database that cannot be written is no reason to send the caller away.
            return await self._look(ticket, call)

    async def _look(self, ticket: Ticket, call: Call) -> Standing:
        """How the request stands; closed, it is claimed for a caller who is still there."""
        standing = await self._desk.standing(ticket)
        if not isinstance(standing, Report) or standing.outcome is None or call.exchange.is_lost:
            return standing
        if call.leaves_approved and standing.kind is Kind.CALL and standing.may_proceed:
            return standing
        return await self._collect(ticket, call)

    async def _collect(self, ticket: Ticket, call: Call) -> Standing:
        """Claim the outcome, if there is one, before it is written to the caller. At most one call gets through."""
        # Cancelled between the claim and its registration, the answer would be neither delivered nor free.
        with anyio.CancelScope(shield=True):
            standing = await self._desk.claim(ticket)
            if isinstance(standing, Report) and standing.outcome is not None and not standing.told_before:
                await call.exchange.when_settled(lambda sent: self._desk.settle(ticket, delivered=sent))
        return standing


async def unless_stopped(standing: Standing, exchange: Exchange) -> Standing:
    """`standing`; for a caller whose agent people stopped meanwhile, that, and what it had claimed is free again."""
    if exchange.halt is None or isinstance(standing, Halted):
        return standing
    with anyio.CancelScope(shield=True):
        await exchange.take_back()
    return Halted(untold(standing.report if isinstance(standing, Superseded) else standing), exchange.halt)


def _is_over(standing: Standing) -> bool:
    return not isinstance(standing, Report) or standing.outcome is not None
