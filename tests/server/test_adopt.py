"""`assent adopt`: a client's servers go behind Assent whole, and come back to the letter."""

import json
import os
import stat
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from server import upstream_environment
from server.adopting.carrying_out import copy_of
from server.cli import run as cli_run
from server.connect import bridge_command
from store.policy.reading import read
from store.policy.upstreams import Upstream
from tests.server.house import House, house_in

MCP = """\
{
    "mcpServers": {
        "files": {"command": "npx", "args": ["-y", "files@1", "/srv/data"]},
        "Mail": {"type": "http", "url": "https://mail.example/mcp", "headers": {"Authorization": "Bearer hush"}},
        "old": {"type": "sse", "url": "https://old.example/sse"}
    }, "other": [1.0]
}
"""
FILES = Upstream("files", command="npx", args=("-y", "files@1", "/srv/data"))
MAIL = Upstream(
    "mail",
    url="https://mail.example/mcp",
    headers=(("Authorization", "{{env:UPSTREAM_MAIL_AUTHORIZATION}}"),),
)
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


@pytest.fixture
def cli(house: House, capsys: pytest.CaptureFixture[str]) -> Cli:
    def called(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [*map(str, arguments), *house.flags]
        code = cli_run(words)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return called


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "project" / ".mcp.json"
    path.parent.mkdir()
    path.write_text(MCP)
    path.chmod(0o640)
    return path


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a folder, with its mode, but those of the database."""
    return {
        str(path.relative_to(folder)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and "assent.db" not in path.name and path.parent.name != "keys"
    }


def refused(ended: "subprocess.CompletedProcess[str]") -> str:
    assert (ended.returncode, ended.stdout) == (1, ""), ended
    error, hint = ended.stderr.splitlines()
    assert hint.startswith("hint: ")
    return error.removeprefix("error: ")


def test_the_file_names_assent_instead_and_the_servers_are_proposed(house: House, cli: Cli, file: Path) -> None:
    ended = cli("adopt", file)

    assert ended.returncode == 0, ended.stderr
    content = json.loads(file.read_text())
    command, *args = bridge_command(house.home, "claude-code")
    assert content == {
        "mcpServers": {
            "assent": {"type": "stdio", "command": command, "args": args, "timeout": 86_400_000},
            "old": {"type": "sse", "url": "https://old.example/sse"},
        },
        "other": [1.0],
    }
    assert read(house.home.policy_file.read_text()).upstreams == (FILES, MAIL)
    assert upstream_environment.read(house.home.upstreams_env_file) == {"UPSTREAM_MAIL_AUTHORIZATION": "Bearer hush"}


def test_what_was_done_is_said_without_a_secret(cli: Cli, file: Path) -> None:
    said = cli("adopt", file).stdout

    assert "  files: npx -y files@1 /srv/data" in said
    assert "  mail, there Mail: https://mail.example/mcp" in said
    assert "  old speaks the older SSE transport" in said
    assert f"assent adopt {file} --undo" in said
    assert "hush" not in said


def test_names_and_commands_of_a_strangers_file_steer_no_terminal(house: House, cli: Cli, file: Path) -> None:
    servers = {
        "\x1b]0;a": {"command": "npx", "args": ["x"]},
        "b\x1b[31m": {"type": "sse", "url": "https://x/sse"},
        "c": {"command": "npx", "args": ["\x1b[31m"]},
    }
    file.write_text(json.dumps({"mcpServers": servers}))
    ended = cli("adopt", file)

    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout
    assert [one.name for one in read(house.home.policy_file.read_text()).upstreams] == ["server-0-a"]


def test_programs_are_told_the_same(house: House, cli: Cli, file: Path) -> None:
    said = json.loads(cli("adopt", file, "--json").stdout)

    assert (said["file"], said["copy"]) == (str(file), str(copy_of(file)))
    assert [one["upstream"] for one in said["moved"]] == ["files", "mail"]
    assert [one["name"] for one in said["left"]] == ["old"]
    assert (said["variables"], said["missing"]) == (["UPSTREAM_MAIL_AUTHORIZATION"], [])


def test_what_may_hold_secrets_is_its_owners_alone_and_the_file_keeps_its_mode(
    house: House, cli: Cli, file: Path
) -> None:
    cli("adopt", file)

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (file, copy_of(file), house.home.upstreams_env_file)}
    assert modes == {file: 0o640, copy_of(file): 0o600, house.home.upstreams_env_file: 0o600}
    assert copy_of(file).read_text() == MCP
    assert "hush" not in house.home.policy_file.read_text()


def test_undo_leaves_everything_as_it_was(house: House, cli: Cli, file: Path) -> None:
    house.home.policy_file.write_text("# ours\nversion: 1\nrules:\n- name: x  # y\n")
    before = everything(file.parents[1])
    assert cli("adopt", file).returncode == 0
    assert everything(file.parents[1]) != before

    assert cli("adopt", file, "--undo").returncode == 0
    assert everything(file.parents[1]) == before


def test_after_undo_it_can_be_adopted_again_and_undone_only_once(cli: Cli, file: Path) -> None:
    assert [cli("adopt", file, *flags).returncode for flags in ((), ("--undo",), (), ("--undo",))] == [0, 0, 0, 0]
    assert "was not adopted" in refused(cli("adopt", file, "--undo"))


def test_a_second_time_is_refused_and_changes_nothing(cli: Cli, file: Path) -> None:
    cli("adopt", file)
    before = everything(file.parents[1])

    assert "was adopted before" in refused(cli("adopt", file))
    assert everything(file.parents[1]) == before


def test_a_copy_that_is_there_already_is_never_overwritten(cli: Cli, file: Path) -> None:
    copy_of(file).write_text("precious")

    assert "is there already" in refused(cli("adopt", file))
    assert (copy_of(file).read_text(), file.read_text()) == ("precious", MCP)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no server in this file to move"),
        ('{"mcpServers": {"assent": {"command": "/x/assent"}}}', "no server in this file to move"),
        ('{"mcpServers": {"old": {"type": "sse", "url": "https://x/sse"}}}', "older SSE transport"),
        ('{"mcpServers": {"a": hush}}', "could not be understood: line 1"),
        ('{"mcpServers": {"a": {"command": "x"}}, "mcpServers": {}}', "a key stands twice"),
    ],
)
def test_a_file_without_servers_to_move_is_left_alone(cli: Cli, file: Path, text: str, why: str) -> None:
    file.write_text(text)
    before = everything(file.parents[1])

    said = refused(cli("adopt", file))
    assert why in said
    assert "hush" not in said
    assert everything(file.parents[1]) == before


def test_a_file_that_is_not_there_or_is_no_text_is_refused(cli: Cli, file: Path) -> None:
    assert "cannot be read" in refused(cli("adopt", file.parent / "none.json"))
    assert "cannot be read" in refused(cli("adopt", file.parent))
    file.write_bytes(b"\xff")
    assert "is not UTF-8" in refused(cli("adopt", file))


def test_nothing_is_added_to_a_policy_with_a_mistake(house: House, cli: Cli, file: Path) -> None:
    house.home.policy_file.write_text("version: 2\n")

    assert f"{house.home.policy_file}: line 1, column 10" in refused(cli("adopt", file))
    assert (file.read_text(), copy_of(file).exists()) == (MCP, False)


def test_without_a_proposal_the_rules_in_force_are_what_is_added_to(house: House, cli: Cli, file: Path) -> None:
    house.home.policy_file.write_text("version: 1\nrules:\n- {name: x, reason: required}\n")
    assert cli("policy", "activate").returncode == 0
    house.home.policy_file.unlink()

    assert cli("adopt", file).returncode == 0
    policy = read(house.home.policy_file.read_text())
    assert ([rule.name for rule in policy.rules], policy.upstreams) == (["x"], (FILES, MAIL))


def test_what_is_adopted_can_be_activated(house: House, cli: Cli, file: Path) -> None:
    cli("adopt", file)

    assert cli("policy", "check").returncode == 0
    assert "0 rules and 2 upstreams are in force" in cli("policy", "activate").stdout


def test_after_activation_undo_says_what_stays_and_keeps_its_values(house: House, cli: Cli, file: Path) -> None:
    cli("adopt", file)
    cli("policy", "activate")
    ended = cli("adopt", file, "--undo")

    assert file.read_text() == MCP
    assert "still in the rules in force: files, mail" in ended.stdout
    assert set(upstream_environment.read(house.home.upstreams_env_file)) == {"UPSTREAM_MAIL_AUTHORIZATION"}


def test_undo_puts_servers_back_into_a_file_that_its_client_changed_elsewhere(cli: Cli, file: Path) -> None:
    cli("adopt", file)
    file.write_text(file.read_text().replace("[1.0]", "[2.0]"))

    assert cli("adopt", file, "--undo").returncode == 0
    assert file.read_text() == MCP.replace("[1.0]", "[2.0]")


def test_undo_changes_nothing_where_somebody_changed_the_servers(cli: Cli, file: Path) -> None:
    cli("adopt", file)
    file.write_text(file.read_text().replace("old.example", "new.example"))
    before = everything(file.parents[1])

    assert "were changed since" in refused(cli("adopt", file, "--undo"))
    assert everything(file.parents[1]) == before


def test_undo_brings_back_a_file_that_is_gone(cli: Cli, file: Path) -> None:
    cli("adopt", file)
    file.unlink()

    assert cli("adopt", file, "--undo").returncode == 0
    assert file.read_text() == MCP


def test_undo_takes_out_of_a_changed_proposal_only_what_was_added(house: House, cli: Cli, file: Path) -> None:
    cli("adopt", file)
    policy = house.home.policy_file
    policy.write_text(f"# mine\n{policy.read_text()}rules:\n- name: x\n")

    assert cli("adopt", file, "--undo").returncode == 0
    assert (read(policy.read_text()).upstreams, policy.read_text()[:7]) == ((), "# mine\n")

    cli("adopt", file)
    policy.write_text(policy.read_text().replace('"npx"', '"bunx"'))
    ended = cli("adopt", file, "--undo")
    assert "take these out of its upstreams yourself: files, mail" in ended.stdout
    assert "bunx" in policy.read_text()


@pytest.mark.parametrize("stage", ["upstreams.env", "policy", "copy", "file"])
def test_wherever_it_is_interrupted_undo_leaves_everything_as_it_was(
    house: House, cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """The disk is full at one of the writes."""
    before = everything(file.parents[1])
    names = {"policy": "policy.yaml", "copy": copy_of(file).name, "file": file.name}
    replace, opening = os.replace, os.open

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def replacing(source: str, target: object) -> None:
        if Path(str(target)).name == names.get(stage, stage):
            full()
        replace(source, str(target))

    def opened(path: object, *more: int) -> int:
        if stage == "copy" and Path(str(path)).name == names["copy"]:
            full()
        return opening(str(path), *more)

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", replacing)
        broken.setattr(os, "open", opened)
        assert "No space left" in refused(cli("adopt", file))
    assert cli("adopt", file, "--undo").returncode == 0
    assert everything(file.parents[1]) == before


def test_a_second_clients_same_server_is_the_same_upstream_and_another_of_its_name_is_not(
    house: House, cli: Cli, file: Path, tmp_path: Path
) -> None:
    cli("adopt", file)
    cursor = tmp_path / "home-of-ana" / ".cursor" / "mcp.json"
    cursor.parent.mkdir(parents=True)
    servers = {**json.loads(MCP)["mcpServers"], "files": {"command": "npx", "args": ["-y", "files@2"]}}
    cursor.write_text(json.dumps({"mcpServers": servers}))

    assert cli("adopt", cursor).returncode == 0
    other = Upstream("files-2", command="npx", args=("-y", "files@2"))
    assert read(house.home.policy_file.read_text()).upstreams == (FILES, MAIL, other)
    assert "assent" in json.loads(cursor.read_text())["mcpServers"]


def test_codex_keeps_its_other_tables(cli: Cli, tmp_path: Path, house: House) -> None:
    config = tmp_path / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text('model = "o5"\n\n[mcp_servers.files]\ncommand = "npx"\nargs = ["-y", "files@1", "/srv/data"]\n')
    text = config.read_text()

    assert cli("adopt", config).returncode == 0
    written = tomllib.loads(config.read_text())
    command, *args = bridge_command(house.home, "codex")
    entry = {"command": command, "args": args, "tool_timeout_sec": 86_400}
    assert written == {"model": "o5", "mcp_servers": {"assent": entry}}
    assert read(house.home.policy_file.read_text()).upstreams == (FILES,)
    assert cli("adopt", config, "--undo").returncode == 0
    assert config.read_text() == text


def test_by_http_the_client_gets_a_token_of_its_own(cli: Cli, file: Path) -> None:
    assert cli("adopt", file, "--http", "--agent", "ana-laptop").returncode == 0
    entry = json.loads(file.read_text())["mcpServers"]["assent"]

    assert entry["url"].endswith("/mcp")
    assert entry["headers"]["Authorization"].startswith("Bearer ")
    assert "ana-laptop" in cli("agent", "list").stdout


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_file_that_got_a_token_is_its_owners_alone(cli: Cli, file: Path) -> None:
    file.chmod(0o644)
    assert cli("adopt", file, "--http").returncode == 0

    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_file_without_a_token_keeps_its_mode(cli: Cli, file: Path) -> None:
    file.chmod(0o644)
    assert cli("adopt", file).returncode == 0

    assert file.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_adopted_makes_no_token(cli: Cli, file: Path) -> None:
    file.write_text("{}")

    assert cli("adopt", file, "--http").returncode == 1
    assert "claude-code" not in cli("agent", "list").stdout


def test_a_link_stays_a_link(cli: Cli, file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)

    assert cli("adopt", link).returncode == 0
    assert link.is_symlink()
    assert "assent" in file.read_text()
    assert cli("adopt", link, "--undo").returncode == 0
    assert file.read_text() == MCP


def test_values_that_others_can_read_are_not_added_to(house: House, cli: Cli, file: Path) -> None:
    house.home.upstreams_env_file.write_text("A=b\n")
    house.home.upstreams_env_file.chmod(0o644)

    assert "is open to other users" in refused(cli("adopt", file))
    assert file.read_text() == MCP
