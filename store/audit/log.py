"""Appending to the log, inside the transaction of what it records.

Invariants:

- Entries, tree nodes, texts and the signed checkpoint are written by the very transaction whose changes they record:
  they stand or fall together.
- The head is read inside the transaction, which holds the database's write lock, unless no other connection has
  committed since it was written: processes that write beside each other continue one log.
- One checkpoint a transaction, however many entries it has.
- Whose an entry is, where its agent may read it, is written with it; see `store.audit.own_lines`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import BigInteger, Connection, Executable, Table, bindparam, insert, select, update

from store import tables
from store.audit.checkpoint import Checkpoint, NoteProblem, open_note
from store.audit.entry import Entry, entry_of
from store.audit.events import Assurance, Event
from store.audit.merkle import Frontier, append, frontier_nodes, leaf_hash, root
from store.audit.own_lines import OWN_TYPES
from store.problems import DatabaseProblem


class Signer(Protocol):
    """Who signs the log's checkpoints: a real edge of trust, hence a port."""

    @property
    def name(self) -> str:
        """The origin of the log."""
        ...

    @property
    def verifier(self) -> str:
        """The verifier key."""
        ...

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a signed note."""
        ...


@dataclass(frozen=True)
class Appended:
    """An entry that stands in the log once the transaction commits."""

    index: int
    entry: Entry


class Appender:
    """The entries of one transaction, in order. `flush` writes them; until then a savepoint's can be taken back."""

    def __init__(self, connection: Connection, signer: Signer, known: Frontier, *, is_newest: bool = False) -> None:
        """`known` is the tree as it was after the last commit of this process, `is_newest` whether nobody else can have
        committed since."""
        self._connection = connection
        self._signer = signer
        self._start = known if is_newest else _frontier(connection, signer, known)
        self._pending: list[Entry] = []
        self._events: list[Event] = []

    def append(self, event: Event, at: datetime, assurance: Assurance) -> Appended:
        """Queue an entry and say where it will stand."""
        appended = Appended(self.next_index, entry_of(event, at, assurance))
        self._pending.append(appended.entry)
        self._events.append(event)
        return appended

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self._signer.name

    @property
    def next_index(self) -> int:
        """Where the next entry will stand."""
        return self._start.size + len(self._pending)

    def mark(self) -> int:
        """Where a savepoint begins."""
        return len(self._pending)

    def take_back(self, mark: int) -> None:
        """Forget what was queued since `mark`: the savepoint was rolled back."""
        del self._pending[mark:]
        del self._events[mark:]

    def flush(self) -> Frontier:
        """Write everything and the checkpoint over it; the tree as it is then."""
        if not self._pending:
            return self._start
        frontier = self._start
        nodes: list[dict[str, object]] = []
        for entry in self._pending:
            frontier, complete = append(frontier, leaf_hash(entry.data))
            nodes.extend({"level": level, "position": index, "hash": node} for level, index, node in complete)
        numbered = list(enumerate(self._pending, start=self._start.size))
        execute = self._connection.execute
        execute(_ENTRIES, [{"position": index, "data": entry.data} for index, entry in numbered])
        execute(_NODES, nodes)
        texts = [
            {"commitment": d.commitment, "position": index, "key": d.key, "salt": d.salt, "text": d.text}
            for index, entry in numbered
            for d in entry.disclosures
        ]
        if texts:
            execute(_TEXTS, texts)
        _file(self._connection, self._events, self._start.size)
        note = self._signer.sign(Checkpoint(self._signer.name, frontier.size, root(frontier)))
        head = {"new_size": frontier.size, "new_note": note}
        if execute(_MOVE_HEAD, head).rowcount != 1:
            execute(_FIRST_HEAD, head)
        return frontier


def _file(connection: Connection, events: Sequence[Event], start: int) -> None:
    """Say of the entries that agents may read whose they are: `start` is where the first stands."""
    todo: dict[Executable, list[dict[str, object]]] = {}
    for position, event in enumerate(events, start=start):
        if event.type not in OWN_TYPES:
            continue
        for name, statement in _WHOSE:
            of = getattr(event, name, None)
            if of is not None:
                todo.setdefault(statement, []).append({"the_position": position, "the_one": of})
                break
        else:
            todo.setdefault(_EVERYBODYS, []).append({"the_position": position})
    for statement, rows in todo.items():
        connection.execute(statement, rows)


_OWN_COLUMNS = ("agent_id", "position")
_POSITION = bindparam("the_position", type_=BigInteger)


def _of_row(rows: Table) -> Executable:
    of = select(rows.c.agent_id, _POSITION).where(rows.c.id == bindparam("the_one"))
    return insert(tables.agent_entries).from_select(_OWN_COLUMNS, of)


_WHOSE: tuple[tuple[str, Executable], ...] = (
    ("agent", insert(tables.agent_entries).values(agent_id=bindparam("the_one"), position=_POSITION)),
    ("request", _of_row(tables.requests)),
    ("call", _of_row(tables.calls)),
)
_EVERYBODYS = insert(tables.agent_entries).from_select(
    _OWN_COLUMNS, select(tables.agents.c.id, _POSITION).where(tables.agents.c.revoked_at.is_(None))
)

# Built once: each commit executes them.
_HEAD = select(tables.log_head)
_ENTRIES = insert(tables.log_entries)
_NODES = insert(tables.log_nodes)
_TEXTS = insert(tables.disclosures)
_MOVE_HEAD = update(tables.log_head).values(size=bindparam("new_size"), note=bindparam("new_note"))
_FIRST_HEAD = insert(tables.log_head).values(size=bindparam("new_size"), note=bindparam("new_note"))


def check_head(connection: Connection, signer: Signer) -> None:
    """That this log is the one that `signer` signs, and its head is genuine.

    Raises:
        DatabaseProblem: the log belongs to another key, or its head was changed.
    """
    head = connection.execute(select(tables.log_head)).one_or_none()
    if head is None:
        return
    try:
        checkpoint = open_note(head.note, [signer.verifier])
    except NoteProblem as problem:
        raise DatabaseProblem(
            f"the log in this database is not the one that this home's key signs: {problem.message}",
            "Put the database and its log key back from one backup.",
        ) from problem
    if checkpoint.size != head.size:
        raise DatabaseProblem(
            f"the head of the log says {head.size} entries, its signed checkpoint {checkpoint.size}",
            "The database was changed outside Assent. Compare it with a backup: assent audit verify.",
        )


def _frontier(connection: Connection, signer: Signer, known: Frontier) -> Frontier:
    """The tree that the head commits to; `known` saves reading it when nobody else has written since."""
    newest = connection.execute(_HEAD).one_or_none()
    size = 0 if newest is None else newest.size
    if newest is None or size == known.size:
        return known if size == known.size else Frontier()
    edge = []
    nodes = tables.log_nodes.c
    for level, index in frontier_nodes(size):
        found = connection.execute(select(nodes.hash).where(nodes.level == level, nodes.position == index)).scalar()
        if found is None:
            raise DatabaseProblem(
                f"the log has no node ({level}, {index}), which a log of {size} entries needs",
                "The database was changed outside Assent. Restore it from a backup.",
            )
        edge.append(found)
    frontier = Frontier(size, tuple(edge))
    # Signing on top of a changed node would make the change look genuine.
    if root(frontier) != open_note(newest.note, [signer.verifier]).root:
        raise DatabaseProblem(
            f"the stored tree of {size} entries is not the one that was signed",
            "The database was changed outside Assent. Find out where: assent audit verify.",
        )
    return frontier
