"""What is wrong or doubtful about upstreams, and about rules for their calls."""

from datetime import UTC, datetime, timedelta

import pytest

from store.policy.findings import Finding, Known, findings
from store.policy.reading import read
from store.policy.rules import Place

EVERYBODY = Known(
    deciding=frozenset({"ana", "ben"}),
    others=frozenset(),
    with_passkey=frozenset({"ana", "ben"}),
    agents=frozenset({"billing"}),
    workflows=frozenset({"pay"}),
)
FILE = "version: 1\nupstreams: {{files: {{command: files}}, payments: {{command: pay}}}}\nrules:\n  - name: x\n    {}\n"


def found(*lines: str, known: Known | None = EVERYBODY) -> list[Finding]:
    return findings(read(FILE.format("\n    ".join(lines))), known)


def refusing(message: str, line: int, column: int = 5) -> Finding:
    return Finding(message, Place(line, column), refuses=True)


def warning(message: str, line: int, column: int = 5) -> Finding:
    return Finding(message, Place(line, column), refuses=False)


@pytest.mark.parametrize(
    "lines",
    [
        ["tool: files__read", "action: allow"],
        ["tool: files*", "action: allow"],
        ["tool: '*__drop'", "action: deny"],
        ["tool: files:resources", "action: notice"],
        ["tool: 'files:prompts/*'", "action: allow"],
        ["tool: FILES__DROP", "action: deny"],
        ["tool: payments__send", "approvals: 2", "require: passkey"],
        ["tool: payments__send"],
        ["tool: ['payments__*', 'ask_form']", "reviewers: ana"],
        ["tool: payments__send", "action: allow", "args: {amount: {gt: 0, le: 500}}", "agent: billing"],
        ["tool: payments__send", "action: allow", "args: {currency: EUR, memo: {longer: 3}}", "workflow: pay"],
        ["tool: payments__send", "args: {amount: {gt: 500}}"],
        ["tool: payments__send", "action: deny", "when: args.amount > 500"],
        ["tool: payments__send", "action: allow", "rate: 10/minute", "hours: 08:00-18:00"],
        ["tool: 'payments__*'", "except: payments__send", "action: allow"],
    ],
)
def test_rules_that_do_what_they_say_are_left_alone(lines: list[str]) -> None:
    assert found(*lines) == []


def test_a_rule_for_an_upstream_that_there_is_not_is_refused() -> None:
    message = "the rule 'x' never matches: it names no upstream of this file, and there are files and payments"
    for tool in ("paymnts__send", "payments-send__x", "mail:resources", "payments__", "files:prompts"):
        assert found(f"tool: '{tool}'", "action: deny") == [refusing(message, 5)]
    none = read("version: 1\nrules: [{name: x, tool: a__b}]")
    message = "the rule 'x' never matches: it names no upstream of this file, and there is none"
    assert findings(none, None) == [refusing(message, 2, 19)]


def test_a_rule_that_permits_needs_the_very_name_of_an_upstream() -> None:
    assert found("tool: FILES__READ", "action: allow")[0].refuses
    assert found("tool: FILES__READ", "action: deny") == []


def test_one_pattern_of_several_that_matches_nothing_is_a_warning() -> None:
    says = "the rule 'x' is for paymnts__send, and there is no such upstream or client"
    assert found("tool: ['files__drop', 'paymnts__send']", "action: deny") == [warning(says, 5, 27)]


def test_a_rule_that_excepts_all_that_it_names_is_refused() -> None:
    says = "the rule 'x' never matches: it excepts all that it names"
    assert found("tool: files__read_*", "except: files__*") == [refusing(says, 5)]
    assert found("tool: files__*", "except: files__read_*") == []


@pytest.mark.parametrize(
    "line", ["args: {a: 5}", "hours: 08:00-18:00", "when: tool == 'x'", "args: {a: {exists: true}}"]
)
def test_a_rule_for_questions_that_looks_at_calls_is_refused(line: str) -> None:
    fields = "args, hours, until, when, budget and rate"
    says = f"the rule 'x' never matches: {fields} are for calls of upstreams, and it names none"
    assert found(line) == [refusing(says, 4)]
    assert found("tool: ask_form", "action: deny", line) == [refusing(says, 5)]
    assert found("tool: '*'", "action: deny", line) == []


def test_a_rule_that_permits_questions_changes_nothing_which_is_a_warning() -> None:
    says = "the rule 'x' changes nothing: questions are put to people whatever allows them"
    assert found("tool: ask_form", "action: allow") == [warning(says, 5)]
    assert found("tool: ask_form", "action: allow", "rate: 5/day")[0].refuses


