"""`assent policy`: a file is checked, activated by whoever has the server's files, and explained."""

import json
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from server.cli import run as cli_run
from server.config import load
from server.durable import open_database
from store.agents import Agents
from store.audit.inspection import Inspection
from store.database import Database
from store.people import People, Role
from store.policy.active import Via, activation
from store.policy.reading import read, sha256_of
from store.policy.rules import Policy
from tests.server.house import House, house_in

RULES = """\
version: 1
groups: {oncall: [ana, ben]}
rules:
  - name: two for production
    tool: ask_approval
    agent: deploy-*
    reviewers: oncall
    approvals: 2
    timeout: 4h
    not_owner: true
  - name: never
    tool: ask_form
    agent: deploy-*
    action: deny
    reason: Ask the data team.
"""
Cli = Callable[..., subprocess.CompletedProcess[str]]


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
def file(house: House) -> Path:
    house.home.policy_file.write_text(RULES)
    return house.home.policy_file


@pytest.fixture
def peopled(house: House) -> House:
    """A home in which Ana, Ben and an agent are known."""

    async def known(database: Database) -> None:
        for name in ("ana", "ben"):
            await People(database).add_reviewer(name, role=Role.REVIEWER)
        await Agents(database).add("deploy-bot")

    with opened(house) as database:
        anyio.run(known, database)
    return house


def opened(house: House) -> "closing[Database]":
    return closing(open_database(load({"home": house.home.path}, {})))


def in_force(house: House) -> Policy | None:
    with opened(house) as database:
        found = database.read_now(activation)
    assert found is None or (found.via, found.activated_by) == (Via.COMMAND_LINE, None)
    return None if found is None else found.policy


def test_a_good_file_is_checked_and_nothing_changes(peopled: House, cli: Cli, file: Path) -> None:
    ended = cli("check", str(file))
    assert (ended.returncode, ended.stdout.splitlines()) == (
        0,
        [
            "two for production: approvals asked by deploy-*: oncall may answer, 2 people must approve, "
            "not approved by the agent's owner, open for 4 h at most (matched 0 until now)",
            "never: forms asked by deploy-*: denied: Ask the data team. (matched 0 until now)",
            f"{file} can be activated: assent policy activate {file}",
        ],
    )
    assert in_force(peopled) is None


def test_a_file_that_refuses_is_told_line_by_line_and_exits_1(peopled: House, cli: Cli, file: Path) -> None:
    file.write_text(RULES.replace("[ana, ben]", "[ana, bem]").replace("deploy-*\n    rev", "delpoy-*\n    rev"))
    ended = cli("check")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[:3] == [
        f"{file}:2:24: mistake: the group 'oncall' names 'bem', and there is no such person",
        f"{file}:6:5: warning: the rule 'two for production' is for no agent that there is",
        f"{file}:8:5: mistake: the rule 'two for production' wants 2 approvals, and 1 person may give them",
    ]
    assert ended.stdout.splitlines()[-1] == f"{file} cannot be activated as it is"


def test_a_check_answers_programs_too(peopled: House, cli: Cli, file: Path) -> None:
    file.write_text("version: 1\nrules: [{name: a, reason: required, agent: x}]\n")
    assert json.loads(cli("check", "--json").stdout) == {
        "file": str(file),
        "sha256": sha256_of(file.read_text()),
        "ok": True,
        "findings": [
            {
                "message": "the rule 'a' is for no agent that there is",
                "place": {"line": 2, "column": 37},
                "refuses": False,
            }
        ],
        "upstreams": [],
        "rules": [
            {
                "name": "a",
                "matches": "every question asked by x",
                "asks": ["with a reason"],
                "matched": 0,
                "last_at": None,
            }
        ],
    }
    file.write_text("version: 7")
    ended = cli("check", "--json")
    message = "line 1, column 10: version should be 1"
    assert (ended.returncode, json.loads(ended.stdout)) == (
        1,
        {
            "file": str(file),
            "ok": False,
            "findings": [{"message": message, "place": {"line": 1, "column": 10}, "refuses": True}],
            "rules": [],
        },
    )


def test_without_a_home_a_file_is_checked_by_itself_and_none_is_made(house: House, cli: Cli, file: Path) -> None:
    ended = cli("check")
    assert ended.returncode == 0
    assert "the people and agents that it names were not looked up" in ended.stdout
    assert not house.home.database_file.exists()


def test_a_file_that_cannot_be_read_is_refused_with_its_place(peopled: House, cli: Cli, file: Path) -> None:
    file.write_text(RULES.replace("approvals", "approvers"))
    for command in ("check", "activate"):
        ended = cli(command)
        assert (ended.returncode, ended.stdout, ended.stderr.splitlines()) == (
            1,
            "",
            ["error: line 8, column 5: a rule has no field 'approvers'", "hint: Did you mean approvals?"],
        )
    assert in_force(peopled) is None


