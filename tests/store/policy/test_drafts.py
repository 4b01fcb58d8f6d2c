"""A rule drafted from one call says what was chosen, and lets through nothing else."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.policy.additions import RULES, START, as_yaml, with_rules
from store.policy.drafts import CannotDraft, Cause, Choices, Lasting, Which, draft, fields_of, left_out, until
from store.policy.effects import rule_of, with_rule
from store.policy.judging import judge
from store.policy.reading import read
from store.policy.rules import Action
from store.policy.verdicts import Called

NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
POLICY = read("version: 1\nupstreams:\n  payments: {command: pay}\n")
PAYMENT = {"amount": 600, "to": "ACME", "meta": {"urgent": True, "note": None}}


def cause(arguments: Mapping[str, Any] = PAYMENT, tool: str = "payments__send") -> Cause:
    return Cause(tool, "payments", "billing-bot", None, arguments, NOW, call_id="call_x")


def drafted(action: Action, which: Which, arguments: Mapping[str, Any] = PAYMENT, *chosen: str) -> Mapping[str, Any]:
    return draft(cause(arguments), Choices(action, which, frozenset(chosen)))


def verdict(rule: Mapping[str, Any], arguments: Mapping[str, Any], agent: str = "billing-bot") -> Action | None:
    """What the rule does with such a call; None where it is not for it."""
    parsed = rule_of(rule)
    said = judge(
        with_rule(POLICY, parsed),
        Called("payments__send", "payments", arguments, agent, NOW),
        given=None,
        spent=lambda _: 0,
    )
    return said.action if parsed.name in said.rules else None


def test_exactly_these_arguments_are_let_through_and_none_besides() -> None:
    rule = drafted(Action.ALLOW, Which.EXACT)

    assert rule == {
        "name": "allow payments__send for billing-bot",
        "tool": "payments__send",
        "agent": "billing-bot",
        "args": {
            "amount": 600,
            "to": "ACME",
            "meta": {"exists": True},
            "meta.urgent": True,
            "meta.note": {"eq": None},
        },
        "other_args": "none",
        "action": "allow",
    }
    assert verdict(rule, PAYMENT) is Action.ALLOW
    for other in (
        {**PAYMENT, "amount": 601},
        {**PAYMENT, "cc": "Mallory"},
        {**PAYMENT, "meta": {**PAYMENT["meta"], "also": 1}},  # type: ignore[dict-item]
        {"amount": 600, "to": "ACME"},
        {"amount": 600, "to": "ACME", "meta.urgent": True, "meta.note": None},
        {"amount": 600, "to": "ACME", "meta": {}, "meta.urgent": True, "meta.note": None},
        {"amount": 600, "to": "ACME", "meta": {"note": None}, "meta.urgent": True},
        {"amount": 600, "to": "ACME", "meta": 5, "meta.urgent": True, "meta.note": None},
    ):
        assert verdict(rule, other) is not Action.ALLOW
    assert verdict(rule, PAYMENT, agent="other-bot") is None


def test_chosen_arguments_are_fixed_and_the_others_must_be_there_and_may_be_anything() -> None:
    rule = drafted(Action.NOTICE, Which.CHOSEN, {"amount": 600, "to": "ACME", "tags": ["a"]}, "to")

    assert rule["args"] == {"amount": {"exists": True}, "to": "ACME", "tags": {"exists": True}}
    assert verdict(rule, {"amount": 1, "to": "ACME", "tags": []}) is Action.NOTICE
    assert verdict(rule, {"amount": 1, "to": "Mallory", "tags": []}) is None
    assert verdict(rule, {"amount": 1, "to": "ACME", "tags": [], "cc": "Mallory"}) is None


def test_any_arguments_of_every_agent() -> None:
    choices = Choices(Action.DENY, Which.ANY, every_agent=True, until="2026-12-01")

    assert draft(cause(), choices) == {
        "name": "deny payments__send for every agent",
        "tool": "payments__send",
        "until": "2026-12-01",
        "action": "deny",
    }


def test_what_holds_is_for_calls_with_further_arguments_too() -> None:
    rule = drafted(Action.HOLD, Which.EXACT, {"amount": 600, "tags": ["a"]})

    assert rule["args"] == {"amount": 600}
    assert "other_args" not in rule
    assert verdict(rule, {"amount": 600, "tags": ["b"], "x": 1}) is Action.HOLD
    choices = Choices(Action.HOLD, Which.EXACT)
    assert [one.name for one in left_out(cause({"amount": 600, "tags": ["a"]}), choices)] == ["tags"]


def test_a_call_without_arguments_is_let_through_without_any() -> None:
    rule = drafted(Action.ALLOW, Which.EXACT, {})

    assert verdict(rule, {}) is Action.ALLOW
    assert verdict(rule, {"x": 1}) is None


@pytest.mark.parametrize(
    "command", ["ls\nrm -rf /", "a\tb", "\N{NO-BREAK SPACE}", "\N{RIGHT-TO-LEFT OVERRIDE}x.*", "\0"]
)
def test_a_text_of_several_lines_is_matched_to_the_character(command: str) -> None:
    rule = drafted(Action.ALLOW, Which.EXACT, {"command": command})

    assert verdict(rule, {"command": command}) is Action.ALLOW
    assert verdict(rule, {"command": command + " "}) is None
    assert verdict(rule, {"command": command.replace("x.*", "xyz").upper() + "!"}) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (["a"], "it is a list"),
        ({}, "it is an object with nothing in it"),
        ("x" * 501, "it is longer than a rule takes"),
        ("a\n" * 200, "it is longer than a rule takes"),
        ("\ud800", "it is no Unicode text"),
        (2**53, "it has more digits than a rule takes"),
        (10**17, "it has more digits than a rule takes"),
        (0.1234567890123456, "it has more digits than a rule takes"),
        ("/a/../b\n", "it goes back by .."),
    ],
)
def test_what_no_rule_can_ask_for_exactly_is_not_let_through(value: object, why: str) -> None:
    with pytest.raises(CannotDraft) as refused:
        drafted(Action.ALLOW, Which.EXACT, {"x": value, "to": "ACME"})
    assert why in refused.value.message
    assert "without this one" in refused.value.hint
    assert drafted(Action.ALLOW, Which.CHOSEN, {"x": value, "to": "ACME"}, "to")["args"] == {
        "x": {"exists": True},
        "to": "ACME",
    }


@pytest.mark.parametrize("name", ["", " x", "x ", "a\nb", "x" * 101, "a..b"])
def test_arguments_whose_names_no_rule_can_write_are_let_through_with_any_only(name: str) -> None:
    for which in (Which.EXACT, Which.CHOSEN):
        with pytest.raises(CannotDraft, match="name"):
            drafted(Action.ALLOW, which, {name: 1, "to": "ACME"}, "to")
    assert "args" not in drafted(Action.ALLOW, Which.ANY, {name: 1})


def test_a_name_with_a_dot_is_never_taken_for_a_field_of_an_object() -> None:
    rule = drafted(Action.ALLOW, Which.CHOSEN, {"a.b": 1, "to": "ACME"}, "to")

    assert verdict(rule, {"a.b": 5, "to": "ACME"}) is Action.ALLOW
    with pytest.raises(CannotDraft, match="reads in another way"):
        drafted(Action.ALLOW, Which.EXACT, {"a.b": 1, "to": "ACME"})


@pytest.mark.parametrize("tool", ["claude_code:*", "payments__sen?", "claude_code:a\nb", "payments__send ", "x" * 300])
def test_a_tool_that_no_rule_can_name_alone_is_not_drafted(tool: str) -> None:
    with pytest.raises(CannotDraft, match="no rule can name"):
        draft(cause(tool=tool), Choices(Action.HOLD, Which.ANY))


def test_nothing_chosen_is_no_choice() -> None:
    for action in (Action.ALLOW, Action.DENY):
        with pytest.raises(CannotDraft, match="no argument is chosen"):
            drafted(action, Which.CHOSEN, PAYMENT, "amounts")


def test_more_arguments_than_a_rule_names_are_let_through_with_any_only() -> None:
    many = {f"a{number}": number for number in range(51)}
    with pytest.raises(CannotDraft, match="51 arguments, and a rule names at most 50"):
        drafted(Action.ALLOW, Which.EXACT, many)
    assert len(drafted(Action.DENY, Which.EXACT, many)["args"]) == 50


def test_a_name_is_taken_once_and_never_too_long() -> None:
    taken = ["Hold payments__send for billing-bot", "hold payments__send for billing-bot (2)"]
    assert draft(cause(), Choices(Action.HOLD, Which.ANY), taken)["name"] == "hold payments__send for billing-bot (3)"
    long = draft(
        Cause("claude_code:" + "x" * 180, "claude_code", "b" * 64, None, {}, NOW), Choices(Action.HOLD, Which.ANY)
    )
    assert len(long["name"]) <= 100


@pytest.mark.parametrize(
    ("lasting", "end", "at"),
    [
        (Lasting.HOUR, "2026-11-22T22:30:00Z", datetime(2026, 11, 22, 22, 30, tzinfo=UTC)),
        (Lasting.TODAY, "2026-11-22", datetime(2026, 11, 23, tzinfo=UTC)),
        (Lasting.WEEK, "2026-11-29", datetime(2026, 11, 30, tzinfo=UTC)),
        (Lasting.MONTH, "2026-12-22", datetime(2026, 12, 23, tzinfo=UTC)),
    ],
)
def test_an_end_is_one_that_the_reader_takes(lasting: Lasting, end: str, at: datetime) -> None:
    assert until(lasting, NOW) == end
    read_back = rule_of(draft(cause(), Choices(Action.HOLD, Which.ANY, until=end))).until
    assert read_back is not None
    assert read_back.at == at
    assert until(Lasting.ALWAYS, NOW) is None


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, 1e22, -0.25]), st.text(max_size=4)
)
NAMES = st.one_of(
    st.sampled_from(["a", "b", "a.b", "b.a"]), st.sampled_from(["true", "x: y", "#", "-"]), st.text(max_size=3)
)
ARGUMENTS = st.dictionaries(
    NAMES, st.one_of(SCALARS, st.dictionaries(NAMES, SCALARS, max_size=2), st.lists(SCALARS, max_size=1)), max_size=3
)


LETTERS = st.text(
    st.one_of(st.sampled_from("\n.*+?()|[]{}^$\\ -#<'/\N{COMBINING ACUTE ACCENT}"), st.characters()), max_size=6
)


@given(one=LETTERS, other=LETTERS)
def test_a_text_with_a_line_end_is_matched_by_itself_alone(one: str, other: str) -> None:
    try:
        rule = drafted(Action.ALLOW, Which.EXACT, {"x": f"{one}\n"})
    except CannotDraft:
        return
    assert verdict(rule, {"x": f"{one}\n"}) is Action.ALLOW
    assert one == other or verdict(rule, {"x": f"{other}\n"}) is not Action.ALLOW


@given(one=ARGUMENTS, other=ARGUMENTS)
def test_whatever_a_call_has_a_draft_that_permits_is_for_just_that(one: dict[str, Any], other: dict[str, Any]) -> None:
    try:
        rule = drafted(Action.ALLOW, Which.EXACT, one)
    except CannotDraft:
        return
    assert verdict(rule, one) is Action.ALLOW
    alike = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert alike or verdict(rule, other) is not Action.ALLOW
    # And it is what a file says that it was added to.
    added = read(with_rules(f"{START}rules:\n- name: first\n", [rule]).text)
    assert added.rules[1] == read(START + as_yaml(RULES, [rule])).rules[0]


@given(arguments=ARGUMENTS, data=st.data())
def test_whatever_is_chosen_a_draft_that_denies_catches_the_call(
    arguments: dict[str, Any], data: st.DataObject
) -> None:
    names = [one.name for one in fields_of(arguments)]
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1)) if names else []
    try:
        rule = drafted(Action.DENY, Which.CHOSEN, arguments, *chosen)
    except CannotDraft:
        return
    assert verdict(rule, {**arguments, "one more": 1}) is Action.DENY


@st.composite
def nested_and_flattened(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments with objects in them, and the same with some fields moved out, under names that read the same."""
    leaves = st.sampled_from([1, None, "x"])
    objects = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from("ab"), inner, min_size=1, max_size=2))
    one = draw(st.dictionaries(st.sampled_from("ab"), objects, min_size=1, max_size=2))

    def flattened(holder: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in holder.items():
            found[key] = value
            if isinstance(value, dict):
                inner = flattened(value)
                moved = {name for name in inner if draw(st.booleans())}
                found |= {f"{key}.{name}": inner[name] for name in moved}
                found[key] = {name: inner[name] for name in inner if name not in moved}
                if not found[key] and draw(st.booleans()):
                    del found[key]
        return found

    return one, flattened(one)


@given(both=nested_and_flattened())
def test_fields_of_objects_are_not_taken_for_arguments_of_the_same_name(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    one, other = both
    rule = drafted(Action.ALLOW, Which.EXACT, one)
    assert verdict(rule, one) is Action.ALLOW
    assert one == other or verdict(rule, other) is not Action.ALLOW
