"""One rule more is compared with the rules in force, call by call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from store.policy.budgets import MICROS, Budget
from store.policy.drafts import Cause
from store.policy.effects import Change, effect_of, rule_of
from store.policy.replay import Past
from store.policy.rules import Action, Policy, Rule
from store.policy.upstreams import Upstream
from store.policy.verdicts import Called

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALLOW = Rule("allow all", tools=("pay__*",), action=Action.ALLOW)


def policy(*rules: Rule) -> Policy:
    return Policy("hash", (), rules, (Upstream("pay", url="https://pay.example/mcp"),))


def past(minutes: int, amount: int = 10, tool: str = "send") -> Past:
    called = Called(f"pay__{tool}", "pay", {"amount": amount}, "bot", NOON + timedelta(minutes=minutes))
    # What was done then counts for nothing here.
    return Past(called, None, Action.DENY)


def cause(amount: int = 10) -> Cause:
    return Cause("pay__send", "pay", "bot", None, {"amount": amount}, NOON)


CALLS = [past(1), past(2, tool="drop"), past(3)]


def test_what_changes_is_counted_and_what_was_done_then_is_not() -> None:
    rule = Rule("hold sends", tools=("pay__send",), action=Action.HOLD)
    effect = effect_of(policy(ALLOW), rule, CALLS, cause(), NOON)

    assert (effect.calls, effect.since, effect.matched) == (3, NOON + timedelta(minutes=1), 2)
    assert effect.changes == (
        Change(CALLS[2].called, Action.ALLOW, Action.HOLD),
        Change(CALLS[0].called, Action.ALLOW, Action.HOLD),
    )
    assert effect.counts == ((Action.ALLOW, Action.HOLD, 2),)
    assert not any(one.is_looser for one in effect.changes)
    assert effect.kept == ()
    assert effect.of_cause is not None
    assert (effect.matches_cause, effect.of_cause.action) == (True, Action.HOLD)


def test_a_stricter_rule_keeps_what_it_keeps_and_is_named() -> None:
    hold = Rule("large", tools=("pay__send",), action=Action.HOLD)
    rule = Rule("run them", tools=("pay__*",), action=Action.ALLOW)
    effect = effect_of(policy(hold), rule, CALLS, cause(), NOON)

    assert effect.matched == 3
    assert effect.kept == (("the rule 'large' holds it", 2),)
    assert effect.counts == ((Action.HOLD, Action.ALLOW, 1),)
    assert effect.changes[0].is_looser
    assert effect.of_cause is not None
    assert (effect.of_cause.action, effect.of_cause.rules) == (Action.HOLD, ("large", "run them"))


def test_a_rule_that_is_for_another_call_changes_nothing() -> None:
    rule = Rule("never", tools=("pay__refund",), action=Action.DENY)
    effect = effect_of(policy(ALLOW), rule, CALLS, cause(), NOON)

    assert (effect.matched, effect.changes, effect.kept, effect.matches_cause) == (0, (), (), False)


def test_without_recorded_calls_and_without_its_own_there_is_nothing_to_say() -> None:
    effect = effect_of(policy(), ALLOW, [], None, NOON)

    assert (effect.calls, effect.since, effect.matched, effect.of_cause) == (0, None, 0, None)


def test_a_rule_is_read_as_the_file_would_have_it() -> None:
    assert rule_of({"name": "allow all", "tool": ["pay__*"], "action": "allow"}) == ALLOW


def test_where_budgets_count_calls_of_other_rules_change_with_it() -> None:
    few = replace(ALLOW, budgets=(Budget(None, 3600, 2 * MICROS),))
    rule = Rule("no drops", tools=("pay__drop",), action=Action.DENY)
    effect = effect_of(policy(few), rule, CALLS, cause(), NOON)

    # Without the one that is denied there is enough of the budget for the third.
    assert effect.counts == ((Action.HOLD, Action.ALLOW, 1), (Action.ALLOW, Action.DENY, 1))
    assert effect.matched == 1
