"""The key that signs the log, in a file of its own outside the database. Keys are never coerced into shape."""

import base64
import binascii
import secrets
from pathlib import Path

from store.audit.checkpoint import LogKey, base64_text
from store.private_file import make_private_file, read_private_file
from store.problems import KeyProblem

HEADER = "assent-log-key-1"


def open_log_key(path: Path, *, name: str | None = None, make: bool) -> LogKey:
    """The key in `path`; with `make`, a new one where there is none.

    `name` is the origin of a new log; without it one is drawn at random. A key that is there keeps the name it has.

    Raises:
        KeyProblem: no file and not `make`; or a file that others can read, or that is not exactly one key.
    """
    if make and not path.exists():
        make_private_file(path, _line(LogKey.generate(name or f"assent.localhost/log-{secrets.token_hex(8)}")))
    return _parse(read_private_file(path, missing=lambda: _missing(path)), path)


def _line(key: LogKey) -> str:
    return f"{HEADER} {key.name} {base64_text(key.seed)}\n"


def _missing(path: Path) -> KeyProblem:
    return KeyProblem(
        f"the log's key file {path} is missing, and the log was signed with it",
        "Put it back from your backup. Without it the log can be read and checked, but not continued.",
    )


def _parse(data: bytes, path: Path) -> LogKey:
    key = None
    try:
        name, _, encoded = data.decode("ascii").partition(" ")[2].rstrip("\n").partition(" ")
        key = LogKey(name, base64.b64decode(encoded, validate=True))
    except (UnicodeDecodeError, binascii.Error, ValueError):
        pass  # refused below, all in one way
    if key is None or _line(key).encode() != data:
        raise KeyProblem(
            f"{path} is not a log key: it needs `{HEADER}`, the log's name and 32 bytes in base64",
            "Put the right file back. For a new log, move this file and the database away and start again.",
        )
    return key
