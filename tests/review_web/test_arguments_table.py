"""What a call runs with, as the card prints it."""

from typing import Any

import pytest

from review_web.arguments_table import ArgumentRow, Shown, argument_rows, same, shown
from review_web.differences import Line, Side
from store.calls.definitions import Method
from store.questions import HeldCall


def held(arguments: dict[str, Any], asked: dict[str, Any] | None = None) -> HeldCall:
    return HeldCall(
        upstream="payments",
        method=Method.TOOL,
        name="send",
        tool="payments__send",
        arguments=arguments,
        definition_sha256=None,
        description=None,
        held_because=(),
        asked_arguments=asked,
    )


@pytest.mark.parametrize(
    ("name", "value", "print_"),
    [
        ("amount", 4180.5, Shown("4180.5", large=True, code=True)),
        ("amount", 4180000, Shown("4180000", large=True, code=True, note="4,180,000")),
        ("instant", False, Shown("false", code=True)),
        ("note", None, Shown("null", code=True)),
        ("recipient", "Nordwind GmbH", Shown("Nordwind GmbH", large=True)),
        ("replyTo", "desk", Shown("desk", large=True)),
        ("who", "ana@example.com", Shown("ana@example.com", large=True)),
        ("note", "As agreed.", Shown("As agreed.")),
        ("note", "two\nlines", Shown("two\nlines", block=True)),
        ("note", "", Shown("", note="an empty text")),
        ("note", "500", Shown("500", note="a text, in quotes")),
        ("note", "true", Shown("true", note="a text, in quotes")),
        ("tags", [], Shown("[]", code=True, note="an empty list")),
        ("options", {}, Shown("{}", code=True, note="nothing in it")),
        ("tags", ["a", "b"], Shown('["a", "b"]', block=True)),
    ],
)
def test_a_value_is_printed_by_what_it_is_and_what_it_means(name: str, value: Any, print_: Shown) -> None:
    assert shown(name, value) == print_


@pytest.mark.parametrize("text", ["line\n" * 300, "x" * 5_000, "short\n" + "y" * 5_000, "\n" * 200])
def test_a_long_value_is_folded_and_nothing_of_it_is_left_out(text: str) -> None:
    folded = shown("note", text)
    assert folded.rest
    assert folded.more
    assert folded.head + folded.rest == text


def test_a_value_that_is_hardly_longer_is_not_folded() -> None:
    assert shown("note", "line\n" * 14).rest == ""


def test_what_nobody_changed_stands_alone() -> None:
    assert argument_rows(held({"amount": 500})) == (
        ArgumentRow("amount", Shown("500", large=True, code=True), None, edited=False, changes=None),
    )


def test_what_a_reviewer_changed_stands_beside_what_the_agent_sent_in_the_agents_order() -> None:
    rows = argument_rows(held({"date": "2026-12-01", "amount": 20, "to": "A"}, {"to": "A", "amount": 50, "note": "x"}))
    assert [(row.name, row.edited, row.asked, row.now) for row in rows] == [
        ("to", False, None, Shown("A", large=True)),
        ("amount", True, Shown("50", large=True, code=True), Shown("20", large=True, code=True)),
        ("note", True, Shown("x"), None),
        ("date", True, None, Shown("2026-12-01")),
    ]


def test_of_a_long_value_the_lines_that_a_reviewer_changed_are_told() -> None:
    (row,) = argument_rows(held({"rules": [["a"], ["c"]]}, {"rules": [["a"], ["b"]]}))
    assert row.changes is not None
    assert [(line.side, line.text) for line in row.changes.lines] == [
        (Side.BEFORE, '  ["b"]'),
        (Side.NOW, '  ["c"]'),
    ]
    assert isinstance(row.changes.lines[0], Line)


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), ("1", 1), (None, "null"), ([], {}), ("a", "a ")])
def test_values_that_are_sent_otherwise_are_not_the_same(one: Any, other: Any) -> None:
    assert not same(one, other)
    (row,) = argument_rows(held({"x": one}, {"x": other}))
    assert row.edited


def test_values_that_are_sent_alike_are_the_same() -> None:
    assert same({"a": 1.0, "b": [2]}, {"b": [2], "a": 1})
