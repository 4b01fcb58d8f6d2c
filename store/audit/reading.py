"""Reading the log as it was written: bytes, nodes and texts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, false, func, or_, select

from store import tables
from store.audit.entry import Disclosure

PAGE = 1000


@dataclass(frozen=True)
class SignedHead:
    """What the log commits to now: a signed checkpoint, and how many entries it covers."""

    size: int
    note: str


_HEAD = select(tables.log_head)


def head(connection: Connection) -> SignedHead | None:
    """The newest checkpoint; None for a log without entries."""
    row = connection.execute(_HEAD).one_or_none()
    return None if row is None else SignedHead(row.size, row.note)


def entries(connection: Connection, start: int, limit: int = PAGE) -> list[tuple[int, bytes]]:
    """Index and bytes of up to `limit` entries from `start` on, in order."""
    columns = tables.log_entries.c
    query = (
        select(columns.position, columns.data)
        .where(columns.position >= start)
        .order_by(columns.position)
        .limit(max(0, limit))
    )
    return [(row.position, row.data) for row in connection.execute(query)]


def node(connection: Connection, level: int, index: int) -> bytes:
    """The hash of a complete subtree.

    Raises:
        LookupError: the log has no such node.
    """
    columns = tables.log_nodes.c
    found = connection.execute(select(columns.hash).where(columns.level == level, columns.position == index)).scalar()
    if found is None:
        raise LookupError(f"the log has no node ({level}, {index})")
    assert isinstance(found, bytes)
    return found


def some_nodes(connection: Connection, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The hashes of these complete subtrees, by level and index; what the log does not have is absent."""
    columns = tables.log_nodes.c
    # One condition a node, each of which the primary key answers; a list of pairs would make SQLite read every row.
    each = [and_(columns.level == level, columns.position == index) for level, index in wanted]
    query = select(tables.log_nodes).where(or_(false(), *each))
    return {(row.level, row.position): row.hash for row in connection.execute(query)}


def nodes(connection: Connection, level: int, start: int, limit: int = PAGE) -> list[tuple[int, bytes]]:
    """Index and hash of up to `limit` complete subtrees of a level, from `start` on, in order."""
    columns = tables.log_nodes.c
    query = (
        select(columns.position, columns.hash)
        .where(columns.level == level, columns.position >= start)
        .order_by(columns.position)
        .limit(max(0, limit))
    )
    return [(row.position, row.hash) for row in connection.execute(query)]


def last_disclosed(connection: Connection) -> int:
    """The last entry that a text is disclosed for; -1 where there are none."""
    found = connection.execute(select(func.max(tables.disclosures.c.position))).scalar()
    return -1 if found is None else int(found)


def disclosures(connection: Connection, start: int, limit: int = PAGE) -> list[tuple[int, Disclosure]]:
    """Texts of the `limit` entries from `start` on: the index of the entry that concealed each, and the text."""
    columns = tables.disclosures.c
    query = (
        select(tables.disclosures)
        .where(columns.position >= start, columns.position < start + max(0, limit))
        .order_by(columns.position, columns.key)
    )
    return [
        (row.position, Disclosure(row.key, row.commitment, row.salt, row.text)) for row in connection.execute(query)
    ]
