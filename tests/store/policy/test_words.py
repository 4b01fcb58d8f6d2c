"""Rules in words."""

from dataclasses import replace
from typing import Any

import pytest

from store.policy.arguments import Check, Matcher, Op
from store.policy.budgets import Budget
from store.policy.demands import Condition
from store.policy.hours import hours_of
from store.policy.rules import Action, Rule
from store.policy.until import until_of
from store.policy.words import duration, what_is_asked, what_it_asks, what_it_matches
from store.questions import Risk

WHOLE = Rule(
    "x",
    tools=("ask_approval", "ask_form"),
    agents=("deploy-*", "build", "test"),
    workflows=("release",),
    risk=Risk.HIGH,
    reviewers=("finance", "carl"),
    approvals=2,
    timeout_seconds=5400,
    passkey=True,
    not_owner=True,
    escalate=("oncall",),
    reason_required=True,
)


def test_what_a_rule_matches_is_said_from_the_general_to_the_particular() -> None:
    assert what_it_matches(Rule("x")) == "every question asked by any agent"
    assert what_it_matches(WHOLE) == (
        "approvals and forms asked by deploy-*, build and test, in the workflow release, at high risk or more"
    )
    assert what_it_matches(Rule("x", risk=Risk.CRITICAL)) == "every question asked by any agent, at critical risk"
    assert what_it_matches(Rule("x", tools=("ask_text*",), agents=("a",))) == "texts asked by a"
    assert what_it_matches(Rule("x", tools=("mail",))) == "nothing asked by any agent"


def test_what_a_rule_asks_is_said_one_by_one() -> None:
    assert what_it_asks(WHOLE) == (
        "finance and carl may answer",
        "2 people must approve",
        "signed with a passkey",
        "not approved by the agent's owner",
        "with a reason",
        "open for 90 min at most",
        "after half of the time, oncall too",
    )
    assert what_it_asks(Rule("x")) == ("nothing that does not hold without it",)
    assert what_it_asks(Rule("x", action=Action.DENY, denial="Ask them.")) == ("denied: Ask them.",)
    assert what_it_asks(Rule("x", action=Action.DENY)) == ("denied",)


def test_a_condition_is_said_in_the_same_words() -> None:
    condition = Condition("x", ("ana",), ("finance",), 1, True, False, False, escalate_to=("dora",))
    assert what_is_asked(condition) == (
        "finance may answer",
        "signed with a passkey",
        "after half of the time, dora too",
    )


@pytest.mark.parametrize(("seconds", "words"), [(86_400, "24 h"), (5400, "90 min"), (61, "61 s"), (1, "1 s")])
def test_a_time_is_said_in_the_largest_unit_in_which_it_is_whole(seconds: int, words: str) -> None:
    assert duration(seconds) == words


def test_a_rule_for_calls_says_which_calls_where_when_and_at_what_times() -> None:
    rule = Rule(
        "x",
        tools=("payments__send", "mail__*"),
        exceptions=("mail__read",),
        agents=("billing",),
        action=Action.NOTICE,
        arguments=(
            Matcher("amount", (Check(Op.GT, 0), Check(Op.LE, 500.5))),
            Matcher("to.country", (Check(Op.IN, ("DE", None)),)),
            Matcher("cc", (Check(Op.EXISTS, False),)),
        ),
        when="args.memo != ''",
        hours=(hours_of("mon 08:00-10:00"), hours_of("fri 08:00-10:00")),
        budgets=(Budget("amount", 86_400, 1_000_500_000), Budget(None, 60, 1_000_000, each_agent=True)),
    )
    assert what_it_matches(rule) == (
        "calls of payments__send and mail__* except mail__read by billing, "
        'where amount is over 0 and amount is at most 500.5 and to.country is one of "DE", null and cc is not there, '
        "when args.memo != '', at mon 08:00-10:00 or fri 08:00-10:00"
    )
    assert what_it_asks(rule) == (
        "runs at once, and is noticed",
        "up to 1,000.5 of amount a day",
        "up to 1 call a minute for each agent",
    )


@pytest.mark.parametrize(
    ("op", "value", "words"),
    [
        (Op.EQ, "a", 'x is "a"'),
        (Op.NE, True, "x is not true"),
        (Op.GE, 5, "x is at least 5"),
        (Op.LT, 5, "x is under 5"),
        (Op.NOT_IN, ("a", 5), 'x is none of "a", 5'),
        (Op.GLOB, "ä*", 'x is like "ä*"'),
        (Op.MATCHES, "a+", 'x matches "a+"'),
        (Op.LONGER, 5, "x is longer than 5"),
        (Op.EXISTS, True, "x is there"),
    ],
)
def test_each_test_has_words(op: Op, value: Any, words: str) -> None:
    rule = Rule("x", tools=("a__b",), arguments=(Matcher("x", (Check(op, value),)),))
    assert what_it_matches(rule) == f"calls of a__b by any agent, where {words}"


def test_a_rule_for_questions_and_calls_says_both_and_one_with_tests_calls_only() -> None:
    assert what_it_matches(Rule("x", tools=("*",))) == "every question and calls of * by any agent"
    assert what_it_matches(Rule("x", tools=("ask_form", "a__b"))) == "forms and calls of a__b by any agent"
    assert what_it_matches(Rule("x", tools=("*",), when="true")) == "calls of * by any agent, when true"


def test_what_a_rule_that_permits_or_just_holds_does_is_said() -> None:
    assert what_it_asks(Rule("x", tools=("a__b",), action=Action.ALLOW)) == ("runs at once",)
    assert what_it_asks(Rule("x", tools=("a__b",))) == ("somebody must approve",)
    assert what_it_matches(Rule("x", action=Action.ALLOW)) == "nothing asked by any agent"


def test_when_a_rule_ends_is_said_as_the_day_or_the_moment() -> None:
    rule = Rule("x", tools=("files__read",), action=Action.ALLOW)
    assert what_it_matches(replace(rule, until=until_of("2026-12-31"))) == (
        "calls of files__read by any agent, until the end of 2026-12-31 UTC"
    )
    assert what_it_matches(replace(rule, until=until_of("2026-12-31T18:00+01:00"))) == (
        "calls of files__read by any agent, until 2026-12-31 at 17:00 UTC"
    )