def test_a_file_that_is_not_there_is_said(house: House, cli: Cli, tmp_path: Path) -> None:
    ended = cli("activate", str(tmp_path / "none.yaml"))
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (1, f"error: there is no file {tmp_path / 'none.yaml'}")


def test_activating_puts_a_copy_in_force_and_the_log_holds_it(peopled: House, cli: Cli, file: Path) -> None:
    ended = cli("activate", str(file))
    assert (ended.returncode, ended.stdout) == (0, f"2 rules are in force: {sha256_of(RULES)}\n")
    file.write_text("version: 1")
    assert in_force(peopled) == read(RULES)
    with opened(peopled) as database:
        Inspection(database).verify()


def test_activating_answers_programs_too(peopled: House, cli: Cli, file: Path) -> None:
    assert json.loads(cli("activate", "--json").stdout) == {
        "activated": sha256_of(RULES),
        "rules": 2,
        "upstreams": 0,
        "findings": [],
    }


def test_what_cannot_be_satisfied_is_not_activated(peopled: House, cli: Cli, file: Path) -> None:
    file.write_text(RULES.replace("[ana, ben]", "[ana]"))
    ended = cli("activate")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: line 8, column 5: the rule 'two for production' wants 2 approvals")
    assert in_force(peopled) is None


def test_without_rules_a_call_is_explained_by_what_holds_anyway(peopled: House, cli: Cli) -> None:
    assert cli("explain", "ask_approval", "--agent", "x", "--risk", "high").stdout.splitlines() == [
        "no rules were ever activated: everybody who may decide may answer, and one answer is enough",
        "high risk needs a reason: with a reason",
    ]


def test_a_call_is_explained_by_the_rules_in_force(peopled: House, cli: Cli, file: Path) -> None:
    cli("activate")
    first = f"by the rules in force, {sha256_of(RULES)[:12]}:"
    assert cli("explain", "ask_approval", "--agent", "deploy-bot").stdout.splitlines() == [
        first,
        "two for production: oncall may answer, 2 people must approve, not approved by the agent's owner",
        "open for 4 h at most",
    ]
    assert cli("explain", "ask_approval", "--agent", "other").stdout.splitlines() == [
        first,
        "no rule asks for anything: everybody who may decide may answer, and one answer is enough",
    ]
    assert cli("explain", "ask_form", "--agent", "deploy-bot").stdout == (
        "the rule 'never' denies this. Ask the data team.\n"
    )


def test_an_agent_that_is_known_is_explained_with_the_workflow_that_it_was_given(peopled: House, cli: Cli) -> None:
    async def given(database: Database) -> None:
        await Agents(database).add("billing-bot", workflow="billing")

    with opened(peopled) as database:
        anyio.run(given, database)
    peopled.home.policy_file.write_text("version: 1\nrules: [{name: b, workflow: billing, reason: required}]\n")
    cli("activate")
    assert "b: with a reason" in cli("explain", "ask_form", "--agent", "billing-bot", "--workflow", "x").stdout
    assert "b: with a reason" not in cli("explain", "ask_form", "--agent", "deploy-bot").stdout


def test_an_explanation_answers_programs_with_every_demand(peopled: House, cli: Cli, file: Path) -> None:
    cli("activate")
    assert json.loads(cli("explain", "ask_approval", "--agent", "deploy-bot", "--json").stdout) == {
        "conditions": [
            {
                "rule": "two for production",
                "reviewers": ["ana", "ben"],
                "groups": ["oncall"],
                "approvals": 2,
                "passkey": False,
                "not_owner": True,
                "reason_required": False,
                "escalate_to": [],
            }
        ],
        "timeout_seconds": 14_400,
        "escalate_to": [],
        "denied": None,
        "policy_sha256": sha256_of(RULES),
    }


@pytest.mark.parametrize("arguments", [("explain", "mail", "--agent", "x"), ("explain", "ask_form"), ("explain",)])
def test_a_call_that_cannot_be_is_wrong_usage(peopled: House, cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).returncode == 2


def test_rules_that_cannot_be_read_explain_nothing(peopled: House, cli: Cli, file: Path) -> None:
    cli("activate")
    with opened(peopled) as database:
        database.write_now(lambda change: change.connection.execute(text("UPDATE policies SET text = 'x'")))
    ended = cli("explain", "ask_form", "--agent", "x")
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (
        1,
        "error: the policy in force is not the text that was activated",
    )
    assert cli("activate").returncode == 0
