"""A result has one hash, however it is written, and any JSON at all has one."""

import hashlib
import json
import random
from typing import Any

import pytest
import rfc8785

from store.calls.digest import Digest, digest_of


def rfc(value: Any) -> Digest:
    data = rfc8785.dumps(value)
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def written(text: str) -> Digest:
    data = text.encode("utf-8", "surrogatepass")
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"content": [{"type": "text", "text": 'a "b" \\ \n \x00 \x7f ü 💥'}], "isError": False},
        {"b": 1, "a": [True, None, -5], "": {}},
        {"a": 1.0, "b": 1e-7, "c": 1e21, "d": 0.1, "e": -0.0},
        {"\ue000": 1, "😀": 2, "z": 3},
        {"nested": {"ü": [{"x": 2.5}]}},
    ],
)
def test_what_rfc_8785_has_a_form_for_has_that_form(value: dict[str, Any]) -> None:
    assert digest_of(value) == rfc(value)


def test_random_json_has_the_form_of_rfc_8785() -> None:
    chance = random.Random(8785)

    def value(depth: int) -> Any:
        kinds = (
            None,
            True,
            chance.randint(-(2**53) + 1, 2**53 - 1),
            chance.uniform(-1e9, 1e9),
            chr(chance.randint(0, 0xD7FF)),
        )
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(kinds)
        if chance.random() < 0.5:
            return [value(depth - 1) for _ in range(chance.randint(0, 4))]
        return {chr(chance.randint(32, 0xD7FF)) * chance.randint(0, 3): value(depth - 1) for _ in range(4)}

    for _ in range(500):
        one = {"value": value(4)}
        assert digest_of(one) == rfc(one)
        assert digest_of(json.loads(json.dumps(one))) == rfc(one)


def test_what_rfc_8785_has_no_form_for_has_one_too() -> None:
    assert digest_of({"b": 2**70, "a": -(2**53)}) == written(f'{{"a":-{2**53},"b":{2**70}}}')
    assert digest_of({"b": 2**70, "a": 0.5}) == written(f'{{"a":0.5,"b":{2**70}}}')
    assert digest_of({"a": "\ud800"}) == written('{"a":"\ud800"}')
    assert digest_of({"ü": "\udfff", "a": 1.5}) == written('{"a":1.5,"ü":"\udfff"}')
    assert digest_of({"a": float("inf")}) == written('{"a":"inf"}')


def test_another_result_has_another_hash() -> None:
    assert len({digest_of(one).sha256 for one in ({"a": 1}, {"a": "1"}, {"a": [1]}, {"a": 1.5}, {"a": True})}) == 5
