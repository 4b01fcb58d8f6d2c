"""Rules in words."""

import pytest

from store.policy.demands import Condition
from store.policy.rules import Action, Rule
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
