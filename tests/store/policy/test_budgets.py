"""Budgets: what a call takes, exactly, and what cannot be counted."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.policy.arguments import Erred
from store.policy.budgets import MOST_AMOUNT, Budget, amount, cost, micros

OF_AMOUNT = Budget("amount", 86_400, 1_000_000_000)


def test_a_budget_of_calls_counts_each_as_one() -> None:
    assert cost(Budget(None, 60, 10_000_000), {"amount": "x"}) == 1_000_000


@pytest.mark.parametrize(
    ("value", "millionths"),
    [
        (0, 0),
        (5, 5_000_000),
        (0.1, 100_000),
        (19.99, 19_990_000),
        (0.0000001, 1),
        (1.0000001, 1_000_001),
        (Decimal("2.5"), 2_500_000),
        (10**12, 10**18),
    ],
)
def test_an_amount_is_counted_in_millionths_and_what_is_finer_is_rounded_up(value: Any, millionths: int) -> None:
    assert cost(OF_AMOUNT, {"amount": value}) == millionths


@given(st.decimals(0, MOST_AMOUNT, places=8))
def test_no_amount_is_ever_counted_as_less_than_it_is(value: Decimal) -> None:
    assert 0 <= Fraction(micros(value), 1_000_000) - Fraction(value) < Fraction(1, 1_000_000)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "amount is missing"),
        ({"amount": None}, "amount is null, not a number"),
        ({"amount": "5"}, "amount is a text, not a number"),
        ({"amount": True}, "amount is true or false, not a number"),
        ({"amount": [5]}, "amount is a list, not a number"),
        ({"amount": float("nan")}, "amount is no finite number, not a number"),
        ({"amount": float("inf")}, "amount is no finite number, not a number"),
        ({"amount": -0.01}, "amount is negative or too large for a budget"),
        ({"amount": 10**12 + 1}, "amount is negative or too large for a budget"),
        ({"amount": 10**400}, "amount is negative or too large for a budget"),
    ],
)
def test_what_is_no_amount_cannot_be_counted(arguments: dict[str, Any], why: str) -> None:
    assert cost(OF_AMOUNT, arguments) == Erred(why)


def test_an_amount_that_can_be_read_in_two_ways_cannot_be_counted() -> None:
    budget = Budget("to.amount", 60, 1)
    assert cost(budget, {"to": {"amount": 5}}) == 5_000_000
    assert cost(budget, {"to": {"amount": 5}, "to.amount": 1}) == Erred("to.amount can be read in two ways")


@pytest.mark.parametrize(
    ("millionths", "words"), [(0, "0"), (1_000_000_000, "1,000"), (1_234_500_000, "1,234.5"), (1, "0.000001")]
)
def test_an_amount_is_written_as_people_write_it(millionths: int, words: str) -> None:
    assert amount(millionths) == words


def test_a_window_has_the_name_that_the_file_gives_it() -> None:
    assert [Budget(None, seconds, 1).per for seconds in (60, 3600, 86_400, 604_800)] == [
        "minute",
        "hour",
        "day",
        "week",
    ]
