"""The moment from which a rule matches nothing any more. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

EXAMPLE = "'2026-12-31', or '2026-12-31T18:00+01:00'"
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True)
class Until:
    """A rule holds before `at` and not from then on."""

    at: datetime
    text: str
    """As the file has it."""

    @property
    def is_whole_day(self) -> bool:
        """Whether the file names a day and no time of it."""
        return _DATE.fullmatch(self.text) is not None

    def is_over(self, now: datetime) -> bool:
        return now >= self.at


def until_of(text: str) -> Until:
    """What a text such as `EXAMPLE` says: a date is the whole of that day in UTC, a time has its offset.

    Raises:
        ValueError: it is no such text. The message says what is wrong.
    """
    try:
        if _DATE.fullmatch(text):
            midnight = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return Until(midnight + timedelta(days=1), text)
        if _MOMENT.fullmatch(text):
            return Until(datetime.fromisoformat(text).astimezone(UTC), text)
    except (ValueError, OverflowError):
        raise ValueError(f"there is no {text} in the calendar; until should look like {EXAMPLE}") from None
    raise ValueError(f"until should be a date, or a time with its offset from UTC: {EXAMPLE}")
