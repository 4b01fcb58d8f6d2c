"""What a rule of a file says of calls: its tests of arguments, hours, expressions, budgets and rates."""

from typing import Any

import pytest

from store.policy.arguments import Check, Matcher, Op
from store.policy.budgets import Budget
from store.policy.hours import hours_of
from store.policy.reading import PolicyMistake, read
from store.policy.rules import Action, Place, Rule
from store.policy.until import until_of

FILE = "version: 1\nrules:\n  - name: x\n    tool: a__b\n    action: allow\n    {}\n"


def rule(line: str) -> Rule:
    (only,) = read(FILE.format(line)).rules
    return only


def refused(line: str) -> tuple[str, Place | None]:
    with pytest.raises(PolicyMistake) as caught:
        rule(line)
    return caught.value.message.partition(": ")[2], caught.value.place


def test_a_rule_is_read_with_all_that_it_says_of_calls() -> None:
    text = """
version: 1
rules:
  - name: small payments
    tool: ["payments__send", "payments__repeat"]
    action: notice
    args:
      amount: {gt: 0, le: 500.5}
      currency: EUR
      "to.country": [DE, AT, 5, true, null]
      memo: {longer: 3, matches: "[a-z ]*", glob: "a*", ne: "", not_in: [b]}
      cc: {exists: false}
    when: "args.amount < 100 || agent == 'billing'"
    hours: [mon-fri 08:00-18:00 Europe/Berlin, "sat 08:00-12:00"]
    budget:
      - {sum: args.to.amount, per: day, max: 1000.25}
      - {sum: calls, per: week, max: 7, each: agent}
    rate: 10/minute
"""
    assert read(text).rules == (
        Rule(
            "small payments",
            tools=("payments__send", "payments__repeat"),
            action=Action.NOTICE,
            arguments=(
                Matcher("amount", (Check(Op.GT, 0), Check(Op.LE, 500.5))),
                Matcher("currency", (Check(Op.EQ, "EUR"),)),
                Matcher("to.country", (Check(Op.IN, ("DE", "AT", 5, True, None)),)),
                Matcher(
                    "memo",
                    (
                        Check(Op.LONGER, 3),
                        Check(Op.MATCHES, "[a-z ]*"),
                        Check(Op.GLOB, "a*"),
                        Check(Op.NE, ""),
                        Check(Op.NOT_IN, ("b",)),
                    ),
                ),
                Matcher("cc", (Check(Op.EXISTS, False),)),
            ),
            when="args.amount < 100 || agent == 'billing'",
            hours=(hours_of("mon-fri 08:00-18:00 Europe/Berlin"), hours_of("sat 08:00-12:00")),
            budgets=(
                Budget("to.amount", 86_400, 1_000_250_000),
                Budget(None, 604_800, 7_000_000, each_agent=True),
                Budget(None, 60, 10_000_000),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("5.0", 5.0),
        ("1e3", 1000.0),
        ("true", True),
        ("null", None),
        ("~", None),
        ("no", "no"),
        ("'5'", "5"),
        ("''", ""),
        ("' a '", " a "),
    ],
)
def test_a_plain_value_has_the_type_that_json_would_have(written: str, value: Any) -> None:
    (matcher,) = rule(f"args: {{a: {written}}}").arguments
    (check,) = matcher.checks
    assert (check.op, check.value, type(check.value)) == (Op.EQ, value, type(value))


def test_where_each_argument_stands_is_remembered() -> None:
    assert read(FILE.format("args: {amount: 5, to: x}")).places["rules", 0, "args", "to"] == Place(6, 23)


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        ("args: []", "args should be fields, such as name: value", 11),
        ("args: {}", "args should name 1 to 50 arguments", 11),
        ("args: {a..b: 5}", "'a..b' is no name of an argument", 12),
        ("args: {.a: 5}", "'.a' is no name of an argument", 12),
        ("args: {a: 5, a: 6}", "'a' stands here twice", 18),
        ("args: {a: {}}", "the test of a is empty", 15),
        ("args: {a: {above: 5}}", "the test of a has no field 'above'", 16),
        ("args: {a: {gt: many}}", "gt of a should be a number", 20),
        ("args: {a: {gt: true}}", "gt of a should be a number", 20),
        ("args: {a: {gt: '5'}}", "gt of a should be a number", 20),
        ("args: {a: {gt: .inf}}", "gt of a should be a number in plain digits, such as 500 or -0.25", 20),
        ("args: {a: {gt: .nan}}", "gt of a should be a number in plain digits, such as 500 or -0.25", 20),
        ("args: {a: {gt: 1e999}}", "gt of a should be a number in plain digits, such as 500 or -0.25", 20),
        ("args: {a: {gt: 0x10}}", "gt of a should be a number in plain digits, such as 500 or -0.25", 20),
        (
            "args: {a: {gt: 10000000000000000000}}",
            "gt of a should be a number in plain digits, such as 500 or -0.25",
            20,
        ),
        ("args: {a: {in: []}}", "in of a should list 1 to 500 values", 20),
        ("args: {a: {in: x}}", "in of a should be a list", 20),
        ("args: {a: [[x]]}", "a should be a text; in quotes, if it looks like something else", 16),
        ("args: {a: {exists: yes}}", "exists of a should be true or false", 24),
        ("args: {a: {longer: -1}}", "longer of a should be a number from 0 to 100,000,000", 24),
        ("args: {a: {matches: '('}}", "matches of a is no RE2 expression: missing ): (", 25),
        ("args: {a: {matches: '(a)\\1'}}", "matches of a is no RE2 expression: invalid escape sequence: \\1", 25),
        ("args: {a: {glob: 5}}", "glob of a should be a text; in quotes, if it looks like something else", 22),
        (f"args: {{a: {'x' * 501}}}", "a should be at most 500 characters in one line", 15),
        ("when: 5", "when should be a text; in quotes, if it looks like something else", 11),
        ("when: true", "when should be a text; in quotes, if it looks like something else", 11),
        (f"when: {'x' * 1001}", "when should be 1 to 1000 characters in one line", 11),
        ("hours: weekdays", "hours should look like mon-fri 08:00-18:00 Europe/Berlin", 12),
        ("hours: []", "hours should list 1 to 20", 12),
        ("budget: 5", "budget should be fields, such as name: value", 13),
        ("budget: []", "there should be 1 to 5 budgets", 13),
        ("budget: {sum: calls, per: day}", "the budget has no max", 13),
        ("budget: {sum: amount, per: day, max: 5}", "sum should be calls, or an argument such as args.amount", 19),
        ("budget: {sum: args., per: day, max: 5}", "sum should be calls, or an argument such as args.amount", 19),
        ("budget: {sum: calls, per: month, max: 5}", "per should be one of minute, hour, day, week", 31),
        (
            "budget: {sum: calls, per: day, max: 0}",
            "max should be more than 0, at most 10^12, and of at most 6 decimals",
            41,
        ),
        (
            "budget: {sum: calls, per: day, max: 0.0000001}",
            "max should be more than 0, at most 10^12, and of at most 6 decimals",
            41,
        ),
        ("budget: {sum: calls, per: day, max: 5, each: person}", "each should be agent, or left out", 50),
        ("rate: 10", "rate should be a text; in quotes, if it looks like something else", 11),
        ("rate: 10/month", "rate should look like 10/minute: 1 to 1,000,000 calls, and minute, hour, day, week", 11),
        ("rate: 0/day", "rate should look like 10/minute: 1 to 1,000,000 calls, and minute, hour, day, week", 11),
        ("rate: 1000001/day", "rate should look like 10/minute: 1 to 1,000,000 calls, and minute, hour, day, week", 11),
    ],
)
def test_a_mistake_refuses_the_file_with_its_place(line: str, message: str, column: int) -> None:
    assert refused(line) == (message, Place(6, column))


