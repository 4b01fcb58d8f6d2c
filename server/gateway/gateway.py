"""The gateway of one server: what its parts share, and how they run and end together."""

import anyio

from server.gateway.changes import Changes
from server.gateway.held import HeldCalls
from server.gateway.passing import Passing
from server.gateway.upstreams import Upstreams
from server.waiting import Waiting
from store.desk import Desk


class Gateway:
    """`run` it beside the server; `drain` it before the answers' last moments are counted."""

    def __init__(self, desk: Desk, waiting: Waiting, upstreams: Upstreams) -> None:
        self.upstreams = upstreams
        self.passing = Passing(desk.calls, upstreams)
        self.held = HeldCalls(self.passing, waiting, desk.signals)
        self.changes = Changes(upstreams, desk.signals)

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.upstreams.run)
            tasks.start_soon(self.passing.run)
            tasks.start_soon(self.changes.run)

    async def drain(self) -> None:
        """End what waits for upstreams: streams of changes, and calls that do not come back within a moment."""
        self.changes.close()
        await self.passing.drain()
