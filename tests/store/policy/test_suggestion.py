"""Rules are drafted from what tools say of themselves, and permit nothing that does not say that it only reads."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from store.calls.definitions import Definition, Method, Pinned
from store.policy.additions import with_rules
from store.policy.findings import findings
from store.policy.reading import read
from store.policy.rules import Action
from store.policy.suggestion import suggestion

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
START = "version: 1\nupstreams: {files: {command: x}}\n"


def pinned(name: str, *, of: str = "files", method: Method = Method.TOOL, **annotations: Any) -> Pinned:
    content = {"name": name, **({"annotations": annotations} if annotations else {})}
    definition = Definition(of, method, name, content)
    return Pinned(definition, definition, NOON, NOON, None, None)


def test_only_what_says_that_it_reads_runs_freely() -> None:
    found = suggestion(
        "files",
        [
            pinned("read", readOnlyHint=True, openWorldHint=False),
            pinned("list", readOnlyHint=True, destructiveHint=True),
            pinned("mark", readOnlyHint=False, destructiveHint=False),
            pinned("drop", destructiveHint=True),
            pinned("silent"),
            pinned("liar", readOnlyHint="true"),
            pinned("other", of="web", readOnlyHint=True),
        ],
    )

    assert found.rules == (
        {"name": "files: only reads, as it says", "tool": ["files__list", "files__read"], "action": "allow"},
        {"name": "files: changes and destroys nothing, as it says", "tool": ["files__mark"], "action": "hold"},
        {
            "name": "files: may destroy",
            "tool": ["files__drop", "files__liar", "files__silent"],
            "action": "hold",
            "reason": "required",
        },
    )
    assert found.notes == ("these read, and may carry what they are asked out to others (openWorldHint): files__list",)


def test_a_draft_is_a_policy_that_means_what_it_says() -> None:
    rules = suggestion("files", [pinned("read", readOnlyHint=True), pinned("drop")]).rules
    policy = read(with_rules(START, rules).text)

    assert [rule.action for rule in policy.rules] == [Action.ALLOW, Action.HOLD]
    assert [one for one in findings(policy, None) if one.refuses] == []
    assert [rule.name for rule in policy.rules_for("files__read_more")] == []


def test_what_nobody_accepted_or_agents_cannot_call_is_left_out_and_said() -> None:
    read_it = pinned("read", readOnlyHint=True)
    changed = replace(pinned("write"), accepted=read_it.definition)
    found = suggestion(
        "files",
        [
            changed,
            replace(pinned("new"), accepted=None),
            pinned("a b\nrules: []"),
            pinned("x" * 80),
            replace(pinned("old"), gone_at=NOON),
            pinned("hello", method=Method.PROMPT),
        ],
    )

    assert found.rules == ()
    assert found.notes == (
        "2 more are new or changed, and wait until a person accepts them",
        "2 more have names that agents cannot be given, and are not listed",
        "prompts and resources say nothing of this kind: they are held, unless you write a rule for them",
    )


def test_a_name_that_a_rule_has_already_is_not_used_again() -> None:
    found = suggestion("files", [pinned("drop")], ["Files: May Destroy", "files: may destroy (2)"])
    assert [rule["name"] for rule in found.rules] == ["files: may destroy (3)"]


def test_many_tools_make_several_rules() -> None:
    found = suggestion("files", [pinned(f"t{number}") for number in range(501)])
    assert [len(rule["tool"]) for rule in found.rules] == [500, 1]
    assert len({rule["name"] for rule in found.rules}) == 2