@pytest.mark.parametrize("action", ["hold", "deny"])
@pytest.mark.parametrize("line", ["budget: {sum: calls, per: day, max: 5}", "rate: 5/day"])
def test_only_rules_that_permit_have_budgets(action: str, line: str) -> None:
    with pytest.raises(PolicyMistake, match="is for rules with action allow or notice"):
        read(FILE.replace("allow", action).format(line))


def test_an_expression_is_read_without_looking_at_it() -> None:
    assert rule("when: 'this is ( none'").when == "this is ( none"


@pytest.mark.parametrize("text", ["'2026-12-31'", "2026-12-31T18:00+01:00", '"2026-12-31T18:00:00Z"'])
def test_a_rule_says_until_when_it_holds(text: str) -> None:
    assert rule(f"until: {text}").until == until_of(text.strip("'\""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-12-31", "until should be a text; in quotes, if it looks like something else"),
        ("5", "until should be a text"),
        ("[]", "until should be a text"),
        ("'2026-12-31T18:00'", "until should be a date, or a time with its offset from UTC"),
        ("'2026-02-30'", "there is no 2026-02-30 in the calendar"),
    ],
)
def test_what_is_no_moment_is_refused_where_it_stands(text: str, message: str) -> None:
    said, place = refused(f"until: {text}")
    assert said.startswith(message)
    assert place == Place(6, 12)


def test_a_tool_of_a_clients_own_has_room_for_its_whole_name() -> None:
    name = f"gemini_cli:{'x' * 200}"
    (only,) = read(f"version: 1\nrules:\n  - {{name: x, tool: '{name}', except: '{name}*'}}\n").rules
    assert (only.tools, only.exceptions) == ((name,), (f"{name}*",))
    with pytest.raises(PolicyMistake, match="agent should be 1 to 100 characters"):
        read(f"version: 1\nrules:\n  - {{name: x, tool: a__b, agent: {'x' * 101}}}\n")


def test_a_rule_can_be_for_calls_without_other_arguments() -> None:
    assert rule("other_args: none").no_other_arguments
    assert not rule("args: {a: 1}").no_other_arguments
    assert refused("other_args: 1")[0] == "other_args should be a text; in quotes, if it looks like something else"
    assert refused("other_args: some")[0] == "other_args should be none, or left out"
