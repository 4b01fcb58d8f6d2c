"""RFC 6962, section 2.1, written down as it stands there: slow, recursive and obvious. It checks the fast one."""

import hashlib
from collections.abc import Sequence


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = largest_power_of_two_below(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = largest_power_of_two_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*path(m - k, leaves[k:]), tree_hash(leaves[:k])]


def proof(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    return subproof(m, leaves, complete=True)


def subproof(m: int, leaves: Sequence[bytes], *, complete: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if complete else [tree_hash(leaves)]
    k = largest_power_of_two_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], complete=complete), tree_hash(leaves[k:])]
    return [*subproof(m - k, leaves[k:], complete=False), tree_hash(leaves[:k])]


def largest_power_of_two_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k
