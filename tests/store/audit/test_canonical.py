import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from store.audit.canonical import MAX_BYTES, MAX_DEPTH, EntryProblem, decode, encode

KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=8)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(KEYS, values, max_size=4),
    max_leaves=12,
)
ENTRIES = st.dictionaries(KEYS, VALUES, max_size=6)


def nested(depth: int) -> Mapping[str, Any]:
    """An object that nests `depth` deep."""
    entry: dict[str, Any] = {}
    for _ in range(depth - 1):
        entry = {"a": entry}
    return entry


@given(ENTRIES)
def test_inside_the_profile_it_writes_what_an_rfc_8785_library_writes(entry: dict[str, Any]) -> None:
    assert encode(entry) == rfc8785.dumps(entry)


@given(ENTRIES)
def test_what_was_encoded_decodes_to_itself(entry: dict[str, Any]) -> None:
    assert decode(encode(entry)) == entry


def test_every_ascii_character_is_written_as_rfc_8785_does() -> None:
    entry = {"text": "".join(map(chr, range(0x100))) + "\u2028\ufeff\U0001f600"}
    assert encode(entry) == rfc8785.dumps(entry)


def test_an_enum_of_texts_is_written_as_its_text() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert encode({"colour": Colour.RED, "others": (Colour.RED,)}) == b'{"colour":"red","others":["red"]}'


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        "\ud800",
        b"bytes",
        {"A": 1},
        {"": 1},
        {"a-b": 1},
        {1: 1},
        {"ключ": 1},
        [{0.5}],
    ],
    ids=repr,
)
def test_what_is_outside_the_profile_is_refused_at_any_depth(value: Any) -> None:
    for entry in ({"a": value}, {"a": [value]}, {"a": {"b": value}}):
        with pytest.raises(EntryProblem):
            encode(entry)


def test_an_entry_of_the_largest_size_is_one_and_a_byte_more_is_not() -> None:
    longest = {"a": "x" * (MAX_BYTES - len(b'{"a":""}'))}
    data = encode(longest)
    assert len(data) == MAX_BYTES
    assert decode(data) == longest
    longest["a"] += "x"
    with pytest.raises(EntryProblem, match="at most 65535 bytes, not 65536"):
        encode(longest)
    with pytest.raises(EntryProblem, match="at most 65535 bytes, not 65536"):
        decode(data[:-2] + b'x"}')


def test_an_entry_nests_so_deep_and_no_deeper() -> None:
    assert decode(encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(EntryProblem, match="at most 16 deep"):
        encode(nested(MAX_DEPTH + 1))
    with pytest.raises(EntryProblem, match="at most 16 deep"):
        decode(json.dumps(nested(MAX_DEPTH + 1), separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":2,"a":1}',
        b'{"a":-0}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":9007199254740992}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u001F"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"A":1}',
        b"[]",
        b'"a"',
        b"null",
        b"",
        b"{",
        b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_any_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(EntryProblem):
        decode(data)


@given(ENTRIES, st.data())
def test_a_flipped_bit_is_refused_or_makes_another_entry(entry: dict[str, Any], data: st.DataObject) -> None:
    encoded = bytearray(encode(entry))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        changed = decode(bytes(encoded))
    except EntryProblem:
        return
    assert changed != entry
