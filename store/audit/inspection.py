"""A home's own log, read: its checkpoint, entries and proofs, the whole of it verified, and exported.

What is read together is read in one transaction, so a log that grows meanwhile is seen as it was at one moment.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from store.audit import reading
from store.audit.canonical import decode
from store.audit.checkpoint import Checkpoint, parse_text
from store.audit.entry import Disclosure
from store.audit.events import LogExported, LogVerified
from store.audit.export import write_export
from store.audit.merkle import Node, ProofProblem, inclusion_proof, leaf_hash, verify_inclusion
from store.audit.own_entries import Page, Wanted, own_entries
from store.audit.proof import Proof, text
from store.audit.reading import PAGE, SignedHead
from store.audit.reviewer_keys import ReviewerKeys
from store.audit.verify import LogFault, Verified, verify
from store.database import Database, Transaction
from store.problems import Problem


class Inspection:
    """Reading the log of one database. Cheap to make."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def verifier(self) -> str:
        """The verifier key."""
        return self._database.verifier

    async def checkpoint(self) -> str | None:
        """The newest signed checkpoint; None for a log without entries."""
        head = await self._database.read(reading.head)
        return None if head is None else head.note

    async def entries(self, start: int, limit: int) -> list[tuple[int, bytes]]:
        """Index and bytes of up to `limit` entries from `start` on."""
        return await self._database.read(partial(reading.entries, start=start, limit=limit))

    async def of_agent(self, agent_id: str, wanted: Wanted) -> Page:
        """What this agent may read of the log about itself; see `store.audit.own_entries`.

        Raises:
            OwnEntriesProblem
        """
        return await self._database.read(partial(own_entries, agent_id=agent_id, wanted=wanted))

    async def proof(self, index: int) -> str | None:
        """The proof that entry `index` stands in the log; None where there is none."""
        proved = await self._database.read(partial(_prove, index=index))
        return None if proved is None else proved[1]

    def prove(self, index: int) -> tuple[bytes, str]:
        """An entry, and the proof that it stands in the log.

        Raises:
            Problem: there is no such entry.
        """
        with _unreadable():
            proved = self._database.read_now(partial(_prove, index=index))
        if proved is None:
            raise Problem(f"the log has no entry {index}", "Give an index that `assent audit verify` counts.")
        return proved

    def verify(
        self,
        vkeys: Sequence[str] | None = None,
        *,
        against: Sequence[str] = (),
        reviewer_keys: ReviewerKeys | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Verified:
        """Check the whole log, its stored hashes included, and record that it was checked.

        `vkeys` are the keys to trust; without them the one that this home signs with. With `reviewer_keys`, what these
        people signed must be signed with them.

        Raises:
            LogFault: the first thing that is wrong; nothing is recorded.
        """
        trusted = [self.verifier] if vkeys is None else vkeys
        with _unreadable():
            verified = self._database.read_now(
                partial(_verify, vkeys=trusted, against=against, reviewer_keys=reviewer_keys, progress=progress),
            )
        self._database.write_now(lambda transaction: transaction.record(LogVerified(verified.checkpoint.size)))
        return verified

    def passkeys(self) -> dict[str, list[str]]:
        """The public keys (COSE, base64) of every passkey that was ever registered, by the account's id.

        Those that were removed since are among them: what was signed with them stays signed.
        """
        with _unreadable():
            return self._database.read_now(_passkeys)

    def export(self, file: BinaryIO) -> Checkpoint:
        """Write the whole log as an export; the checkpoint that it ends with. Nothing leaves without an entry."""
        self._database.write_now(_record_export)
        with _unreadable():
            return self._database.read_now(lambda connection: _export(connection, file, self.verifier))


def _passkeys(connection: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for _, data in _entries(connection):
        # Most entries need not be read for this.
        if b'"passkey_added"' in data and (entry := decode(data))["type"] == "passkey_added":
            found.setdefault(entry["reviewer"], []).append(entry["public_key"])
    return found


class _StoredNodes:
    """The stored hashes of complete subtrees, read in pages in the order in which a growing tree completes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._levels: dict[int, Iterator[tuple[int, bytes]]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        nodes = self._levels.setdefault(level, _nodes(self._connection, level))
        at, stored = next(nodes, (None, b""))
        if at != index:
            raise LogFault(index << level, f"the hash stored for entry {index << level} (level {level}) is missing")
        return stored

    def check_end(self) -> None:
        """Raises LogFault if there are more than the tree has."""
        for level, nodes in self._levels.items():
            for at, _ in nodes:
                raise LogFault(
                    at << level, f"a hash is stored for entry {at << level} (level {level}), which is not there"
                )


def _verify(
    connection: Connection,
    vkeys: Sequence[str],
    against: Sequence[str],
    reviewer_keys: ReviewerKeys | None,
    progress: Callable[[int], None] | None,
) -> Verified:
    head = _require_head(connection)
    stored = _StoredNodes(connection)
    verified = verify(
        _entries(connection),
        head.note,
        vkeys,
        disclosures=_disclosures(connection),
        against=against,
        reviewer_keys=reviewer_keys,
        stored=stored,
        progress=progress,
    )
    stored.check_end()
    if head.size != verified.checkpoint.size:
        raise LogFault(None, f"the head says {head.size} entries, and its checkpoint covers {verified.checkpoint.size}")
    return verified


def _export(connection: Connection, file: BinaryIO, vkey: str) -> Checkpoint:
    head = _require_head(connection)
    write_export(
        file,
        head.note,
        vkey,
        entries=(data for _, data in _entries(connection)),
        leaves=(leaf for _, leaf in _nodes(connection, 0)),
        disclosures=_disclosures(connection),
    )
    return _checkpoint(head)


def _checkpoint(head: SignedHead) -> Checkpoint:
    return parse_text(head.note.partition("\n\n")[0] + "\n")


def _record_export(transaction: Transaction) -> None:
    transaction.record(LogExported(transaction.log.next_index))


def _noting(wanted: list[tuple[int, int]]) -> Node:
    def note(level: int, index: int) -> bytes:
        wanted.append((level, index))
        return b""

    return note


def _prove(connection: Connection, index: int) -> tuple[bytes, str] | None:
    head = reading.head(connection)
    if head is None or not 0 <= index < head.size:
        return None
    found = reading.entries(connection, index, 1)
    if not found or found[0][0] != index:
        raise LogFault(index, f"entry {index} is missing")
    entry = found[0][1]
    wanted: list[tuple[int, int]] = []
    # Which nodes a proof takes follows from the sizes alone, so they are asked for first and then read in one query.
    inclusion_proof(index, head.size, _noting(wanted))
    nodes = reading.some_nodes(connection, wanted)
    try:
        hashes = inclusion_proof(index, head.size, lambda level, at: nodes[level, at])
        root = _checkpoint(head).root
        verify_inclusion(leaf_hash(entry), index, head.size, hashes, root)
    except (LookupError, ProofProblem) as problem:
        raise LogFault(None, f"no proof of entry {index} can be made: the log's stored hashes are damaged") from problem
    return entry, text(Proof(index, tuple(hashes), head.note))


def _require_head(connection: Connection) -> SignedHead:
    head = reading.head(connection)
    if head is not None:
        if type(head.size) is not int or type(head.note) is not str:
            raise LogFault(None, "the log's checkpoint is not stored as text")
        return head
    if reading.entries(connection, 0, 1):
        raise LogFault(0, "the log has entries and no checkpoint")
    raise Problem("this log has no entries yet", "Start the server once: assent serve")


def _entries(connection: Connection) -> Iterator[tuple[int, bytes]]:
    return _paged(partial(reading.entries, connection), "an entry")


def _nodes(connection: Connection, level: int) -> Iterator[tuple[int, bytes]]:
    return _paged(partial(reading.nodes, connection, level), "a hash")


def _paged(read: Callable[[int, int], list[tuple[int, bytes]]], what: str) -> Iterator[tuple[int, bytes]]:
    start = 0
    while page := read(start, PAGE):
        for index, data in page:
            # SQLite keeps whatever type it is given, and whoever changes the file can give it any.
            if type(index) is not int or type(data) is not bytes:
                raise LogFault(index if type(index) is int else None, f"{what} ({index}) is not stored as bytes")
        yield from page
        start = page[-1][0] + 1


def _disclosures(connection: Connection) -> Iterator[tuple[int, Disclosure]]:
    last = reading.last_disclosed(connection)
    for start in range(0, last + 1, PAGE):
        for index, disclosure in reading.disclosures(connection, start, PAGE):
            types = (type(disclosure.key), type(disclosure.salt), type(disclosure.text))
            if types != (str, bytes, str):
                raise LogFault(index, f"a text of entry {index} is not stored as text")
            yield index, disclosure


@contextmanager
def _unreadable() -> Iterator[None]:
    """A damaged file is a fault of the log like any other."""
    try:
        yield
    except DBAPIError as problem:
        raise LogFault(None, f"the database cannot be read: {problem.orig}") from problem
