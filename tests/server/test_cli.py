"""Every command answers people in words and programs in JSON, and says what is wrong in two lines on stderr."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from server.cli import COMMANDS
from server.cli import run as cli_run
from server.process import find
from tests.repository import ROOT
from tests.server.house import PASSWORD, House, house_in
from tests.server.talking import PATIENCE, command, environment, run


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """A command in this very process: for those that neither start nor become a server."""
    umask = os.umask(0o077)

    def called(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = cli_run(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    yield called
    os.umask(umask)


def complaint(ended: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """What came after `error: ` and `hint: `; fails unless that is all there is."""
    error, hint = ended.stderr.splitlines()
    assert ended.stdout == ""
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    return error.removeprefix("error: "), hint.removeprefix("hint: ")


# Usage


def test_help_names_every_command_without_importing_any() -> None:
    ended = run("--help", PYTHONVERBOSE="1")

    assert ended.returncode == 0
    assert [name for name in COMMANDS if name not in ended.stdout] == []
    assert "server.commands.serve" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("serv",),
        ("status", "--loud"),
        ("status", "extra"),
        ("user", "add"),
        ("client", "notepad"),
        ("serve", "--port", "x"),
    ],
)
def test_wrong_usage_is_said_in_two_lines_and_exits_2(
    house: House, cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ASSENT_HOME", str(house.home.path))
    ended = cli(*arguments)

    assert ended.returncode == 2
    assert "" not in complaint(ended)


def test_listening_on_the_network_without_tls_is_refused(house: House, cli: Cli) -> None:
    ended = cli("serve", "--host", "0.0.0.0", *house.flags)

    assert ended.returncode == 2
    assert "opens Assent to the network" in complaint(ended)[0]


def test_our_packages_win_over_namesakes_on_the_path_and_in_the_working_directory(tmp_path: Path) -> None:
    for name in ("server", "store", "review_web"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')")

    ended = run("status", "--home", str(tmp_path / "home"), cwd=tmp_path, PYTHONPATH=str(tmp_path))

    assert "no server runs" in ended.stdout, ended.stderr


def test_as_a_module_it_runs_too() -> None:
    ended = subprocess.run([sys.executable, "-m", "assent", "--version"], cwd=ROOT, capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (0, "")


# The server's process


def test_serve_says_where_it_is_and_status_agrees(house: House) -> None:
    said = house.serve()
    status = json.loads(run("status", "--json", *house.flags).stdout)

    assert status["running"] is True
    assert {name: status[name] for name in ("url", "endpoint", "pid", "home")} == said
    assert said["url"] == f"http://assent.localhost:{httpx2.URL(said['endpoint']).port}"
    assert run("status", *house.flags).stdout.startswith("Assent ")


def test_status_exits_1_when_nothing_runs(house: House, cli: Cli) -> None:
    ended = cli("status", "--json", *house.flags)

    assert (ended.returncode, json.loads(ended.stdout)["running"], ended.stderr) == (1, False, "")


def test_stop_ends_the_server_and_leaves_nothing_of_it(house: House) -> None:
    house.serve()

    ended = run("stop", *house.flags)

    assert (ended.returncode, ended.stdout.split()[0]) == (0, "stopped")
    assert find(house.home) is None
    assert not house.home.run_file.exists()
    assert not house.home.bridge_secret_file.exists()
    assert house.process is not None
    assert house.process.wait() == 0


def test_stop_has_nothing_to_do_when_nothing_runs(house: House, cli: Cli) -> None:
    ended = cli("stop", "--json", *house.flags)

    assert (ended.returncode, json.loads(ended.stdout)["stopped"]) == (0, False)


def test_a_certificate_that_is_none_is_refused_before_anything_starts(house: House, tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("no certificate")

    ended = run("serve", "--tls-cert", str(tmp_path / "pem"), "--tls-key", str(tmp_path / "pem"), *house.flags)

    assert ended.returncode == 2
    assert "are no certificate and its key" in complaint(ended)[0]
    assert not house.home.database_file.exists()


def test_after_a_crash_the_home_is_served_again(house: House) -> None:
    house.serve()
    house.kill()
    status = run("status", *house.flags)
    house.serve()

    assert status.returncode == 1
    assert find(house.home) is not None


def test_a_second_server_of_one_home_is_refused(house: House) -> None:
    house.serve()

    ended = run("serve", *house.flags)

    assert ended.returncode == 1
    assert complaint(ended)[0].startswith("a server already runs")


def test_a_port_that_another_program_has_is_named_with_the_way_out(house: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run("serve", "--port", str(taken.getsockname()[1]), *house.flags)

    assert ended.returncode == 1
    assert "is taken by another program" in complaint(ended)[0]
    assert "--port" in complaint(ended)[1]


def test_an_interrupt_ends_the_server_cleanly(house: House) -> None:
    house.serve()

    assert house.terminate() == 0
    assert not house.home.run_file.exists()


def test_everything_in_the_home_is_its_owners_alone(house: House) -> None:
    house.serve()

    open_to_others = [path for path in house.home.path.rglob("*") if path.stat().st_mode & 0o077]
    assert [path for path in open_to_others if path != house.home.config_file] == []


# The setup link


def served_on(house: House, stdout: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command("serve", *house.flags), stdout=stdout, env=environment())


def test_a_terminal_is_shown_a_setup_link_that_opens_the_setup_page(house: House) -> None:
    ours, theirs = os.openpty()
    server = served_on(house, theirs)
    os.close(theirs)
    shown = b""
    while b"setup?token=" not in shown or not shown.endswith(b"\n"):
        shown += os.read(ours, 4096)
    (link,) = [word for word in shown.decode().split() if "setup?token=" in word]
    url = httpx2.URL(link)
    page = httpx2.get(house.running.endpoint + url.raw_path.decode(), headers={"host": url.netloc.decode()})
    server.terminate()
    os.close(ours)

    assert server.wait(PATIENCE) == 0
    assert page.status_code == 200


def test_a_pipe_is_shown_no_setup_link_but_the_command_that_makes_one(house: House) -> None:
    server = served_on(house, subprocess.PIPE)
    assert server.stdout is not None
    shown = b""
    while b"assent client" not in shown:
        shown += server.stdout.readline()
    server.terminate()
    server.wait(PATIENCE)
    server.stdout.close()

    assert b"setup?token=" not in shown
    assert b"assent open --print" in shown
    assert b"claude mcp add-json" in shown
    assert b"mcpServers" in shown


def test_open_prints_a_setup_link_while_there_is_no_reviewer_and_the_page_afterwards(house: House) -> None:
    house.serve()
    before = json.loads(run("open", "--json", *house.flags).stdout)
    house.add_reviewer()
    after = json.loads(run("open", "--json", *house.flags).stdout)

    assert before["setup"] is True
    assert before["url"].startswith(house.running.url + "/setup?token=")
    assert after == {"url": house.running.url, "setup": False}


def test_open_starts_the_server_when_none_runs(house: House) -> None:
    ended = run("open", "--print", *house.flags)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(house.running.url)


def test_a_setup_link_from_before_a_restart_opens_nothing(house: House) -> None:
    house.serve()
    link = httpx2.URL(run("open", "--print", *house.flags).stdout.strip())
    house.terminate()
    house.serve()

    host = house.running.url.removeprefix("http://")
    page = httpx2.get(house.running.endpoint + link.raw_path.decode(), headers={"host": host})

    assert page.status_code != 200


# People and agents


def test_the_first_account_is_an_admin_and_the_next_a_reviewer(house: House, cli: Cli) -> None:
    cli("user", "add", "ada", "--password-stdin", *house.flags, stdin=PASSWORD)
    cli("user", "add", "ben", "--password-stdin", *house.flags, stdin=PASSWORD)

    listed = json.loads(cli("user", "list", "--json", *house.flags).stdout)

    assert [(user["username"], user["role"]) for user in listed] == [("ada", "admin"), ("ben", "reviewer")]


def test_a_role_may_be_named(house: House, cli: Cli) -> None:
    cli("user", "add", "eve", "--role", "auditor", "--password-stdin", *house.flags, stdin=PASSWORD)

    assert cli("user", "list", *house.flags).stdout.startswith("eve  auditor  since ")


@pytest.mark.parametrize(("name", "password"), [("ada", "short"), ("ada", ""), ("a b", PASSWORD)])
def test_an_account_that_cannot_be_is_refused_with_a_reason(house: House, cli: Cli, name: str, password: str) -> None:
    ended = cli("user", "add", name, "--password-stdin", *house.flags, stdin=password + "\n")

    assert ended.returncode == 1
    assert "" not in complaint(ended)
    assert json.loads(cli("user", "list", "--json", *house.flags).stdout) == []


def test_without_a_terminal_a_password_is_taken_from_stdin_only_when_asked_to(house: House, cli: Cli) -> None:
    ended = cli("user", "add", "ada", *house.flags)

    assert ended.returncode == 2
    assert "--password-stdin" in complaint(ended)[1]


def test_a_reviewers_token_reads_what_the_reviewer_may_read(house: House, cli: Cli) -> None:
    cli("user", "add", "ada", "--password-stdin", *house.flags, stdin=PASSWORD)
    house.serve()
    token = json.loads(cli("user", "token", "ada", "--json", *house.flags).stdout)["token"]

    answer = httpx2.get(f"{house.running.endpoint}/api/requests", headers={"authorization": f"Bearer {token}"})

    assert answer.json()["requests"] == []


def test_nobody_gets_a_token_for_an_account_that_is_not_there(house: House, cli: Cli) -> None:
    ended = cli("user", "token", "nobody", *house.flags)

    assert (ended.returncode, complaint(ended)[0]) == (1, "there is no account named nobody")


def test_an_agent_gets_a_token_is_listed_and_can_be_revoked(house: House, cli: Cli) -> None:
    token = json.loads(cli("agent", "add", "bot", "--owner", "ada", "--json", *house.flags).stdout)["token"]
    printed = cli("agent", "add", "bot", *house.flags).stdout
    listed = json.loads(cli("agent", "list", "--json", *house.flags).stdout)
    revoked = json.loads(cli("agent", "revoke", "bot", "--json", *house.flags).stdout)

    assert token.startswith("ast_")
    assert printed.startswith("ast_")
    assert printed.strip() != token
    assert [(agent["name"], agent["owner"], agent["revoked_at"]) for agent in listed] == [("bot", "ada", None)]
    assert revoked == {"revoked": "bot"}
    assert "revoked" in cli("agent", "list", *house.flags).stdout


def test_an_agent_that_is_not_there_cannot_be_revoked(house: House, cli: Cli) -> None:
    ended = cli("agent", "revoke", "nobody", *house.flags)

    assert (ended.returncode, complaint(ended)[0]) == (1, "there is no agent named nobody to revoke")


# Clients


def test_a_client_on_this_machine_gets_the_bridge_and_a_new_token(house: House, cli: Cli) -> None:
    one, other = (json.loads(cli("client", "claude-code", "--json", *house.flags).stdout) for _ in range(2))

    assert str(house.home.path) in one["text"]
    assert one["token"] in one["text"]
    assert one["token"] != other["token"]
    agents = json.loads(cli("agent", "list", "--json", *house.flags).stdout)
    assert [agent["name"] for agent in agents] == ["claude-code"]


def test_a_client_by_http_gets_a_new_token_and_the_real_port(house: House, cli: Cli) -> None:
    house.serve()

    ended = json.loads(cli("client", "cursor", "--http", "--agent", "mine", "--json", *house.flags).stdout)

    assert ended["url"] == f"{house.running.endpoint}/mcp"
    assert ended["token"] in ended["text"]
    assert [agent["name"] for agent in json.loads(cli("agent", "list", "--json", *house.flags).stdout)] == ["mine"]


def test_a_client_that_takes_no_http_says_so(house: House, cli: Cli) -> None:
    ended = cli("client", "claude-desktop", "--http", *house.flags)

    assert ended.returncode == 2
    assert "Claude Desktop" in complaint(ended)[0]
