"""Letting the last answers leave before a server stops."""

from collections.abc import Set as AbstractSet

import anyio

from server.exchange import Exchange

LOOK_SECONDS = 0.02
STALLED_LOOKS = 60
"""After so many looks without anybody leaving, who is left is slow to take an answer, or has none coming."""
LONGEST_SECONDS = 8.0


async def all_answered(exchanges: AbstractSet[Exchange]) -> None:
    """Return once these are over, or no more of them get there.

    What counts is that they become fewer, in looks rather than in seconds: on a busy machine answers take longer, and
    so do looks.
    """
    # Those who come, or come again, while the server stops are answered as long as it lasts, and prolong nothing.
    left, stalled = set(exchanges), 0
    with anyio.move_on_after(LONGEST_SECONDS):
        while left and stalled < STALLED_LOOKS:
            await anyio.sleep(LOOK_SECONDS)
            still = left & exchanges
            left, stalled = still, 0 if len(still) < len(left) else stalled + 1
