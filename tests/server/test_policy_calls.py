"""`assent policy` of calls of upstreams: explained, replayed under a draft, and rules suggested for them."""

import json
import subprocess
from collections.abc import Callable
from contextlib import closing
from io import BytesIO, TextIOWrapper
from pathlib import Path

import anyio
import pytest

from server.cli import run as cli_run
from server.config import load
from server.durable import open_database
from store.agents import Agents
from store.calls.calls import Admitted, GovernedCall
from store.calls.definitions import Definition, Method
from store.calls.service import Calls
from store.database import Database
from store.people import People, Role
from store.policy.active import active
from store.policy.reading import read, sha256_of
from store.policy.rules import Action
from tests.server.house import House, house_in

Cli = Callable[..., subprocess.CompletedProcess[str]]

GOVERNED = """\
version: 1
upstreams:
  files: {command: files-server, env: {TOKEN: "{{env:TOKEN}}"}}
groups: {oncall: [ana, ben]}
rules:
  - {name: reads, tool: "files__read", action: allow, rate: 10/hour}
  - {name: writes, tool: "files__write", reviewers: oncall, timeout: 4h}
  - {name: never, tool: "files__drop", action: deny, reason: Ask the data team.}
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


@pytest.fixture
def cli(house: House, capsys: pytest.CaptureFixture[str]) -> Cli:
    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = cli_run(["policy", *arguments, *house.flags])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return called


@pytest.fixture
def peopled(house: House) -> House:
    """A home in which Ana, Ben and an agent are known, and the rules are proposed."""

    async def known(database: Database) -> None:
        for name in ("ana", "ben"):
            await People(database).add_reviewer(name, role=Role.REVIEWER)
        await Agents(database).add("deploy-bot")

    with opened(house) as database:
        anyio.run(known, database)
    house.home.policy_file.write_text(GOVERNED)
    return house


def opened(house: House) -> "closing[Database]":
    return closing(open_database(load({"home": house.home.path}, {})))


def tool(name: str, **annotations: bool) -> Definition:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    return Definition("files", Method.TOOL, name, {"name": name, "inputSchema": schema, "annotations": annotations})


@pytest.fixture
def governed(peopled: House, cli: Cli) -> House:
    """Rules for an upstream are in force, and it has listed its tools."""
    assert cli("activate").stdout.startswith("3 rules and 1 upstream are in force: ")

    async def listed(database: Database) -> None:
        tools = [tool("read", readOnlyHint=True), tool("write"), tool("drop", destructiveHint=True)]
        await Calls(database).observe(read(GOVERNED).upstreams[0], tools)

    with opened(peopled) as database:
        anyio.run(listed, database)
    return peopled


async def called(database: Database) -> None:
    """An agent reads once."""
    agent = next(one for one in await Agents(database).list() if one.name == "deploy-bot")
    definition = tool("read", readOnlyHint=True)
    call = GovernedCall("files", Method.TOOL, "read", "files__read", definition.sha256, {"path": "/a"})
    assert isinstance(await Calls(database).admit(agent, call, None), Admitted)


PATH = ("--args", '{"path": "/a"}')
BY_RULES = f"by the rules in force, {sha256_of(GOVERNED)[:12]}"


def test_a_check_says_which_commands_would_run_without_values(peopled: House, cli: Cli) -> None:
    assert "upstream files: runs files-server, with TOKEN" in cli("check").stdout.splitlines()
    assert json.loads(cli("check", "--json").stdout)["upstreams"] == [{"name": "files", "launch_line": "files-server"}]


def test_a_call_is_explained_with_every_rule_that_matches(governed: House, cli: Cli) -> None:
    said = {name: cli("explain", f"files__{name}", "--agent", "x", *PATH).stdout for name in ("read", "write", "drop")}
    assert {name: text.splitlines() for name, text in said.items()} == {
        "read": [
            "runs, and nobody is asked: the rule 'reads' matches",
            "takes 1 of 10 in 1 h, by the rule 'reads'",
            BY_RULES,
        ],
        "write": [
            "held until people decide: the rule 'writes' holds it",
            "writes: oncall may answer",
            "open for 4 h at most",
            BY_RULES,
        ],
        "drop": ["denied: the rule 'never' denies this. Ask the data team.", BY_RULES],
    }


def test_arguments_that_do_not_fit_are_said_before_anything_else(governed: House, cli: Cli) -> None:
    said = cli("explain", "files__read", "--agent", "x", "--args", '{"path": 7}').stdout
    assert said.startswith("turned away before any rule is looked at: path ")


def test_a_call_is_read_from_a_file_or_stdin_and_flags_win(
    governed: House, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = json.dumps({"tool": "files__drop", "arguments": {"path": "/a"}, "agent": "x"}).encode()
    (tmp_path / "call.json").write_bytes(call)
    assert json.loads(cli("explain", str(tmp_path / "call.json"), "--json").stdout)["action"] == "deny"
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(call)))
    found = json.loads(cli("explain", "-", "--args", "{}", "--json").stdout)
    assert [fault["field"] for fault in found["wrong"]] == ["path"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("files__read",),
        ("nothing", "--agent", "x"),
        ("none.json", "--agent", "x"),
        ("files__read", "--agent", "x", "--args", "[]"),
        ("files__read", "--agent", "x", "--args", '{"a": 1, "a": 2}'),
        ("files__read", "--agent", "x", "--args", '{"a": NaN}'),
        ("files__read", "--agent", "x", "--risk", "high"),
    ],
)
def test_a_call_that_nobody_could_make_is_wrong_usage(governed: House, cli: Cli, arguments: tuple[str, ...]) -> None:
    ended = cli("explain", *arguments)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 2)


@pytest.mark.parametrize(
    "text",
    ['{"tool": 7, "agent": "x"}', '{"tool": "a__b", "agent": "x", "risk": "low"}', "[]", "{", '{"tool": "a__b"}'],
)
def test_a_file_that_holds_no_call_is_wrong_usage(governed: House, cli: Cli, tmp_path: Path, text: str) -> None:
    (tmp_path / "call.json").write_text(text)
    assert cli("explain", str(tmp_path / "call.json")).returncode == 2


def test_a_draft_is_replayed_on_what_agents_called(governed: House, cli: Cli, tmp_path: Path) -> None:
    with opened(governed) as database:
        anyio.run(called, database)
    draft = tmp_path / "draft.yaml"
    draft.write_text(
        GOVERNED.replace('"files__read", action: allow, rate: 10/hour', '"files__read", reviewers: oncall')
    )

    said = cli("replay", str(draft)).stdout.splitlines()
    assert said[0].startswith("1 call, ")
    assert said[1:3] == ["1 call ran then would be held", "0 calls as before"]
    assert said[3].endswith("deploy-bot: files__read: ran then, would be held: the rule 'reads' holds it")
    found = json.loads(cli("replay", str(draft), "--json").stdout)
    assert (found["calls"], found["counts"]) == (1, [{"then": "allow", "now": "hold", "calls": 1}])
    assert cli("replay").stdout.splitlines()[1:] == ["1 call as before"]


def test_a_draft_with_a_mistake_is_not_replayed(governed: House, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text("version: 2")
    assert cli("replay", str(tmp_path / "draft.yaml")).returncode == 1
    assert cli("replay", str(tmp_path / "none.yaml")).returncode == 1


def test_without_calls_a_replay_says_so(peopled: House, cli: Cli) -> None:
    assert cli("replay").stdout == "there are no recorded calls of upstreams yet\n"


def test_rules_are_drafted_as_yaml_and_change_nothing(governed: House, cli: Cli) -> None:
    ended = cli("suggest", "files")
    drafted = read(f"version: 1\nupstreams: {{files: {{command: x}}}}\n{ended.stdout}")

    assert ended.stdout.startswith("# Drafted from what files says of its own tools. Nobody checked that")
    assert [(rule.tools, rule.action) for rule in drafted.rules] == [
        (("files__read",), Action.ALLOW),
        (("files__drop", "files__write"), Action.HOLD),
    ]
    assert governed.home.policy_file.read_text() == GOVERNED


def test_drafted_rules_are_added_to_the_proposal_only_when_asked(governed: House, cli: Cli) -> None:
    assert cli("suggest", "files", "--add").returncode == 0
    text = governed.home.policy_file.read_text()

    assert text.startswith(GOVERNED)
    assert len(read(text).rules) == 5
    with opened(governed) as database:
        current = database.read_now(active)
    assert current is not None
    assert len(current.rules) == 3


def test_nothing_is_drafted_for_an_upstream_that_there_is_not(governed: House, cli: Cli) -> None:
    ended = cli("suggest", "nope")
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (
        1,
        "error: the rules in force name no upstream 'nope'",
    )


def test_tools_of_a_clients_own_are_explained(governed: House, cli: Cli) -> None:
    ended = cli("explain", "claude_code:Bash", "--agent", "bot", "--args", '{"command": "make"}')
    assert ended.stdout.splitlines()[0] == "held until people decide: no rule matches it"


def test_what_is_no_name_of_a_clients_tool_is_no_tool(governed: House, cli: Cli) -> None:
    ended = cli("explain", "mallory:Bash", "--agent", "bot")
    assert ended.returncode == 2
    assert "claude_code:TOOL" in ended.stderr


def test_rules_for_claude_code_are_drafted_from_what_is_documented(governed: House, cli: Cli) -> None:
    ended = cli("suggest", "claude_code")
    drafted = read(f"version: 1\n{ended.stdout}")

    assert ended.stdout.startswith("# Drafted from what the documentation of Claude Code says of its own tools.")
    assert {rule.action for rule in drafted.rules_for("claude_code:Read")} == {Action.ALLOW}
    assert {rule.action for rule in drafted.rules_for("claude_code:Bash")} == {Action.HOLD}


def test_for_clients_without_documented_tools_nothing_is_drafted(governed: House, cli: Cli) -> None:
    assert cli("suggest", "cursor").returncode == 1
