"""What a client is told while its call goes on: values that only ever rise, whoever has something to say."""

import anyio

from server.caller import Caller


class Progress:
    """The progress of one call, in seconds since it came."""

    __slots__ = ("_caller", "_last", "_started")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._started = anyio.current_time()
        self._last = 0.0

    async def tell(self, message: str) -> None:
        """Say this, if the client asked to hear of progress."""
        self._last = max(anyio.current_time() - self._started, self._last + 0.001)
        await self._caller.context.session.report_progress(self._last, None, message)
