"""`assent audit`: what it checks, what it says, and how it ends."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from server.cli import run as cli_run
from store.audit.checkpoint import LogKey
from store.audit.proof import open_proof
from tests.server.house import House, house_in

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], house: House) -> Iterator[Cli]:
    """A command on this home, in this very process."""
    umask = os.umask(0o077)

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = cli_run([*arguments, *house.flags])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    yield called
    os.umask(umask)


@pytest.fixture
def begun(cli: Cli) -> Cli:
    """The same, where the log has entries."""
    for name in ("one", "two", "three"):
        assert cli("agent", "add", name).returncode == 0
    return cli


def key_of(cli: Cli) -> str:
    said = cli("audit", "key")
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def export_of(cli: Cli, folder: Path) -> Path:
    file = folder / "log.zip"
    said = cli("audit", "export", str(file))
    assert said.returncode == 0, said.stderr
    return file


def break_entry(house: House, index: int) -> None:
    engine = create_engine(f"sqlite:///{house.home.database_file}")
    with engine.begin() as connection:
        data = text(
            "UPDATE log_entries SET data = CAST(replace(data, 'shared_user', 'remote') AS BLOB) WHERE position = :index"
        )
        connection.execute(data, {"index": index})
    engine.dispose()


def complaint(said: subprocess.CompletedProcess[str]) -> str:
    error, hint = said.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    return error.removeprefix("error: ")


def test_a_log_in_order_is_said_to_be_and_what_that_does_not_show(begun: Cli) -> None:
    said = begun("audit", "verify")
    assert (said.returncode, said.stderr) == (0, "")
    assert "entries of assent.localhost/log-" in said.stdout
    assert "No kept checkpoint was given" in said.stdout


def test_the_answer_for_programs_names_the_checkpoint(begun: Cli) -> None:
    said = json.loads(begun("audit", "verify", "--json").stdout)
    assert said == {
        "verified": True,
        "origin": key_of(begun).partition("+")[0],
        "size": said["size"],
        "root": said["root"],
        "kept": [],
        "texts": said["texts"],
        "erased": 0,
        "open_requests": 0,
        "signatures": {"checked": 0, "trusted": 0, "erased": 0},
    }
    assert said["size"] >= 3


def test_a_changed_entry_is_named_and_exits_1(begun: Cli, house: House) -> None:
    break_entry(house, 2)
    said = begun("audit", "verify")
    assert (said.returncode, said.stdout) == (1, "")
    assert complaint(said) == "entry 2 was changed: its hash is not the one that was stored"
    told = begun("audit", "verify", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout) == {"verified": False, "first_bad_index": 2, "fault": complaint(said)}


def test_an_export_is_checked_without_a_home(begun: Cli, tmp_path: Path) -> None:
    file, key = export_of(begun, tmp_path), key_of(begun)
    elsewhere = str(tmp_path / "elsewhere")
    assert cli_run(["audit", "verify", "--export", str(file), "--key", key, "--home", elsewhere]) == 0
    assert not Path(elsewhere).exists()


def test_an_export_is_private_and_never_overwrites(begun: Cli, tmp_path: Path) -> None:
    file = export_of(begun, tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    said = begun("audit", "export", str(file))
    assert said.returncode == 1
    assert "is there already" in complaint(said)
    assert file.read_bytes() == before


def test_an_export_that_cannot_be_written_is_a_failure(begun: Cli, tmp_path: Path) -> None:
    said = begun("audit", "export", str(tmp_path / "nowhere" / "log.zip"))
    assert said.returncode == 1
    assert "cannot be written" in complaint(said)


def test_an_export_that_fails_half_way_leaves_no_file(begun: Cli, house: House, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{house.home.database_file}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE log_nodes SET hash = 7 WHERE position = 1"))
    engine.dispose()
    said = begun("audit", "export", str(tmp_path / "log.zip"))
    assert said.returncode == 1
    assert "is not stored as bytes" in complaint(said)
    assert not (tmp_path / "log.zip").exists()


def test_an_export_needs_a_key_from_elsewhere(begun: Cli, tmp_path: Path) -> None:
    said = begun("audit", "verify", "--export", str(export_of(begun, tmp_path)))
    assert said.returncode == 2
    assert "a verifier key that did not come with it" in complaint(said)


def test_an_export_under_another_key_is_refused(begun: Cli, tmp_path: Path) -> None:
    file = export_of(begun, tmp_path)
    stranger = LogKey.generate(key_of(begun).partition("+")[0]).verifier
    for arguments in (("--export", str(file)), ()):
        said = begun("audit", "verify", "--key", stranger, *arguments)
        assert said.returncode == 1
        assert "not to be trusted" in complaint(said)


def test_a_damaged_export_is_refused(begun: Cli, tmp_path: Path) -> None:
    file, key = export_of(begun, tmp_path), key_of(begun)
    file.write_bytes(file.read_bytes()[:-100])
    for broken in (str(file), str(tmp_path / "nowhere"), str(house_in(tmp_path).home.config_file)):
        said = begun("audit", "verify", "--export", broken, "--key", key)
        assert said.returncode == 1
        assert complaint(said)


@pytest.mark.parametrize("key", ["", "log", "log+00000000+AAAA"])
def test_a_malformed_key_is_refused(begun: Cli, key: str) -> None:
    said = begun("audit", "verify", "--key", key)
    assert said.returncode == 1
    assert "a verifier key" in complaint(said)


def checkpoint_in(file: Path, note: str) -> Path:
    file.write_text(note, "utf-8")
    return file


def test_a_kept_checkpoint_shows_that_the_log_goes_on_from_it(begun: Cli, tmp_path: Path) -> None:
    proof = json.loads(begun("audit", "prove", "0", "--json").stdout)["proof"]
    kept = checkpoint_in(tmp_path / "kept", proof.split("\n\n", 1)[1])
    begun("agent", "add", "four")
    said = begun("audit", "verify", "--against", str(kept))
    assert said.returncode == 0, said.stderr
    assert "The log continues the kept checkpoint" in said.stdout


def test_a_log_put_back_to_an_earlier_state_is_seen_against_a_kept_checkpoint(
    begun: Cli, house: House, tmp_path: Path
) -> None:
    earlier = house.home.database_file.read_bytes()
    begun("agent", "add", "four")
    proof = json.loads(begun("audit", "prove", "0", "--json").stdout)["proof"]
    kept = checkpoint_in(tmp_path / "kept", proof.split("\n\n", 1)[1])
    for left in house.home.path.glob("assent.db-*"):
        left.unlink()
    house.home.database_file.write_bytes(earlier)
    assert begun("audit", "verify").returncode == 0
    said = begun("audit", "verify", "--against", str(kept))
    assert said.returncode == 1
    assert "the log was cut" in complaint(said) or "the log was rewritten" in complaint(said)


@pytest.mark.parametrize("content", [b"", b"\xff", b"hello\n"])
def test_what_is_no_checkpoint_is_refused(begun: Cli, tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(content)
    said = begun("audit", "verify", "--against", str(kept))
    assert said.returncode == 1
    assert "checkpoint" in complaint(said)
    assert begun("audit", "verify", "--against", str(tmp_path / "nowhere")).returncode == 1


def test_a_proof_is_printed_as_it_is(begun: Cli) -> None:
    said = json.loads(begun("audit", "prove", "1", "--json").stdout)
    printed = begun("audit", "prove", "1").stdout
    assert printed == said["proof"]
    assert open_proof(printed, base64.b64decode(said["entry"]), [key_of(begun)])[0] == said["index"] == 1


@pytest.mark.parametrize("index", ["99", "-1"])
def test_there_is_no_proof_of_what_is_not_there(begun: Cli, index: str) -> None:
    said = begun("audit", "prove", "--", index) if index.startswith("-") else begun("audit", "prove", index)
    assert said.returncode in (1, 2)


def test_the_key_is_the_one_that_the_log_is_signed_with(begun: Cli) -> None:
    said = json.loads(begun("audit", "key", "--json").stdout)
    assert said == {"key": key_of(begun), "origin": key_of(begun).partition("+")[0]}


def test_a_home_without_a_log_has_no_key(cli: Cli, house: House) -> None:
    said = cli("audit", "key")
    assert said.returncode == 1
    assert "is missing" in complaint(said)
    assert not house.home.log_key_file.exists()
