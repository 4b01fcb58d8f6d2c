"""Checkpoints: what a log commits to, and the signature under it (SPEC.md, section 4). Pure.

The forms are C2SP's tlog-checkpoint and signed-note, so that verifiers we did not write accept them. Parsing is strict:
every text that is accepted is the one that a writer of this module would have written.
"""

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from store.audit.merkle import EMPTY_ROOT, HASH_BYTES
from store.problems import Problem

SEED_BYTES = 32
MAX_SIZE = 2**63 - 1
MAX_NOTE = 65_535
_MAX_SIGNATURES = 16
_ED25519 = b"\x01"
_SIGNATURE_BYTES = 64
_KEY_ID_BYTES = 4
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[!-*,-~]{1,200}")  # printable ASCII without space and plus: the profile's part of what C2SP allows


class NoteProblem(Problem):
    """A checkpoint, a signature or a verifier key is malformed, or not the one that was expected."""


@dataclass(frozen=True)
class Checkpoint:
    """A log, how many entries it has, and the root of its tree."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True)
class Verifier:
    """A log's public key under its name: what a verifier key (`name+id+base64`) says."""

    name: str
    public: bytes

    @cached_property
    def key_id(self) -> bytes:
        """Four bytes that name the key in signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    @property
    def text(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64_text(_ED25519 + self.public)}"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raises NoteProblem unless `signature` is this key's under `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise NoteProblem(f"the signature of {self.name} does not match the checkpoint") from None


@dataclass(frozen=True)
class LogKey:
    """The key that signs a log's checkpoints. Its name is the log's origin."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("a log's name is 1 to 200 printable ASCII characters without space and plus")
        if len(self.seed) != SEED_BYTES:
            raise ValueError(f"an Ed25519 seed has {SEED_BYTES} bytes")

    @classmethod
    def generate(cls, name: str) -> "LogKey":
        return cls(name, secrets.token_bytes(SEED_BYTES))

    @property
    def verifier(self) -> str:
        """The verifier key: public, to be kept by whoever checks this log."""
        return self._verifier.text

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a signed note.

        Raises:
            ValueError: it is another log's.
        """
        if checkpoint.origin != self.name:
            raise ValueError(f"the key of {self.name} does not sign for {checkpoint.origin}")
        body = text(checkpoint)
        signature = self._private.sign(body.encode())
        return f"{body}\n— {self.name} {base64_text(self._verifier.key_id + signature)}\n"

    # Both are made once a key: deriving the public key costs more than signing.
    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def _verifier(self) -> Verifier:
        return Verifier(self.name, self._private.public_key().public_bytes_raw())


def text(checkpoint: Checkpoint) -> str:
    """The body that is signed: origin, size and root, a line each."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64_text(checkpoint.root)}\n"


def parse_text(body: str) -> Checkpoint:
    """The checkpoint whose body `body` is. Says nothing about signatures.

    Raises:
        NoteProblem: it is not exactly a body as `text` writes it.
    """
    lines = body.split("\n")
    if len(lines) != 4 or lines[3]:
        raise NoteProblem("a checkpoint has three lines: origin, size and root")
    origin, size, encoded = lines[:3]
    if not _NAME.fullmatch(origin):
        raise NoteProblem("a checkpoint's first line is the name of its log")
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise NoteProblem("a checkpoint's second line is its size, in decimal")
    found = bytes_of_base64(encoded)
    if found is None or len(found) != HASH_BYTES:
        raise NoteProblem(f"a checkpoint's third line is its root, {HASH_BYTES} bytes in base64")
    if size == "0" and found != EMPTY_ROOT:
        raise NoteProblem("a log without entries has the root of the empty tree")
    return Checkpoint(origin, int(size), found)


def parse_verifier(vkey: str) -> Verifier:
    """The public key that `name+id+base64` stands for.

    Raises:
        NoteProblem: it is malformed, of another algorithm, or its id is not its own.
    """
    parts = vkey.split("+", 2)  # the key in base64 may hold a plus
    encoded = bytes_of_base64(parts[2]) if len(parts) == 3 else None
    if encoded is None or not _NAME.fullmatch(parts[0]):
        raise NoteProblem("a verifier key reads name+id+base64")
    if len(encoded) != 1 + HASH_BYTES or encoded[:1] != _ED25519:
        raise NoteProblem("a verifier key holds an Ed25519 key")
    verifier = Verifier(parts[0], encoded[1:])
    if verifier.text != vkey:
        raise NoteProblem("a verifier key's id is the hash of its name and key, and this one's is not")
    return verifier


def open_note(note: str, vkeys: Sequence[str]) -> Checkpoint:
    """The checkpoint in `note`, signed by a log that one of `vkeys` names.

    Signatures of keys that are not in `vkeys` (a witness's, for example) must be well formed and are otherwise ignored.

    Raises:
        NoteProblem: it is malformed, no log in `vkeys` signed it, or a signature of one of them is false.
    """
    if len(note) > MAX_NOTE:
        raise NoteProblem("a checkpoint is not that long")
    body, blank, signatures = note.partition("\n\n")
    checkpoint = parse_text(body + "\n")
    if not blank:
        raise NoteProblem("the checkpoint carries no signature")
    known = {(verifier.name, verifier.key_id): verifier for verifier in map(parse_verifier, vkeys)}
    lines = signatures.split("\n")
    if lines.pop() or not 1 <= len(lines) <= _MAX_SIGNATURES:
        raise NoteProblem("below a checkpoint stand signatures, a line each")
    signers = [_signer(line, known, (body + "\n").encode()) for line in lines]
    if len(set(signers)) != len(signers):
        raise NoteProblem("one key signed twice")
    if not any(signer in known and signer[0] == checkpoint.origin for signer in signers):
        raise NoteProblem(f"the checkpoint of {checkpoint.origin} is not signed by a key that is trusted for it")
    return checkpoint


def _signer(line: str, known: dict[tuple[str, bytes], Verifier], body: bytes) -> tuple[str, bytes]:
    """Who signed with this line; checked if the key is known."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    blob = bytes_of_base64(encoded)
    if dash != "—" or not _NAME.fullmatch(name) or blob is None or len(blob) <= _KEY_ID_BYTES:
        raise NoteProblem("a signature line reads: — name base64")
    key_id, signature = blob[:_KEY_ID_BYTES], blob[_KEY_ID_BYTES:]
    verifier = known.get((name, key_id))
    if verifier is not None:
        if len(signature) != _SIGNATURE_BYTES:
            raise NoteProblem(f"the signature of {name} has not {_SIGNATURE_BYTES} bytes")
        verifier.verify(body, signature)
    return name, key_id


def base64_text(data: bytes) -> str:
    """Standard base64, padded."""
    return base64.b64encode(data).decode()


def bytes_of_base64(encoded: str) -> bytes | None:
    """The bytes; None unless it is the one way to write them: the unused bits of the last digit count, too."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64_text(data) == encoded else None
