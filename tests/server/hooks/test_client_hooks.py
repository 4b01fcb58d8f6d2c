"""`assent client NAME --hooks`: the settings that it prints open this home's server, and nothing else does."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.server.hooks.asking import decided, tool_use
from tests.server.house import House, house_in
from tests.server.talking import run

READS = "version: 1\nrules:\n  - {name: reads, tool: 'claude_code:Read', action: allow}\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


def test_what_is_printed_for_claude_code_reaches_the_server_with_the_token_that_is_printed(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(READS)
    house.serve()
    activated = run("policy", "activate", str(tmp_path / "rules.yaml"), *house.flags)
    assert activated.returncode == 0, activated.stderr
    printed = json.loads(run("client", "claude-code", "--hooks", "--json", *house.flags).stdout)
    hook = json.loads(printed["text"])["hooks"]["PreToolUse"][0]["hooks"][0]
    assert printed["environment"] == f"export ASSENT_TOKEN={printed['token']}"

    header = hook["headers"]["Authorization"].replace("$ASSENT_TOKEN", printed["token"])
    body = tool_use(tool="Read", tool_input={"file_path": "/srv/a"})
    answer = httpx2.post(hook["url"], json=body, headers={"Authorization": header}, trust_env=False)
    without = httpx2.post(hook["url"], json=body, headers={"Authorization": "Bearer x"}, trust_env=False)

    assert decided(answer.json())[0] == "allow"
    assert decided(without.json())[0] == "deny"


def test_without_hooks_the_words_are_those_of_before(house: House) -> None:
    assert "claude mcp add-json" in run("client", "claude-code", *house.flags).stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("vscode", "--hooks"), "claude-code"),
        (("codex", "--hooks", "--unattended"), "--unattended"),
        (("claude-code", "--unattended"), "--hooks"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(house: House, arguments: tuple[str, ...], named: str) -> None:
    done = run("client", *arguments, *house.flags)

    assert done.returncode == 2
    assert named in done.stderr


def test_a_server_elsewhere_is_named_with_its_token_in_commands(house: House) -> None:
    printed = json.loads(run("client", "codex", "--hooks", "--http", "--json", *house.flags).stdout)

    assert f"ASSENT_TOKEN={printed['token']}" in printed["text"]
    assert "--url http://127.0.0.1:" in printed["text"]