def test_a_rule_from_some_risk_upwards_matches_no_call() -> None:
    never = "the rule 'x' never matches: calls claim no risk, which counts as low"
    assert found("tool: payments__send", "risk: high") == [refusing(never, 6)]
    assert found("tool: payments__send", "action: allow", "risk: medium") == [refusing(never, 7)]
    assert found("tool: payments__send", "risk: low") == []
    partly = "the rule 'x' governs no call of an upstream: calls claim no risk, which counts as low"
    assert warning(partly, 6) in found("tool: '*'", "risk: high", "reviewers: ana")


@pytest.mark.parametrize(
    "test",
    [
        "{gt: 500, lt: 500}",
        "{gt: 5, le: 5}",
        "{ge: 6, le: 5.5}",
        "{eq: 5, gt: 5}",
        "{eq: a, in: [b, c]}",
        "{in: [a, b], not_in: [b, a]}",
        "{eq: a, ne: a}",
        "{in: [1, 2], gt: 2}",
        "{eq: ab, longer: 2}",
        "{eq: ab, glob: 'b*'}",
        "{exists: false, eq: 5}",
        "{exists: false, longer: 5}",
        "{glob: 'a*', gt: 5}",
        "{longer: 5, gt: 5}",
        "{ne: a, gt: 5}",
    ],
)
@pytest.mark.parametrize("action", ["allow", "hold", "deny"])
def test_tests_that_contradict_each_other_are_refused(test: str, action: str) -> None:
    says = "the rule 'x' never matches: no amount is all that it asks"
    assert found("tool: payments__send", f"action: {action}", f"args: {{amount: {test}}}") == [refusing(says, 7, 12)]


@pytest.mark.parametrize(
    "test",
    [
        "{ge: 5, le: 5}",
        "{in: [1, 3], gt: 2}",
        "{glob: 'a*', longer: 5}",
        "{ne: null, glob: '*'}",
        "{ne: 5, gt: 0, lt: 9}",
    ],
)
def test_tests_that_something_can_pass_are_left_alone(test: str) -> None:
    assert found("tool: payments__send", "action: allow", f"args: {{amount: {test}}}") == []


def test_a_bound_on_one_side_only_is_a_warning_where_it_permits() -> None:
    lines = "tool: payments__send", "action: allow"
    lower = "the rule 'x' sets no lower bound for amount: it lets less than nothing through"
    upper = "the rule 'x' sets no upper bound for amount: it lets any amount through"
    assert found(*lines, "args: {amount: {le: 500}}") == [warning(lower, 7, 12)]
    assert found(*lines, "args: {amount: {gt: 0}}") == [warning(upper, 7, 12)]
    assert found("tool: payments__send", "action: hold", "args: {amount: {gt: 500}}") == []


@pytest.mark.parametrize(
    ("expression", "mistake"),
    [
        ("args.amount >", "is not an expression: 1:14: Syntax error: "),
        ("amount > 5", "is not an expression: 1:1: undeclared reference to 'amount'; there are tool, "),
        ("1 + 1", "should be true or false, and is int"),
        ("args.a.all(x, args.a.all(y, x == y))", "iterates within an iteration, which is not taken"),
    ],
)
def test_what_is_no_condition_is_refused(expression: str, mistake: str) -> None:
    (only,) = found("tool: payments__send", f"when: '{expression}'")
    assert only.message.startswith(f"the `when` of the rule 'x' {mistake}")
    assert (only.place, only.refuses) == (Place(6, 5), True)


@pytest.mark.parametrize(
    ("first", "second", "shadows"),
    [
        ("tool: payments__send, action: allow", "tool: 'payments__*', action: deny", "denies"),
        ("tool: payments__send, action: allow", "tool: 'PAYMENTS__*'", "holds"),
        ("tool: payments__send, action: allow, agent: billing", "tool: '*', action: deny", "denies"),
        ("tool: payments__send, action: allow, args: {a: 5}", "tool: payments__*, action: notice", "notices"),
        ("tool: payments__send, action: notice", "tool: payments__*", "holds"),
        ("tool: payments__send, action: allow", "tool: PAYMENTS__*, action: notice", None),
        ("tool: payments__send, action: allow", "tool: payments__*, agent: billing", None),
        ("tool: payments__send, action: allow", "tool: payments__*, args: {amount: {gt: 5}}", None),
        ("tool: payments__send, action: allow", "tool: payments__*, except: payments__s*", None),
        ("tool: payments__*, action: allow", "tool: payments__send", None),
        ("tool: payments__send, action: notice", "tool: payments__*, action: allow", None),
    ],
)
def test_a_rule_that_permits_what_a_stricter_one_has_wholly_is_a_warning(
    first: str, second: str, shadows: str | None
) -> None:
    text = FILE.partition("rules:")[0].format() + f"rules:\n  - {{name: x, {first}}}\n  - {{name: y, {second}}}\n"
    said = [one for one in findings(read(text), EVERYBODY) if "never counts" in one.message]
    wanted = [] if shadows is None else [warning(f"the rule 'x' never counts: 'y' {shadows} all that it matches", 4)]
    assert said == [one for one in wanted if "upstream" not in one.message]


