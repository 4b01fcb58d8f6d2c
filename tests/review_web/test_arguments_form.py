"""The inputs for a held call's arguments, and the way back."""

from typing import Any

import pytest
from hypothesis import given

from review_web.arguments_form import MOST_INPUTS, Sent, inputs_of, key_of, read_arguments, whole_text
from store.answers import Fault
from tests.review_web.test_arguments_table import held
from tests.review_web.test_json_text import VALUES

SCHEMA = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "description": "In EUR."},
        "currency": {"type": "string", "enum": ["EUR", "CHF"]},
        "instant": {"type": "boolean"},
        "note": {"type": "string"},
        "who": {"type": ["string", "null"]},
        "rows": {"type": "array"},
    },
    "required": ["amount"],
}
CALL = {"amount": 4180.5, "currency": "EUR", "note": "two\nlines"}


def typed(**values: str) -> Sent:
    return Sent(values={key_of(name): text for name, text in values.items()})


def as_typed(question: Any, schema: Any) -> Sent:
    """What a browser sends of a page that nobody touched: line ends are the web's."""
    inputs = inputs_of(question, schema)
    return Sent(values={one.key: one.value.replace("\r\n", "\n").replace("\n", "\r\n") for one in inputs})


def test_each_argument_is_typed_as_what_it_is_and_each_missing_one_as_what_the_schema_says() -> None:
    inputs = inputs_of(held({**CALL, "extra": {"a": 1}}), SCHEMA)
    assert [(one.name, one.control, one.present, one.required) for one in inputs] == [
        ("amount", "number", True, True),
        ("currency", "choice", True, False),
        ("note", "lines", True, False),
        ("extra", "json", True, False),
        ("instant", "choice", False, False),
        ("who", "json", False, False),
        ("rows", "json", False, False),
    ]
    assert (inputs[0].value, inputs[0].help) == ("4180.5", "In EUR.")
    assert [(choice.value, choice.label, choice.chosen) for choice in inputs[1].choices] == [
        ('"EUR"', "EUR", True),
        ('"CHF"', "CHF", False),
    ]


@pytest.mark.parametrize("hidden", ["a\u202eb", "a\u200b", "\x07", "a\rb"])
def test_what_cannot_be_seen_in_an_input_is_written_as_escapes(hidden: str) -> None:
    (one,) = inputs_of(held({"to": hidden}), {})
    assert one.control == "json"
    assert one.value.isascii()
    assert hidden not in one.value


@given(VALUES)
def test_what_nobody_touched_is_never_a_change(value: Any) -> None:
    question = held({"x": value})
    untouched = (Fault("arguments", "are what the card says already; change something, or approve it as it is"),)
    assert read_arguments(question, {}, as_typed(question, {})) == untouched
    whole = Sent(as_json=True, whole=whole_text(question).replace("\n", "\r\n"))
    assert read_arguments(question, {}, whole) == untouched


def test_one_change_leaves_all_the_others_as_they_were() -> None:
    question = held(CALL)
    sent = as_typed(question, SCHEMA)
    sent = Sent(values={**sent.values, key_of("amount"): " 2000 "})
    assert read_arguments(question, SCHEMA, sent) == {**CALL, "amount": 2000}


def test_what_is_typed_is_read_as_what_the_input_takes() -> None:
    sent = typed(amount="12.5", currency='"CHF"', instant="true", note="500", who="null", rows='[{"a": 1}]')
    assert read_arguments(held(CALL), SCHEMA, sent) == {
        "amount": 12.5,
        "currency": "CHF",
        "instant": True,
        "note": "500",
        "who": None,
        "rows": [{"a": 1}],
    }


def test_a_text_can_be_emptied_and_an_argument_can_be_left_out() -> None:
    emptied = read_arguments(held(CALL), SCHEMA, typed(note=""))
    assert emptied == {**CALL, "note": ""}
    left_out = read_arguments(held(CALL), SCHEMA, Sent(left_out=frozenset({key_of("note")})))
    assert left_out == {"amount": 4180.5, "currency": "EUR"}


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("amount", "4.180,50", "write a number"),
        ("amount", "", "write a number"),
        ("amount", "true", "write a number"),
        ("amount", "NaN", "write a number"),
        ("amount", "1e999", "write a number"),
        ("rows", "[1, 2", "double quotes"),
        ("rows", '{"a": 1, "a": 2}', "appears twice"),
        ("who", "Ana", "double quotes"),
    ],
)
def test_what_cannot_be_read_is_a_fault_of_its_argument(name: str, text: str, wrong: str) -> None:
    faults = read_arguments(held(CALL), SCHEMA, typed(**{name: text}))
    assert isinstance(faults, tuple)
    assert [fault.field for fault in faults] == [name]
    assert wrong in faults[0].message
    shown = inputs_of(held(CALL), SCHEMA, typed(**{name: text}), faults)
    (one,) = [one for one in shown if one.name == name]
    assert (one.value, one.error) == (text, faults[0].message)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("[1]", "an object"), ("{", "not JSON"), ('{"a": 1, "a": 2}', "twice"), ('{"n": 9007199254740993}', "as a text")],
)
def test_json_that_is_no_object_with_one_meaning_is_a_fault_of_the_whole(text: str, wrong: str) -> None:
    faults = read_arguments(held(CALL), SCHEMA, Sent(as_json=True, whole=text))
    assert isinstance(faults, tuple)
    assert faults[0].field == "arguments"
    assert wrong in faults[0].message


def test_faults_deep_within_an_argument_stand_beside_it() -> None:
    inputs = inputs_of(held({"to": {"iban": "x"}, "too": 1}), {}, None, (Fault("to.iban", "is too short"),))
    assert [one.error for one in inputs] == ["is too short", None]


def test_of_very_many_arguments_there_is_one_input() -> None:
    many = held({f"a{n}": n for n in range(MOST_INPUTS + 1)})
    assert inputs_of(many, {}) == ()
    assert read_arguments(many, {}, Sent(as_json=True, whole='{"a0": 1}')) == {"a0": 1}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": []},
        {"properties": {"amount": 7}},
        {"properties": {"amount": {"type": 3, "enum": "x", "description": []}}, "required": "amount"},
        {"properties": {"amount": {"enum": [{"a": 1}]}}, "required": [1, None]},
    ],
)
def test_a_schema_that_is_none_takes_nothing_away(schema: dict[str, Any]) -> None:
    (one,) = inputs_of(held({"amount": 1}), schema)
    assert (one.control, one.value, one.required) == ("number", "1", False)
