"""`assent user …`, `assent agent owner`: what whoever has the server's files does to accounts, and what it leaves."""

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from server.cli import run as cli_run
from server.commands.records import Records, opened
from server.config import load
from store.people import News, Notice, Role
from tests.server.house import House, house_in

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


@pytest.fixture
def cli(house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """A command on this home, in this very process; ana is an admin and ben a reviewer."""
    umask = os.umask(0o077)

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr("sys.stdin", io.StringIO())
        code = cli_run([*arguments, *house.flags])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    with opened(load({"home": house.home.path}, {})) as records:
        anyio.run(_add_both, records)
    yield called
    os.umask(umask)


async def _add_both(records: Records) -> None:
    # Without passwords: what Argon2 costs is not what these tests are about.
    await records.people.add_reviewer("ana", role=Role.ADMIN)
    await records.people.add_reviewer("ben", role=Role.REVIEWER)


def people(cli: Cli) -> list[tuple[str, str, bool, bool]]:
    """Name and role of every account, and whether it is disabled and was reset."""
    listed = json.loads(cli("user", "list", "--json").stdout)
    return [(u["username"], u["role"], u["disabled_at"] is not None, u["reset_at"] is not None) for u in listed]


def notices(house: House) -> tuple[Notice, ...]:
    with opened(load({"home": house.home.path}, {})) as records:
        return anyio.run(records.people.notices)


BOTH = [("ana", "admin", False, False), ("ben", "reviewer", False, False)]


def test_an_invitation_is_a_link_on_stdout_and_news_for_everybody(house: House, cli: Cli) -> None:
    printed = cli("user", "invite", "eve", "--role", "auditor")
    asked = json.loads(cli("user", "invite", "cleo", "--json").stdout)

    assert printed.stdout.startswith("http://assent.localhost:")
    assert printed.stdout.count("/invitation?token=invite_") == 1
    assert printed.stderr.startswith("for eve alone: it works once, until ")
    assert set(asked) == {"username", "link", "expires_at"}
    assert people(cli) == BOTH
    assert [notice.username for notice in notices(house)] == ["cleo", "eve"]


def test_a_reset_prints_the_link_back_and_is_news_for_everybody(house: House, cli: Cli) -> None:
    ended = cli("user", "reset", "BEN")

    assert "/invitation?token=invite_" in ended.stdout
    assert people(cli) == [BOTH[0], ("ben", "reviewer", False, True)]
    assert [(notice.news, notice.username) for notice in notices(house)] == [(News.RESET, "ben")]


def test_a_role_is_given_and_an_account_disabled_and_enabled(cli: Cli) -> None:
    assert cli("user", "role", "ben", "admin").stdout == "ben is in the role admin now\n"
    assert cli("user", "disable", "ana").stdout == "ana is disabled: its sessions and tokens ended\n"
    assert people(cli) == [("ana", "admin", True, False), ("ben", "admin", False, False)]
    assert ", disabled 20" in cli("user", "list").stdout
    assert cli("user", "enable", "ana").stdout == "ana can sign in again, as admin\n"
    assert people(cli) == [BOTH[0], ("ben", "admin", False, False)]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("user", "role", "ana", "reviewer"), "ana is the last admin"),
        (("user", "disable", "ana"), "ana is the last admin"),
        (("user", "disable", "eve"), "there is no account named eve"),
        (("user", "enable", "eve"), "there is no account named eve"),
        (("user", "reset", "eve"), "there is no account named eve"),
        (("user", "role", "eve", "admin"), "there is no account named eve"),
        (("user", "invite", "Ben"), "there is an account named Ben already"),
        (("user", "invite", "two words"), "'two words' is not a user name"),
        (("agent", "owner", "no-bot", "ana"), "there is no agent named no-bot"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    house: House, cli: Cli, arguments: tuple[str, ...], error: str
) -> None:
    before = notices(house)
    ended = cli(*arguments)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[0] == f"error: {error}"
    assert people(cli) == BOTH
    assert notices(house) == before


def test_a_role_that_is_none_is_wrong_usage(cli: Cli) -> None:
    assert cli("user", "role", "ben", "owner").returncode == 2
    assert people(cli) == BOTH


def owners(cli: Cli) -> dict[str, str | None]:
    return {agent["name"]: agent["owner"] for agent in json.loads(cli("agent", "list", "--json").stdout)}


def test_an_owner_is_an_account_however_its_name_is_written(cli: Cli) -> None:
    ended = cli("agent", "add", "bot", "--owner", "BEN")
    again = cli("agent", "add", "bot", "--owner", "Ben")

    assert (ended.stderr, again.stderr, again.returncode) == ("", "", 0)
    assert owners(cli) == {"bot": "ben"}
    assert cli("agent", "owner", "bot", "Ana").stdout == "bot belongs to ana now\n"
    assert owners(cli) == {"bot": "ana"}


def test_an_owner_without_an_account_is_kept_and_warned_of(cli: Cli) -> None:
    ended = cli("agent", "add", "bot", "--owner", "Platform team", "--json")

    assert ended.stderr.startswith("warning: there is no account named Platform team")
    assert set(json.loads(ended.stdout)) == {"token"}
    assert owners(cli) == {"bot": "Platform team"}
    assert cli("agent", "owner", "bot", "Platform team").returncode == 1
    assert owners(cli) == {"bot": "Platform team"}


def test_the_log_of_all_this_makes_sense(cli: Cli) -> None:
    for arguments in (
        ("user", "invite", "eve"),
        ("user", "role", "ben", "admin"),
        ("user", "reset", "ana"),
        ("user", "disable", "ana"),
        ("user", "enable", "ana"),
        ("agent", "add", "bot", "--owner", "ana"),
        ("agent", "owner", "bot", "ben"),
        ("agent", "revoke", "bot"),
    ):
        assert cli(*arguments).returncode == 0, arguments
    assert cli("audit", "verify").returncode == 0
