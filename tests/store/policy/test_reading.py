"""A policy file is read as it stands, or refused whole with the place of its mistake."""

import hashlib

import pytest

from store.policy.reading import PolicyMistake, read
from store.policy.rules import Action, Group, Place, Policy, Rule
from store.questions import Risk

WHOLE = """\
version: 1
groups:
  finance: [ana, Ben]
  oncall: [no, "007"]
rules:
  - name: two for production
    tool: ask_approval
    except: "ask_form"
    agent: [deploy-*, "build-?"]
    workflow: release
    risk: high
    reviewers: [finance, carl]
    approvals: 2
    timeout: 4h
    require: passkey
    not_owner: true
    escalate: oncall
    reason: required
  - name: never
    tool: "ask_text_input"
    action: deny
    reason: Ask the data team.
"""
SMALL = "version: 1\nrules:\n  - name: x\n    {}\n"


def refused(text: str) -> tuple[str, Place | None]:
    """Message, without its place, and place."""
    with pytest.raises(PolicyMistake) as caught:
        read(text)
    return caught.value.message.partition(": ")[2] if caught.value.place else caught.value.message, caught.value.place


def test_a_file_is_read_with_everything_that_it_says() -> None:
    assert read(WHOLE) == Policy(
        hashlib.sha256(WHOLE.encode()).hexdigest(),
        (Group("finance", ("ana", "Ben")), Group("oncall", ("no", "007"))),
        (
            Rule(
                "two for production",
                tools=("ask_approval",),
                exceptions=("ask_form",),
                agents=("deploy-*", "build-?"),
                workflows=("release",),
                risk=Risk.HIGH,
                reviewers=("finance", "carl"),
                approvals=2,
                timeout_seconds=4 * 3600,
                passkey=True,
                not_owner=True,
                escalate=("oncall",),
                reason_required=True,
            ),
            Rule("never", tools=("ask_text_input",), action=Action.DENY, denial="Ask the data team."),
        ),
    )


def test_it_remembers_where_everything_stands() -> None:
    places = read(WHOLE).places
    assert places["rules", 0, "reviewers", 1] == Place(12, 26)
    assert places["groups", "finance", 1] == Place(3, 18)
    assert places["rules", 1] == Place(19, 5)


@pytest.mark.parametrize("text", ["version: 1", "version: 1\nrules: []\ngroups: {}\n", "# rules\n---\nversion: 1\n"])
def test_a_file_may_have_no_rules(text: str) -> None:
    assert read(text) == Policy(hashlib.sha256(text.encode()).hexdigest(), (), ())


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86_400), ("1 h", 3600), ("45", 45)]
)
def test_a_timeout_is_a_number_with_its_unit_or_plain_seconds(written: str, seconds: int) -> None:
    assert read(SMALL.format(f"timeout: {written}")).rules == (Rule("x", timeout_seconds=seconds),)


@pytest.mark.parametrize("written", ["25h", "0s", "0", "86401", "-1", "1.5h", "soon", "4h30m", "[4h]", "٤h", "1_000"])
def test_a_timeout_beyond_a_day_or_of_another_form_is_refused(written: str) -> None:
    message, place = refused(SMALL.format(f"timeout: {written}"))
    assert message.startswith("timeout should be ")
    assert place == Place(4, 14)


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        ("approvers: 2", "a rule has no field 'approvers'", 5),
        ("upstream: x", "a rule has no field 'upstream'", 5),
        ("name: y", "'name' stands here twice", 5),
        ("approvals: 0", "approvals should be a number from 1 to 10", 16),
        ("approvals: 11", "approvals should be a number from 1 to 10", 16),
        ("approvals: two", "approvals should be a number from 1 to 10", 16),
        ("approvals: 0x2", "approvals should be a number from 1 to 10", 16),
        ("approvals: 2.0", "approvals should be a number from 1 to 10", 16),
        ("risk: urgent", "risk should be one of low, medium, high, critical", 11),
        ("action: permit", "action should be one of allow, notice, hold, deny", 13),
        ("action: allow", "a rule with action allow should name its tools", 5),
        ("action: notice", "a rule with action notice should name its tools", 5),
        ("require: otp", "require should be passkey, or left out", 14),
        ("reason: please", "reason should be required, or left out", 13),
        ("not_owner: yes", "not_owner should be true or false", 16),
        ("reviewers: []", "reviewers should name 1 to 500", 16),
        ("reviewers: ~", "reviewers should be a text; in quotes, if it looks like something else", 16),
        ("reviewers: [7]", "reviewers should be a text; in quotes, if it looks like something else", 17),
        ("reviewers: {a: b}", "reviewers should be a text; in quotes, if it looks like something else", 16),
        ("agent: ''", "agent should be 1 to 100 characters in one line", 12),
        ('agent: "a\\nb"', "agent should be 1 to 100 characters in one line", 12),
        ('agent: "a\\u202eb"', "agent should be 1 to 100 characters in one line", 12),
        ("agent: &a x", "anchors and aliases (& and *) are not taken", 12),
        ("agent: !!str x", None, 0),
        ("agent: !own x", "agent should be a text; in quotes, if it looks like something else", 12),
        ("agent: !!python/name:os.system x", "agent should be a text; in quotes, if it looks like something else", 12),
        ("agent: !own [x]", "agent should be a text; in quotes, if it looks like something else", 12),
        ("agent: [[[[[[[[[x]]]]]]]]]", "this is nested more than 8 deep", 17),
        ("agent: [x", "this is not YAML: ", 0),
        ("\tagent: x", "this is not YAML: ", 0),
    ],
)
def test_a_mistake_refuses_the_file_with_its_place(line: str, message: str | None, column: int) -> None:
    if message is None:
        assert read(SMALL.format(line)).rules == (Rule("x", agents=("x",)),)
        return
    said, place = refused(SMALL.format(line))
    if column:
        assert (said, place) == (message, Place(4, column))
    else:
        assert said.startswith(message)
        assert place is not None


