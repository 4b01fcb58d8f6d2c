"""`assent upstreams`: how the servers behind Assent are doing, and what waits for a person, accepted by its hash."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from server.cli import run as cli_run
from server.config import load
from server.durable import open_database
from store.audit.inspection import Inspection
from store.calls.definitions import Definition, Method
from store.calls.service import Calls
from store.database import Database
from store.policy.reading import read
from tests.server.house import House, house_in

POLICY = """\
version: 1
upstreams:
  files: {command: npx, args: [files], env: {TOKEN: "{{env:TOKEN}}"}}
  web: {url: "https://web.example/mcp"}
"""
FILES = read(POLICY).upstreams[0]
Cli = Callable[..., subprocess.CompletedProcess[str]]


def tool(name: str, description: str = "Reads.") -> Definition:
    content = {"name": name, "description": description, "inputSchema": {"type": "object"}}
    return Definition("files", Method.TOOL, name, content)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


@pytest.fixture
def cli(house: House, capsys: pytest.CaptureFixture[str]) -> Cli:
    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = cli_run([*arguments, *house.flags])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return called


@pytest.fixture
def database(house: House, cli: Cli) -> Iterator[Database]:
    """The rules are in force."""
    house.home.policy_file.write_text(POLICY)
    assert cli("policy", "activate").returncode == 0
    database = open_database(load({"home": house.home.path}, {}))
    yield database
    database.close()


@pytest.fixture
def calls(database: Database) -> Calls:
    """`files` has listed one tool, and lists it otherwise now, and one more."""
    calls = Calls(database)
    anyio.run(calls.observe, FILES, [tool("read")])
    anyio.run(calls.observe, FILES, [tool("read", "Reads \x1b[31mand sends."), tool("more")])
    return calls


CHANGED = tool("read", "Reads \x1b[31mand sends.").sha256
NEW = tool("more").sha256


def waiting(cli: Cli) -> int:
    (files, _) = json.loads(cli("upstreams", "--json").stdout)
    found: int = files["waiting"]
    return found


def test_each_is_told_with_its_health_and_what_waits(cli: Cli, calls: Calls) -> None:
    anyio.run(calls.health, "files", FILES.launch_sha256, "down", "it said \x1b[31mno")

    lines = cli("upstreams").stdout.splitlines()
    assert lines[0] == "files  npx files"
    assert lines[1].startswith("  down: it said \\x1b[31mno; 2 of 2 tools and prompts new or changed; since ")
    assert lines[2:] == ["web  https://web.example/mcp", "  idle: not started yet; nothing listed yet"]
    files, web = json.loads(cli("upstreams", "--json").stdout)
    assert (files["name"], files["state"], files["listed"], files["waiting"]) == ("files", "down", 2, 2)
    assert (web["changed_at"], web["listed"]) == (None, 0)


def test_without_upstreams_it_says_how_to_get_some(house: House, cli: Cli) -> None:
    assert "assent adopt FILE" in cli("upstreams").stdout
    assert cli("upstreams", "--json").stdout == "[]\n"


def test_one_by_name_shows_what_changed_and_steers_no_terminal(cli: Cli, calls: Calls) -> None:
    said = cli("upstreams", "files").stdout

    assert f"  files__more  {NEW[:12]}  new: cannot be called" in said
    assert f"  files__read  {CHANGED[:12]}  changed: every call is held" in said
    assert '    -  "description": "Reads.",' in said
    assert '    +  "description": "Reads \\u001b[31mand sends.",' in said
    assert said.isascii()
    assert "\x1b" not in said
    definitions = json.loads(cli("upstreams", "files", "--json").stdout)["definitions"]
    assert {one["tool"]: one["sha256"] for one in definitions} == {"files__more": NEW, "files__read": CHANGED}


def test_a_definition_is_accepted_by_its_hash_and_the_log_holds_it(
    house: House, cli: Cli, calls: Calls, database: Database
) -> None:
    assert waiting(cli) == 2
    ended = cli("upstreams", "files", "--accept", CHANGED[:12])

    assert ended.stdout == f"files__read is accepted as it is now: {CHANGED[:12]}\n"
    assert waiting(cli) == 1
    Inspection(database).verify()


@pytest.mark.parametrize(
    ("given", "code"), [(CHANGED[:11], 2), ("0" * 12, 1), (tool("read").sha256, 1), (f"{CHANGED}0", 1)]
)
def test_any_other_hash_accepts_nothing(cli: Cli, calls: Calls, given: str, code: int) -> None:
    ended = cli("upstreams", "files", "--accept", given)

    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (code, "", 2)
    assert waiting(cli) == 2


def test_a_restart_is_asked_of_the_server(cli: Cli, calls: Calls) -> None:
    assert cli("upstreams", "files", "--restart").returncode == 0
    assert "to be started anew" in cli("upstreams").stdout
    assert anyio.run(calls.take_restarts) == ("files",)


@pytest.mark.parametrize("flags", [(), ("--restart",), ("--accept", NEW)])
def test_there_is_nothing_to_do_for_one_that_there_is_not(cli: Cli, calls: Calls, flags: tuple[str, ...]) -> None:
    ended = cli("upstreams", "nope", *flags)
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (1, "error: the rules in force name no upstream 'nope'")


@pytest.mark.parametrize("flags", [("--restart",), ("--accept", NEW)])
def test_what_is_to_be_done_needs_a_name(cli: Cli, calls: Calls, flags: tuple[str, ...]) -> None:
    assert cli("upstreams", *flags).returncode == 2
