"""The vault's key comes from where the settings say; without it, or with another, no server starts."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Settings, VaultKey, load
from server.home import Home
from server.vault_key import VARIABLE, open_vault_key
from store.problems import KeyProblem
from store.vault.keys import Key, KeyFile, line_of
from store.vault.passphrase import Passphrase
from tests.repository import ROOT
from tests.server.house import House, house_in
from tests.server.talking import command, environment, run

WORDS = "six plain words nobody would guess"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


def passphrase_in(home: Home, file: Path | None = None) -> Settings:
    return Settings(home=home, vault_key=VaultKey.PASSPHRASE, vault_passphrase_file=file)


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)


def test_the_key_file_is_what_there_is_without_a_setting(home: Home) -> None:
    keys = open_vault_key(Settings(home=home), {}, make=True)
    assert isinstance(keys, KeyFile)
    assert keys.path == home.key_file
    assert not home.passphrase_file.exists()


def test_with_a_passphrase_no_key_file_is_made(home: Home) -> None:
    keys = open_vault_key(passphrase_in(home), {VARIABLE: WORDS}, make=True)
    assert isinstance(keys, Passphrase)
    assert [path.name for path in home.key_file.parent.iterdir()] == ["vault.passphrase"]


@pytest.mark.parametrize("kind", VaultKey)
def test_the_passphrase_is_taken_out_of_the_environment_that_children_inherit(home: Home, kind: VaultKey) -> None:
    environ = {VARIABLE: WORDS, "PATH": "/bin"}
    open_vault_key(Settings(home=home, vault_key=kind), environ, make=True)
    assert environ == {"PATH": "/bin"}


def test_a_file_s_first_line_is_the_passphrase(home: Home, tmp_path: Path) -> None:
    made = open_vault_key(passphrase_in(home), {VARIABLE: WORDS}, make=True)
    file = tmp_path / "passphrase"
    file.write_text(WORDS + "\n")
    file.chmod(0o400)
    assert open_vault_key(passphrase_in(home, file), {}, make=False) == made


def test_an_open_descriptor_gives_the_passphrase(home: Home) -> None:
    made = open_vault_key(passphrase_in(home), {VARIABLE: WORDS}, make=True)
    reading, writing = os.pipe()
    try:
        os.write(writing, f"{WORDS}\n".encode())
        os.close(writing)
        assert open_vault_key(passphrase_in(home, Path(f"/dev/fd/{reading}")), {}, make=False) == made
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (WORDS, 0o644, "open to other users"),
        ("", 0o600, "is empty"),
        ("\n", 0o600, "is empty"),
        (f"{WORDS}\nmore", 0o600, "more than one line"),
        ("caf\udce9", 0o600, "not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_passphrase_is_refused(
    home: Home, tmp_path: Path, content: str, mode: int, complaint: str
) -> None:
    file = tmp_path / "passphrase"
    file.write_text(content, errors="surrogateescape")
    file.chmod(mode)
    with pytest.raises(KeyProblem, match=complaint):
        open_vault_key(passphrase_in(home, file), {}, make=True)
    assert not home.passphrase_file.exists()


def test_a_file_that_is_not_there_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(KeyProblem, match="cannot be read"):
        open_vault_key(passphrase_in(home, tmp_path / "none"), {}, make=True)


@pytest.mark.usefixtures("no_terminal")
def test_without_a_passphrase_and_without_a_terminal_there_is_no_key(home: Home) -> None:
    with pytest.raises(KeyProblem, match="nothing gives it") as refusal:
        open_vault_key(passphrase_in(home), {}, make=True)
    assert VARIABLE in refusal.value.hint
    assert "vault_passphrase_file" in refusal.value.hint


@pytest.mark.parametrize(("second", "code"), [(WORDS, 0), (WORDS + "!", 1)], ids=["alike", "not alike"])
def test_on_a_terminal_a_new_passphrase_is_typed_twice_and_not_echoed(home: Home, second: str, code: int) -> None:
    ours, theirs = pty.openpty()
    script = (
        "from pathlib import Path; from server.config import Settings, VaultKey; from server.home import Home;"
        "from server.vault_key import open_vault_key;"
        f"open_vault_key(Settings(Home(Path({str(home.path)!r})), vault_key=VaultKey.PASSPHRASE), {{}}, make=True)"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(),
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    for question, typed in ((b"New passphrase", WORDS), (b"Once more", second)):
        while question not in seen:
            seen += os.read(ours, 1024)
        os.write(ours, f"{typed}\n".encode())
    output, _ = asking.communicate(timeout=60)
    os.close(ours)

    assert asking.returncode == code
    assert output == b""
    assert WORDS.encode() not in seen
    assert home.passphrase_file.exists() == (code == 0)


def test_the_settings_are_read_from_everywhere(home: Home) -> None:
    home.config_file.write_text('vault_key = "passphrase"\nvault_passphrase_file = "words"\n')
    settings = load({"home": home.path}, {VARIABLE: WORDS})
    assert settings == passphrase_in(home, home.path / "words")
    assert WORDS not in repr(settings)


def refused(house: House, passphrase: str = "") -> str:
    ended = run("serve", *house.flags, ASSENT_VAULT_PASSPHRASE=passphrase)
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


def set_vault_key(house: House, kind: str) -> None:
    house.home.config_file.write_text(f'port = 0\nvault_key = "{kind}"\n')


def test_a_server_starts_with_its_passphrase_and_not_with_another(house: House) -> None:
    set_vault_key(house, "passphrase")
    house.process = subprocess.Popen(
        command("serve", "--json", *house.flags),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**{VARIABLE: WORDS}),
    )
    assert house.process.stdout is not None
    assert "url" in house.process.stdout.readline()
    assert house.terminate() == 0
    assert "is not the one of" in refused(house, WORDS + "?")
    assert "nothing gives it" in refused(house)


def test_a_server_does_not_start_on_a_malformed_key_and_names_the_command_that_makes_one(house: House) -> None:
    house.home.key_file.parent.mkdir()
    house.home.key_file.write_text("short\n")
    house.home.key_file.chmod(0o600)
    complaint = refused(house)
    assert "is not a vault key" in complaint
    assert "head -c 32 /dev/urandom | base64" in complaint


def test_a_server_does_not_start_on_a_key_that_others_can_read(house: House) -> None:
    house.home.key_file.parent.mkdir()
    house.home.key_file.write_text(line_of(Key(bytes(range(32)))))
    house.home.key_file.chmod(0o644)
    assert f"Run: chmod 600 {house.home.key_file}" in refused(house)
