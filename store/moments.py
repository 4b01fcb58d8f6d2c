"""Moments in time as text: UTC, exactly six decimals, so that text sorts as time does and hashes never drift. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """`2026-11-22T14:30:00.000000Z`.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone means nothing")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def from_text(text: str) -> datetime:
    """The moment that `to_text` wrote."""
    return datetime.fromisoformat(text)


def read_text(text: str) -> datetime:
    """The moment that `to_text` wrote, of a text that a stranger may have written.

    Raises:
        ValueError: it is not as `to_text` writes it.
    """
    found = datetime.fromisoformat(text)
    try:
        written = to_text(found)
    except OverflowError:
        written = ""
    if written != text:
        raise ValueError("not a moment as it is written here")
    return found
