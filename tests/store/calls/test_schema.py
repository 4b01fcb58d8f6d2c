"""Arguments against what a definition takes: named faults, and an end to all work, whatever the schema."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from store.answers import Fault
from store.calls.definitions import Method
from store.calls.schema import ARGUMENTS_LIMIT, FAULTS_LIMIT, faults, input_schema, quick_faults, taken, unfit
from store.canonical_json import canonical_text

PAYMENT = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "minimum": 0, "maximum": 1000},
        "currency": {"enum": ["EUR", "USD"]},
        "recipient": {
            "type": "object",
            "properties": {"iban": {"type": "string", "pattern": "^[A-Z]{2}[0-9]"}},
            "required": ["iban"],
        },
        "lines": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 3, "uniqueItems": True},
    },
    "required": ["amount"],
    "additionalProperties": False,
}
TOO_LARGE = "are too large to be compared with what the tool takes; send less at once"
UNSOUND = "cannot be compared with what the tool takes: its definition is no sound JSON Schema"


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def doubling(times: int) -> dict[str, Any]:
    """A schema that looks small, and whose checks double with each of its definitions."""
    steps = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(times)}
    return {"$defs": {**steps, f"d{times}": {}}, "$ref": "#/$defs/d0"}


def costly_patterns(number: int) -> dict[str, Any]:
    """Patterns that RE2 compiles to thousands of instructions, and tries one after the other."""
    return {"properties": {"a": {"anyOf": [{"pattern": f"(a|aa|.a){{1,300}}x{n}"} for n in range(number)]}}}


def test_arguments_as_the_schema_says_have_no_fault() -> None:
    arguments = {"amount": 12.5, "currency": "EUR", "recipient": {"iban": "DE12"}, "lines": ["a", "b"]}
    assert faults(PAYMENT, arguments) == ()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, Fault("amount", "is missing")),
        ({"amount": "5"}, Fault("amount", "must be of the type number")),
        ({"amount": True}, Fault("amount", "must be of the type number")),
        ({"amount": -1}, Fault("amount", "must be at least 0")),
        ({"amount": 1001}, Fault("amount", "must be at most 1000")),
        ({"amount": 1, "currency": "GBP"}, Fault("currency", 'must be one of ["EUR", "USD"]')),
        ({"amount": 1, "recipient": {}}, Fault("recipient.iban", "is missing")),
        (
            {"amount": 1, "recipient": {"iban": "x"}},
            Fault("recipient.iban", 'does not have the form "^[A-Z]{2}[0-9]"'),
        ),
        ({"amount": 1, "lines": ["abcd"]}, Fault("lines.0", "takes at most 3 characters")),
        ({"amount": 1, "lines": ["a", "a"]}, Fault("lines", "must not have the same item twice")),
        ({"amount": 1, "lines": ["a", "b", "c", "d"]}, Fault("lines", "takes at most 3 items")),
        ({"amount": 1, "cc": 1}, Fault("cc", "is not an argument of this tool")),
    ],
)
def test_a_fault_names_the_field_and_what_to_do(arguments: dict[str, Any], fault: Fault) -> None:
    assert faults(PAYMENT, arguments) == (fault,)


def test_every_fault_is_told_up_to_a_limit() -> None:
    assert len(faults({"additionalProperties": False}, {str(n): 1 for n in range(50)})) == FAULTS_LIMIT


@pytest.mark.parametrize("name", ["\u202eevil", "a" * 5000, "line\nbreak", "\x1b[31m"])
def test_no_name_of_an_agent_stands_in_a_fault_as_it_came(name: str) -> None:
    [fault] = faults({"additionalProperties": False}, {name: 1})
    assert len(fault.field) < 80
    assert fault.field.isascii()
    assert fault.field.isprintable()


def test_no_text_of_a_schema_stands_in_a_fault_as_it_came() -> None:
    [fault] = faults({"properties": {"a": {"const": "\u202e" + "x" * 9000}}}, {"a": 1})
    assert len(fault.message) < 200
    assert fault.message.isascii()


@pytest.mark.parametrize(
    ("schema", "passes"),
    [
        ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, False),
        ({"properties": {"a": {"oneOf": [{"type": "integer"}, {"minimum": 0}]}}}, False),
        ({"properties": {"a": {"not": {"type": "integer"}}}}, False),
        ({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "string"}}}, False),
        ({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}, True),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, False),
        ({"patternProperties": {"^a": {"type": "string"}}}, False),
        ({"patternProperties": {"^b": {"type": "string"}}}, True),
        ({"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False}, True),
        ({"propertyNames": {"minLength": 2}}, False),
        ({"dependentRequired": {"a": ["b"]}}, False),
        ({"minProperties": 2}, False),
        ({"properties": {"a": {"const": 1.0}}}, True),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "definitions": {"n": {"type": "string"}},
                "properties": {"a": {"$ref": "#/definitions/n"}},
            },
            False,
        ),
        ({"$schema": "https://example.com/mine", "required": ["b"]}, False),
        (True, True),
    ],
)
def test_the_words_of_json_schema_mean_what_they_mean(schema: Any, passes: bool) -> None:
    assert (faults(schema, {"a": 1}) == ()) is passes


@pytest.mark.parametrize("pattern", ["^(?!x)1", "(a)\\1", "["])
def test_a_pattern_that_nobody_here_knows_is_left_to_the_upstream(pattern: str) -> None:
    assert faults({"properties": {"a": {"pattern": pattern}}}, {"a": "1"}) == ()
    assert faults({"patternProperties": {pattern: False}, "additionalProperties": False}, {"a": "1"}) == ()


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        {"type": 5},
        {"properties": []},
        {"required": 7},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"},
        {"minimum": "x", "properties": {"a": {"minimum": "x"}}},
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        doubling(40),
        False,
    ],
)
def test_what_cannot_be_checked_does_not_pass(schema: Any) -> None:
    [fault] = faults(schema, {"a": 1})
    assert fault.field == "arguments"


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (doubling(40), {}),
        ({"properties": {"a": {"items": {"enum": list(range(1000))}}}}, {"a": [999] * 30_000}),
        ({"properties": {"a": {"anyOf": [{"type": "string"}] * 5000}}}, {"a": [{"x": n} for n in range(15_000)]}),
        ({"patternProperties": {f"^{n}": {} for n in range(1000)}}, {str(n): 1 for n in range(9000)}),
        (costly_patterns(40), {"a": "a" * 200_000}),
        (costly_patterns(900), {"a": "a"}),
    ],
)
def test_work_ends_whatever_a_schema_asks_for(schema: Any, arguments: dict[str, Any]) -> None:
    assert faults(schema, arguments) == (Fault("arguments", TOO_LARGE),)


def test_what_takes_long_is_left_to_whoever_has_the_time() -> None:
    assert quick_faults(doubling(40), {}) is None
    assert quick_faults(costly_patterns(1), {"a": "b"}) is None
    assert quick_faults(PAYMENT, {"amount": 1}) == ()
    assert quick_faults(PAYMENT, {}) == faults(PAYMENT, {}) != ()


def test_a_broken_schema_is_said_to_be_one() -> None:
    assert faults({"type": 5}, {}) == (Fault("arguments", UNSOUND),)


def test_many_different_objects_are_told_apart_in_no_time() -> None:
    unique = {"properties": {"a": {"uniqueItems": True}}}
    assert faults(unique, {"a": [{"x": n} for n in range(15_000)]}) == ()


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", nested(64), {"deep": nested(63)}, object(), b"x"]
)
def test_what_is_not_json_with_one_meaning_is_no_argument(value: Any) -> None:
    fault = unfit({"a": value})
    assert fault is not None
    assert fault.field == "arguments"
    assert faults(True, {"a": value}) == (fault,)


@pytest.mark.parametrize("value", [2**53 - 1, 1.5, None, "\U0001f600", nested(63), {"deep": nested(62)}])
def test_what_is_json_with_one_meaning_may_be_one(value: Any) -> None:
    assert unfit({"a": value}) is None


def test_more_than_a_person_can_be_shown_is_no_argument() -> None:
    fits = ARGUMENTS_LIMIT - len('{"a":""}')
    assert unfit({"a": "x" * fits}) is None
    assert unfit({"a": "x" * (fits + 1)}) == Fault(
        "arguments", "have 262,145 bytes; a person can be shown at most 262,144"
    )


def test_a_prompt_takes_texts_of_the_names_it_lists() -> None:
    schema = input_schema(Method.PROMPT, {"arguments": [{"name": "who", "required": True}, {"name": "tone"}]})
    assert faults(schema, {"who": "Ana"}) == ()
    assert faults(schema, {"tone": "dry"}) == (Fault("who", "is missing"),)
    assert faults(schema, {"who": 5}) == (Fault("who", "must be of the type string"),)
    assert faults(schema, {"who": "Ana", "x": "y"}) == (Fault("x", "is not an argument of this tool"),)


def test_a_resource_takes_an_address() -> None:
    schema = input_schema(Method.RESOURCE, None)
    assert faults(schema, {"uri": "test://text"}) == ()
    assert faults(schema, {}) == (Fault("uri", "is missing"),)


def test_a_tool_without_a_schema_takes_nothing() -> None:
    assert faults(input_schema(Method.TOOL, {"name": "x"}), {})


# The same as the library without our bounds

names = st.sampled_from(["a", "b", "ab", "c"])
atoms = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 2.5]), st.sampled_from(["", "a", "ab"])
)
values = st.recursive(
    atoms, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
types = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
leaves = st.one_of(
    st.booleans(),
    st.builds(lambda one: {"type": one}, types),
    st.builds(lambda one: {"enum": one}, st.lists(atoms, min_size=1, max_size=3)),
    st.builds(lambda one: {"const": one}, values),
    st.builds(lambda least, most: {"minimum": least, "maxLength": most}, st.integers(-2, 2), st.integers(0, 2)),
    st.builds(lambda one: {"required": one}, st.lists(names, max_size=2, unique=True)),
    st.builds(lambda one: {"dependentRequired": {"a": one}}, st.lists(names, max_size=2, unique=True)),
    st.sampled_from([{"uniqueItems": True}, {"pattern": "^a"}, {"minProperties": 1}, {"maxItems": 1}]),
)


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    return st.one_of(
        st.builds(
            lambda known, patterns, rest: {
                "properties": known,
                "patternProperties": patterns,
                "additionalProperties": rest,
            },
            st.dictionaries(names, inner, max_size=2),
            st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
            inner,
        ),
        st.builds(lambda one: {"items": one}, inner),
        st.builds(lambda one: {"propertyNames": one}, inner),
        st.builds(lambda one: {"contains": one}, inner),
        st.builds(lambda one: {"not": one}, inner),
        st.builds(lambda word, one: {word: one}, st.sampled_from(["anyOf", "allOf", "oneOf"]), several),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
    )


@given(schema=st.recursive(leaves, larger, max_leaves=6), arguments=st.dictionaries(names, values, max_size=3))
@settings(max_examples=400, deadline=None, derandomize=True, database=None)
def test_arguments_pass_where_the_library_without_bounds_lets_them(schema: Any, arguments: dict[str, Any]) -> None:
    within = {"allOf": [schema]}
    assert (faults(within, arguments) == ()) is Draft202012Validator(within).is_valid(arguments)


@pytest.mark.parametrize("number", [2.0, -0.0, 0.5, 1e21, 9007199254740991.0, 7])
def test_what_is_taken_is_what_is_read_back_from_its_form(number: float) -> None:
    found = taken({"a": [number]})
    assert isinstance(found, tuple)
    settled_arguments, form = found
    assert form == canonical_text(settled_arguments)
    read_back = json.loads(form)["a"][0]
    assert (read_back, type(read_back)) == (settled_arguments["a"][0], type(settled_arguments["a"][0]))


def test_what_is_unfit_is_not_taken() -> None:
    assert isinstance(taken({"a": 1e16}), Fault)
