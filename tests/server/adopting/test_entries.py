"""A client's server becomes an upstream without its secrets, or stays where it is, with the reason."""

from typing import Any

import pytest

from server.adopting.entries import Left, Taken, Where, taken, upstream_name
from server.adopting.secrets_in_words import secret_in_address, secret_in_words
from store.policy.upstreams import Upstream, is_upstream_name

NOWHERE = Where(user_home="/home/ana")


def left(entry: dict[str, Any], where: Where = NOWHERE) -> str:
    found = taken("one", entry, "one", where)
    assert isinstance(found, Left), found
    return found.why


def test_values_of_the_environment_become_variables() -> None:
    entry = {"command": "npx", "args": ["-y", "mail@1"], "env": {"API_KEY": 'a "b"\n', "debug": True, "PORT": 25}}

    assert taken("Mail", entry, "mail", NOWHERE) == Taken(
        "Mail",
        Upstream(
            "mail",
            command="npx",
            args=("-y", "mail@1"),
            env=(
                ("API_KEY", "{{env:UPSTREAM_MAIL_API_KEY}}"),
                ("debug", "{{env:UPSTREAM_MAIL_DEBUG}}"),
                ("PORT", "{{env:UPSTREAM_MAIL_PORT}}"),
            ),
        ),
        {"UPSTREAM_MAIL_API_KEY": 'a "b"\n', "UPSTREAM_MAIL_DEBUG": "true", "UPSTREAM_MAIL_PORT": "25"},
    )


def test_what_the_client_takes_from_its_environment_or_asks_for_is_named_as_missing() -> None:
    entry = {
        "type": "http",
        "url": "https://x.example/mcp",
        "headers": {
            "Authorization": "Bearer ${TOKEN}",
            "X-Zone": "${ZONE:-a}",
            "X-Key": "${input:key}",
        },
    }
    found = taken("x", entry, "x", NOWHERE)

    assert isinstance(found, Taken)
    assert found.upstream.headers == (
        ("Authorization", "Bearer {{env:TOKEN}}"),
        ("X-Zone", "{{env:ZONE}}"),
        ("X-Key", "{{env:UPSTREAM_X_X_KEY}}"),
    )
    assert (found.values, found.missing) == ({"ZONE": "a"}, ("TOKEN", "UPSTREAM_X_X_KEY"))


def test_codex_names_its_headers_and_variables_otherwise() -> None:
    entry = {
        "url": "https://x.example/mcp",
        "bearer_token_env_var": "TOKEN",
        "http_headers": {"X-A": "hush"},
        "env_http_headers": {"X-B": "B"},
        "tool_timeout_sec": 60,
    }
    found = taken("x", entry, "x", NOWHERE)

    assert isinstance(found, Taken)
    assert dict(found.upstream.headers) == {
        "X-A": "{{env:UPSTREAM_X_X_A}}",
        "X-B": "{{env:B}}",
        "Authorization": "Bearer {{env:TOKEN}}",
    }
    assert (found.values, found.missing, found.notes) == ({"UPSTREAM_X_X_A": "hush"}, ("B", "TOKEN"), ())


def test_a_projects_server_is_started_in_the_project() -> None:
    where = Where(folder="/p", user_home="/home/ana", is_there=lambda word: word == "server.py")

    def cwd(entry: dict[str, Any]) -> str | None:
        found = taken("x", entry, "x", where)
        assert isinstance(found, Taken)
        return found.upstream.cwd

    assert cwd({"command": "python", "args": ["server.py"]}) == "/p"
    assert cwd({"command": "npx", "args": ["-y", "x@1"]}) is None
    assert cwd({"command": "npx", "cwd": "sub"}) == "/p/sub"
    assert cwd({"command": "npx", "cwd": "${userHome}/x"}) == "/home/ana/x"