@pytest.mark.parametrize(
    "field", ["reviewers: ana", "approvals: 2", "timeout: 4h", "require: passkey", "not_owner: true", "escalate: ana"]
)
def test_a_rule_that_denies_asks_nobody(field: str) -> None:
    name = field.partition(":")[0]
    message, place = refused(SMALL.format(f"action: deny\n    {field}"))
    assert (message, place) == (f"a rule that denies asks nobody: {name} has no meaning in it", Place(5, 5))


@pytest.mark.parametrize("action", ["allow", "notice"])
@pytest.mark.parametrize("field", ["reviewers: ana", "approvals: 2", "timeout: 4h", "require: passkey", "reason: x"])
def test_a_rule_that_permits_asks_nobody(action: str, field: str) -> None:
    name = field.partition(":")[0]
    message, place = refused(SMALL.format(f"tool: a__b\n    action: {action}\n    {field}"))
    does = {"allow": "allows", "notice": "notices"}[action]
    assert (message, place) == (f"a rule that {does} asks nobody: {name} has no meaning in it", Place(6, 5))


@pytest.mark.parametrize("default", [Action.HOLD, Action.DENY])
def test_what_no_rule_matches_is_held_or_denied(default: Action) -> None:
    assert read(f"version: 1\ndefault: {default}").default is default
    assert read("version: 1").default is Action.HOLD


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "the file is empty", None),
        ("# nothing\n", "the file is empty", None),
        ("rules: []", "the file has no version", Place(1, 1)),
        ("version: 2", "version should be 1", Place(1, 10)),
        ("version: '1'", "version should be 1", Place(1, 10)),
        ("- version: 1", "the file should be fields, such as name: value", Place(1, 1)),
        ("version: 1\nversion: 1", "'version' stands here twice", Place(2, 1)),
        ("version: 1\ndefaults: hold", "the file has no field 'defaults'", Place(2, 1)),
        (
            "version: 1\ndefault: allow",
            "default should be hold or deny: what nobody thought of is never let through",
            Place(2, 10),
        ),
        (
            "version: 1\ndefault: notice",
            "default should be hold or deny: what nobody thought of is never let through",
            Place(2, 10),
        ),
        ("version: 1\ndefault: ask", "default should be one of allow, notice, hold, deny", Place(2, 10)),
        ("version: 1\nrules: {}", "rules should be a list", Place(2, 8)),
        ("version: 1\nrules: [{tool: x}]", "this rule has no name", Place(2, 9)),
        ("version: 1\nrules: [{name: a}, {name: A}]", "there is a rule 'A' already", Place(2, 21)),
        ("version: 1\nrules: [{name: High risk needs a reason}]", None, Place(2, 10)),
        ("version: 1\ngroups: {a: [x], A: [y]}", "there is a group 'A' already", Place(2, 18)),
        ("version: 1\ngroups: {a: []}", "the group 'a' should name 1 to 500", Place(2, 13)),
        ("version: 1\n---\nversion: 1", "this is not YAML: but found another document", Place(2, 1)),
        ("%YAML 1.1\n---\nversion: 1", "directives (%) are not taken", Place(2, 1)),
        ("[" * 50_000, "this is nested more than 8 deep", Place(1, 9)),
        ("version: 1 #" + "x" * 256 * 1024, "the file is longer than 256 KiB", None),
        ("version: 1" + "\n" * 20_001, "the file has more than 20,000 lines", None),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_refused(text: str, message: str | None, place: Place) -> None:
    said, where = refused(text)
    assert where == place
    assert message is None or said == message


@pytest.mark.parametrize("text", ["\x07", "version: \ud800", "a: \x00"])
def test_what_is_no_text_is_refused(text: str) -> None:
    assert refused(text)[0].startswith("this is not YAML: ")


def test_an_unknown_field_is_told_what_was_probably_meant() -> None:
    with pytest.raises(PolicyMistake) as caught:
        read(SMALL.format("reviewer: ana"))
    assert caught.value.hint == "Did you mean reviewers?"


def test_more_than_a_thousand_rules_are_refused() -> None:
    many = "".join(f"\n- {{name: r{number}}}" for number in range(1_001))
    assert refused(f"version: 1\nrules:{many}") == ("there are more than 1,000 rules", Place(1_003, 3))
