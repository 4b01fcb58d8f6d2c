"""No argument passes whose name only looks like one of the tool's: the upstream may take it, and no rule sees it."""

from typing import Any

import pytest

from store.answers import Fault
from store.calls.schema import faults

PAYMENT = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "order": {"$ref": "#/$defs/Order"},
        "lines": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}]}},
        "labels": {"type": "object"},
    },
    "$defs": {"Order": {"type": "object", "properties": {"price": {"type": "number"}}}},
}
SAID = "looks like another argument of this tool; write its name as the tool does"


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"Amount": 5000}, "Amount"),
        ({"amount": 1, "AMOUNT": 5000}, "AMOUNT"),
        ({"amount": 1, "amount ": 5000}, "amount "),
        ({"amount": 1, "\uff41mount": 5000}, "'\\uff41mount'"),
        ({"order": {"price": 1, "Price": 5000}}, "order.Price"),
        ({"lines": [{"price": 1}, None, {"PRICE": 5000}]}, "lines.2.PRICE"),
    ],
)
def test_a_name_that_looks_like_the_tools_is_a_fault(arguments: dict[str, Any], where: str) -> None:
    assert faults(PAYMENT, arguments) == (Fault(where, SAID),)


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": 1, "note": "x"},
        {"labels": {"Amount": 1, "amount": 2}},
        {"order": {"price": 1, "amount": 5}, "lines": [{"price": 2}]},
    ],
)
def test_names_that_look_like_none_of_them_pass(arguments: dict[str, Any]) -> None:
    assert faults(PAYMENT, arguments) == ()


def test_a_forbidden_name_is_not_let_through_by_being_disguised() -> None:
    schema = {"properties": {"a": {}}, "not": {"properties": {"admin": {"const": True}}, "required": ["admin"]}}
    assert faults(schema, {"admin": True})
    assert faults(schema, {"a": 1}) == ()


def test_a_schema_that_leads_round_in_a_circle_ends() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}}
    assert faults(schema, {"a": {"a": {"a": {}}}}) == ()
    assert faults(schema, {"a": {"a": {"A": {}}}}) == (Fault("a.a.A", SAID),)
