"""Verifying a log: entries in, the checkpoint that they were shown to be, or the first fault. Pure and streaming.

Entries are read once, in order. What is kept of them is the tree's right edge, which texts are missing, and what the
requests' stories need (SPEC.md, section 7). Whoever verifies brings the verifier key, and best of all a checkpoint that
was kept elsewhere: without one a log that its key's holder wrote anew from the first entry verifies, too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from store.audit.canonical import EntryProblem, decode
from store.audit.checkpoint import Checkpoint, NoteProblem, open_note
from store.audit.entry import SALT_BYTES, Disclosure, commitment
from store.audit.meaning import MeaningProblem, Story
from store.audit.merkle import Frontier, append, leaf_hash, root
from store.audit.reviewer_keys import ReviewerKeys
from store.audit.shape import REFERENCE, SHAPES, check_shape
from store.audit.signatures import SignatureCounts, SignatureProblem, Signatures
from store.problems import Problem

StoredNode = Callable[[int, int], bytes | None]
"""The hash that was stored for the complete subtree (level, index), asked in the order in which they complete."""

PROGRESS_EVERY = 10_000
_NOTHING_SIGNED = SignatureCounts()

# These name a text that an earlier entry concealed, whose disclosure stands there.
_REFERRING = frozenset(
    {(f"request_{what}", "card_ref") for what in ("shown", "voted", "escalated", "closed")}
    | {("text_erased", "text_ref"), ("arguments_edited", "instead_of_ref")}
)
_CONCEALED = {
    kind: tuple(key for key in shape.forms if key.endswith(REFERENCE) and (kind, key) not in _REFERRING)
    for kind, shape in SHAPES.items()
}


class LogFault(Problem):
    """The log is not what it should be. `index` is the first bad entry, None where no single one can be named."""

    def __init__(self, index: int | None, message: str) -> None:
        super().__init__(message, "Keep this log as it is, and compare it with a backup and with kept checkpoints.")
        self.index = index


@dataclass(frozen=True)
class Verified:
    """What was shown: these entries, all of them, are what the log's key signed."""

    checkpoint: Checkpoint
    kept: tuple[int, ...]
    """Sizes of the kept checkpoints that the log continues."""
    disclosed: int
    erased: int
    open_requests: int
    signatures: SignatureCounts = _NOTHING_SIGNED
    """Decisions that people signed with their passkeys."""


