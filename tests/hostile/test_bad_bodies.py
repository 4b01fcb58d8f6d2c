"""What is not one strict JSON object of at most 1 MiB is refused with a plain JSON-RPC error; nothing is written."""

import json

import anyio
import pytest

from server.strict_body import BODY_LIMIT
from tests.hostile.world import DEPLOY, World, message_of
from tests.server.serving import ERAS, MODERN

pytestmark = pytest.mark.anyio

TITLE = b'"Deploy 1.4 to production?"'


def deep(levels: int, closing: str = "[]") -> bytes:
    return closing[0].encode() * levels + closing[1].encode() * levels


BROKEN = {
    "not JSON": (TITLE, b"yes", "not JSON as it is taken here"),
    "NaN": (TITLE, b"NaN", "NaN is not a JSON number"),
    "Infinity": (TITLE, b"Infinity", "Infinity is not a JSON number"),
    "minus Infinity": (TITLE, b"-Infinity", "-Infinity is not a JSON number"),
    "a number beyond all floats": (TITLE, b"1e400", "too large"),
    "a number of 5,000 digits": (TITLE, b"9" * 5000, "a number has 5000 characters"),
    "an equal key": (TITLE, b'"x", "title": "y"', "the key 'title' appears twice"),
    "an equal key, spelled otherwise": (TITLE, b'"x", "\\u0074itle": "y"', "the key 'title' appears twice"),
    "half a character": (TITLE, b'"\\ud800"', "\\ud800 is half of a character"),
    "half a character in a key": (TITLE, b'"x", "\\udc00": 1', "\\udc00 is half of a character"),
    "broken UTF-8": (TITLE, b'"\xff"', "is not UTF-8"),
    "overlong UTF-8": (TITLE, b'"\xc0\xaf"', "is not UTF-8"),
    "a surrogate in UTF-8": (TITLE, b'"\xed\xa0\x80"', "is not UTF-8"),
    "a control character in a text": (TITLE, b'"\x00"', "control character"),
    "a list 65 deep": (TITLE, deep(62), "nested too deeply; the limit is 64 levels"),
    "a list 100,000 deep": (TITLE, deep(100_000), "nested too deeply"),
    "an object 100,000 deep": (TITLE, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("old", "new", "says"), BROKEN.values(), ids=BROKEN.keys())
async def test_what_readers_of_json_would_understand_differently_is_refused(
    world: World, token: str, era: str, old: bytes, new: bytes, says: str
) -> None:
    async with world.caller(token, era) as caller:
        before = await world.rows()
        body = json.dumps(caller.body()).encode()
        assert old in body
        answer = await caller.post(body.replace(old, new))
        after = await world.rows()
    error = message_of(answer)["error"]
    assert answer.status_code == 400
    assert error["code"] == -32700
    assert says in error["message"]
    assert error["message"].endswith("Nothing was done.")
    assert after == before


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
async def test_json_in_another_encoding_is_refused(world: World, token: str, era: str, encoding: str) -> None:
    async with world.caller(token, era) as caller:
        answer = await caller.post(json.dumps(caller.body()).encode(encoding))
    assert (answer.status_code, message_of(answer)["error"]["code"]) == (400, -32700)


@pytest.mark.parametrize("era", ERAS)
async def test_the_error_names_the_call_it_belongs_to(world: World, token: str, era: str) -> None:
    async with world.caller(token, era) as caller:
        body = json.dumps(caller.body()).encode()
        named = await caller.post(body.replace(TITLE, b"NaN"))
        unnamed = await caller.post(b"}")
    assert (message_of(named)["id"], message_of(unnamed)["id"]) == (7, None)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"', b""])
async def test_what_is_not_one_message_is_refused(world: World, token: str, era: str, body: bytes) -> None:
    async with world.caller(token, era) as caller:
        answer = await caller.post(body)
    assert answer.status_code == 400
    assert "Nothing was done" in message_of(answer)["error"]["message"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_batch_posts_nothing(world: World, token: str, era: str) -> None:
    async with world.caller(token, era) as caller:
        before = await world.rows()
        answer = await caller.post(json.dumps([caller.body(), caller.body()]).encode())
        assert await world.rows() == before
    assert "one object a call" in message_of(answer)["error"]["message"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_body_of_one_mebibyte_is_read_and_a_byte_more_is_not(world: World, token: str, era: str) -> None:
    async with world.caller(token, era) as caller:
        body = json.dumps(caller.body()).encode()
        longest = await caller.post(body + b" " * (BODY_LIMIT - len(body)))
        before = await world.rows()
        longer = await caller.post(body + b" " * (BODY_LIMIT - len(body) + 1))
        assert await world.rows() == before
    assert message_of(longest)["result"]["structuredContent"]["status"] == "pending"
    assert longer.status_code == 413
    assert "larger than 1,048,576 bytes; shorten the texts" in message_of(longer)["error"]["message"]


async def test_a_body_that_hides_its_length_is_cut_off_all_the_same(world: World, token: str) -> None:
    async def endless() -> object:
        for _ in range(20):
            yield b" " * 65536

    async with world.caller(token) as caller:
        answer = await caller.post(endless())  # type: ignore[arg-type]
    assert answer.status_code == 413


async def test_a_body_at_the_greatest_depth_is_read(world: World, token: str) -> None:
    async with world.caller(token, MODERN) as caller:
        body = json.dumps(caller.body()).encode()
        answer = await caller.post(body.replace(TITLE, deep(61)))
    assert "title: " in message_of(answer)["result"]["content"][0]["text"]


async def test_a_stranger_learns_nothing_of_what_a_body_should_be(world: World) -> None:
    async with world.caller("ast_wrong") as caller:
        answer = await caller.post(b"}")
    assert answer.status_code == 401


async def test_an_honest_call_is_none_the_worse_for_many_broken_ones(world: World, token: str) -> None:
    async with world.caller(token) as caller:
        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(caller.post, deep(100_000))
        assert (await caller.asked("ask_approval", DEPLOY))["status"] == "pending"
