"""The hash of what an upstream returned. Pure.

The form is that of RFC 8785, but for integers that it has no form for: they stand with all their digits. Results are
anybody's JSON, up to megabytes of it, so most of them are written by the standard library in one go.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
_text = json.encoder.encode_basestring


@dataclass(frozen=True)
class Digest:
    """Hex SHA-256 of a result's canonical form, and how many bytes that has."""

    sha256: str
    size: int


def digest_of(result: Mapping[str, Any]) -> Digest:
    """The digest of a JSON object."""
    # A lone surrogate is no text; what an upstream sends may have one all the same, and then it counts as it is.
    data = _form(result).encode("utf-8", "surrogatepass")
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def _form(value: Any) -> str:
    return _encode(value) if _is_plain(value) else _slowly(value)


def _is_plain(value: Any) -> bool:
    """Whether the standard library writes it as RFC 8785 does: no fractions, and keys whose order nobody disputes."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if not all(type(key) is str and key.isascii() for key in one):
                return False
            todo.extend(one.values())
        elif isinstance(one, list | tuple):
            todo.extend(one)
        elif isinstance(one, float):
            return False
    return True


def _slowly(value: Any) -> str:
    if isinstance(value, Mapping):
        members = sorted(value.items(), key=lambda member: str(member[0]).encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(str(key))}:{_slowly(one)}" for key, one in members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_slowly, value)) + "]"
    if isinstance(value, float):
        try:
            return rfc8785.dumps(value).decode()
        except rfc8785.FloatDomainError:
            return _text(repr(value))
    return _encode(value)
