"""What the rules ask of a request: every matching rule, and the strictest of what cannot be added up."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.policy.demands import BUILT_IN, Asked, Condition, Demands, demands, demands_of
from store.policy.rules import RISKS, Action, Group, Policy, Rule
from store.questions import Risk

ASKED = Asked("ask_approval", "deploy-bot", None, Risk.LOW)
REASON = Condition(BUILT_IN, None, (), 1, passkey=False, not_owner=False, reason_required=True)


def policy(*rules: Rule) -> Policy:
    return Policy("the hash", (Group("finance", ("Ben", "ana")), Group("oncall", ("dora",))), rules)


def plain(name: str, **more: object) -> Condition:
    condition = Condition(name, None, (), 1, passkey=False, not_owner=False, reason_required=False)
    return replace(condition, **more)  # type: ignore[arg-type]


def test_without_a_policy_anybodys_one_answer_does() -> None:
    assert demands(None, ASKED) == Demands((), None, (), None, None)


def test_a_rule_that_does_not_match_asks_for_nothing() -> None:
    assert demands(policy(Rule("x", agents=("other",), approvals=2)), ASKED) == Demands((), None, (), None, "the hash")


def test_a_rule_becomes_a_condition_with_the_people_that_it_means() -> None:
    rule = Rule(
        "two of finance",
        reviewers=("finance", "Carl"),
        approvals=2,
        timeout_seconds=60,
        passkey=True,
        not_owner=True,
        escalate=("oncall",),
        reason_required=True,
    )
    condition = Condition(
        "two of finance",
        ("ana", "ben", "carl"),
        ("finance", "Carl"),
        2,
        passkey=True,
        not_owner=True,
        reason_required=True,
        escalate_to=("dora",),
    )
    assert demands(policy(rule), ASKED) == Demands((condition,), 60, ("dora",), None, "the hash")


def test_every_matching_rule_must_be_satisfied_and_the_shortest_time_wins() -> None:
    rules = Rule("a", reviewers=("finance",), timeout_seconds=90), Rule("b", approvals=3, timeout_seconds=30), Rule("c")
    conditions = (
        plain("a", reviewers=("ana", "ben"), groups=("finance",)),
        plain("b", approvals=3),
        plain("c"),
    )
    assert demands(policy(*rules), ASKED) == Demands(conditions, 30, (), None, "the hash")


def test_one_denial_denies_whatever_the_order_of_the_rules() -> None:
    rules = Rule("a"), Rule("never", action=Action.DENY, denial="Ask the database team."), Rule("c")
    for order in permutations(rules):
        assert demands(policy(*order), ASKED).denied == "the rule 'never' denies this. Ask the database team."


def test_a_denial_without_words_still_names_its_rule() -> None:
    assert demands(policy(Rule("never", action=Action.DENY)), ASKED).denied == "the rule 'never' denies this."


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
def test_approving_high_risk_needs_a_reason_without_any_rule(risk: Risk) -> None:
    assert demands(None, replace(ASKED, risk=risk)).conditions == (REASON,)


@pytest.mark.parametrize("risk", [None, Risk.LOW, Risk.MEDIUM])
def test_approving_lower_risk_needs_none(risk: Risk | None) -> None:
    assert demands(None, replace(ASKED, risk=risk)).conditions == ()


def test_what_is_no_approval_needs_no_reason_at_high_risk() -> None:
    assert demands(None, replace(ASKED, tool="ask_form", risk=Risk.CRITICAL)).conditions == ()


def test_a_condition_asks_its_people_and_from_the_escalation_on_those_that_it_escalates_to() -> None:
    (condition,) = demands(policy(Rule("x", reviewers=("finance",), escalate=("oncall",))), ASKED).conditions
    assert [condition.asks(name, escalated=False) for name in ("ana", "dora", "eve")] == [True, False, False]
    assert [condition.asks(name, escalated=True) for name in ("ana", "dora", "eve")] == [True, True, False]


def test_what_one_rule_escalates_to_does_not_widen_another_rule() -> None:
    rules = Rule("narrow", reviewers=("finance",)), Rule("wide", reviewers=("finance",), escalate=("oncall",))
    narrow, wide = demands(policy(*rules), ASKED).conditions
    assert wide.asks("dora", escalated=True)
    assert not narrow.asks("dora", escalated=True)


def test_a_condition_for_everybody_asks_everybody() -> None:
    assert REASON.asks("anybody", escalated=False)


def test_a_claimed_workflow_adds_rules_and_takes_none_of_those_of_the_given_one_away() -> None:
    rules = Rule("release", workflows=("release",), passkey=True), Rule("billing", workflows=("billing",), approvals=2)
    release, billing = plain("release", passkey=True), plain("billing", approvals=2)

    def asked(given: str | None, claimed: str | None) -> tuple[Condition, ...]:
        return demands_of(policy(*rules), replace(ASKED, workflow=claimed), given=given).conditions

    assert asked("release", None) == (release,)
    assert asked("release", "release") == (release,)
    assert asked("release", "billing") == (release, billing)
    assert asked("release", "other") == (release,)
    assert asked(None, "billing") == (billing,)
    assert asked(None, None) == ()


names = st.lists(st.sampled_from(["finance", "oncall", "eve"]), min_size=1, max_size=2).map(tuple)
rules = st.builds(
    Rule,
    st.text("abc", min_size=1, max_size=3),
    risk=st.none() | st.sampled_from(RISKS),
    action=st.sampled_from(Action),
    reviewers=st.none() | names,
    approvals=st.integers(1, 3),
    timeout_seconds=st.none() | st.integers(1, 100),
    passkey=st.booleans(),
    not_owner=st.booleans(),
    escalate=st.just(()) | names,
)


@given(st.lists(rules, max_size=4), st.sampled_from([None, *RISKS]), st.sampled_from(RISKS))
def test_claiming_more_risk_never_loosens_anything(some: list[Rule], less: Risk | None, more: Risk) -> None:
    if RISKS.index(less or Risk.LOW) > RISKS.index(more):
        return
    lower, higher = (demands(policy(*some), replace(ASKED, risk=risk)) for risk in (less, more))
    assert set(lower.conditions) <= set(higher.conditions)
    assert (higher.timeout_seconds or 101) <= (lower.timeout_seconds or 101)
    assert higher.denied is not None or lower.denied is None
