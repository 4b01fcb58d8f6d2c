"""Times, lengths and ids in words for people.

Times are relative, with the exact one in UTC on hover; the page's script puts the reader's own time zone in its place.
"""

from datetime import UTC, datetime, timedelta

from markupsafe import Markup

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_ID_TAIL = 8


def duration(span: timedelta) -> str:
    """`41 minutes`; the two largest units where the larger is small: `1 hour 20 minutes`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < _MINUTE:
        return count(seconds, "second")
    if seconds < _HOUR:
        return count(seconds // _MINUTE, "minute")
    if seconds < _DAY:
        return _pair(seconds, _HOUR, "hour", _MINUTE, "minute")
    return _pair(seconds, _DAY, "day", _HOUR, "hour")


def ago(then: datetime, now: datetime) -> Markup:
    """How long ago `then` was, as a `<time>` element."""
    span = now - then
    said = "just now" if span < timedelta(minutes=1) else f"{duration(_largest(span))} ago"
    return _time(then, said, "relative")


def left(deadline: datetime, now: datetime) -> Markup:
    """How long is left: `41 minutes, until 15:20 UTC`."""
    if deadline <= now:
        return Markup("no time left, since {}").format(_clock_time(deadline, now))
    return Markup("{}, until {}").format(time_left(deadline, now), _clock_time(deadline, now))


def time_left(deadline: datetime, now: datetime) -> Markup:
    """How long is left, and nothing else: `41 minutes`."""
    utc = deadline.astimezone(UTC)
    said = duration(deadline - now) if deadline > now else "no time"
    return Markup('<span data-left="{}">{}</span>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", said)


def at(then: datetime, now: datetime) -> Markup:
    """When: `at 15:20 UTC`, with the day where it is not today."""
    return Markup("at {}").format(_clock_time(then, now))


def moment(then: datetime) -> Markup:
    """The exact time, to the second."""
    return _time(then, f"{_date(then)}, {then.astimezone(UTC):%H:%M:%S} UTC", "exact")


def clock(then: datetime) -> Markup:
    """The time of day to the second, for what happens now: `15:20:07 UTC`."""
    return _time(then, f"{then.astimezone(UTC):%H:%M:%S} UTC", "seconds")


def short_id(identifier: str) -> str:
    """The end of an id: enough to tell it from the others on the page."""
    head, _, tail = identifier.rpartition("_")
    return f"{head}_…{tail[-_ID_TAIL:]}" if head and len(tail) > _ID_TAIL else identifier


def milliseconds(number: int) -> str:
    """`340 milliseconds`, `2.1 seconds`, `3 minutes`."""
    if number < 1_000:
        return count(number, "millisecond")
    return f"{number / 1_000:.1f} seconds" if number < 60_000 else duration(timedelta(milliseconds=number))


def size(number: int) -> str:
    """`512 bytes`, `2.1 KiB`, `3.4 MiB`."""
    if number < 1024:
        return count(number, "byte")
    return f"{number / 1024:,.1f} KiB" if number < 1024 * 1024 else f"{number / 1024 / 1024:,.1f} MiB"


def _clock_time(then: datetime, now: datetime) -> Markup:
    utc = then.astimezone(UTC)
    if then - now < timedelta(hours=20) and now - then < timedelta(hours=20):
        return _time(then, f"{utc:%H:%M} UTC", "clock")
    return _time(then, f"{utc:%a} {utc.day} {utc:%b}, {utc:%H:%M} UTC", "day")


def _time(then: datetime, said: str, style: str) -> Markup:
    utc = then.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}" data-time="{}">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{_date(then)}, {utc:%H:%M:%S} UTC", style, said
    )


def _date(then: datetime) -> str:
    utc = then.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y}"


def _largest(span: timedelta) -> timedelta:
    if span >= timedelta(days=1):
        return timedelta(days=span.days)
    if span >= timedelta(hours=1):
        return timedelta(hours=int(span.total_seconds()) // _HOUR)
    return span


def _pair(seconds: int, unit: int, name: str, smaller: int, smaller_name: str) -> str:
    whole, rest = divmod(seconds, unit)
    said = count(whole, name)
    part = rest // smaller
    return f"{said} {count(part, smaller_name)}" if part and whole < 10 else said


def count(number: int, name: str) -> str:
    """`1 hour`, `2 hours`, `1,200 hours`."""
    return f"{number:,} {name}" + ("" if number == 1 else "s")
