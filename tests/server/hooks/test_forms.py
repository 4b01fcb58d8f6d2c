"""What each client's hooks say becomes the same question, and each is answered in its own words."""

from typing import Any

import pytest

from server.hooks.asked import Afterwards, Asked, Form, NotAsked
from server.hooks.forms import FORMS
from server.hooks.refusals import CLIENTS as NAMES
from store.calls.definitions import Method
from store.policy.clients import CLIENTS
from tests.server.hooks.asking import tool_use

COMMAND = {"command": "make deploy"}
ASKS: dict[str, dict[str, Any]] = {
    "claude-code": tool_use(tool_input=COMMAND),
    "codex": tool_use(tool_input=COMMAND, turn_id="turn_1", model="m", transcript_path=None),
    "copilot": {"sessionId": "s", "timestamp": 1, "cwd": "/srv", "toolName": "bash", "toolArgs": COMMAND},
    "cursor": {
        "hook_event_name": "preToolUse",
        "conversation_id": "c",
        "tool_name": "Shell",
        "tool_input": COMMAND,
        "tool_use_id": "t1",
        "cwd": "/srv",
        "agent_message": "Deploying now.",
    },
    "gemini": {
        "hook_event_name": "BeforeTool",
        "session_id": "s",
        "cwd": "/srv",
        "timestamp": "2026-11-22T09:00:00Z",
        "tool_name": "run_shell_command",
        "tool_input": COMMAND,
        "mcp_context": {"server_name": "x"},
    },
}
TOOLS = {
    "claude-code": "claude_code:Bash",
    "codex": "codex:Bash",
    "copilot": "copilot:bash",
    "cursor": "cursor:Shell",
    "gemini": "gemini_cli:run_shell_command",
}
DENIED: dict[str, dict[str, Any]] = {
    "claude-code": {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": "no",
        }
    },
    "codex": {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": "no",
        }
    },
    "copilot": {"permissionDecision": "deny", "permissionDecisionReason": "no"},
    "cursor": {"permission": "deny", "user_message": "no", "agent_message": "no"},
    "gemini": {"decision": "deny", "reason": "no"},
}
EDITED = {"command": "make test"}
ALLOWED_EDITED = {
    "claude-code": {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "allow",
            "permissionDecisionReason": "Assent let this run.",
            "updatedInput": EDITED,
        }
    },
    "codex": {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "allow",
            "updatedInput": EDITED,
        }
    },
    "copilot": {"permissionDecision": "allow", "modifiedArgs": EDITED},
    "cursor": {"permission": "allow", "updated_input": EDITED},
    "gemini": {"decision": "allow", "hookSpecificOutput": {"hookEventName": "BeforeTool", "tool_input": EDITED}},
}


def asked(name: str, **changed: Any) -> Asked:
    found = FORMS[name].asked({**ASKS[name], **changed})
    assert isinstance(found, Asked)
    return found


def test_every_client_has_a_form_and_is_one_that_rules_know() -> None:
    assert tuple(FORMS) == NAMES
    assert {form.client for form in FORMS.values()} == set(CLIENTS)


@pytest.mark.parametrize("name", FORMS)
def test_what_a_client_asks_is_governed_by_its_name_and_the_tools_with_exactly_its_input(name: str) -> None:
    call = asked(name).call

    assert (call.method, call.governed_as, call.arguments) == (Method.OWN, TOOLS[name], COMMAND)
    assert call.definition_sha256 is None


@pytest.mark.parametrize(("name", "call_id"), [("claude-code", "toolu_1"), ("codex", "toolu_1"), ("cursor", "t1")])
def test_a_clients_own_name_for_its_call_is_kept(name: str, call_id: str) -> None:
    assert asked(name).call_id == call_id


@pytest.mark.parametrize("name", ["claude-code", "codex", "cursor"])
@pytest.mark.parametrize("bad", [None, 7, "", "x" * 201, "\ud800"])
def test_a_name_of_a_call_that_cannot_serve_is_none(name: str, bad: Any) -> None:
    assert asked(name, tool_use_id=bad).call_id is None


def test_what_a_client_adds_is_kept_as_facts_and_as_nothing_else() -> None:
    call = asked("claude-code", permission_mode="bypassPermissions", agent_id="a1", agent_type="Explore").call

    assert call.stated is not None
    assert call.stated.reasoning is None
    assert dict(call.stated.facts) == {
        "tool_use_id": "toolu_1",
        "session_id": "0f9c6a3e-session",
        "cwd": "/srv/project",
        "permission_mode": "bypassPermissions",
        "agent_type": "Explore",
        "agent_id": "a1",
        "transcript_path": "/home/me/.claude/projects/x.jsonl",
    }


def test_what_cursors_agent_says_is_its_reasoning() -> None:
    stated = asked("cursor").call.stated

    assert stated is not None
    assert stated.reasoning == "Deploying now."


