"""JSON values in print."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_web.json_text import entry_lines, json_text, scalar_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_printed_is_the_value_and_nothing_else(value: object) -> None:
    assert json.loads(json_text(value)) == value
    assert json.loads(json_text(value, in_order=True)) == value


@pytest.mark.parametrize(
    ("value", "said"),
    [("as it is\n", "as it is\n"), (4180.5, "4180.5"), (1e16, "10000000000000000"), (True, "true"), (None, "null")],
)
def test_a_plain_value_stands_as_it_is_sent(value: object, said: str) -> None:
    assert scalar_text(value) == said


def test_a_row_stands_in_one_line_and_what_is_longer_or_deeper_in_several() -> None:
    assert json_text({"rules": [{"port": 443, "to": "any"}], "none": []}) == (
        '{\n  "rules": [\n    {"port": 443, "to": "any"}\n  ],\n  "none": []\n}'
    )
    assert json_text(["x" * 60, "y" * 60]).count("\n") == 3


def test_the_order_of_keys_makes_no_difference_where_two_are_compared() -> None:
    assert json_text({"b": 1, "a": 2}, in_order=True) == json_text({"a": 2, "b": 1}, in_order=True)
    assert json_text({"b": 1, "a": 2}) != json_text({"a": 2, "b": 1})


NAMED = st.tuples(st.text('ab: {}\n"1.', max_size=6), VALUES | st.text('ab: {}[]\n"1,true', max_size=12))


@given(NAMED, NAMED)
def test_two_entries_read_alike_only_if_they_are_the_same(one: tuple[str, object], other: tuple[str, object]) -> None:
    alike = entry_lines(*one) == entry_lines(*other)
    assert alike == ((one[0], json_text(one[1], in_order=True)) == (other[0], json_text(other[1], in_order=True)))


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("Nordwind", ["to: Nordwind"]),
        ("One.\r\nTwo.", ["to: One.", "  Two."]),
        ("500", ['to: "500"']),
        (500, ["to: 500"]),
        ("true", ['to: "true"']),
        ("", ['to: ""']),
        ("{", ['to: "{"']),
        ({"a": []}, ['to: {"a": []}']),
    ],
)
def test_a_text_stands_plainly_where_it_cannot_be_taken_for_something_else(value: object, lines: list[str]) -> None:
    assert entry_lines("to", value) == lines
