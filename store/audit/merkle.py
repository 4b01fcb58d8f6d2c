"""The tree: RFC 6962 hashes, proofs and their verification (SPEC.md, section 3). Pure.

A complete subtree is addressed (level, index): level 0 is the leaves, and node (l, i) covers the leaves from i*2^l to
(i+1)*2^l. Complete subtrees never change, so they are what is stored; whatever else is asked of a tree of any size is
made of O(log size) of them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from store.problems import Problem

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""Reads the hash of the complete subtree (level, index)."""


class ProofProblem(Problem):
    """A proof is malformed, or does not prove what it should."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry's bytes as a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """All that must be known of a tree to append to it: its size and the complete subtrees along its right edge.

    `edge` has one hash for each bit set in `size`, the largest subtree first.
    """

    size: int = 0
    edge: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.edge) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} has not {len(self.edge)} subtrees along its edge")


def append(frontier: Frontier, leaf: bytes) -> tuple[Frontier, tuple[tuple[int, int, bytes], ...]]:
    """The tree with one more leaf (a leaf hash), and the complete subtrees that it completes, lowest first."""
    level, index, node = 0, frontier.size, leaf
    edge = list(frontier.edge)
    completed = [(level, index, node)]
    while index & 1:
        node = node_hash(edge.pop(), node)
        level, index = level + 1, index >> 1
        completed.append((level, index, node))
    return Frontier(frontier.size + 1, (*edge, node)), tuple(completed)


def root(frontier: Frontier) -> bytes:
    """The root of the tree; `EMPTY_ROOT` for the tree without leaves."""
    return _fold(frontier.edge) if frontier.edge else EMPTY_ROOT


def frontier_nodes(size: int) -> list[tuple[int, int]]:
    """Where the edge of a tree of `size` is stored: (level, index) of each subtree, the largest first."""
    return _complete_subtrees(0, size)


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size`, nearest sibling first.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """What shows that the tree of `new` leaves begins with that of `old`; empty where that needs no showing.

    Raises:
        ValueError: the sizes are not those of an older and a newer tree.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} is not the beginning of one of {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    if start:  # the old tree's own root is known to whoever holds it; a part of it is not
        path.append(_range_root(start, end, node))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (a leaf hash) stands at `index` of the tree (RFC 9162, section 2.1.3.2).

    Raises:
        ProofProblem: it is not shown.
    """
    _check_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise ProofProblem(f"a tree of {size} has no entry {index}")
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise ProofProblem("the inclusion proof is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofProblem("the inclusion proof is too short")
    if node != root:
        raise ProofProblem(f"the inclusion proof does not lead from entry {index} to the root")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `new` leaves begins with that of `old` (RFC 9162, section 2.1.4.2).

    Raises:
        ProofProblem: it is not shown.
    """
    _check_hashes(old_root, new_root, *proof)
    if not 0 <= old <= new:
        raise ProofProblem(f"a tree of {old} is not the beginning of one of {new}")
    if old in (0, new):
        if proof:
            raise ProofProblem("the consistency proof is too long")
        if (old == 0 and old_root != EMPTY_ROOT) or (new == 0 and new_root != EMPTY_ROOT):
            raise ProofProblem("a tree without entries has another root")
        if old == new and old_root != new_root:
            raise ProofProblem(f"two trees of {old} entries have different roots")
        return
    # A complete old tree is a node of the new one, and its root is left out of the proof.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise ProofProblem("the consistency proof is too short")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if not last:
            raise ProofProblem("the consistency proof is too long")
        if position & 1 or position == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofProblem("the consistency proof is too short")
    if older != old_root:
        raise ProofProblem("the consistency proof does not lead to the older root")
    if newer != new_root:
        raise ProofProblem("the consistency proof does not lead to the newer root")


def _split(size: int) -> int:
    """The largest power of two below `size`: where RFC 6962 parts a tree in two."""
    return 1 << (size - 1).bit_length() - 1


def _complete_subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """The complete subtrees that make up the leaves from `start`, aligned as a right part of a tree is, to `end`."""
    subtrees = []
    while start < end:
        level = (end - start).bit_length() - 1
        subtrees.append((level, start >> level))
        start += 1 << level
    return subtrees


def _range_root(start: int, end: int, node: Node) -> bytes:
    return _fold([node(level, index) for level, index in _complete_subtrees(start, end)])


def _fold(edge: Sequence[bytes]) -> bytes:
    result = edge[-1]
    for subtree in reversed(edge[:-1]):
        result = node_hash(subtree, result)
    return result


def _check_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise ProofProblem(f"a hash has {HASH_BYTES} bytes")