def verify(
    entries: Iterable[tuple[int, bytes]],
    note: str,
    vkeys: Sequence[str],
    *,
    disclosures: Iterable[tuple[int, Disclosure]] | None = None,
    against: Sequence[str] = (),
    reviewer_keys: ReviewerKeys | None = None,
    stored: StoredNode | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Check a whole log.

    Args:
        entries: index and bytes of each, in order.
        note: the log's newest signed checkpoint.
        vkeys: the verifier keys that are trusted.
        disclosures: the texts, by the index of the entry that conceals each; None leaves them unchecked.
        against: signed checkpoints of this log that were kept elsewhere.
        reviewer_keys: public keys of people that were got another way; what they sign must be signed with these.
        stored: hashes that were stored beside the entries; they tell which entry was changed.
        progress: told the number of entries now and then.

    Raises:
        LogFault: the first thing that is wrong.
    """
    newest = _opened(note, vkeys, "the log's checkpoint")
    kept = sorted((_opened(one, vkeys, "the kept checkpoint") for one in against), key=lambda one: one.size)
    for one in kept:
        _check_same_log(one, newest)
    texts = None if disclosures is None else _Texts(iter(disclosures))
    reader = _Reader(newest, kept, stored, texts, Signatures(newest.origin, reviewer_keys))
    for index, data in entries:
        try:
            reader.take(index, data)
        except LogFault as fault:
            raise reader.first(fault) from fault
        if progress is not None and (index + 1) % PROGRESS_EVERY == 0:
            progress(index + 1)
    return reader.close()


class _Reader:
    """What is known of the log so far."""

    def __init__(
        self,
        newest: Checkpoint,
        kept: Sequence[Checkpoint],
        stored: StoredNode | None,
        texts: "_Texts | None",
        signatures: Signatures,
    ) -> None:
        self._newest = newest
        self._kept = list(kept)
        self._stored = stored
        self._texts = texts
        self._signatures = signatures
        self._tree = Frontier()
        self._story = Story()
        self._continued: list[int] = []
        self._suspicion: LogFault | None = None
        self._check_kept()

    def take(self, index: int, data: bytes) -> None:
        _check_order(index, self._tree.size)
        if index >= self._newest.size:
            raise LogFault(index, f"entry {index} stands beyond the checkpoint, which covers {self._newest.size}")
        self._tree, completed = append(self._tree, leaf_hash(data))
        if self._stored is not None and self._suspicion is None:
            self._compare(completed)
        try:
            entry = decode(data)
            check_shape(entry)
        except EntryProblem as problem:
            raise LogFault(index, f"entry {index} is not an entry: {problem.message}") from problem
        texts = {} if self._texts is None else self._texts.of(index, entry)
        try:
            self._story.take(index, entry, texts)
            self._signatures.take(entry, texts)
        except (MeaningProblem, SignatureProblem) as problem:
            raise LogFault(index, f"entry {index} ({entry['type']}) cannot be: {problem.message}") from problem
        self._check_kept()

    def first(self, fault: LogFault) -> LogFault:
        """`fault`, unless a changed entry before it explains it."""
        return self._suspicion or fault

    def close(self) -> Verified:
        size = self._tree.size
        if size < self._newest.size:
            fault = LogFault(size, f"entry {size} is missing: the checkpoint covers {self._newest.size} entries")
            raise self.first(fault)
        if root(self._tree) != self._newest.root:
            raise self.first(
                LogFault(
                    None,
                    f"the {size} entries do not give the root of the signed checkpoint: one from entry "
                    f"{self._intact()} on was changed, and nothing that was given tells which",
                )
            )
        if self._suspicion is not None:
            raise LogFault(
                self._suspicion.index,
                f"the entries are as they were signed, and a hash that was stored for entry {self._suspicion.index} is "
                "not: proofs made of it are wrong",
            )
        disclosed, erased = (0, 0) if self._texts is None else self._texts.close()
        return Verified(
            self._newest,
            tuple(self._continued),
            disclosed,
            erased,
            self._story.open_requests,
            self._signatures.counts,
        )

    def _compare(self, completed: Sequence[tuple[int, int, bytes]]) -> None:
        assert self._stored is not None
        for level, index, node in completed:
            stored = self._stored(level, index)
            if stored is not None and stored != node:
                # Which of the two was changed is known when the root is.
                first = index << level
                self._suspicion = LogFault(first, f"entry {first} was changed: its hash is not the one that was stored")
                return

    def _check_kept(self) -> None:
        while self._kept and self._kept[0].size == self._tree.size:
            kept = self._kept.pop(0)
            if root(self._tree) != kept.root:
                raise LogFault(
                    None,
                    f"the log was rewritten: its first {kept.size} entries are not those of the kept checkpoint; one "
                    f"from entry {self._intact()} to {kept.size - 1} differs",
                )
            self._continued.append(kept.size)

    def _intact(self) -> int:
        """How many entries a kept checkpoint vouches for."""
        return self._continued[-1] if self._continued else 0


class _Texts:
    """Disclosures, merged with the entries that conceal them."""

    def __init__(self, disclosures: Iterator[tuple[int, Disclosure]]) -> None:
        self._rest = disclosures
        self._next = next(disclosures, None)
        self._missing: dict[str, int] = {}
        self._disclosed = self._erased = 0

    def of(self, index: int, entry: Mapping[str, Any]) -> dict[str, str]:
        """The texts of this entry by key, each checked. What is missing is remembered until an erasure explains it."""
        given: dict[str, str] = {}
        while self._next is not None and self._next[0] <= index:
            at, disclosure = self._next
            if at != index or disclosure.key in given or not _conceals(entry, disclosure.key):
                raise LogFault(at, f"a text is disclosed for entry {at} ({disclosure.key}) that it does not conceal")
            if _commitment(disclosure) != entry[disclosure.key]:
                raise LogFault(
                    index, f"the text disclosed for entry {index} ({disclosure.key}) is not the one it conceals"
                )
            given[disclosure.key] = disclosure.text
            self._next = next(self._rest, None)
        for key in _CONCEALED[entry["type"]]:
            if key in entry and key not in given:
                self._missing.setdefault(entry[key], index)
        if entry["type"] == "text_erased":
            if self._missing.pop(entry["text_ref"], None) is None:
                raise LogFault(index, f"entry {index} erases a text that is disclosed, was erased before or never was")
            self._erased += 1
        self._disclosed += len(given)
        return given

    def close(self) -> tuple[int, int]:
        if self._next is not None:
            raise LogFault(self._next[0], f"a text is disclosed for entry {self._next[0]}, which is not there")
        if self._missing:
            index = min(self._missing.values())
            raise LogFault(index, f"a text of entry {index} is missing, and no entry says that it was erased")
        return self._disclosed, self._erased


def _conceals(entry: Mapping[str, Any], key: str) -> bool:
    return key in entry and key in _CONCEALED[entry["type"]]


def _commitment(disclosure: Disclosure) -> str | None:
    if len(disclosure.salt) != SALT_BYTES:
        return None
    try:
        return commitment(disclosure.salt, disclosure.text)
    except UnicodeEncodeError:
        return None


def _opened(note: str, vkeys: Sequence[str], what: str) -> Checkpoint:
    try:
        return open_note(note, vkeys)
    except NoteProblem as problem:
        raise LogFault(None, f"{what} is not to be trusted: {problem.message}") from problem


def _check_same_log(kept: Checkpoint, newest: Checkpoint) -> None:
    if kept.origin != newest.origin:
        raise LogFault(None, f"the kept checkpoint is of another log: {kept.origin}, and this is {newest.origin}")
    if kept.size > newest.size:
        raise LogFault(
            newest.size,
            f"the log was cut: a kept checkpoint covers {kept.size} entries, and it has {newest.size} now",
        )
    if kept.size == newest.size and kept.root != newest.root:
        raise LogFault(None, f"the log was rewritten: two checkpoints of {kept.size} entries have different roots")


def _check_order(index: int, expected: int) -> None:
    if index > expected:
        raise LogFault(expected, f"entry {expected} is missing: after entry {expected - 1} comes entry {index}")
    if index < expected:
        raise LogFault(expected, f"where entry {expected} should stand, entry {index} stands again")