@pytest.mark.parametrize("name", FORMS)
def test_facts_that_are_no_texts_are_left_out_and_long_ones_cut(name: str) -> None:
    stated = asked(name, cwd=["/srv"], session_id="s" * 600).call.stated

    assert stated is not None
    assert "cwd" not in stated.facts
    assert all(len(text) <= 500 for text in stated.facts.values())


@pytest.mark.parametrize("name", FORMS)
def test_a_refusal_is_in_the_clients_own_words(name: str) -> None:
    assert FORMS[name].denied("no") == DENIED[name]


@pytest.mark.parametrize("name", FORMS)
def test_a_stop_is_a_refusal_too(name: str) -> None:
    assert FORMS[name].denied("no", stopped=True).items() >= DENIED[name].items()


@pytest.mark.parametrize("name", ["claude-code", "gemini"])
def test_a_stop_ends_the_run_of_a_client_that_can_be_ended(name: str) -> None:
    assert FORMS[name].denied("no", stopped=True)["continue"] is False


@pytest.mark.parametrize("name", FORMS)
def test_what_a_reviewer_changed_is_given_as_the_client_takes_it(name: str) -> None:
    assert FORMS[name].allowed(EDITED, None) == ALLOWED_EDITED[name]


def test_claude_code_never_gets_an_answer_without_a_decision() -> None:
    form = FORMS["claude-code"]
    for answer in (form.allowed(None, None), form.denied("no"), form.deferred("later")):
        assert answer["hookSpecificOutput"]["permissionDecision"] in ("allow", "deny", "defer")


def test_codex_lets_run_what_it_gets_no_decision_about_and_takes_allow_only_with_an_input() -> None:
    assert FORMS["codex"].allowed(None, None) == {}
    said = FORMS["codex"].allowed(None, "Mind the gap.")["hookSpecificOutput"]
    assert said == {"hookEventName": "PreToolUse", "additionalContext": "Mind the gap."}


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if not form.defers])
def test_a_client_that_cannot_ask_again_later_gets_a_refusal_in_place_of_that(name: str) -> None:
    assert FORMS[name].deferred("no") == DENIED[name]


@pytest.mark.parametrize(
    ("name", "edited", "fits"),
    [
        ("claude-code", {}, True),
        ("copilot", {}, True),
        ("gemini", {"command": "ls", "dir": "/"}, True),
        ("gemini", {"dir": "/"}, False),
        ("cursor", {"command": "ls"}, True),
        ("cursor", {}, False),
        ("codex", {"command": "ls"}, True),
        ("codex", {"command": ["ls"]}, False),
        ("codex", {"command": "ls", "workdir": "/"}, False),
    ],
)
def test_a_change_that_a_client_would_not_run_as_approved_does_not_fit(
    name: str, edited: dict[str, Any], fits: bool
) -> None:
    assert (FORMS[name].unfit(asked(name).call, edited) is None) is fits


def test_codex_takes_any_change_of_other_tools() -> None:
    call = asked("codex", tool_name="mcp__files__write").call
    assert FORMS["codex"].unfit(call, {"path": "/tmp"}) is None


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("claude-code", "PostToolUse"),
        ("claude-code", "PostToolUseFailure"),
        ("codex", "PostToolUse"),
        ("cursor", "postToolUse"),
        ("gemini", "AfterTool"),
    ],
)
def test_what_only_reports_decides_nothing(name: str, event: str) -> None:
    assert FORMS[name].asked({**ASKS[name], "hook_event_name": event}) == Afterwards()


@pytest.mark.parametrize("name", ["claude-code", "codex", "cursor", "gemini"])
@pytest.mark.parametrize("event", [None, 1, "PermissionRequest", "pretooluse", ""])
def test_another_event_is_not_understood(name: str, event: Any) -> None:
    with pytest.raises(NotAsked, match="hook_event_name"):
        FORMS[name].asked({**ASKS[name], "hook_event_name": event})


def _named(form: Form, name: str, **fields: Any) -> None:
    with pytest.raises(NotAsked):
        form.asked({**ASKS[name], **fields})


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("tool", [None, 7, "", "Ba\nsh", "Ba\x00sh", "x" * 201, "\ud800", ["Bash"]])
def test_a_tool_without_a_name_of_one_line_is_not_understood(name: str, tool: Any) -> None:
    _named(FORMS[name], name, **{"toolName" if name == "copilot" else "tool_name": tool})


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("given", [7, ["ls"], True, "ls"])
def test_an_input_that_is_no_object_is_not_understood(name: str, given: Any) -> None:
    _named(FORMS[name], name, **{"toolArgs" if name == "copilot" else "tool_input": given})


def test_copilots_input_may_be_the_json_of_an_object_read_strictly() -> None:
    assert asked("copilot", toolArgs='{"command": "make deploy"}').call.arguments == COMMAND
    _named(FORMS["copilot"], "copilot", toolArgs='{"a": 1, "a": 2}')


def test_a_sub_agent_of_claude_codes_is_not_told_to_ask_again_later() -> None:
    assert asked("claude-code").is_resumable
    assert not asked("claude-code", agent_id="a44072e681f894e9b").is_resumable
