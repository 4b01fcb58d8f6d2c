"""A tree that keeps its complete subtrees in a dictionary, as the database keeps them in rows."""

from collections.abc import Iterable

from store.audit.merkle import Frontier, append, leaf_hash


class Tree:
    """Grows by entries; counts how many nodes were read."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.frontier = Frontier()
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.reads = 0
        for entry in entries:
            self.append(entry)

    def append(self, entry: bytes) -> None:
        self.frontier, completed = append(self.frontier, leaf_hash(entry))
        for level, index, node in completed:
            assert (level, index) not in self.nodes
            self.nodes[level, index] = node

    def node(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.nodes[level, index]