def test_restrictions_that_are_not_taken_over_are_said() -> None:
    found = taken("x", {"command": "a", "alwaysAllow": ["b"], "timeout": 5}, "x", NOWHERE)

    assert isinstance(found, Taken)
    assert found.notes == ("not taken over: alwaysAllow",)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"command": "a", "disabled": True}, "switched off"),
        ({"command": "a", "enabled": False}, "switched off"),
        ({"type": "sse", "url": "https://x/mcp"}, "SSE"),
        ({"url": "https://x/sse"}, "SSE"),
        ({}, "neither a command nor an address"),
        ({"command": 7}, "neither a command nor an address"),
        ({"type": "ws", "url": "wss://x"}, "neither a command nor an address"),
        ({"command": "a", "args": "b"}, "args"),
        ({"command": "a", "args": [1]}, "args"),
        ({"command": "a", "cwd": 1}, "cwd"),
        ({"command": "a", "env": ["b"]}, "env"),
        ({"command": "a", "env": {"A B": "c"}}, "env"),
        ({"command": "a", "env": {"A": {"b": 1}}}, "env"),
        ({"command": "a", "env": {"A": "x\0"}}, "env"),
        ({"command": "a", "env": {"A": "x${B}y"}}, "several parts"),
        ({"url": "https://x/mcp", "headers": {"A": "b\r\nC: hush"}}, "no line of text"),
        ({"command": "${HOME}/x"}, "${HOME}"),
        ({"command": "a", "args": ["${input:token}"]}, "${input:token}"),
        ({"command": "a", "envFile": ".env"}, "envFile"),
        ({"url": "https://x/mcp", "oauth": {"clientId": "x"}}, "oauth"),
        ({"url": "https://x/mcp?api_key=hush"}, "secret in its address"),
        ({"command": "a", "args": ["--api-key", "hush"]}, "--api-key"),
    ],
)
def test_what_could_only_be_taken_over_wrongly_stays(entry: dict[str, Any], why: str) -> None:
    assert why in left(entry)
    assert "hush" not in left(entry)


def test_gemini_means_sse_by_url_and_a_variable_by_a_bare_name() -> None:
    where = Where(bare_references=True, plain_url_is_sse=True)
    found = taken("x", {"httpUrl": "https://x.example/mcp", "headers": {"A": "$TOKEN"}}, "x", where)

    assert isinstance(found, Taken)
    assert found.upstream.headers == (("A", "{{env:TOKEN}}"),)
    assert "SSE" in left({"url": "https://x.example/mcp"}, where)
    assert "$X" in left({"command": "a", "args": ["$X"]}, where)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("files", "files"),
        ("GitHub Server", "github-server"),
        ("io.github.foo/bar", "io-github-foo-bar"),
        ("a__b_", "a_b"),
        ("7zip", "server-7zip"),
        ("ask_approval", "server-ask_approval"),
        ("ask", "server-ask"),
        ("Cursor", "server-cursor"),
        ("日本", "server"),
        ("x" * 80, "x" * 32),
    ],
)
def test_every_name_becomes_one_that_an_upstream_can_have(name: str, expected: str) -> None:
    assert upstream_name(name, ()) == expected
    assert is_upstream_name(expected)


def test_a_name_that_is_taken_gets_a_number() -> None:
    others: list[str] = []
    for _ in range(3):
        others.append(upstream_name("y" * 40, others))
    assert others == ["y" * 32, "y" * 28 + "-2", "y" * 28 + "-3"]
    assert all(map(is_upstream_name, others))


@pytest.mark.parametrize(
    "words",
    [
        ["--token", "abc"],
        ["--api-key=abc"],
        ["-e", "GITHUB_TOKEN=abc"],
        ["--header", "Authorization: Bearer abc"],
        ["postgresql://me:pw@host/db"],
        ["--connection-string=postgresql://me:pw@host/db"],
        ["ghp_abcdefghijklmnop1234"],
        ["a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0"],
        ["https://x.example/mcp?key=abc"],
        ["--auth", "abc"],
        ["password=abc"],
    ],
)
def test_a_secret_on_a_command_line_is_noticed(words: list[str]) -> None:
    assert secret_in_words(["npx", *words]) is not None


@pytest.mark.parametrize(
    "words",
    [
        ["-y", "@modelcontextprotocol/server-filesystem@2026.8.31", "/srv/data"],
        ["run", "-i", "--rm", "-e", "GITHUB_PERSONAL_ACCESS_TOKEN", "ghcr.io/github/github-mcp-server"],
        ["--token-file", "/run/token"],
        ["--max-tokens", "1000"],
        ["--project", "123e4567-e89b-12d3-a456-426614174000"],
        ["https://x.example/mcp?team=a"],
        ["--keyboard", "us"],
        ["--monkey", "x"],
    ],
)
def test_an_ordinary_command_line_is_let_be(words: list[str]) -> None:
    assert secret_in_words(["npx", *words]) is None


def test_a_secret_in_an_address_is_noticed_wherever_it_stands() -> None:
    assert secret_in_address("https://me:pw@x.example/mcp")
    assert secret_in_address("https://x.example/mcp/sk-abcdefghijklmnop1234")
    assert secret_in_address("https://x.example/mcp?a=b&access_token=x")
    assert secret_in_address("https://[x/mcp")
    assert not secret_in_address("https://x.example:8443/mcp/v2?team=a")
