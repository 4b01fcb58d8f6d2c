"""The key-encryption key from a passphrase: Argon2id, its salt and costs in a file beside; SPEC.md, "Passphrase".

The file holds a check value, so that a wrong passphrase is refused at the start and not at the first secret. Testing a
guess against it costs one Argon2id, as much as testing it against a sealed secret: the check gives nothing away.
"""

import base64
import binascii
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from store.private_file import make_private_file, quoted, read_private_file
from store.problems import KeyProblem
from store.vault.aead import KEY_BYTES
from store.vault.sealing import Key

HEADER = "assent-vault-passphrase-1"
SALT_BYTES = 16
CHECK_BYTES = 16
SHORTEST = 12
KEY_LABEL = b"assent/vault/passphrase-key/v1"
CHECK_LABEL = b"assent/vault/passphrase-check/v1"


@dataclass(frozen=True)
class Costs:
    """What one guess costs: memory in KiB, passes over it, lanes. The defaults are RFC 9106's second recommendation."""

    memory: int = 65536
    passes: int = 3
    lanes: int = 4

    @property
    def bearable(self) -> bool:
        """Whether a file may ask for this: neither so cheap that guessing is easy, nor so dear that no start ends."""
        return 19_456 <= self.memory <= 4_194_304 and 1 <= self.passes <= 64 and 1 <= self.lanes <= 64


@dataclass(frozen=True)
class Record:
    """What stands in the file."""

    costs: Costs
    salt: bytes
    check: bytes

    @property
    def line(self) -> str:
        """The one text that is this record's file."""
        costs = f"m={self.costs.memory},t={self.costs.passes},p={self.costs.lanes}"
        return f"{HEADER} argon2id {costs} {_text(self.salt)} {_text(self.check)}\n"


@dataclass(frozen=True)
class Passphrase:
    """A key that stands in no file: it is worked out once, when the process starts."""

    key: Key
    path: Path

    def current(self) -> Key:
        return self.key

    def named(self, kid: str) -> Key:
        if kid != self.key.kid:
            raise KeyProblem(
                f"a secret was sealed with the key {kid}, but the passphrase of {self.path} makes {self.key.kid}",
                f"Put the {self.path.name} back that was beside this database, or the setting vault_key it was under.",
            )
        return self.key


PassphraseSource = Callable[[bool], str]
"""Gives the passphrase. Called with True where a new one is chosen: there a slip of the finger would last."""


def open_passphrase(path: Path, source: PassphraseSource, *, make: bool, costs: Costs | None = None) -> Passphrase:
    """The key of the passphrase that `source` gives; with `make`, of a new one where `path` is not there yet.

    Raises:
        KeyProblem: no file and not `make`; a file that is malformed or open to others; a wrong or a weak passphrase.
    """

    def missing() -> KeyProblem:
        return KeyProblem(
            f"{path} is missing, and secrets were sealed under its passphrase",
            "Put it back from your backup. Without it those secrets are lost; nothing was changed.",
        )

    new = make and not path.exists()
    if not new:
        # Looked at before anybody is asked: no passphrase mends a record that is missing or damaged.
        parse(read_private_file(path, missing=missing), path)
    passphrase = source(new)
    if new:
        _make(path, passphrase, costs or Costs())
    # Of two processes that start at once the first one's record counts, for both: so it is read back.
    record = parse(read_private_file(path, missing=missing), path)
    key, check = derive(passphrase, record.salt, record.costs)
    if not hmac.compare_digest(check, record.check):
        raise KeyProblem(
            f"the passphrase is not the one of {path}",
            "Give the right one in ASSENT_VAULT_PASSPHRASE, or in the file that vault_passphrase_file names.",
        )
    return Passphrase(key, path)


def derive(passphrase: str, salt: bytes, costs: Costs) -> tuple[Key, bytes]:
    """The key-encryption key, and the check value. Both from one Argon2id; neither tells anything of the other.

    Raises:
        KeyProblem: this machine has not the memory that the costs ask for.
    """
    try:
        root = hash_secret_raw(
            _normal(passphrase), salt, costs.passes, costs.memory, costs.lanes, KEY_BYTES, Type.ID, version=0x13
        )
    except HashingError as problem:
        raise KeyProblem(
            f"the passphrase could not be worked on: {problem}",
            f"It needs {costs.memory // 1024} MiB of memory for a moment, when the server starts.",
        ) from None
    return Key(_expand(root, KEY_LABEL, KEY_BYTES)), _expand(root, CHECK_LABEL, CHECK_BYTES)


def parse(content: bytes, path: Path) -> Record:
    """The record that is exactly these bytes.

    Raises:
        KeyProblem
    """
    pattern = rf"{HEADER} argon2id m=(\d{{1,7}}),t=(\d{{1,2}}),p=(\d{{1,2}}) (\S+) (\S+)\n"
    if (match := re.fullmatch(pattern.encode(), content)) is not None:
        try:
            salt, check = (base64.b64decode(part, validate=True) for part in match.groups()[3:])
        except binascii.Error:
            salt = check = b""
        record = Record(Costs(*(int(number) for number in match.groups()[:3])), salt, check)
        sizes = (len(salt), len(check)) == (SALT_BYTES, CHECK_BYTES)
        if sizes and record.costs.bearable and record.line.encode() == content:
            return record
    raise KeyProblem(
        f"{path} is not a passphrase's record: it needs `{HEADER}`, argon2id, its costs, salt and check value",
        "Put the right file back. Only where nothing is sealed yet, have a new one made: "
        + quoted("rm", path)
        + " && assent serve",
    )


def _make(path: Path, passphrase: str, costs: Costs) -> None:
    if len(passphrase) < SHORTEST:
        raise KeyProblem(
            f"the passphrase has {len(passphrase)} characters; it needs {SHORTEST} or more",
            "Make one: head -c 20 /dev/urandom | base64. Or take six words that nobody would guess together.",
        )
    salt = secrets.token_bytes(SALT_BYTES)
    _, check = derive(passphrase, salt, costs)
    make_private_file(path, Record(costs, salt, check).line)


def _normal(passphrase: str) -> bytes:
    # One passphrase has several spellings in Unicode, and another keyboard may send another one (RFC 8265, 4.2.2).
    try:
        return unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:
        raise KeyProblem("the passphrase is not text in UTF-8", "Write it in letters that this system knows.") from None


def _expand(root: bytes, label: bytes, length: int) -> bytes:
    return HKDFExpand(SHA256(), length, label).derive(root)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
