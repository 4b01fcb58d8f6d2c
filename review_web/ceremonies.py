"""The challenges of passkey ceremonies that have begun and not ended.

A challenge proves that a signature is fresh only if it is ours, for this purpose, for this browser, and used once. So
each is kept here under a random ticket that only the browser's cookie names; taking it removes it, whatever the answer
turns out to be. A restart forgets them all: the person presses the button again.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LIFETIME = timedelta(minutes=5)

# Anybody may begin a sign-in, so the memory that this can take is bounded: the oldest ceremony makes room.
_AT_ONCE = 4096


class Purpose(StrEnum):
    """What a signature over the challenge will be taken to mean. One purpose's challenge is worthless for another."""

    SIGN_IN = "sign_in"
    ADD_PASSKEY = "add_passkey"


@dataclass(frozen=True)
class Ceremony:
    """One challenge, and whom it was handed to. `reviewer_id` is None until somebody is known."""

    challenge: bytes
    purpose: Purpose
    reviewer_id: str | None
    expires_at: datetime


class Ceremonies:
    """One-time challenges by ticket."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Ceremony] = OrderedDict()

    def begin(self, purpose: Purpose, *, now: datetime, reviewer_id: str | None = None) -> tuple[str, Ceremony]:
        """A fresh 256-bit challenge, and the ticket that will name it."""
        while len(self._open) >= _AT_ONCE:
            self._open.popitem(last=False)
        ticket = secrets.token_urlsafe(32)
        ceremony = Ceremony(secrets.token_bytes(32), purpose, reviewer_id, now + LIFETIME)
        self._open[ticket] = ceremony
        return ticket, ceremony

    def take(self, ticket: str, purpose: Purpose, *, now: datetime, reviewer_id: str | None = None) -> Ceremony | None:
        """The ceremony, once: None when it is unknown, used, too old, for another purpose or another person."""
        ceremony = self._open.pop(ticket, None)
        if ceremony is None or ceremony.expires_at <= now:
            return None
        if ceremony.purpose is not purpose or ceremony.reviewer_id != reviewer_id:
            return None
        return ceremony
