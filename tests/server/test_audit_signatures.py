"""`assent audit` on a log with a decision that a person signed."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from server.cli import run as cli_run
from server.config import load
from server.durable import open_database
from store.agents import Agents
from store.answers import Chosen
from store.database import Database
from store.deciding.decisions import Decided, Statement
from store.desk import Desk
from store.lifecycle import Surface
from store.people import People, Role, SignIn
from store.questions import AskApproval
from store.signing.nonces import Signer
from store.signing.signed import SignedDecision
from store.vault.keys import Key, KeyFile
from tests.server.house import House, house_in
from tests.store.signing.key_in_software import ORIGIN, Es256Key, signed_with

Cli = Callable[..., subprocess.CompletedProcess[str]]
PASSKEY = Es256Key()


async def sign_one_decision(database: Database, folder: Path) -> None:
    """An account `ana` with a passkey, and an approval that she signed with it."""
    people, agents = People(database), Agents(database)
    desk = Desk(database, KeyFile(Key(bytes(32)), folder / "vault.key"))
    ana = await people.add_reviewer("ana", role=Role.REVIEWER)
    passkey = await people.add_passkey(
        ana.id, credential_id=b"c" * 16, public_key=PASSKEY.cose, sign_count=0, name="Laptop", transports=()
    )
    _, session = await people.open_session(ana, SignIn.PASSKEY)
    agent, _ = await agents.add("deploy-bot")
    request_id = (await desk.ask(agent, AskApproval(title="Deploy?"))).request_id
    view = await desk.show(ana, request_id, Surface.RENDERED_PAGE)
    assert view is not None
    said = Statement(ana, view.card_sha256, Chosen("approve"), "ok", Surface.RENDERED_PAGE, "passkey")
    signer = Signer(session.id, passkey, ORIGIN, "consent.example.org")
    statement = await desk.hand_out_statement(request_id, said, signer)
    assert isinstance(statement, str)
    signed = SignedDecision(passkey.id, statement, **signed_with(PASSKEY, statement).parts, session_id=session.id)
    decided = await desk.decide(
        ana,
        request_id,
        card_sha256=said.card_sha256,
        answer=said.answer,
        comment=said.comment,
        surface=said.surface,
        authenticated_by=said.authenticated_by,
        signed=signed,
    )
    assert isinstance(decided, Decided), decided


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], house: House, tmp_path: Path) -> Iterator[Cli]:
    """A command on a home whose log has a signed decision, in this very process."""
    umask = os.umask(0o077)

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = cli_run([*arguments, *house.flags])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    assert called("agent", "list").returncode == 0
    database = open_database(load({"home": house.home.path}, {}))
    anyio.run(sign_one_decision, database, tmp_path)
    database.close()
    yield called
    os.umask(umask)


def keys_file(folder: Path, **keys: Es256Key) -> str:
    file = folder / "keys.json"
    file.write_text(json.dumps({name: base64.b64encode(key.cose).decode() for name, key in keys.items()}))
    return str(file)


def test_the_log_is_checked_with_its_own_keys_and_it_says_so(cli: Cli) -> None:
    said = cli("audit", "verify")
    assert said.returncode == 0, said.stderr
    assert "signed with their passkeys: 1, each signature good; 1 with a key that the log names." in said.stdout
    assert json.loads(cli("audit", "verify", "--json").stdout)["signatures"] == {
        "checked": 1,
        "trusted": 0,
        "erased": 0,
    }


def test_the_printed_keys_are_those_that_the_check_takes(cli: Cli, tmp_path: Path) -> None:
    printed = cli("audit", "reviewer-keys").stdout
    assert json.loads(printed) == {"ana": [base64.b64encode(PASSKEY.cose).decode()]}
    assert json.loads(cli("audit", "reviewer-keys", "--json").stdout) == json.loads(printed)
    file = tmp_path / "printed.json"
    file.write_text(printed)
    checked = json.loads(cli("audit", "verify", "--reviewer-keys", str(file), "--json").stdout)
    assert checked["signatures"] == {"checked": 1, "trusted": 1, "erased": 0}


def test_a_passkey_that_was_removed_vouches_for_what_was_signed_before(cli: Cli, house: House, tmp_path: Path) -> None:
    database = open_database(load({"home": house.home.path}, {}))
    anyio.run(remove_the_passkey, database)
    database.close()
    file = tmp_path / "printed.json"
    file.write_text(cli("audit", "reviewer-keys").stdout)
    checked = json.loads(cli("audit", "verify", "--reviewer-keys", str(file), "--json").stdout)
    assert checked["signatures"] == {"checked": 1, "trusted": 1, "erased": 0}


async def remove_the_passkey(database: Database) -> None:
    people = People(database)
    ana = await people.find("ana")
    assert ana is not None
    (passkey,) = await people.passkeys(ana.id)
    await people.remove_passkey(ana.id, passkey.id)


def test_another_key_in_a_persons_place_is_a_fault_that_names_the_entry(cli: Cli, tmp_path: Path) -> None:
    said = cli("audit", "verify", "--reviewer-keys", keys_file(tmp_path, ana=Es256Key()), "--json")
    told = json.loads(said.stdout)
    assert (said.returncode, told["verified"]) == (1, False)
    assert told["fault"].startswith(f"entry {told['first_bad_index']} (request_closed) cannot be: its passkey pk_")


def test_an_export_is_checked_with_keys_from_elsewhere_too(cli: Cli, tmp_path: Path) -> None:
    file, key = str(tmp_path / "log.zip"), cli("audit", "key").stdout.strip()
    assert cli("audit", "export", file).returncode == 0
    check = ("audit", "verify", "--export", file, "--key", key, "--reviewer-keys")
    assert cli(*check, keys_file(tmp_path, ana=PASSKEY)).returncode == 0
    assert cli(*check, keys_file(tmp_path, ana=Es256Key())).returncode == 1


@pytest.mark.parametrize("content", [None, "", "{}", '{"ana": "AAAA"}'], ids=str)
def test_a_file_that_holds_no_keys_is_refused_in_a_sentence(cli: Cli, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "keys.json"
    if content is not None:
        file.write_text(content)
    said = cli("audit", "verify", "--reviewer-keys", str(file))
    assert said.returncode == 1
    assert [line.partition(":")[0] for line in said.stderr.splitlines()] == ["error", "hint"]
