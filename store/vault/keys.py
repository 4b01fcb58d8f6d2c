"""Where the key-encryption key comes from: the port, and the key file. What is refused is never coerced into shape."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from store.private_file import make_private_file, quoted, read_private_file
from store.problems import KeyProblem
from store.vault.aead import KEY_BYTES
from store.vault.sealing import Key

__all__ = ["HEADER", "KEY_BYTES", "Key", "KeyFile", "KeyProvider", "open_key_file"]

HEADER = "assent-vault-key-1"


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
        make_private_file(path, line_of(Key(secrets.token_bytes(KEY_BYTES))))

    def missing() -> KeyProblem:
        return KeyProblem(
            f"the vault's key file {path} is missing, and secrets were sealed with it",
            "Put it back from your backup. Without it those secrets are lost; nothing was changed.",
        )

    return KeyFile(_parse(read_private_file(path, missing=missing), path), path)


def line_of(key: Key) -> str:
    """The one text that is this key's file."""
    return f"{HEADER} {base64.b64encode(key.material).decode()}\n"


def making_command(path: Path) -> str:
    """What makes a good key file, in a shell."""
    line = f'echo "{HEADER} $(head -c {KEY_BYTES} /dev/urandom | base64)"'
    return f"(umask 077; {line} {quoted('>', path)})"


def _parse(content: bytes, path: Path) -> Key:
    try:
        material = base64.b64decode(content.partition(b" ")[2].rstrip(b"\n"), validate=True)
    except binascii.Error:
        material = b""
    # Base64 has several spellings of one value; only the one that we write is a key, so a damaged line is noticed.
    if len(material) != KEY_BYTES or line_of(Key(material)).encode() != content:
        raise KeyProblem(
            f"{path} is not a vault key: it needs `{HEADER}` and {KEY_BYTES} bytes in base64, on one line",
            "Put the right file back. Only where nothing is sealed yet, make a new one: " + making_command(path),
        )
    return Key(material)
