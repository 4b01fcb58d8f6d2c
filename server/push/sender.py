"""Tells people's browsers of what waits for them: a task beside the server, which no call ever waits for.

It wakes when anything about a request changes, reads from the rows what is to be sent, and sends it. What fails in here
is logged and tried again; it ends with the server and never takes it along.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio
import httpx2
import structlog
from anyio.abc import TaskGroup

from server.push.service import Arrived, Gone, Later, Outcome, PushService, Refused
from server.push.words import Message, asked, on_trial, over, several
from store.desk import Desk
from store.problems import DatabaseProblem
from store.push.devices import DEVICES
from store.push.work import Addressee, Asked, Over, Pair, Work
from store.questions import Risk
from store.signals import INBOX

log = structlog.get_logger("assent.push")

PAUSE_SECONDS = 1.0
"""A burst of changes is one look."""
RETRY_SECONDS = (5.0, 30.0, 120.0)
STUMBLE_SECONDS = 30.0
SINGLY = 5
"""More new requests than that for one browser in one look come as one message."""
AT_A_TIME = 32


@dataclass(frozen=True)
class Pace:
    """How long to wait between looks, between tries, and after a failure of our own."""

    pause: float = PAUSE_SECONDS
    retries: tuple[float, ...] = RETRY_SECONDS
    stumble: float = STUMBLE_SECONDS


@dataclass(frozen=True)
class _Errand:
    """One message on its way, or, without `words`, none to send. `done` keeps how it went.

    What is not `wanted` any more when its turn comes is dropped, and nothing is kept of it.
    """

    to: Addressee
    keys: tuple[tuple[str, str], ...]
    words: Callable[[datetime], Message] | None
    done: Callable[[str | None], Awaitable[None]]
    wanted: Callable[[], Awaitable[bool]]


class Sender:
    """Sends what `store.push.work` says is to be sent."""

    def __init__(self, desk: Desk, service: PushService, pace: Pace | None = None) -> None:
        self._desk = desk
        self._devices = desk.devices
        self._service = service
        self._pace = pace or Pace()
        self._under_way: set[tuple[str, str]] = set()
        self._slots = anyio.CapacityLimiter(AT_A_TIME)
        # One message at a time to each: a service that hangs for one browser takes one slot, and no order is lost.
        self._lanes: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def run(self) -> None:
        """Run until cancelled."""
        passed: frozenset[Pair] = frozenset()
        with self._desk.signals.listen(INBOX, DEVICES) as listener:
            async with self._service.client() as client, anyio.create_task_group() as tasks:
                while True:
                    try:
                        # What ends while the rows are read may still stand in them as it was before.
                        busy = frozenset(self._under_way)
                        work = await self._devices.work(passed)
                        passed = work.passed
                        self._set_out(tasks, client, work, busy)
                    except Exception:  # without notifications the gate works; with this task dead it ends
                        log.exception("what is to be sent could not be read")
                        await anyio.sleep(self._pace.stumble)
                        continue
                    await anyio.sleep(self._pace.pause)
                    if work.is_all:
                        await listener.changed()

    def _set_out(
        self, tasks: TaskGroup, client: httpx2.AsyncClient, work: Work, busy: frozenset[tuple[str, str]]
    ) -> None:
        for errand in self._errands(work, busy | self._under_way):
            self._under_way.update(errand.keys)
            tasks.start_soon(self._run, client, errand)

    def _errands(self, work: Work, busy: frozenset[tuple[str, str]]) -> list[_Errand]:
        by_device: dict[Addressee, list[Asked]] = {}
        for each in work.asked:
            if (each.to.device_id, each.request_id) not in busy:
                by_device.setdefault(each.to, []).append(each)
        found = []
        for to, waiting in by_device.items():
            found += [self._telling(to, waiting)] if len(waiting) > SINGLY else [self._asking(one) for one in waiting]
        found += [self._ending(each) for each in work.over if (each.to.device_id, each.request_id) not in busy]
        found += [self._trying(each) for each in work.tests if (each.device_id, "test") not in busy]
        return found

    def _asking(self, one: Asked) -> _Errand:
        device = one.to.device_id
        return _Errand(
            one.to,
            ((device, one.request_id),),
            lambda now: asked(one, now),
            # What never got there need not be taken back.
            lambda trouble: self._devices.told(device, [one.request_id], alone=trouble is None, trouble=trouble),
            lambda: self._devices.waits(one.request_id),
        )

    def _telling(self, to: Addressee, waiting: Sequence[Asked]) -> _Errand:
        ids = [each.request_id for each in waiting]
        grave = sum(each.risk in (Risk.HIGH, Risk.CRITICAL) for each in waiting)
        return _Errand(
            to,
            tuple((to.device_id, each) for each in ids),
            lambda _: several(len(ids), grave),
            lambda trouble: self._devices.told(to.device_id, ids, alone=False, trouble=trouble),
            _always,
        )

    def _ending(self, one: Over) -> _Errand:
        async def forgotten(trouble: str | None) -> None:
            await self._devices.taken_back(one.to.device_id, [one.request_id])

        words = (lambda _: over(one)) if one.alone else None
        return _Errand(one.to, ((one.to.device_id, one.request_id),), words, forgotten, _always)

    def _trying(self, to: Addressee) -> _Errand:
        return _Errand(
            to,
            ((to.device_id, "test"),),
            lambda _: on_trial(),
            lambda trouble: self._devices.tried(to.device_id, trouble),
            _always,
        )

    async def _run(self, client: httpx2.AsyncClient, errand: _Errand) -> None:
        try:
            outcome = await self._outcome(client, errand)
            if outcome is not None:
                await self._keep(errand, outcome)
        except Exception:  # one message that cannot be made must not silence the others, nor come again at once
            log.exception("a message could not be sent", device=errand.to.device_id)
            await anyio.sleep(self._pace.stumble)
        finally:
            self._under_way.difference_update(errand.keys)
            # What was left alone because this was under way has its turn now.
            self._desk.signals.publish([DEVICES])

    async def _outcome(self, client: httpx2.AsyncClient, errand: _Errand) -> Outcome | None:
        """How sending it went; None when it was not wanted any more."""
        words = errand.words
        outcome: Outcome = Arrived()
        if words is None:
            return outcome
        for pause in (0.0, *self._pace.retries):
            await anyio.sleep(max(pause, outcome.seconds) if isinstance(outcome, Later) else pause)
            if not await errand.wanted():
                return None
            async with self._lanes[errand.to.device_id], self._slots:
                now = self._desk.now()
                outcome = await self._service.send(client, errand.to, words(now), now)
            if not isinstance(outcome, Later):
                break
        return outcome

    async def _keep(self, errand: _Errand, outcome: Outcome) -> None:
        """Write down how it went, for as long as it takes: what is not written down would be sent again."""
        while True:
            try:
                match outcome:
                    case Arrived():
                        await errand.done(None)
                    case Gone():
                        log.info("a device is gone", device=errand.to.device_id)
                        await self._devices.gone(errand.to.device_id)
                    case Refused(reason) | Later(reason):
                        log.warning("a device could not be told", device=errand.to.device_id, reason=reason)
                        await errand.done(reason)
            except DatabaseProblem as problem:
                log.warning("what was sent could not be kept", reason=problem.message)
                await anyio.sleep(self._pace.stumble)
            else:
                return


async def _always() -> bool:
    return True
