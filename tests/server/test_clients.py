"""How long which client waits: the table, and what the configuration says over it."""

from pathlib import Path

import pytest

from server.clients import PATIENCE, UNKNOWN_SECONDS, Clients
from server.config import load
from server.problem import UsageProblem


@pytest.mark.parametrize("name", [None, "", "some-new-client"])
def test_a_client_that_nobody_knows_is_taken_to_be_impatient(name: str | None) -> None:
    assert Clients().patience(name) == UNKNOWN_SECONDS < 60


def test_a_known_client_is_found_however_its_name_is_written() -> None:
    assert Clients().patience("Claude-Code") is None
    assert Clients().patience("codex-mcp-client") == 280.0


def test_every_row_says_how_it_is_known() -> None:
    assert all(row.source for row in PATIENCE.values())
    assert all(name == name.lower() for name in PATIENCE)


def test_the_file_says_otherwise_of_known_clients_and_of_new_ones(tmp_path: Path) -> None:
    (tmp_path / "assent.toml").write_text('[clients]\nCodex-MCP-Client = "forever"\nmcp = 30\n"my agent" = 2.5\n')
    clients = load({"home": tmp_path}, {}).clients
    assert clients.patience("codex-mcp-client") is None
    assert (clients.patience("mcp"), clients.patience("My Agent")) == (30.0, 2.5)
    assert clients.patience("gemini-cli-mcp-client") == 540.0


def test_the_environment_says_it_in_one_line(tmp_path: Path) -> None:
    clients = load({"home": tmp_path}, {"ASSENT_CLIENTS": "mcp=30, my-agent = forever"}).clients
    assert (clients.patience("mcp"), clients.patience("my-agent")) == (30.0, None)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ('clients = "mcp=soon"', "mcp: give seconds"),
        ("clients = 3", "give a table of names and seconds"),
        ("[clients]\nmcp = 0", "mcp: give seconds, from 1 on"),
        ("[clients]\nmcp = -5", "mcp: give seconds, from 1 on"),
        ("[clients]\nmcp = inf", 'or "forever"'),
        ("[clients]\nmcp = nan", "mcp: give seconds"),
        ("[clients]\nmcp = true", "mcp: give seconds"),
        ("[clients]\nmcp = [30]", "mcp: give seconds"),
        ('[clients]\nmcp = "always"', 'or "forever"'),
        ("[clients]\nmcp = 30\nMCP = 40", "mcp is there twice"),
        ('[clients]\n"" = 30', "needs the client's name"),
        ('tasks = "perhaps"', "true or false"),
    ],
)
def test_a_value_that_cannot_be_is_refused_at_the_start(tmp_path: Path, written: str, hint: str) -> None:
    (tmp_path / "assent.toml").write_text(written)
    with pytest.raises(UsageProblem) as refusal:
        load({"home": tmp_path}, {})
    assert hint in refusal.value.hint


@pytest.mark.parametrize(("written", "on"), [("", True), ("tasks = true", True), ("tasks = false", False)])
def test_tasks_are_handed_out_unless_they_are_turned_off(tmp_path: Path, written: str, on: bool) -> None:
    (tmp_path / "assent.toml").write_text(written)
    assert load({"home": tmp_path}, {}).tasks is on
