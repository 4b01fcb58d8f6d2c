"""What judging one call costs, in microseconds, by the number of rules and by what they look at."""

import statistics
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from store.policy.judging import judge
from store.policy.reading import read
from store.policy.rules import Action, Policy
from store.policy.verdicts import Called
from store.policy.when import is_installed
from tests.bench.table import Row

SIZES = (10, 100, 1_000)
UPSTREAMS = 50
ROUNDS = 7
CALLS = 300
BUDGET_US = 5.0
"""For one rule that does not match."""
ARGUMENTS: dict[str, Any] = {"amount": 60, "currency": "EUR", "to": {"iban": "DE1", "country": "DE"}, "memo": "x" * 200}


async def rows() -> list[Row]:
    found = [_of_plain_rules(size) for size in SIZES]
    found.append(_of_rules_for_one_tool(SIZES[-1]))
    found.append(_of_one("one rule with tests of arguments", "args: {amount: {gt: 0, le: 500}, to.country: [DE, AT]}"))
    if is_installed():
        found.append(_of_one("one rule with an expression", "when: \"args.amount <= 500 && args.currency == 'EUR'\""))
    return found


def _of_plain_rules(size: int) -> Row:
    policy = _policy(
        f"tool: up{number % UPSTREAMS}__do_{number}_*, agent: bot-{number}, action: allow" for number in range(size)
    )
    new, known = _first_and_again(policy, lambda number: f"up1__unknown_{number}")
    remark = (
        "a new name is tried against every rule; its rules are remembered from then on" if size == SIZES[-1] else ""
    )
    return _row(f"a call that none of {size:,} rules matches", new, size, f"{new:.0f} us, again {known:.1f} us", remark)


def _of_rules_for_one_tool(size: int) -> Row:
    policy = _policy(f"tool: up1__send, args: {{amount: {{gt: {number + 500}}}}}" for number in range(size))
    _, known = _first_and_again(policy, lambda _: "up1__send")
    return _row(f"a call whose arguments none of {size:,} rules matches", known, size, f"{known:.0f} us")


def _row(what: str, microseconds: float, size: int, measured: str, remark: str = "") -> Row:
    each = microseconds / size
    budget = f"<= {BUDGET_US:.0f} us a rule"
    return Row(what, "", measured, f"{each:.2f} us a rule", budget, each <= BUDGET_US, remark)


def _of_one(what: str, fields: str) -> Row:
    policy = _policy([f"tool: up1__*, action: allow, {fields}"])
    assert judge(policy, _called("up1__x"), given=None, spent=lambda _: 0).action is Action.ALLOW
    _, known = _first_and_again(policy, lambda _: "up1__x")
    return Row(what, "", f"{known:.1f} us", "", "", None)


def _policy(rules: Iterable[str]) -> Policy:
    upstreams = "".join(f"  up{number}: {{command: x}}\n" for number in range(UPSTREAMS))
    lines = "".join(f"  - {{name: rule {number}, {fields}}}\n" for number, fields in enumerate(rules))
    return read(f"version: 1\nupstreams:\n{upstreams}rules:\n{lines}")


def _first_and_again(policy: Policy, named: Callable[[int], str]) -> tuple[float, float]:
    """Microseconds of a call whose name is new, and of one whose name is known: the median of some rounds each."""
    first, again = [], []
    for number in range(ROUNDS):
        names = [named(number * CALLS + index) for index in range(CALLS)]
        first.append(_microseconds(policy, names))
        again.append(_microseconds(policy, names))
    return statistics.median(first), statistics.median(again)


def _microseconds(policy: Policy, names: list[str]) -> float:
    calls = [_called(name) for name in names]
    began = time.perf_counter()
    for called in calls:
        judge(policy, called, given=None, spent=lambda _: 0)
    return (time.perf_counter() - began) / len(calls) * 1e6


def _called(name: str) -> Called:
    return Called(name, "up1", ARGUMENTS, "billing", datetime(2026, 11, 23, 9, tzinfo=UTC))
