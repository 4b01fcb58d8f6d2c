"""What is printed for a client's hooks is what that client reads, and fails closed wherever the client lets it."""

import json
import shlex
import subprocess
import tomllib
from typing import Any

import pytest

from server.hooks.refusals import CLIENTS
from server.hooks.settings import HOOKS, HookWay

LOCAL = HookWay("http://127.0.0.1:7420", ("/abs/assent", "hook", "codex", "--agent", "me"), "ast_secret")
BY_URL = HookWay("https://a.example", ("/abs/assent", "hook", "codex", "--url", "https://a.example"), "ast_secret")


def hook_of(way: HookWay) -> dict[str, Any]:
    settings = json.loads(HOOKS["claude-code"](way).text)
    ((group,),) = settings["hooks"].values()
    (hook,) = group["hooks"]
    assert group["matcher"] == "*"
    found: dict[str, Any] = hook
    return found


def test_every_client_whose_hooks_are_answered_has_settings() -> None:
    assert tuple(HOOKS) == CLIENTS


def test_claude_code_posts_to_the_server_and_is_blocked_by_any_failure() -> None:
    assert hook_of(LOCAL) == {
        "type": "http",
        "url": "http://127.0.0.1:7420/hooks/claude-code",
        "timeout": 86_400,
        "onFailure": "block",
        "headers": {"Authorization": "Bearer $ASSENT_TOKEN"},
        "allowedEnvVars": ["ASSENT_TOKEN"],
    }


def test_claude_codes_settings_are_for_the_place_that_the_agent_cannot_write_and_say_so() -> None:
    paste = HOOKS["claude-code"](LOCAL)

    assert "/etc/claude-code/managed-settings.json" in paste.where
    assert json.loads(paste.text)["allowManagedHooksOnly"] is True
    assert "Enforcement needs these managed settings, which the agent cannot write" in paste.enforced
    assert "ast_secret" not in paste.text
    assert paste.environment == "export ASSENT_TOKEN=ast_secret"


def test_unattended_runs_are_let_go_after_a_while_and_told_how_to_go_on() -> None:
    way = HookWay(LOCAL.base, LOCAL.command, LOCAL.token, is_unattended=True)

    assert hook_of(way)["url"].endswith("/hooks/claude-code?defer=60")
    assert "claude -p --resume" in HOOKS["claude-code"](way).in_words("Hooks")


@pytest.mark.parametrize("name", CLIENTS)
def test_everybody_is_told_that_what_a_command_reaches_may_change(name: str) -> None:
    words = HOOKS[name](LOCAL).in_words("Hooks")

    assert "may change between the approval and the run" in words
    assert "guardrail only" in words


def command_of(name: str, text: str) -> str:
    match name:
        case "codex":
            (entry,) = tomllib.loads(text)["hooks"]["PreToolUse"]
            found = entry["hooks"][0]["command"]
        case "gemini":
            found = json.loads(text)["hooks"]["BeforeTool"][0]["hooks"][0]["command"]
        case "cursor":
            found = json.loads(text)["hooks"]["preToolUse"][0]["command"]
        case _:
            found = json.loads(text)["hooks"]["preToolUse"][0]["bash"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("name", ["codex", "gemini", "cursor", "copilot"])
def test_a_command_that_is_not_there_is_a_refusal_too(name: str) -> None:
    way = HookWay(LOCAL.base, ("/nowhere/assent", "hook", name))
    done = subprocess.run(
        ["/bin/sh", "-c", command_of(name, HOOKS[name](way).text)], capture_output=True, text=True, check=False
    )

    if name == "copilot":
        assert done.returncode == 0
        assert json.loads(done.stdout)["permissionDecision"] == "deny"
    else:
        assert done.returncode == 2
        assert done.stderr


@pytest.mark.parametrize("name", ["codex", "gemini", "cursor", "copilot"])
def test_a_command_that_goes_to_another_machine_carries_its_token(name: str) -> None:
    words = shlex.split(command_of(name, HOOKS[name](BY_URL).text).split(" || ")[0])

    assert words[:2] == ["env", "ASSENT_TOKEN=ast_secret"]
    assert tuple(words[2:]) == BY_URL.command


def test_codex_and_cursor_wait_a_day_and_cursor_fails_closed() -> None:
    (entry,) = tomllib.loads(HOOKS["codex"](LOCAL).text)["hooks"]["PreToolUse"]
    cursor = json.loads(HOOKS["cursor"](LOCAL).text)["hooks"]["preToolUse"][0]

    assert entry["hooks"][0]["timeout"] == 86_400
    assert (cursor["timeout"], cursor["failClosed"]) == (86_400, True)


def test_gemini_counts_in_milliseconds() -> None:
    hook = json.loads(HOOKS["gemini"](LOCAL).text)["hooks"]["BeforeTool"][0]["hooks"][0]

    assert hook["timeout"] == 86_400_000
