"""What is printed for each client is what that client reads, with absolute paths and the setting that makes it wait."""

import json
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from server.connect import CLIENTS, Way, bridge_command
from server.home import Home, default_home

STDIO = Way("me", command=("/abs/assent", "stdio", "--agent", "me"))
HTTP = Way("me", url="https://a.example/mcp", token="ast_secret")
ENTRY = {"command": "/abs/assent", "args": ["stdio", "--agent", "me"]}
BEARER = {"Authorization": "Bearer ast_secret"}


def test_the_bridge_is_started_by_an_absolute_command_that_names_agent_and_home(tmp_path: Path) -> None:
    command = bridge_command(Home(tmp_path), "me")

    assert Path(command[0]).is_absolute()
    assert command[-5:] == ("stdio", "--agent", "me", "--home", str(tmp_path))


def test_the_default_home_is_not_spelled_out() -> None:
    assert bridge_command(Home(default_home()), "me")[-3:] == ("stdio", "--agent", "me")


def test_claude_code_takes_a_day_and_one_line_for_the_shell() -> None:
    words = shlex.split(CLIENTS["claude-code"].paste(STDIO).text)

    assert words[:6] == ["claude", "mcp", "add-json", "--scope", "user", "assent"]
    assert json.loads(words[6]) == {"type": "stdio", **ENTRY, "timeout": 86_400_000}


def test_claude_code_by_http_carries_the_token() -> None:
    words = shlex.split(CLIENTS["claude-code"].paste(HTTP).text)

    assert json.loads(words[6]) == {"type": "http", "url": HTTP.url, "headers": BEARER, "timeout": 86_400_000}


def test_codex_takes_toml_with_its_timeout_in_seconds() -> None:
    entry = tomllib.loads(CLIENTS["codex"].paste(STDIO).text)["mcp_servers"]["assent"]

    assert entry == {**ENTRY, "tool_timeout_sec": 86_400}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_bridge_with_a_token_of_its_own_gets_it_by_its_environment(name: str) -> None:
    text = CLIENTS[name].paste(replace(STDIO, token="ast_secret")).text

    assert text.count("ast_secret") == 1
    assert "ASSENT_TOKEN" in text


def test_codex_by_http_reads_the_token_from_its_environment() -> None:
    text = CLIENTS["codex"].paste(HTTP).text

    entry = tomllib.loads(text)["mcp_servers"]["assent"]
    assert entry == {"url": HTTP.url, "bearer_token_env_var": "ASSENT_TOKEN", "tool_timeout_sec": 86_400}
    assert "ASSENT_TOKEN=ast_secret" in text


@pytest.mark.parametrize(
    ("name", "way", "block"),
    [
        ("claude-desktop", STDIO, {"mcpServers": {"assent": ENTRY}}),
        ("cursor", STDIO, {"mcpServers": {"assent": ENTRY}}),
        ("cursor", HTTP, {"mcpServers": {"assent": {"url": HTTP.url, "headers": BEARER}}}),
        ("generic", STDIO, {"mcpServers": {"assent": ENTRY}}),
        ("generic", HTTP, {"mcpServers": {"assent": {"type": "http", "url": HTTP.url, "headers": BEARER}}}),
        ("vscode", STDIO, {"servers": {"assent": {"type": "stdio", **ENTRY}}}),
        ("vscode", HTTP, {"servers": {"assent": {"type": "http", "url": HTTP.url, "headers": BEARER}}}),
        ("gemini", STDIO, {"mcpServers": {"assent": {**ENTRY, "timeout": 86_400_000}}}),
        (
            "gemini",
            HTTP,
            {"mcpServers": {"assent": {"httpUrl": HTTP.url, "headers": BEARER, "timeout": 86_400_000}}},
        ),
    ],
)
def test_a_client_with_a_json_file_gets_its_own_form(name: str, way: Way, block: dict[str, object]) -> None:
    assert json.loads(CLIENTS[name].paste(way).text) == block


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_is_told_where_to_paste_and_what_waiting_is_like(name: str) -> None:
    paste = CLIENTS[name].paste(STDIO)

    assert "" not in (paste.where, paste.text, paste.waiting)
    assert HTTP.token not in paste.text


@pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if client.by_http])
def test_every_client_that_takes_http_gets_address_and_token(name: str) -> None:
    text = CLIENTS[name].paste(HTTP).text

    assert HTTP.url in text
    assert HTTP.token in text
    assert STDIO.command[0] not in text
