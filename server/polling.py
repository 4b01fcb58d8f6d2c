"""Whose clients come back for an answer by themselves: shown on the card like a call that waits.

Kept in memory, for display only. Losing it at a restart changes nothing: the next poll brings it back.
"""

import asyncio

import anyio

from store.desk import Desk


class Polling:
    """Requests whose task is polled. Each counts as waited for until `seconds` after it was last asked for."""

    def __init__(self, desk: Desk, seconds: float) -> None:
        self._desk = desk
        self._seconds = seconds
        self._until: dict[str, float] = {}
        self._showing: set[asyncio.Task[None]] = set()

    def asked(self, request_id: str) -> None:
        """A client was just told that there is no answer yet, and when to ask again."""
        shown = request_id in self._until
        self._until[request_id] = anyio.current_time() + self._seconds
        if not shown:
            showing = asyncio.create_task(self._show(request_id))
            self._showing.add(showing)
            showing.add_done_callback(self._showing.discard)

    async def _show(self, request_id: str) -> None:
        with self._desk.on_the_line(request_id):
            while (left := self._until[request_id] - anyio.current_time()) > 0:  # noqa: ASYNC110  # it is time that passes
                await anyio.sleep(left)
            # Before the block ends: who asks from now on is shown anew.
            del self._until[request_id]
