"""Rules drafted for a client's own tools let run what only reads and what stays with the client, and hold the rest."""

from datetime import UTC, datetime

import pytest

from store.policy.additions import with_rules
from store.policy.findings import findings
from store.policy.judging import judge
from store.policy.own_suggestion import has_draft, own_suggestion
from store.policy.reading import read
from store.policy.rules import Action, Policy
from store.policy.verdicts import Called

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def drafted() -> Policy:
    return read(with_rules("version: 1\n", own_suggestion("claude_code").rules).text)


def judged(policy: Policy, tool: str) -> tuple[Action, bool]:
    """What becomes of a call, and whether a rule says so."""
    verdict = judge(policy, Called(tool, "claude_code", {}, "bot", NOON), given=None, spent=lambda _: 0)
    return verdict.action, bool(verdict.rules)


def test_the_draft_can_be_activated_as_it_is(drafted: Policy) -> None:
    assert findings(drafted, None) == []


@pytest.mark.parametrize("tool", ["Read", "Grep", "TodoWrite", "Agent", "mcp__assent__files__drop"])
def test_what_reads_and_what_is_governed_elsewhere_runs(drafted: Policy, tool: str) -> None:
    assert judged(drafted, f"claude_code:{tool}") == (Action.ALLOW, True)


@pytest.mark.parametrize("tool", ["Bash", "Write", "Edit", "NotebookEdit", "WebFetch", "WebSearch", "ExitPlanMode"])
def test_what_changes_something_or_reaches_out_is_held(drafted: Policy, tool: str) -> None:
    assert judged(drafted, f"claude_code:{tool}") == (Action.HOLD, True)


@pytest.mark.parametrize("tool", ["mcp__other__read", "mcp__assentive__x", "ReadAll", "read", "Launch"])
def test_what_it_does_not_name_is_held(drafted: Policy, tool: str) -> None:
    assert judged(drafted, f"claude_code:{tool}") == (Action.HOLD, False)


def test_it_permits_nothing_of_other_clients(drafted: Policy) -> None:
    verdict = judge(drafted, Called("codex:Read", "codex", {}, "bot", NOON), given=None, spent=lambda _: 0)
    assert (verdict.action, verdict.rules) == (Action.HOLD, ())


def test_names_that_are_taken_are_numbered() -> None:
    assert own_suggestion("claude_code", ["CLAUDE CODE only reads"]).rules[0]["name"] == "Claude Code only reads (2)"


def test_only_for_what_is_documented_there_is_a_draft() -> None:
    assert has_draft("claude_code")
    assert not has_draft("files")
