"""The key-encryption key: where it comes from, and what is refused. Keys are never coerced into shape."""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from store.problems import KeyProblem

HEADER = "assent-vault-key-1"
KEY_BYTES = 32


@dataclass(frozen=True)
class Key:
    """A 256-bit key-encryption key, and the `kid` that names it in what it wrapped."""

    material: bytes = field(repr=False)

    @property
    def kid(self) -> str:
        """16 hex digits of a labelled hash: names the key, tells nothing of it."""
        return hashlib.sha256(b"assent/vault/kid/v1\0" + self.material).hexdigest()[:16]


class KeyProvider(Protocol):
    """Where key-encryption keys come from: a real edge of trust, hence a port."""

    def current(self) -> Key:
        """The key that new secrets are wrapped under."""
        ...

    def named(self, kid: str) -> Key:
        """The key called `kid`.

        Raises:
            KeyProblem: there is none.
        """
        ...


@dataclass(frozen=True)
class KeyFile:
    """A key kept in a file of its own, outside the database, readable by its owner only."""

    key: Key
    path: Path

    def current(self) -> Key:
        return self.key

    def named(self, kid: str) -> Key:
        if kid != self.key.kid:
            raise KeyProblem(
                f"a secret was sealed with the key {kid}, but {self.path} holds {self.key.kid}",
                "Put the right key file back; without it the secret cannot be read.",
            )
        return self.key


def open_key_file(path: Path, *, make: bool) -> KeyFile:
    """The key in `path`; with `make`, a new one where there is none.

    Raises:
        KeyProblem: no file and not `make`; or a file that others can read, or that is not exactly one key.
    """
    if make and not path.exists():
        _make(path)
    try:
        text = path.read_text(encoding="ascii")
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        raise KeyProblem(
            f"the vault's key file {path} is missing, and secrets were sealed with it",
            "Put it back from your backup. Without it those secrets are lost; nothing was changed.",
        ) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise KeyProblem(
            f"the vault's key file {path} cannot be read: {problem}", "Check its permissions."
        ) from problem
    if os.name == "posix" and mode & 0o077:
        raise KeyProblem(
            f"the vault's key file {path} is open to other users (mode {mode:o})", f"Run: chmod 600 {path}"
        )
    return KeyFile(Key(_parse(text, path)), path)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{HEADER} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, not a rename: when two processes start at once the first key wins and none is overwritten.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _parse(text: str, path: Path) -> bytes:
    header, _, encoded = text.strip().partition(" ")
    try:
        material = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        material = b""
    if header != HEADER or len(material) != KEY_BYTES:
        raise KeyProblem(
            f"{path} is not a vault key: it needs `{HEADER}` and {KEY_BYTES} bytes in base64",
            "Put the right file back. For a new vault, move this file away and start again: a good one is made.",
        )
    return material
