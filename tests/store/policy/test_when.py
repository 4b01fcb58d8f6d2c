"""Conditions in CEL: vectors of what is true, what is not, and what errs; and that the engine stays within bounds."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from store.policy import when
from store.policy.arguments import Erred
from store.policy.when import MOST_ITEMS, MOST_WEIGHT, Facts, is_installed, mistake_in

NOT_EVALUATED = Erred("its expression could not be evaluated")
NOT_THERE = Erred("its expression looks at something that is not there")
OTHER_TYPES = Erred("its expression is for values of other types")
NEITHER = Erred("its expression is neither true nor false")
TOO_MUCH = Erred("its expression would iterate too much for these arguments")


def satisfies(expression: str, args: dict[str, Any] | None = None, workflow: str = "billing") -> bool | Erred:
    now = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    return Facts("payments__send", "payments", args or {}, "bot", workflow, now).satisfy(expression)


@pytest.mark.parametrize(
    ("expression", "args"),
    [
        ("args.currency == 'EUR'", {"currency": "EUR"}),
        ("args.amount <= 500", {"amount": 500}),
        ("args.amount <= 500", {"amount": 499.99}),
        ("args.amount == 5", {"amount": 5.0}),
        ("args.amount == 0.1", {"amount": 0.1}),
        ("args['to'].iban.startsWith('DE')", {"to": {"iban": "DE1"}}),
        ("args.to.all(one, one.endsWith('@example.org'))", {"to": ["a@example.org"]}),
        ("args.to.matches('^[a-z]+$')", {"to": "abc"}),
        ("!has(args.cc)", {}),
        ("args.cc == null", {"cc": None}),
        ("args.urgent", {"urgent": True}),
        ("has(args.amount) && args.amount > 1 || true", {}),
        ("tool == 'payments__send' && upstream == 'payments' && agent == 'bot'", {}),
        ("workflow == 'billing'", {}),
        ("now.getHours() == 9 && now.getDayOfWeek() == 1", {}),
        ("now > timestamp('2026-01-01T00:00:00Z')", {}),
        ("args.text.size() > 100000", {"text": "x" * 200_000}),
    ],
)
def test_what_is_true_satisfies(expression: str, args: dict[str, Any]) -> None:
    assert mistake_in(expression) is None
    assert satisfies(expression, args) is True


@pytest.mark.parametrize(
    ("expression", "args"),
    [
        ("args.currency == 'EUR'", {"currency": "eur"}),
        ("args.currency == 'EUR'", {"currency": 5}),
        ("args.amount <= 500", {"amount": 500.01}),
        ("args.urgent", {"urgent": False}),
        ("false && args.missing > 1", {}),
        ("workflow == 'other'", {}),
    ],
)
def test_what_is_not_true_does_not(expression: str, args: dict[str, Any]) -> None:
    assert satisfies(expression, args) is False


@pytest.mark.parametrize(
    ("expression", "args", "erred"),
    [
        ("args.amount > 5", {}, NOT_THERE),
        ("args.to.iban == 'DE'", {"to": {}}, NOT_THERE),
        ("args.amount > 5", {"amount": "600"}, OTHER_TYPES),
        ("args.amount > 5", {"amount": True}, OTHER_TYPES),
        ("args.amount > 5", {"amount": None}, OTHER_TYPES),
        ("args.amount > 5", {"amount": 2**70}, NOT_EVALUATED),
        ("args.other == 1", {"amount": "\ud800", "other": 1}, NOT_EVALUATED),
        ("args.other == 1", {"amount": object(), "other": 1}, NOT_EVALUATED),
        ("1 / args.zero == 1", {"zero": 0}, NOT_EVALUATED),
        ("args.list[3] == 1", {"list": [1]}, NOT_EVALUATED),
        ("args.to.matches(args.pattern)", {"to": "a", "pattern": "("}, NOT_EVALUATED),
        ("args.flag", {"flag": "true"}, NEITHER),
        ("args.flag", {"flag": 1}, NEITHER),
    ],
)
def test_what_errs_is_neither(expression: str, args: dict[str, Any], erred: Erred) -> None:
    assert mistake_in(expression) is None
    assert satisfies(expression, args) == erred


def test_no_reason_holds_what_the_agent_sent() -> None:
    for args in ({"amount": 2**70}, {"amount": "secret"}, {"amount": {"secret": 1}}):
        erred = satisfies("args.amount > 5", args)
        assert isinstance(erred, Erred)
        assert "secret" not in erred.why
        assert str(2**70) not in erred.why


@pytest.mark.parametrize(
    ("expression", "mistake"),
    [
        ("args.amount >", "is not an expression: 1:14: Syntax error"),
        ("amount > 5", "is not an expression: 1:1: undeclared reference to 'amount'; there are tool, upstream, args"),
        ("shell('x')", "is not an expression: 1:6: undeclared reference to 'shell'"),
        ("tool == 5", "is not an expression: 1:6: found no matching overload"),
        ("1 + 1", "should be true or false, and is int"),
        ("args", "should be true or false, and is map"),
        ("'yes'", "should be true or false, and is string"),
        ("(" * 200 + "true" + ")" * 200, "is not an expression: "),
        ("tool == 'a'" + "+'a'" * 240, "is not an expression: "),
        ("args.a.all(x, args.b.exists(y, x == y))", "iterates within an iteration, which is not taken"),
        ("args.a.map(x, args.b .filter (y, true)) == []", "iterates within an iteration, which is not taken"),
    ],
)
def test_what_is_no_condition_is_told_before_it_is_in_force(expression: str, mistake: str) -> None:
    said = mistake_in(expression)
    assert said is not None
    assert said.startswith(mistake)
    assert len(said) < 350


@pytest.mark.parametrize(
    "expression",
    [
        "args.a.all(x, x > 0) && args.b.exists(y, y > 0)",
        "args.a.filter(x, x > 0).map(y, y + 1) == [2]",
        "args.a.all(x, x != '.all(' && x != \".map(\")",
    ],
)
def test_iterations_one_after_the_other_are_conditions(expression: str) -> None:
    assert mistake_in(expression) is None


def test_an_expression_that_iterates_errs_on_arguments_that_would_keep_it_busy() -> None:
    iterating = "args.items.all(one, one != args.text)"
    assert satisfies(iterating, {"items": [1] * MOST_ITEMS, "text": "x"}) is True
    assert satisfies(iterating, {"items": [1] * (MOST_ITEMS + 1), "text": "x"}) == TOO_MUCH
    assert satisfies(iterating, {"items": [1], "text": "x" * MOST_WEIGHT}) == TOO_MUCH
    assert satisfies(iterating, {"items": [1], "text": {"x" * MOST_WEIGHT: 1}}) == TOO_MUCH
    assert satisfies("args.text != 'x'", {"items": [1] * 5000, "text": "x" * MOST_WEIGHT}) is True


def test_an_iteration_within_another_never_runs() -> None:
    assert satisfies("args.a.all(x, args.a.all(y, true))", {"a": [1]}) == TOO_MUCH


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which the extra is not installed."""
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    monkeypatch.setitem(sys.modules, "cel_expr_python.cel", None)
    for remembered in (when._environment, when._compiled):
        remembered.cache_clear()
    yield
    for remembered in (when._environment, when._compiled):
        remembered.cache_clear()


@pytest.mark.usefixtures("no_engine")
def test_without_the_engine_every_expression_errs_and_none_can_be_put_in_force() -> None:
    assert not is_installed()
    assert mistake_in("true") == "needs the extra cel, which is not installed: pip install 'assent[cel]'"
    assert satisfies("false") == NOT_EVALUATED


def test_with_the_engine_it_is_said_to_be_there() -> None:
    assert is_installed()
