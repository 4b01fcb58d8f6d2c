"""A cap on processes: one more ends the one that is idle for longest, and where none is idle there is none more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import anyio

from server.gateway.problems import Unavailable


class Holder(Protocol):
    @property
    def idle_since(self) -> float | None:
        """Since when it runs for nobody; None while somebody uses it, or it is not up yet."""

    def let_go(self) -> None:
        """Begin to end it, if it is idle."""


class Slots:
    def __init__(self, most: int) -> None:
        self._most = most
        self._held: set[Holder] = set()
        self._ending: set[Holder] = set()
        self._freed = anyio.Event()

    @asynccontextmanager
    async def taken(self, holder: Holder) -> AsyncIterator[None]:
        """Room for one process, for as long as the block runs.

        Raises:
            Unavailable: all are in use.
        """
        while len(self._held) >= self._most:
            self._make_room()
            await self._freed.wait()
        self._held.add(holder)
        try:
            yield
        finally:
            self._held.discard(holder)
            self._ending.discard(holder)
            freed, self._freed = self._freed, anyio.Event()
            freed.set()

    @property
    def is_full(self) -> bool:
        """Whether one more would be refused just now."""
        ending = self._ending or any(each.idle_since is not None for each in self._held)
        return len(self._held) >= self._most and not ending

    @property
    def refusal(self) -> Unavailable:
        return Unavailable(
            f"all {self._most} processes that may run at once are in use",
            "Try again later, or let more run with the setting upstream_processes.",
        )

    def _make_room(self) -> None:
        idle = [(each.idle_since, each) for each in self._held - self._ending if each.idle_since is not None]
        if idle:
            oldest = min(idle, key=lambda pair: pair[0] or 0.0)[1]
            self._ending.add(oldest)
            oldest.let_go()
        elif not self._ending:
            raise self.refusal
