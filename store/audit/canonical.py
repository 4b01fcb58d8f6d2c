"""An entry's bytes: the canonical JSON of SPEC.md, section 2. Pure.

Invariants:

- One entry has one spelling: `decode` accepts exactly what `encode` writes, so equal bytes are equal values and back.
- What is hashed is what is stored; nothing is ever serialised again.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from store.problems import Problem

JSON: TypeAlias = "Mapping[str, JSON] | Sequence[JSON] | str | int | bool | None"

MAX_BYTES = 65_535
MAX_DEPTH = 16
INTEGERS_BELOW = 2**53

# Inside the profile this writes RFC 8785: keys are ASCII, so their order is that of UTF-16 units, and no float occurs.
_READER = json.JSONDecoder()
_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False)


class EntryProblem(Problem):
    """Not an entry of the profile, or not its one spelling."""


def encode(entry: Mapping[str, JSON]) -> bytes:
    """The canonical bytes of `entry`.

    Raises:
        EntryProblem: something is outside the profile; nothing is coerced into it.
    """
    return _encode(dict(entry))


def decode(data: bytes) -> dict[str, Any]:
    """The entry whose canonical bytes `data` is.

    Raises:
        EntryProblem: it is no entry, or spelled in any way but the canonical one.
    """
    if len(data) > MAX_BYTES:
        raise EntryProblem(f"an entry has at most {MAX_BYTES} bytes, not {len(data)}")
    try:
        entry, _ = _READER.raw_decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise EntryProblem("an entry is JSON in UTF-8, and this is not") from problem
    if not isinstance(entry, dict):
        raise EntryProblem("an entry is a JSON object")
    # Duplicate keys, blanks, other escapes, `-0`, another order of keys and anything behind the object all end here.
    if _encode(entry) != data:
        raise EntryProblem("an entry has exactly one spelling, and this is another")
    return entry


def _encode(entry: dict[str, Any]) -> bytes:
    _check_members(entry, 1)
    try:
        data = _WRITER.encode(entry).encode("utf-8")
    except UnicodeEncodeError as problem:
        raise EntryProblem("text in an entry is whole characters, without lone surrogates") from problem
    if len(data) > MAX_BYTES:
        raise EntryProblem(f"an entry has at most {MAX_BYTES} bytes, not {len(data)}")
    return data


@lru_cache(maxsize=1024)  # an entry type has the same few keys each time
def _is_key(key: Any) -> bool:
    return isinstance(key, str) and re.fullmatch(r"[a-z0-9_]+", key) is not None


def _check_members(members: Mapping[Any, Any], depth: int) -> None:
    for key, value in members.items():
        if not _is_key(key):
            raise EntryProblem(f"a key is one or more of a-z, 0-9 and _, not {key!r}")
        if type(value) is not str:  # what most values are
            _check(value, key, depth)


def _check(value: Any, key: str, depth: int) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -INTEGERS_BELOW < value < INTEGERS_BELOW:
            raise EntryProblem(f"{key}: an integer is less than 2^53 from zero")
    elif depth >= MAX_DEPTH:
        raise EntryProblem(f"{key}: an entry nests at most {MAX_DEPTH} deep")
    elif isinstance(value, dict):
        _check_members(value, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, key, depth + 1)
    else:
        raise EntryProblem(f"{key}: an entry holds text, integers, true, false, null, lists and objects only")
