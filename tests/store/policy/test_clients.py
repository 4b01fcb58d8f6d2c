"""Clients that bring tools of their own, and the names by which rules know these."""

import pytest

from store.policy.clients import CLIENTS, is_client, is_own_tool, own_tool, own_tool_fault
from store.policy.globs import can_begin
from store.policy.upstreams import is_upstream_name


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_has_a_name_that_rules_can_have(client: str) -> None:
    assert is_upstream_name(client)
    assert is_own_tool(own_tool(client, "Bash"))
    assert can_begin("*", own_tool(client, ""))


def test_a_tool_is_known_by_the_client_and_its_own_name() -> None:
    assert own_tool("claude_code", "Bash") == "claude_code:Bash"


@pytest.mark.parametrize(
    "name", ["files__read", "files:resources", "claude_code__Bash", "claude_code", "claude_code:", ":x"]
)
def test_what_is_no_tool_of_a_client_is_not_taken_for_one(name: str) -> None:
    assert not is_own_tool(name)


def test_names_are_clients_to_the_letter() -> None:
    assert is_client("claude_code")
    assert not is_client("Claude_Code")
    assert not is_client("files")


@pytest.mark.parametrize("name", ["Bash", "mcp__pay__send", "Task: now", "结果", "x" * 200, " "])
def test_any_text_of_one_line_can_be_a_tool(name: str) -> None:
    assert own_tool_fault("claude_code", name) is None


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines", "tab\t", "hid\u200bden", "half\ud800"])
def test_what_nobody_could_read_in_one_line_cannot(name: str) -> None:
    assert own_tool_fault("claude_code", name) == (
        "The name of a tool of Claude Code's is 1 to 200 characters in one line."
    )


def test_of_a_client_that_is_not_known_no_tool_is() -> None:
    said = own_tool_fault("mallory", "Bash")
    assert said == "There is no client of that name; known are claude_code, codex, copilot, cursor, gemini_cli."
