"""The file of the key by which push services know this server. Keys are never coerced into shape."""

import base64
import binascii
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from server.push.web_push import CURVE, PushKey
from store.private_file import make_private_file, quoted, read_private_file
from store.problems import KeyProblem

HEADER = "assent-push-key-1"
_BYTES = 32


def open_push_key(path: Path) -> PushKey:
    """The key in `path`; a new one where there is none: then every phone has to be added anew.

    Raises:
        KeyProblem: the file is open to others, or is not exactly one key.
    """
    if not path.exists():
        make_private_file(path, _line(PushKey(ec.generate_private_key(CURVE))))

    def missing() -> KeyProblem:
        return KeyProblem(f"the push key {path} went away", "Start again: a new one is made.")

    return _parse(read_private_file(path, missing=missing), path)


def _line(key: PushKey) -> str:
    number = key.private.private_numbers().private_value
    return f"{HEADER} {base64.b64encode(number.to_bytes(_BYTES, 'big')).decode()}\n"


def _parse(content: bytes, path: Path) -> PushKey:
    key = None
    try:
        number = base64.b64decode(content.partition(b" ")[2].rstrip(b"\n"), validate=True)
        key = PushKey(ec.derive_private_key(int.from_bytes(number, "big"), CURVE))
    except (binascii.Error, ValueError):
        pass  # refused below, all in one way
    # Base64 has several spellings of one value; only the one that we write is a key, so a damaged line is noticed.
    if key is None or _line(key).encode() != content:
        raise KeyProblem(
            f"{path} is not a push key: it needs `{HEADER}` and {_BYTES} bytes in base64, on one line",
            f"Put the right file back; or remove it, and people add their phones anew: {quoted('rm', path)}",
        )
    return key
