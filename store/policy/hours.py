"""Times of the week at which a rule holds. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As `datetime.weekday` counts them."""
EXAMPLE = "mon-fri 08:00-18:00 Europe/Berlin"
_DAY = f"(?:{'|'.join(DAYS)})"
_FORM = re.compile(
    rf"(?:(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*) )?"
    r"(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)(?: (?P<zone>[A-Za-z][A-Za-z0-9_+/-]{0,63}))?",
    re.ASCII,
)
_DAY_LONG = 24 * 60


@dataclass(frozen=True)
class Hours:
    """From one minute of the day to before another, on some days of the week, as clocks in `zone` show them.

    `end` may be 1440, the end of the day. Where it is not after `begin`, it is on the day after the one named.
    """

    days: tuple[int, ...]
    begin: int
    end: int
    zone: str
    text: str
    """As the file has it."""

    def include(self, at: datetime) -> bool:
        """Whether that moment, of any zone, falls into them."""
        local = at.astimezone(ZoneInfo(self.zone))
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        return (today in self.days and minute >= self.begin) or ((today - 1) % 7 in self.days and minute < self.end)


def hours_of(text: str) -> Hours:
    """What a text such as `EXAMPLE` says. Without days it is for all, without a zone in UTC.

    Raises:
        ValueError: it is no such text. The message says what is wrong.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"hours should look like {EXAMPLE}")
    begin, end = _minute(match["from"]), _minute(match["to"])
    if begin in (end, _DAY_LONG):
        raise ValueError("hours should have a beginning and another end; the whole day is 00:00-24:00")
    zone = match["zone"] or "UTC"
    try:
        ZoneInfo(zone)
    except (LookupError, OSError, ValueError):  # also for what is no file of a zone, or a folder of them
        raise ValueError(f"there is no time zone {zone!r} on this machine; write one such as Europe/Berlin") from None
    return Hours(_days(match["days"]), begin, end, zone, text)


def _minute(clock: str) -> int:
    hour, minute = int(clock[:2]), int(clock[3:])
    if minute > 59 or hour * 60 + minute > _DAY_LONG:
        raise ValueError(f"there is no {clock} on a clock; hours go from 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str | None) -> tuple[int, ...]:
    if text is None:
        return tuple(range(len(DAYS)))
    found: set[int] = set()
    for part in text.split(","):
        first, last = DAYS.index(part[:3]), DAYS.index(part[-3:])
        found |= {(first + more) % 7 for more in range((last - first) % 7 + 1)}
    return tuple(sorted(found))
