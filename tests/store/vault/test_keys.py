import base64
import os
import subprocess
from pathlib import Path

import pytest

from store.problems import KeyProblem
from store.vault.keys import HEADER, making_command, open_key_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "vault.key"


def test_a_new_key_is_made_once_for_its_owner_only(path: Path) -> None:
    made = open_key_file(path, make=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert open_key_file(path, make=True) == made
    assert [file.name for file in path.parent.iterdir()] == ["vault.key"]


def test_two_keys_are_never_the_same(tmp_path: Path) -> None:
    one, other = (open_key_file(tmp_path / name, make=True) for name in ("a.key", "b.key"))
    assert one.key.material != other.key.material
    assert one.key.kid != other.key.kid


def test_a_missing_key_is_refused_where_secrets_need_it(path: Path) -> None:
    with pytest.raises(KeyProblem, match="missing") as refusal:
        open_key_file(path, make=False)
    assert "backup" in refusal.value.hint
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(path: Path, mode: int) -> None:
    open_key_file(path, make=True)
    path.chmod(mode)
    with pytest.raises(KeyProblem, match="open to other users") as refusal:
        open_key_file(path, make=True)
    assert refusal.value.hint == f"Run: chmod 600 {path}"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "secret",
        f"{HEADER} c2hvcnQ=\n",
        f"{HEADER} {'A' * 42}\n",
        f"other {'A' * 43}=\n",
        f"{HEADER} {'!' * 44}\n",
        f"{HEADER} {'A' * 42}B=\n",
        f"{HEADER} {'A' * 43}=",
        f"{HEADER}  {'A' * 43}=\n",
        f"{HEADER} {'A' * 43}=\n\n",
        f"{HEADER} {'A' * 43}=\r\n",
        f"{HEADER} {'A' * 43}=\n{HEADER} {'A' * 43}=\n",
        f"{HEADER} {base64.b64encode(bytes(31)).decode()}\n",
        f"{HEADER} {base64.b64encode(bytes(33)).decode()}\n",
        "é" * 5000,
    ],
)
def test_what_is_not_exactly_one_key_is_refused_and_left_alone(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyProblem, match="not a vault key") as refusal:
        open_key_file(path, make=True)
    assert path.read_bytes() == content.encode()
    assert making_command(path) in refusal.value.hint


@pytest.mark.skipif(os.name != "posix", reason="the command is for a POSIX shell")
def test_the_command_that_a_refusal_names_makes_a_good_key(tmp_path: Path) -> None:
    path = tmp_path / "a folder's vault.key"
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", making_command(path)], check=True)
        assert len(open_key_file(path, make=False).key.material) == 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_in_the_key_s_place_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(KeyProblem, match="cannot be read"):
        open_key_file(path, make=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(path: Path) -> None:
    open_key_file(path, make=True)
    os.chown(path, 65534, -1)
    with pytest.raises(KeyProblem, match="belongs to another user") as refusal:
        open_key_file(path, make=False)
    assert refusal.value.hint == f"Run: chown $(id -u) {path}"


def test_a_key_is_never_printed(path: Path) -> None:
    key_file = open_key_file(path, make=True)
    assert repr(key_file.key.material) not in repr(key_file)


def test_another_keys_secrets_are_refused_by_name(path: Path) -> None:
    key_file = open_key_file(path, make=True)
    assert key_file.named(key_file.key.kid) == key_file.key
    with pytest.raises(KeyProblem, match="sealed with the key 0000"):
        key_file.named("0000")
