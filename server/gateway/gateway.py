"""The gateway of one server: what its parts share, and how they run and end together."""

import anyio

from server.gateway.changes import Changes
from server.gateway.held import HeldCalls
from server.gateway.passing import Passing
from server.gateway.upstreams import Upstreams
from server.halting import HaltWatch
from server.waiting import Waiting
from store.desk import Desk


class Gateway:
    """`run` it beside the server; `drain` it before the answers' last moments are counted."""

    def __init__(self, desk: Desk, waiting: Waiting, upstreams: Upstreams, watch: HaltWatch) -> None:
        self.upstreams = upstreams
        self._watch = watch
        # In this order: a call that is cancelled had better not learn first that its upstream is gone.
        self.passing = Passing(desk.calls, upstreams, watch)
        watch.when_changed(self._hold_upstreams)
        self.held = HeldCalls(self.passing, waiting, desk.signals)
        self.changes = Changes(upstreams, desk.signals)

    async def run(self) -> None:
        """Until cancelled."""
        self._hold_upstreams()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.upstreams.run)
            tasks.start_soon(self.passing.run)
            tasks.start_soon(self.changes.run)

    async def drain(self) -> None:
        """End what waits for upstreams: streams of changes, and calls that do not come back within a moment."""
        self.changes.close()
        await self.passing.drain()

    def _hold_upstreams(self) -> None:
        """While everything is stopped none runs; while nobody can tell, what runs is left, and nothing is sent."""
        self.upstreams.hold(self._watch.everything)
