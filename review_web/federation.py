"""What the site knows of a provider that signs people in, and of those who are on their way there.

Who leaves for the provider comes back by a link that anybody could have made. It counts only in the browser that left
(a cookie names the ticket), only for what it left for, once, and within ten minutes. A restart forgets them all.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from store.people.identities import ForeignIdentity, Identities

LIFETIME = timedelta(minutes=10)

# Anybody may leave, so the memory that this can take is bounded: who left first makes room.
_AT_ONCE = 4096


class IdentityProvider(Protocol):
    """A provider. Both calls go over the network and raise `ProviderProblem`."""

    @property
    def label(self) -> str:
        """What people call it."""

    def may_join(self, who: ForeignIdentity) -> bool:
        """Whether somebody whom nobody knows here gets an account by signing in there."""

    async def sign_in_page(self, *, state: str, nonce: str, verifier: str, anew: bool) -> str:
        """Where to send the browser. `anew` asks for the person themself, even if they are signed in there."""

    async def identity(
        self, *, code: str, came_from: str | None, nonce: str, verifier: str, asked_anew_at: datetime | None
    ) -> ForeignIdentity:
        """Whom it signed in, all of it checked. `came_from` is the `iss` that the browser came back with, if any."""


class Errand(StrEnum):
    """What somebody left for. What comes back is worth nothing for another."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    LINK = "link"
    JOIN = "join"


@dataclass(frozen=True)
class Departure:
    """One person on their way to the provider, and what must come back."""

    errand: Errand
    left_at: datetime
    next: str = "/"
    """Where to go afterwards: a path on this site."""
    reviewer_id: str | None = None
    session_id: str | None = None
    """Who left, for errands of somebody signed in: their cookie is not sent with the way back."""
    invitation: str | None = field(default=None, repr=False)
    """The token of the invitation that they follow."""
    holder: str | None = None
    """Which user of this machine the browser that left runs as, if that can be told: no other comes back for it."""
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    @property
    def asked_anew_at(self) -> datetime | None:
        """When the provider was told to ask the person anew; None where it was not."""
        return self.left_at if self.errand is Errand.CONFIRM else None


class Departures:
    """Everybody who is on their way, by the `state` that they come back with."""

    def __init__(self) -> None:
        self._away: OrderedDict[str, Departure] = OrderedDict()

    def add(self, departure: Departure) -> None:
        while len(self._away) >= _AT_ONCE:
            self._away.popitem(last=False)
        self._away[departure.state] = departure

    def take(self, state: str, ticket: str, holder: str | None, now: datetime) -> Departure | None:
        """Who comes back with this state, once. None for another browser than the one that left, or too late."""
        found = self._away.get(state)
        same = found is not None and found.holder == holder
        if found is None or not same or not secrets.compare_digest(found.ticket.encode(), ticket.encode()):
            # It stays: a stranger who learns a state must not be able to end somebody's way back.
            return None
        del self._away[state]
        return None if now >= found.left_at + LIFETIME else found


@dataclass(frozen=True)
class Federation:
    """A provider, and the identities of it that people here are linked to."""

    provider: IdentityProvider
    identities: Identities
    departures: Departures = field(default_factory=Departures)
