"""How often somebody may try to sign in.

Two counters, because either alone is easily walked round: one an account stops guessing at one name from many
addresses, one an address stops trying one common password on many names. Only failures count in the end: an attempt is
counted before the password is looked at, so that a burst cannot slip past, and given back when it succeeds.

Signing in with a passkey is counted by address only: there is nothing to guess, and so nobody who fails at a name on
purpose can lock its owner out of that way in.

The counters live in this process: a restart forgets them, which an attacker cannot bring about by guessing.
"""

import hashlib
import math
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from store.names import fold

_PER_ACCOUNT = RateLimitItemPerMinute(10, 10, namespace="account")
_LONGEST_NAME = 1000
_PER_ADDRESS = RateLimitItemPerMinute(60, 10, namespace="address")


@dataclass(frozen=True)
class TooMany:
    """An attempt that was refused unseen; the next one is looked at after `retry_after_seconds`."""

    retry_after_seconds: int


@dataclass(frozen=True)
class Attempt:
    """An attempt that may go ahead; hand it back to `succeeded` if it was a right one."""

    keys: tuple[tuple[RateLimitItem, str], ...]


class SignInLimiter:
    """Counts failed sign-ins by account and by address, in ten-minute windows."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self._storage)

    def attempt(self, *, address: str, account: str | None = None) -> Attempt | TooMany:
        """Counts one attempt. `account` is the name as typed, or the reviewer's; None where no name is claimed."""
        keys: list[tuple[RateLimitItem, str]] = [(_PER_ADDRESS, _address_key(address))]
        refused = self._hit(keys)
        # Not even counted once the address is refused: each name that is counted takes up memory.
        if account is not None and not refused:
            keys.append((_PER_ACCOUNT, _account_key(account)))
            refused = self._hit(keys[1:])
        if refused:
            return TooMany(max(self._seconds_left(item, key) for item, key in refused))
        return Attempt(tuple(keys))

    def _hit(self, keys: list[tuple[RateLimitItem, str]]) -> list[tuple[RateLimitItem, str]]:
        return [(item, key) for item, key in keys if not self._windows.hit(item, key)]

    def succeeded(self, attempt: Attempt) -> None:
        """Gives a counted attempt back, so that working people never lock themselves out."""
        for item, key in attempt.keys:
            self._storage.decr(item.key_for(key))

    def _seconds_left(self, item: RateLimitItem, key: str) -> int:
        reset = self._windows.get_window_stats(item, key).reset_time
        return max(1, math.ceil(reset - time.time()))


def _account_key(account: str) -> str:
    # Hashed, so that a very long name costs no memory and a mistyped password in the name field is kept nowhere.
    # Folded as the store folds: every spelling that signs in to one account counts against that account.
    return hashlib.sha256(fold(account[:_LONGEST_NAME]).encode("utf-8", "surrogatepass")).hexdigest()


def _address_key(address: str) -> str:
    # One household or server holds a whole /64 of IPv6: counting single addresses would count nothing.
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{int(parsed) >> 64:016x}"
    return str(parsed)
