"""Cutting a stranger's stream into lines."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from server.gateway.lines import Splitter, TooLong


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=12), st.integers(1, 9))
def test_lines_are_the_same_however_they_arrive(lines: list[bytes], step: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    splitter = Splitter(40)
    found = [line for start in range(0, len(data), step) for line in splitter.feed(data[start : start + step])]
    assert found == lines


def test_a_line_of_exactly_the_limit_is_whole_and_one_byte_more_is_not() -> None:
    splitter = Splitter(10)
    assert list(splitter.feed(b"x" * 10 + b"\n" + b"y" * 11 + b"\nz\n")) == [
        b"x" * 10,
        TooLong(11, b"y" * 11, b"y" * 11),
        b"z",
    ]


def test_of_a_line_that_is_too_long_only_its_ends_are_held() -> None:
    splitter = Splitter(1000)
    data = b"a" * 600 + b"b" * 100_000 + b"c" * 600
    found = [line for start in range(0, len(data), 7) for line in splitter.feed(data[start : start + 7])]
    assert found == []
    assert splitter.pending == len(data)
    (line,) = splitter.feed(b"\n")
    assert line == TooLong(len(data), b"a" * 512, b"c" * 512)


def test_a_long_answer_says_which_call_it_answers_in_either_of_the_usual_orders() -> None:
    big = {"content": "x" * 5000}
    for message in ({"jsonrpc": "2.0", "id": 41, "result": big}, {"result": big, "jsonrpc": "2.0", "id": 41}):
        for separators in ((",", ":"), (", ", ": ")):
            (line,) = Splitter(100).feed(json.dumps(message, separators=separators).encode() + b"\n")
            assert isinstance(line, TooLong)
            assert line.answers == 41


def test_a_long_message_that_answers_nothing_says_so() -> None:
    random.seed(1)
    noise = random.randbytes(5000).replace(b"\n", b"")
    messages = (
        noise,
        json.dumps(
            {"jsonrpc": "2.0", "method": "notifications/message", "params": {"id": 3, "x": "x" * 5000}}
        ).encode(),
        json.dumps({"jsonrpc": "2.0", "id": "three", "result": {"x": "x" * 5000}}).encode(),
    )
    for message in messages:
        (line,) = Splitter(100).feed(message + b"\n")
        assert isinstance(line, TooLong)
        assert line.answers is None
