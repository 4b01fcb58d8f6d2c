"""Tests of arguments: a yes, a no, or that it cannot be said."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.policy.arguments import MISSING, Check, Erred, Matcher, Op, all_hold, holds, only_named, value_of

YES = [
    (Op.EQ, "EUR", "EUR"),
    (Op.EQ, 5, 5.0),
    (Op.EQ, True, True),
    (Op.EQ, None, None),
    (Op.NE, "EUR", "eur"),
    (Op.NE, None, "EUR"),
    (Op.NE, "EUR", None),
    (Op.GT, 500, 500.0000000001),
    (Op.GE, 500, 500),
    (Op.LT, 0, -0.5),
    (Op.LE, 0.1, 0.1),
    (Op.LE, 9007199254740993, 9007199254740993),
    (Op.GT, 0.1, Decimal("0.11")),
    (Op.IN, ("a", "b", 3), "b"),
    (Op.IN, ("a", None), None),
    (Op.NOT_IN, ("a", "b"), "c"),
    (Op.NOT_IN, ("a",), None),
    (Op.GLOB, "*@example.org", "x\ny@example.org"),
    (Op.MATCHES, "[a-z]+", "abc"),
    (Op.LONGER, 2, "abc"),
    (Op.LONGER, 0, [1]),
    (Op.LONGER, 0, {"a": 1}),
    (Op.EXISTS, True, None),
    (Op.EXISTS, False, MISSING),
]
NO = [
    (Op.EQ, "EUR", "eur"),
    (Op.EQ, "EUR", None),
    (Op.EQ, None, "EUR"),
    (Op.EQ, True, False),
    (Op.NE, 5, 5.0),
    (Op.GT, 500, 500),
    (Op.LT, 9007199254740993, 9007199254740994.0),
    (Op.LE, 500, 500.0000000001),
    (Op.IN, ("a", "b"), "A"),
    (Op.IN, ("a",), None),
    (Op.NOT_IN, ("a", 5), 5.0),
    (Op.GLOB, "*@example.org", "x@example.org.evil"),
    (Op.MATCHES, "[a-z]+", "abc1"),
    (Op.LONGER, 3, "abc"),
    (Op.EXISTS, False, None),
    (Op.EXISTS, True, MISSING),
    *((op, 5, MISSING) for op in (Op.EQ, Op.NE, Op.GT, Op.GE, Op.LT, Op.LE, Op.LONGER)),
    *((op, (5,), MISSING) for op in (Op.IN, Op.NOT_IN)),
    *((op, "*", MISSING) for op in (Op.GLOB, Op.MATCHES)),
]
ERRED = [
    (Op.EQ, "EUR", 5, "x is a number, not a text"),
    (Op.EQ, 1, True, "x is true or false, not a number"),
    (Op.NE, "EUR", ["EUR"], "x is a list, not a text"),
    (Op.NE, 5, "5", "x is a text, not a number"),
    (Op.IN, ("a", None), 5, "x is a number, not a text"),
    (Op.NOT_IN, ("a",), {}, "x is an object, not a text"),
    (Op.GT, 500, "600", "x is a text, not a number"),
    (Op.LE, 500, True, "x is true or false, not a number"),
    (Op.LE, 500, None, "x is null, not a number"),
    (Op.LE, 500, [5], "x is a list, not a number"),
    (Op.LE, 500, float("nan"), "x is no finite number, not a number"),
    (Op.EQ, 5, float("inf"), "x is no finite number, not a number"),
    (Op.GLOB, "*", 5, "x is a number, not a text"),
    (Op.MATCHES, ".*", None, "x is null, not a text"),
    (Op.LONGER, 1, 500, "x is a number, which has no length"),
    (Op.GLOB, "*", "half \ud800", "x is not Unicode text"),
    (Op.MATCHES, ".*", "half \ud800", "x is not Unicode text"),
]


@pytest.mark.parametrize(("op", "wanted", "value"), YES)
def test_what_is_as_the_rule_says_passes(op: Op, wanted: Any, value: Any) -> None:
    assert holds(Check(op, wanted), value, "x") is True


@pytest.mark.parametrize(("op", "wanted", "value"), NO)
def test_what_is_otherwise_or_missing_does_not(op: Op, wanted: Any, value: Any) -> None:
    assert holds(Check(op, wanted), value, "x") is False


@pytest.mark.parametrize(("op", "wanted", "value", "why"), ERRED)
def test_of_a_value_of_another_type_nothing_can_be_said(op: Op, wanted: Any, value: Any, why: str) -> None:
    assert holds(Check(op, wanted), value, "x") == Erred(why)


numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)


@given(numbers, numbers)
def test_every_number_is_over_at_or_under_another_without_rounding(value: float, bound: float) -> None:
    over, under = (holds(Check(op, bound), value, "x") for op in (Op.GT, Op.LT))
    assert [over, under, holds(Check(Op.EQ, bound), value, "x")].count(True) == 1
    assert over is (Decimal(value) > Decimal(bound))


def test_a_dotted_name_goes_down_into_objects_and_takes_a_key_as_it_is() -> None:
    assert value_of({"to": {"iban": {"land": "DE"}}}, "to.iban.land") == "DE"
    assert value_of({"to": {"iban.land": "DE"}}, "to.iban.land") == "DE"
    assert value_of({"to.iban": {"land": "DE"}}, "to.iban.land") == "DE"
    assert value_of({"to.iban.land": "DE"}, "to.iban.land") == "DE"


@pytest.mark.parametrize("arguments", [{}, {"to": {}}, {"to": None}, {"to": {"iban": {"x": 1}}}, {"to.iban": {}}])
def test_a_name_that_leads_nowhere_is_missing(arguments: dict[str, Any]) -> None:
    assert value_of(arguments, "to.iban.land") is MISSING


@pytest.mark.parametrize(
    "arguments",
    [
        {"to.amount": 5, "to": {"amount": 900}},
        {"to": {"amount": 900}, "to.amount": None},
    ],
)
def test_a_name_that_can_be_read_in_two_ways_cannot_be_answered(arguments: dict[str, Any]) -> None:
    assert value_of(arguments, "to.amount") == Erred("to.amount can be read in two ways")


@pytest.mark.parametrize(
    ("inner", "kind"), [([{"amount": 900}], "a list"), ("amount=900", "a text"), (900, "a number")]
)
def test_a_name_that_goes_through_what_is_no_object_cannot_be_answered(inner: Any, kind: str) -> None:
    assert value_of({"to": inner}, "to.amount") == Erred(f"to is {kind}, not an object")


def test_all_tests_of_all_arguments_must_pass() -> None:
    matchers = (
        Matcher("amount", (Check(Op.GT, 0), Check(Op.LE, 500))),
        Matcher("currency", (Check(Op.EQ, "EUR"),)),
    )
    assert all_hold(matchers, {"amount": 500, "currency": "EUR"}) is True
    assert all_hold(matchers, {"amount": 501, "currency": "EUR"}) is False
    assert all_hold(matchers, {"amount": 0, "currency": "EUR"}) is False
    assert all_hold(matchers, {"amount": 1}) is False
    assert all_hold((), {}) is True


def test_what_cannot_be_answered_counts_unless_there_is_a_clear_no() -> None:
    matchers = (Matcher("amount", (Check(Op.GT, 0),)), Matcher("currency", (Check(Op.EQ, "EUR"),)))
    erred = Erred("amount is a text, not a number")
    assert all_hold(matchers, {"amount": "x", "currency": "EUR"}) == erred
    assert all_hold(matchers, {"amount": "x", "currency": 5}) == erred
    assert all_hold(matchers, {"amount": "x", "currency": "USD"}) is False
    assert all_hold(matchers[::-1], {"amount": "x", "currency": "USD"}) is False


@pytest.mark.parametrize(
    "value",
    [
        "/srv/data/../../etc/passwd",
        "/srv/data/..",
        "/srv/data/..\\..\\etc",
        "/srv/data/%2e%2E/etc",
        "/srv/data/.%2e%2fetc",
        "/srv/data/%252e%252e%252fetc",
        "/srv/data/..;/etc",
        "/srv/data/..?x",
        "../srv/data/x",
    ],
)
@pytest.mark.parametrize("check", [Check(Op.GLOB, "/srv/data/*"), Check(Op.MATCHES, "/srv/data/.*")])
def test_a_path_that_goes_back_is_not_judged_by_its_beginning(check: Check, value: str) -> None:
    assert holds(check, value, "path") == Erred(
        "path goes back by .., so that its beginning does not say where it leads"
    )


@pytest.mark.parametrize(
    "value", ["/srv/data/a..b", "/srv/data/...", "/srv/data/..a", "/srv/data/.hidden", "/srv/data/v1.."]
)
def test_a_path_with_dots_that_lead_nowhere_is_judged(value: str) -> None:
    assert holds(Check(Op.GLOB, "/srv/data/*"), value, "path") is True


def test_dots_mean_nothing_to_a_pattern_that_is_of_no_path() -> None:
    assert holds(Check(Op.GLOB, "*.txt"), "../a.txt", "path") is True


@pytest.mark.parametrize(
    ("names", "arguments", "only"),
    [
        ((), {}, True),
        ((), {"a": None}, False),
        (("a",), {}, True),
        (("a",), {"a": 1}, True),
        (("a",), {"a": 1, "b": 2}, False),
        (("a",), {"a": {"b": 1}}, True),
        (("a.b",), {"a": {"b": 1}}, True),
        (("a.b",), {"a": {"b": 1, "c": 2}}, False),
        (("a.b",), {"a.b": 1}, True),
        (("a.b",), {"a": {}}, False),
        (("a.b",), {"a": [1]}, False),
        (("a.b.c",), {"a": {"b": {"c": {"d": 1}}}}, True),
        (("a", "a.b"), {"a": {"b": 1}}, True),
        (("a", "a.b"), {"a": {"b": 1, "c": 2}}, False),
        (("a", "a.b"), {"a": {}, "a.b": 1}, False),
        (("a", "a.b"), {"a": 1}, False),
        (("a", "a.b", "a.c"), {"a": {"b": 1}, "a.c": 1}, False),
        (("a", "a.b", "a.b.c"), {"a": {"b": {"c": 1}, "b.c": 1}}, False),
        (("a.b", "a.c"), {"a": {"b": 1}, "a.c": 1}, True),
    ],
)
def test_only_named_arguments_are_all_arguments_down_to_the_last(
    names: tuple[str, ...], arguments: dict[str, Any], only: bool
) -> None:
    matchers = tuple(Matcher(name, (Check(Op.EXISTS, True),)) for name in names)
    assert only_named(matchers, arguments) is only
