"""Clients' files are understood in every form that clients write, and changed in their servers only."""

import json
import tomllib
from typing import Any

import pytest

from server.adopting.client_file import understood
from server.adopting.json_text import NotUnderstood

ASSENT = {"command": "/abs/assent", "args": ["stdio"]}

JSONC = """\
\ufeff{
\t// what the team uses, "servers": {}
\t"inputs": [{"id": "token", /* asked once */ "type": "promptString"},],
\t"servers": {
\t\t"files": {"command": "npx", "args": ["-y", "a//b"],}, // not a comment before
\t},
\t"later": "{ \\" // no comment */",
}
"""


def test_comments_and_trailing_commas_are_read_and_all_but_the_servers_stays_to_the_letter() -> None:
    file = understood(JSONC)
    changed = file.with_sections({("servers",): {"assent": ASSENT}})

    assert dict(file.entries) == {"files": {"command": "npx", "args": ["-y", "a//b"]}}
    before, _, after = JSONC.partition('{\n\t\t"files"')
    assert changed.startswith(before)
    assert changed.endswith(after.partition("\t},")[2])
    assert dict(understood(changed).entries) == {"assent": ASSENT}
    assert '\n\t\t"assent": {\n\t\t\t"command"' in changed


def test_what_was_replaced_can_be_put_back_to_the_letter() -> None:
    file = understood(JSONC)
    changed = file.with_sections({("servers",): {"assent": ASSENT}})

    assert understood(changed).with_texts(file.section_texts()) == JSONC


def test_servers_of_projects_are_found_beside_those_of_the_user() -> None:
    text = json.dumps(
        {
            "numStartups": 7,
            "mcpServers": {"a": {"command": "a"}},
            "projects": {"/p": {"mcpServers": {"b": {"command": "b"}}, "mcpContextUris": []}, "/q": {"mcpServers": {}}},
        },
        indent=2,
    )
    file = understood(text)
    changed = json.loads(file.with_sections({("projects", "/p", "mcpServers"): {"assent": ASSENT}}))

    assert [section.path for section in file.sections] == [("mcpServers",), ("projects", "/p", "mcpServers")]
    assert changed == {
        **json.loads(text),
        "projects": {"/p": {"mcpServers": {"assent": ASSENT}, "mcpContextUris": []}, "/q": {"mcpServers": {}}},
    }


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"mcpServers": ',
        "[]",
        "7",
        '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}',
        "[" * 100_000,
        '{"mcpServers": {} /* no end',
    ],
)
def test_what_could_be_read_in_two_ways_or_in_none_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        understood(text)
    assert '"' not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{}", '{"mcpServers": {}}', '{"mcpServers": []}', '{"servers": {"a": "b"}}'])
def test_a_file_without_servers_has_none(text: str) -> None:
    assert understood(text).sections == ()


def test_lines_end_as_they_ended_before() -> None:
    text = '{\r\n  "mcpServers": {\r\n    "a": {"command": "a"}\r\n  }\r\n}\r\n'
    changed = understood(text).with_sections({("mcpServers",): {"assent": ASSENT}})

    assert changed.count("\n") == changed.count("\r\n") > 4


TOML = """\
model = "o5" # mine

[mcp_servers.files]
command = "npx"
args = ["-y", "x"]

[mcp_servers.files.env]
TOKEN = "hush"

# about the rest
[tui]
theme = "dark"

[mcp_servers."a b"]
url = "https://x.example/mcp"
"""


def test_tables_of_servers_are_cut_out_of_toml_and_the_rest_stays() -> None:
    file = understood(TOML, is_toml=True)
    servers: dict[str, dict[str, Any]] = {"assent": {**ASSENT, "tool_timeout_sec": 60}, "k t": {"a": {"b": 1.5}}}
    changed = file.with_sections({("mcp_servers",): servers})

    assert [name for name, _ in file.entries] == ["files", "a b"]
    assert changed.startswith('model = "o5" # mine\n\n')
    assert tomllib.loads(changed) == {
        "model": "o5",
        "tui": {"theme": "dark"},
        "mcp_servers": servers,
    }


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = {a = {command = "x"}}\n',
        'x = """\n[mcp_servers.b]\n"""\n[mcp_servers.a]\ncommand = "x"\n',
        'mcp_servers.a.command = "x"\n',
    ],
)
def test_toml_that_cannot_be_cut_for_sure_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        understood(text, is_toml=True).with_sections({("mcp_servers",): {"assent": ASSENT}})


def test_toml_that_is_none_is_refused() -> None:
    with pytest.raises(NotUnderstood):
        understood("[", is_toml=True)
