"""A log as one file that a stranger can check offline (SPEC.md, section 6): a zip archive of plain text files.

Writing and reading stream: whatever the size of the log, one line is in memory at a time. The same log makes the same
file, byte for byte.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from store.audit.canonical import MAX_BYTES
from store.audit.checkpoint import MAX_NOTE
from store.audit.entry import Disclosure
from store.audit.merkle import HASH_BYTES
from store.audit.reviewer_keys import ReviewerKeys
from store.audit.verify import LogFault, Verified, verify
from store.problems import Problem

README, CHECKPOINT, VKEY = "README.txt", "checkpoint", "log.vkey"
ENTRIES, LEAVES, DISCLOSURES = "entries.jsonl", "leaves.txt", "disclosures.jsonl"
MEMBERS = (README, CHECKPOINT, VKEY, ENTRIES, LEAVES, DISCLOSURES)
MAX_TEXT_LINE = 64 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)

_README = """This is a log of Assent: what agents asked, what people were shown, what they decided, and what came of it.

checkpoint         how many entries there are and the root of their tree, signed by the log
log.vkey           the public key that it was signed with. To trust it, compare it with one you got another way.
entries.jsonl      the entries: the first line is entry 0. Each line without its line break is what was hashed.
leaves.txt         the hash of each entry as a leaf of the tree, in hex: tells which entry was changed, if one was
disclosures.jsonl  the texts that people and agents wrote, each with the salt that ties it to its entry

Check it with a verifier key and, best of all, a checkpoint of this log that you kept from before:

    assent audit verify --export THIS_FILE --key VERIFIER_KEY --against KEPT_CHECKPOINT

The format is specified in store/audit/SPEC.md of Assent. The tree is that of RFC 6962, the checkpoint a signed note as
C2SP specifies them, so other tools can check both.
"""


class ExportProblem(Problem):
    """The file is not an export, or a damaged one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Get the export again from where it was made: assent audit export FILE")


@dataclass(frozen=True)
class Export:
    """An export that is open for reading. Each of the three streams can be read as often as wanted."""

    archive: zipfile.ZipFile
    note: str
    vkey: str

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """Index and bytes of each entry."""
        return enumerate(_lines(self.archive, ENTRIES, MAX_BYTES))

    def leaves(self) -> Iterator[bytes]:
        """The hash of each entry as a leaf, as it was stored where the export was made."""
        for number, line in enumerate(_lines(self.archive, LEAVES, 2 * HASH_BYTES)):
            try:
                leaf = bytes.fromhex(line.decode("ascii"))
            except ValueError:
                leaf = b""
            if len(leaf) != HASH_BYTES or leaf.hex().encode() != line:
                raise ExportProblem(f"line {number + 1} of {LEAVES} is not a hash in hex")
            yield leaf

    def disclosures(self) -> Iterator[tuple[int, Disclosure]]:
        """Each text, with the index of the entry that conceals it."""
        for number, line in enumerate(_lines(self.archive, DISCLOSURES, MAX_TEXT_LINE)):
            disclosed = _disclosure(line)
            if disclosed is None:
                raise ExportProblem(f"line {number + 1} of {DISCLOSURES} is not a disclosure")
            yield disclosed


def write_export(
    file: BinaryIO,
    note: str,
    vkey: str,
    *,
    entries: Iterable[bytes],
    leaves: Iterable[bytes],
    disclosures: Iterable[tuple[int, Disclosure]],
) -> None:
    """Write an export of the log that `note` is the checkpoint of. `leaves` are the stored hashes, not computed anew:
    an entry that was changed in the database shows in its export."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _write(archive, README, [_README.encode()])
        _write(archive, CHECKPOINT, [note.encode()])
        _write(archive, VKEY, [f"{vkey}\n".encode()])
        _write(archive, ENTRIES, (data + b"\n" for data in entries))
        _write(archive, LEAVES, (f"{leaf.hex()}\n".encode() for leaf in leaves))
        _write(archive, DISCLOSURES, (_line(index, disclosure) for index, disclosure in disclosures))


@contextmanager
def open_export(file: BinaryIO) -> Iterator[Export]:
    """An export, to be read inside the `with`.

    Raises:
        ExportProblem: it is none, or damaged; also while it is read.
    """
    with _damage():
        archive = zipfile.ZipFile(file)
    with archive:
        if sorted(archive.namelist()) != sorted(MEMBERS):
            raise ExportProblem(f"an export holds exactly {', '.join(MEMBERS)}")
        yield Export(archive, _text(archive, CHECKPOINT), _text(archive, VKEY).removesuffix("\n"))


def verify_export(
    export: Export,
    vkeys: Sequence[str],
    *,
    against: Sequence[str] = (),
    reviewer_keys: ReviewerKeys | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Check a whole export with verifier keys that were got another way: its own proves nothing.

    Raises:
        LogFault: the first thing that is wrong with the log.
        ExportProblem: the file is damaged.
    """
    leaves = export.leaves()

    def stored(level: int, index: int) -> bytes | None:
        if level:
            return None
        leaf = next(leaves, None)
        if leaf is None:
            raise LogFault(index, f"entry {index} has no line in {LEAVES}")
        return leaf

    verified = verify(
        export.entries(),
        export.note,
        vkeys,
        disclosures=export.disclosures(),
        against=against,
        reviewer_keys=reviewer_keys,
        stored=stored,
        progress=progress,
    )
    if next(leaves, None) is not None:
        raise LogFault(verified.checkpoint.size, f"{LEAVES} has more lines than there are entries")
    return verified


def _write(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    with archive.open(member, "w", force_zip64=True) as stream:
        for chunk in chunks:
            stream.write(chunk)


def _line(index: int, disclosure: Disclosure) -> bytes:
    members = {"entry": index, "key": disclosure.key, "salt": disclosure.salt.hex(), "text": disclosure.text}
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _disclosure(line: bytes) -> tuple[int, Disclosure] | None:
    """What `_line` wrote; None for any other line."""
    try:
        members: Any = json.loads(line)
        disclosed = (
            members["entry"],
            Disclosure(members["key"], "", bytes.fromhex(members["salt"]), members["text"]),
        )
        return disclosed if _line(*disclosed) == line + b"\n" and type(disclosed[0]) is int else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _lines(archive: zipfile.ZipFile, name: str, limit: int) -> Iterator[bytes]:
    """The lines of a member without their breaks, each of at most `limit` bytes."""
    with _damage(), archive.open(name) as stream:
        while line := stream.readline(limit + 2):
            if not line.endswith(b"\n") or len(line) > limit + 1:
                raise ExportProblem(f"{name} has a line that is too long, or that does not end")
            yield line[:-1]


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with _damage(), archive.open(name) as stream:
        data = stream.read(MAX_NOTE + 1)
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        raise ExportProblem(f"{name} is not text") from problem


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as problem:
        raise ExportProblem(f"the file is not an export, or was damaged: {problem}") from problem
