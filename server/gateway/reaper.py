"""Ends processes whose owner is gone. A program of its own, run by path: it imports nothing that is not Python's.

On stdin it is told of process groups, `+123` when one begins and `-123` when it is over. The end of stdin means that
whoever told it is dead, however it died: whatever groups are left then are told to end, and killed a little later.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 2.0
_LOOK_SECONDS = 0.05


def main() -> None:
    # What ends the server, a Ctrl-C or a closed terminal, must not end this one before it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(_signal(group, 0) for group in groups):
        time.sleep(_LOOK_SECONDS)
    for group in groups:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    main()
