"""Which questions a rule matches, and whom its names mean."""

from typing import Any

import pytest

from store.policy.arguments import Check, Matcher, Op
from store.policy.globs import Name
from store.policy.hours import hours_of
from store.policy.rules import TOOLS, Action, Asked, Group, Policy, Rule
from store.questions import Risk

ASKED = Asked("ask_approval", "deploy-bot", "release", Risk.HIGH)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("all"),
        Rule("by tool", tools=("ask_approval",)),
        Rule("by one of the tools", tools=("ask_form", "*_approval")),
        Rule("but another", exceptions=("ask_form",)),
        Rule("by agent", agents=("deploy-*",)),
        Rule("by agent, written otherwise", agents=("DEPLOY-b?t",)),
        Rule("by workflow", workflows=("rel*",)),
        Rule("from that risk up", risk=Risk.HIGH),
        Rule("from a lower risk up", risk=Risk.MEDIUM),
    ],
    ids=lambda rule: rule.name,
)
def test_a_rule_matches_what_it_is_for(rule: Rule) -> None:
    assert rule.matches(ASKED)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("another tool", tools=("ask_form",)),
        Rule("but this one", exceptions=("ask_app*",)),
        Rule("another agent", agents=("deploy", "deploy-bot-2", "deploy-?")),
        Rule("another workflow", workflows=("billing",)),
        Rule("a higher risk", risk=Risk.CRITICAL),
    ],
    ids=lambda rule: rule.name,
)
def test_a_rule_does_not_match_what_it_is_not_for(rule: Rule) -> None:
    assert not rule.matches(ASKED)


def test_a_rule_for_a_workflow_does_not_match_what_is_in_none() -> None:
    assert not Rule("any", workflows=("*",)).matches(Asked("ask_form", "a", None, None))


def test_no_claim_counts_as_the_lowest_risk() -> None:
    unclaimed = Asked("ask_approval", "deploy-bot", None, None)
    assert Rule("low", risk=Risk.LOW).matches(unclaimed)
    assert not Rule("medium", risk=Risk.MEDIUM).matches(unclaimed)


@pytest.mark.parametrize("glob", ["a.b", "a+", "[ab]", "a|b", "\\w", "^a", "(a)"])
def test_in_a_glob_only_stars_and_question_marks_are_special(glob: str) -> None:
    assert Rule("x", agents=(glob,)).is_for_agent(glob)
    assert not Rule("x", agents=(glob,)).is_for_agent("a")


def test_a_star_matches_across_lines() -> None:
    assert Rule("x", agents=("a*b",)).is_for_agent("a\n/ b")


def test_a_rule_matches_the_tools_that_it_names_less_those_that_it_excepts() -> None:
    assert Rule("x").matched_tools == TOOLS
    assert Rule("x", exceptions=("ask_*t*",)).matched_tools == ("ask_approval", "ask_form")
    assert Rule("x", tools=("payments__*",)).matched_tools == ()


def test_names_are_people_or_the_people_of_a_group_each_once_folded_and_sorted() -> None:
    policy = Policy("", (Group("OnCall", ("Zoë", "ana")), Group("ben", ("carl",))), ())
    assert policy.people(["oncall", "ANA", "dora"]) == ("ana", "dora", "zoë")
    assert policy.people(["Ben"]) == ("carl",)
    assert policy.people([]) == ()


@pytest.mark.parametrize(
    "more",
    [
        {"action": Action.ALLOW},
        {"action": Action.NOTICE},
        {"when": "true"},
        {"hours": (hours_of("00:00-24:00"),)},
        {"arguments": (Matcher("a", (Check(Op.EXISTS, False),)),)},
    ],
)
def test_what_permits_or_looks_at_calls_governs_no_question(more: dict[str, Any]) -> None:
    rule = Rule("x", tools=("*",), **more)
    assert (rule.named_tools, rule.matched_tools) == (TOOLS, ())
    assert not rule.matches(ASKED)
    assert rule.names_call(Name.of("files__read"))


def test_the_patterns_that_calls_can_match_are_those_that_are_not_for_questions() -> None:
    tools = ("ask_*", "ASK_form", "files__*", "*", "mail:resources", "f?les__x", "mail", "asking__x")
    assert Rule("x", tools=tools).call_globs == ("files__*", "*", "mail:resources", "f?les__x", "asking__x")


def test_actions_are_ordered_from_the_mildest_to_the_strictest() -> None:
    assert sorted(Action, key=lambda one: one.strictness) == [Action.ALLOW, Action.NOTICE, Action.HOLD, Action.DENY]
    assert [one.permits for one in Action] == [True, True, False, False]
