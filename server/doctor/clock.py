"""The clock: deadlines, sessions and every entry of the log are read off it."""

import ctypes
import sys
from datetime import datetime, timedelta

from server.doctor.findings import Finding, unsafe, weak

TOLERANCE = timedelta(seconds=2)
_NOT_SYNCHRONISED = 5
_TIMEX_BYTES = 512


def set_back(newest: datetime | None, now: datetime) -> list[Finding]:
    """`newest` is the latest moment that the database knows."""
    if newest is None or newest - now <= TOLERANCE:
        return []
    return [
        unsafe(
            "clock-set-back",
            f"The clock is {int((newest - now).total_seconds())} seconds behind the newest row of the database.",
            "It was set back: questions and sessions live longer than they should, and the log tells a wrong time.",
            "timedatectl set-ntp true",
        )
    ]


def synchronised() -> list[Finding]:
    if kernel_says_synchronised() is not False:
        return []
    return [
        weak(
            "clock-on-its-own",
            "The system says that nothing keeps its clock right.",
            "Deadlines and the log's times are only as good as this clock.",
            "timedatectl set-ntp true (in a container or a virtual machine: on its host)",
        )
    ]


def kernel_says_synchronised() -> bool | None:
    """What Linux knows of its clock; None where that cannot be asked."""
    if sys.platform != "linux":
        return None
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    # A zeroed struct timex asks and changes nothing. It has at most 208 bytes; the room is generous.
    state = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _NOT_SYNCHRONISED
