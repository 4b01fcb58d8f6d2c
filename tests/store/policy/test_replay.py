"""A draft is tried on the calls that were made, and says which of them would have gone otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from store.policy.budgets import MICROS, Budget
from store.policy.replay import Past, replay
from store.policy.rules import Action, Policy, Rule
from store.policy.upstreams import Upstream
from store.policy.verdicts import Called

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def policy(*rules: Rule) -> Policy:
    return Policy("hash", (), rules, (Upstream("pay", url="https://pay.example/mcp"),))


def past(
    minutes: int, amount: object = 10, action: Action = Action.HOLD, agent: str = "bot", tool: str = "send"
) -> Past:
    called = Called(f"pay__{tool}", "pay", {"amount": amount}, agent, NOON + timedelta(minutes=minutes))
    return Past(called, None, action)


def allowing(**more: object) -> Rule:
    return replace(Rule("small", tools=("pay__send",), action=Action.ALLOW), **more)  # type: ignore[arg-type]


def test_every_call_is_judged_in_the_order_of_its_time() -> None:
    calls = [past(3, action=Action.ALLOW, tool="drop"), past(1), past(2, action=Action.ALLOW)]
    found = replay(policy(allowing()), calls)

    assert [one.past for one in found.calls] == [calls[1], calls[2], calls[0]]
    assert [one.verdict.action for one in found.calls] == [Action.ALLOW, Action.ALLOW, Action.HOLD]
    assert [one.past for one in found.changed] == [calls[1], calls[0]]
    assert [one.is_looser for one in found.changed] == [True, False]


def test_the_loosest_changes_come_first() -> None:
    drop = Rule("never", tools=("pay__drop",), action=Action.DENY)
    calls = [
        past(1, tool="drop"),
        past(2, tool="drop"),
        past(3),
        past(4, action=Action.DENY),
        past(5, action=Action.ALLOW),
    ]

    assert replay(policy(allowing(), drop), calls).counts == (
        (Action.DENY, Action.ALLOW, 1),
        (Action.HOLD, Action.ALLOW, 1),
        (Action.HOLD, Action.DENY, 2),
    )


def test_budgets_fill_with_what_the_draft_lets_through_and_slide() -> None:
    budget = Budget("amount", 3600, 25 * MICROS)
    found = replay(policy(allowing(budgets=(budget,))), [past(0), past(30), past(59), past(60), past(61, amount="x")])

    assert [one.verdict.action for one in found.calls] == [
        Action.ALLOW,
        Action.ALLOW,
        Action.HOLD,
        Action.ALLOW,
        Action.HOLD,
    ]


def test_budgets_for_each_agent_are_their_own() -> None:
    budget = Budget("amount", 3600, 10 * MICROS, each_agent=True)
    found = replay(policy(allowing(budgets=(budget,))), [past(0), past(1, agent="other"), past(2)])

    assert [one.verdict.action for one in found.calls] == [Action.ALLOW, Action.ALLOW, Action.HOLD]


def test_without_calls_there_is_nothing_to_say() -> None:
    found = replay(policy(), [])
    assert (found.calls, found.changed, found.counts) == ((), (), ())
