"""Wake-ups: who waits for a change learns that there was one, and reads the truth from the store.

A wake-up says "look", never what happened. It may come once too often; it is never missed between two calls of
`Listener.changed`, because the listener is registered before its owner first reads.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum

INBOX = "inbox"
"""Topic: something about any request changed. A single request's topic is its id."""

PRESENCE = "presence"
"""Topic: an agent came to wait for an answer, or left. Display only; the truth is in `Desk.waiting`."""

PEOPLE = "people"
"""Topic: an account, a session, an agent or a token changed."""

GATEWAY = "gateway"
"""Topic: the rules in force, an upstream's definitions or its health changed, or a person wants one started anew."""

CALLS = "calls"
"""Topic: a governed call was let through, denied, or has ended."""

HALTS = "halts"
"""Topic: people paused or stopped an agent, or everything, or let it go on."""


class Woken(IntEnum):
    """Why a listener was woken; the greatest of the reasons."""

    TIME = 0
    """The time is over, and nothing was published."""
    LOOK = 1
    """Something may have changed: another process wrote, or somebody said so."""
    TOPIC = 2
    """One of the listener's topics was published."""


class Listener:
    """One owner's ear, bound to the event loop it was made in."""

    __slots__ = ("__weakref__", "_event", "_why", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._why = Woken.TIME

    async def changed(self, *, within: float | None = None) -> Woken:
        """Return once something was published since the last return, or `within` seconds are over; and why."""
        # A timer and nothing more: a cancel scope is five times as large, and thousands wait.
        timer = None if within is None else self.loop.call_later(within, self._event.set)
        try:
            await self._event.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._event.clear()
        why, self._why = self._why, Woken.TIME
        return why

    def wake(self, why: Woken = Woken.LOOK) -> None:
        """Publish to this listener; from its own loop only."""
        self._why = max(self._why, why)
        self._event.set()


class Signals:
    """Listeners by topic. `publish` may be called from any thread, `listen` from an event loop."""

    def __init__(self, on_listen: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Listener]] = {}
        self._on_listen = on_listen

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Listener]:
        """A listener on these topics until the block ends."""
        listener = Listener()
        with self._lock:
            for topic in topics:
                self._listeners.setdefault(topic, set()).add(listener)
        self._on_listen()
        try:
            yield listener
        finally:
            with self._lock:
                for topic in topics:
                    listeners = self._listeners[topic]
                    listeners.discard(listener)
                    if not listeners:
                        del self._listeners[topic]

    @property
    def anyone(self) -> bool:
        """Whether anybody listens to anything."""
        return bool(self._listeners)

    def publish(self, topics: Iterable[str]) -> None:
        """Wake everybody who listens to one of `topics`."""
        with self._lock:
            woken = {listener for topic in topics for listener in self._listeners.get(topic, ())}
        self._wake(woken, Woken.TOPIC)

    def publish_all(self) -> None:
        """Wake everybody: another process changed something, and did not say what."""
        with self._lock:
            woken = {listener for listeners in self._listeners.values() for listener in listeners}
        self._wake(woken, Woken.LOOK)

    def _wake(self, woken: set[Listener], why: Woken) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Listener]] = {}
        for listener in woken:
            by_loop.setdefault(listener.loop, []).append(listener)
        for loop, listeners in by_loop.items():
            # A loop that closed has nobody left to wake.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_wake_each, listeners, why)


def _wake_each(listeners: list[Listener], why: Woken) -> None:
    for listener in listeners:
        listener.wake(why)
