"""How often a call whose way to the server broke is taken up again, and after which pauses."""

from dataclasses import dataclass

import anyio

from server.link import Lost, Stranger, Unauthorized

# A call that held this long before its link broke starts its patience afresh: a long wait may see many restarts.
SETTLED_SECONDS = 10.0
QUICK_LOSSES = 9
LONGEST_PAUSE = 5.0


@dataclass
class Losses:
    """The losses of one call. Without a `limit` only a refused credential or a stranger ends it."""

    limit: int | None = QUICK_LOSSES
    _quick: int = 0
    _refused: dict[str, str] | None = None
    _strange: bool = False

    def final(self, lost: Lost, held: float) -> str | None:
        """Count a loss after `held` seconds: why there is no use in trying again, or None when there is."""
        if isinstance(lost, Unauthorized):
            # A server that restarted has a new secret for us; the same credential refused twice stays refused.
            if lost.credential == self._refused:
                return lost.reason
            self._refused = lost.credential
        if isinstance(lost, Stranger):
            # Whoever looks for the server again asks who it is; a stranger met after that is what there is.
            if self._strange:
                return lost.reason
            self._strange = True
        self._quick = self._quick + 1 if held < SETTLED_SECONDS else 1
        if self.limit is not None and self._quick > self.limit:
            return f"the Assent server cannot be reached: {lost.reason}. Nothing was answered; ask again later."
        return None

    async def pause(self) -> None:
        """Wait before the next try: not at all after the first loss, then longer each time."""
        if self._quick > 1:
            await anyio.sleep(min(0.1 * 2 ** min(self._quick - 2, 10), LONGEST_PAUSE))
