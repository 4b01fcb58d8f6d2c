"""`assent credentials`: what people typed is listed and taken away by its handle, and never shown."""

import json
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from argon2 import PasswordHasher

from server.cli import run as cli_run
from server.config import load
from server.durable import open_database
from store.agents import Agents
from store.answers import Filled
from store.database import Database
from store.deciding.decisions import Decided
from store.desk import Desk
from store.lifecycle import Surface
from store.people import People, Role
from store.questions import AskForm
from store.vault.keys import KeyFile, open_key_file
from tests.server.house import PASSWORD, House, house_in

SECRET = "the very secret pin"
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


@pytest.fixture
def cli(house: House, capsys: pytest.CaptureFixture[str]) -> Cli:
    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = cli_run(["credentials", *arguments, *house.flags])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return called


def typed(house: House, agent: str, field: str = "pin") -> tuple[str, str]:
    """A secret typed into a form of that agent's: handle and request."""

    async def answered(database: Database, keys: KeyFile) -> tuple[str, str]:
        people, desk = People(database, HASHER), Desk(database, keys)
        reviewer = await people.find("ana") or await people.add_reviewer(
            "ana", role=Role.REVIEWER, password=PASSWORD, display_name="Ana"
        )
        question = AskForm.model_validate({"title": "Open it", "fields": [{"name": field, "type": "password"}]})
        asked = await desk.ask(await Agents(database).enrol(agent), question)
        view = await desk.show(reviewer, asked.request_id, Surface.RENDERED_PAGE)
        assert view is not None
        decided = await desk.decide(
            reviewer,
            asked.request_id,
            card_sha256=view.card_sha256,
            answer=Filled({field: SECRET}),
            comment=None,
            surface=Surface.RENDERED_PAGE,
            authenticated_by="password",
        )
        assert isinstance(decided, Decided)
        assert decided.view.answer is not None
        return decided.view.answer["credentials"][field], asked.request_id

    with closing(open_database(load({"home": house.home.path}, {}))) as database:
        return anyio.run(answered, database, open_key_file(house.home.key_file, make=True))


def listed(cli: Cli) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(cli("list", "--json").stdout)
    return rows


def test_with_nothing_typed_the_list_says_so(cli: Cli) -> None:
    assert cli("list").stdout == "nobody has typed a password yet\n"
    assert listed(cli) == []


def test_the_list_names_handle_agent_field_request_and_times_and_never_the_secret(house: House, cli: Cli) -> None:
    handle, request_id = typed(house, "deploy-bot")
    said = cli("list").stdout
    [row] = listed(cli)

    assert all(word in said for word in (handle, request_id, "deploy-bot", "pin"))
    assert {**row, "stored_at": "then"} == {
        "handle": handle,
        "agent": "deploy-bot",
        "field": "pin",
        "request_id": request_id,
        "version": 1,
        "stored_at": "then",
        "revoked_at": None,
    }
    assert SECRET not in said + json.dumps(row)


@pytest.mark.parametrize("by", ["handle", "field"])
def test_a_credential_is_revoked_by_its_handle_or_its_only_name(house: House, cli: Cli, by: str) -> None:
    handle, _ = typed(house, "deploy-bot")
    ended = cli("revoke", handle if by == "handle" else "pin", "--json")

    assert (ended.returncode, json.loads(ended.stdout)) == (
        0,
        {"revoked": handle, "agent": "deploy-bot", "field": "pin"},
    )
    assert listed(cli)[0]["revoked_at"] is not None
    assert "revoked" in cli("list").stdout


def complaint(ended: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    error, hint = ended.stderr.splitlines()
    assert ended.stdout == ""
    return ended.returncode, error.removeprefix("error: "), hint.removeprefix("hint: ")


def test_revoking_twice_is_refused_and_writes_nothing(house: House, cli: Cli) -> None:
    handle, _ = typed(house, "deploy-bot")
    cli("revoke", handle)
    before = listed(cli)

    assert complaint(cli("revoke", handle))[:2] == (1, f"{handle} is revoked already")
    assert listed(cli) == before


def test_a_name_that_several_have_is_refused_with_their_handles(house: House, cli: Cli) -> None:
    handles = [typed(house, agent)[0] for agent in ("deploy-bot", "billing-bot")]
    code, error, hint = complaint(cli("revoke", "pin"))

    assert (code, error) == (1, "2 credentials are called pin")
    assert all(handle in hint for handle in handles)
    assert [row["revoked_at"] for row in listed(cli)] == [None, None]


def test_what_is_not_there_cannot_be_revoked(cli: Cli) -> None:
    assert complaint(cli("revoke", "cred_nothing"))[:2] == (1, "there is no credential cred_nothing to revoke")


def test_neither_command_needs_the_vault_s_key(house: House, cli: Cli) -> None:
    handle, _ = typed(house, "deploy-bot")
    house.home.key_file.unlink()

    assert listed(cli)[0]["handle"] == handle
    assert cli("revoke", handle).returncode == 0
