"""What looks like protection and is none refuses a policy; what is doubtful is a warning."""

import pytest

from store.policy.findings import Finding, Known, findings
from store.policy.reading import read
from store.policy.rules import Place

EVERYBODY = Known(
    deciding=frozenset({"ana", "ben", "carl"}),
    others=frozenset({"ada"}),
    with_passkey=frozenset({"ana"}),
    agents=frozenset({"deploy-bot"}),
    workflows=frozenset({"release"}),
)
RULE = "version: 1\ngroups: {{finance: [ana, BEN]}}\nrules:\n  - name: x\n    {}\n"
OK = "reviewers: finance"


def found(*lines: str, known: Known | None = EVERYBODY) -> list[Finding]:
    return findings(read(RULE.format("\n    ".join(lines))), known)


def refusing(message: str, line: int, column: int) -> Finding:
    return Finding(message, Place(line, column), refuses=True)


def warning(message: str, line: int, column: int) -> Finding:
    return Finding(message, Place(line, column), refuses=False)


@pytest.mark.parametrize(
    "lines",
    [
        ["reviewers: [finance, Carl]"],
        ["tool: ask_approval", "approvals: 3"],
        ["reviewers: ana", "require: passkey"],
        ["reviewers: finance", "escalate: carl"],
        ["risk: low", "reason: required"],
        ["risk: high", "agent: deploy-*", "reason: required"],
        ["risk: high", "workflow: release", "reason: required"],
        ["action: deny", "tool: ask_form"],
    ],
)
def test_rules_that_can_be_satisfied_and_govern_something_are_left_alone(lines: list[str]) -> None:
    assert found(*lines) == []


def test_a_person_that_there_is_not_is_refused_in_rules_escalations_and_groups() -> None:
    assert found("reviewers: [ana, bem]", "escalate: [zoe]") == [
        refusing("the rule 'x' names 'bem', and there is no such person", 5, 22),
        refusing("the rule 'x' names 'zoe', and there is no such person", 6, 16),
    ]
    wrong = read("version: 1\ngroups: {a: [zoe]}\n")
    assert findings(wrong, EVERYBODY) == [refusing("the group 'a' names 'zoe', and there is no such person", 2, 14)]


def test_somebody_who_decides_nothing_is_a_warning() -> None:
    assert found("reviewers: [ana, ada]") == [
        warning("the rule 'x' names 'ada', who decides nothing: an auditor, or disabled", 5, 22)
    ]


def test_more_approvals_than_people_are_refused() -> None:
    assert found("tool: ask_approval", "reviewers: [finance, ada, Ana]", "approvals: 3") == [
        warning("the rule 'x' names 'ada', who decides nothing: an auditor, or disabled", 6, 26),
        refusing("the rule 'x' wants 3 approvals, and 2 people may give them", 7, 5),
    ]
    assert found("tool: ask_approval", "approvals: 4") == [
        refusing("the rule 'x' wants 4 approvals, and 3 people may give them", 6, 5)
    ]


def test_a_rule_that_only_people_may_answer_who_decide_nothing_is_refused() -> None:
    assert found("reviewers: ada")[:1] == [refusing("the rule 'x' wants 1 approval, and 0 people may give them", 5, 5)]


def test_several_approvals_for_what_is_no_approval_are_refused() -> None:
    message = "the rule 'x' wants several approvals, and only ask_approval has them; give it tool: ask_approval"
    assert found("approvals: 2") == [refusing(message, 5, 5)]
    assert found("approvals: 2", "tool: [ask_approval, ask_form]") == [refusing(message, 5, 5)]
    assert found("approvals: 2", "except: [ask_form, ask_selection, ask_text_input]") == []


def test_a_rule_that_never_matches_is_refused() -> None:
    tools = "the rule 'x' never matches: the tools are ask_approval, ask_selection, ask_form, ask_text_input"
    assert found("tool: payments", OK) == [refusing(tools, 5, 5)]
    assert found("except: 'ask_*'", "action: deny") == [refusing(tools, 4, 5)]


def test_a_rule_for_no_agent_that_there_is_is_a_warning() -> None:
    assert found("agent: 'delpoy-*'", OK) == [warning("the rule 'x' is for no agent that there is", 5, 5)]


def test_a_rule_that_leans_on_the_claimed_risk_alone_is_a_warning() -> None:
    message = "the rule 'x' leans on the risk alone, which agents claim themselves: who claims less gets past"
    assert found("risk: medium", OK) == [warning(message, 5, 5)]


def test_it_is_none_where_another_rule_asks_something_of_everybody() -> None:
    assert found("risk: high", OK, "approvals: 1\n  - name: floor", "reviewers: [finance, carl]") == []
    leaning = "the rule 'x' leans on the risk alone, which agents claim themselves: who claims less gets past"
    assert found("risk: high", OK, "approvals: 1\n  - name: narrow", "tool: ask_form", "reviewers: finance") == [
        warning(leaning, 5, 5)
    ]


def test_a_rule_that_leans_on_a_workflow_that_agents_only_claim_is_a_warning() -> None:
    message = "the rule 'x' leans on a workflow that no agent was given: who names none gets past"
    assert found("workflow: billing", OK) == [warning(message, 5, 5)]
    assert found("workflow: billing", OK, "agent: deploy-bot") == []
    assert found("workflow: rel*", OK) == []


def test_rules_that_ask_different_people_for_what_one_person_answers_are_a_warning() -> None:
    both = "the rules 'x' and 'y' ask different people: of what both match, only an approval can be asked"
    other = "approvals: 1\n  - name: y"
    assert found(OK, other, "reviewers: carl") == [warning(both, 8, 5)]
    assert found(OK, other, "reviewers: carl", "agent: deploy-bot") == [warning(both, 8, 5)]
    assert found(OK, other, "reviewers: [carl, ana]") == []
    assert found(OK, other, "reviewers: carl", "escalate: ana") == []
    assert found(OK, other, "reviewers: carl", "tool: ask_approval") == []
    assert found(OK, "tool: ask_form", other, "reviewers: carl", "tool: ask_selection") == []
    assert found(OK, "agent: deploy-*", other, "reviewers: carl", "agent: deploy-b*") == []


def test_a_rule_that_differs_from_several_is_told_of_once() -> None:
    many = found(OK, "approvals: 1\n  - name: y", "reviewers: carl", "approvals: 1\n  - name: z", "reviewers: ben")
    assert [one.place.line for one in many if "ask different people" in one.message] == [8, 11]


def test_a_rule_that_asks_for_nothing_is_a_warning() -> None:
    assert found("agent: deploy-*") == [warning("the rule 'x' asks for nothing that holds without it", 4, 5)]


def test_escalating_from_everybody_is_a_warning() -> None:
    assert found("escalate: ana", "not_owner: true") == [
        warning("the rule 'x' escalates, and everybody may answer already", 5, 5)
    ]


def test_passkeys_that_too_few_people_have_are_a_warning() -> None:
    assert found("reviewers: [ben, carl]", "require: passkey") == [
        warning("the rule 'x' requires passkeys, and none of its people have one", 6, 5)
    ]


def test_a_group_that_is_named_like_a_person_is_a_warning() -> None:
    clash = read("version: 1\ngroups: {Ana: [ben]}\n")
    assert findings(clash, EVERYBODY) == [warning("there is a group and a person 'Ana': rules mean the group", 2, 10)]


def test_without_knowing_who_there_is_only_the_file_itself_is_judged() -> None:
    assert found("reviewers: [zoe]", "agent: nobody", known=None) == []
    assert found("tool: x", OK, known=None) != []
