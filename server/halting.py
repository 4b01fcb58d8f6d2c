"""Who is stopped, as this process knows it, and what that ends.

The store keeps a stopped agent from anything new. What is under way already - calls that wait, calls on their way to an
upstream, the upstreams' processes - is ended here and by those who ask to be told: within the moment in which the
change is published, or, where another process made it, in which its commit is noticed.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from store.audit.events import Halting
from store.halts import Halts
from store.held_back import Halt, Stops
from store.signals import HALTS, PEOPLE, Signals

STUMBLE_SECONDS = 0.5
LOOK_SECONDS = 60.0
"""However quiet it is, the truth is looked at as often as this."""

_NOBODY_CAN_TELL = "it cannot tell at the moment who is stopped"

log = structlog.get_logger()


class HaltWatch:
    """`run` it beside the server, after a first `look`. Until that, and while nobody can tell, everybody is stopped."""

    def __init__(self, halts: Halts, signals: Signals, clock: Callable[[], datetime]) -> None:
        self._halts = halts
        self._signals = signals
        self._clock = clock
        self._known: Stops | None = None
        self._since: datetime = clock()
        self._when_changed: list[Callable[[], None]] = []

    def of(self, agent_id: str) -> Halt | None:
        """What stops this agent; None: nothing does, though it may be paused."""
        if self._known is None:
            return Halt(None, None, Halting.STOPPED, self._since, "Assent", _NOBODY_CAN_TELL)
        return self._known.of(agent_id)

    @property
    def everything(self) -> Halt | None:
        """The stop of everything, where it is known that there is one."""
        return None if self._known is None else self._known.everything

    def when_changed(self, callback: Callable[[], None]) -> None:
        """Call back, in this loop and without waiting, whenever others are held back than before."""
        self._when_changed.append(callback)

    def look(self) -> None:
        """Read who is held back, and have ended what may not go on. What cannot be read stops what would begin."""
        try:
            found = self._halts.stops()
        except Exception:  # whoever cannot tell who is stopped lets nobody begin anything
            log.exception("nobody can tell who is stopped")
            if self._known is not None:
                self._known, self._since = None, self._clock()
            return
        if found == self._known:
            return
        self._known = found
        for callback in self._when_changed:
            callback()

    async def run(self) -> None:
        """Until cancelled."""
        with self._signals.listen(HALTS, PEOPLE) as listener:
            while True:
                self.look()
                await listener.changed(within=STUMBLE_SECONDS if self._known is None else LOOK_SECONDS)