def test_a_rule_for_a_workflow_that_no_agent_was_given_is_a_warning() -> None:
    says = "the rule 'x' is for no workflow that an agent was given"
    assert found("tool: payments__send", "action: allow", "workflow: Pay") == [warning(says, 7)]
    assert found("tool: payments__send", "workflow: Pay") == []


def test_a_rule_that_permits_an_agent_by_another_case_is_for_none() -> None:
    says = "the rule 'x' is for no agent that there is"
    assert found("tool: payments__send", "action: allow", "agent: Billing") == [warning(says, 7)]
    assert found("tool: payments__send", "agent: Billing") == []


def test_several_approvals_are_for_held_calls_too_and_not_for_other_questions() -> None:
    assert found("tool: payments__send", "approvals: 2") == []
    assert found("tool: '*'", "approvals: 2")[0].refuses


@pytest.mark.parametrize("url", ["http://tools.example.org/mcp", "http://10.0.0.1/mcp"])
def test_an_upstream_that_is_called_in_clear_is_a_warning(url: str) -> None:
    says = "the upstream 'a' is called without TLS: others can read and change what passes"
    assert findings(read(f"version: 1\nupstreams: {{a: {{url: '{url}'}}}}"), None) == [warning(says, 2, 17)]


@pytest.mark.parametrize(
    "url",
    ["https://tools.example.org", "http://127.0.0.1:5/mcp", "http://[::1]/", "http://localhost", "http://a.localhost"],
)
def test_one_on_this_machine_or_behind_tls_is_none(url: str) -> None:
    assert findings(read(f"version: 1\nupstreams: {{a: {{url: '{url}'}}}}"), None) == []


def test_a_secret_that_stands_in_the_file_is_a_warning_that_does_not_repeat_it() -> None:
    text = "version: 1\nupstreams: {a: {command: x, env: {API_KEY: s3cret, B_TOKEN: '{{env:B}}', LANG: C}}}"
    says = "the upstream 'a' has API_KEY in env for every reader of the file: write {{env:NAME}} instead of the value"
    assert findings(read(text), None) == [warning(says, 2, 29)]


@pytest.mark.parametrize("tool", ["claude_code:Bash", "claude_code:*", "*:Bash", "codex:*", "CLAUDE_CODE:bash"])
def test_tools_of_clients_own_can_be_named_whatever_upstreams_there_are(tool: str) -> None:
    text = f"version: 1\nrules: [{{name: x, tool: '{tool}', action: deny}}]"
    assert findings(read(text), EVERYBODY) == []


def test_a_client_that_there_is_not_is_no_upstream_either() -> None:
    text = "version: 1\nrules: [{name: x, tool: 'claude:Bash', action: deny}]"
    message = "the rule 'x' never matches: it names no upstream of this file, and there is none"
    assert findings(read(text), EVERYBODY) == [refusing(message, 2, 19)]


def test_an_upstream_that_is_called_like_a_client_is_refused_and_can_be_read() -> None:
    policy = read("version: 1\nupstreams:\n  cursor: {command: x}\n")
    message = "an upstream cannot be called 'cursor': rules know tools of Cursor by it"
    assert findings(policy, EVERYBODY) == [refusing(message, 3, 3)]


def test_a_rule_that_is_over_is_a_warning_from_that_moment_on() -> None:
    lines = ["tool: files__read", "action: allow", "until: '2026-11-30'"]
    policy = read(FILE.format("\n    ".join(lines)))
    over = datetime(2026, 12, 1, tzinfo=UTC)
    says = "the rule 'x' is over since 2026-12-01 at 00:00 UTC, and matches nothing"
    assert findings(policy, EVERYBODY, over - timedelta(microseconds=1)) == []
    assert findings(policy, EVERYBODY, over) == [warning(says, 7)]
    assert findings(policy, EVERYBODY) == []


def test_a_rule_for_questions_cannot_end() -> None:
    says = "never matches: args, hours, until, when, budget and rate are for calls of upstreams, and it names none"
    assert found("tool: ask_approval", "approvals: 2", "until: '2026-11-30'")[0].message == f"the rule 'x' {says}"


def test_a_strict_rule_that_ends_shadows_nothing() -> None:
    text = FILE.format("tool: files__read\n    action: allow\n  - {name: y, tool: files__*, action: deny, until: '%s'}")
    assert findings(read(text % "2026-11-30"), EVERYBODY) == []
