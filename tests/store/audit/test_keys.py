from pathlib import Path

import pytest

from store.audit.keys import HEADER, open_log_key
from store.problems import KeyProblem

SEED = "A" * 43 + "="


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "log.key"


def test_a_new_key_is_made_once_for_its_owner_only(path: Path) -> None:
    made = open_log_key(path, make=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert open_log_key(path, make=True) == made
    assert [file.name for file in path.parent.iterdir()] == ["log.key"]


def test_a_new_log_gets_a_name_of_its_own_or_the_one_that_is_given(path: Path, tmp_path: Path) -> None:
    one, other = (open_log_key(tmp_path / name, make=True) for name in ("a.key", "b.key"))
    assert one.name != other.name
    assert open_log_key(path, name="log.example/assent", make=True).name == "log.example/assent"


def test_a_log_keeps_the_name_it_was_made_with(path: Path) -> None:
    made = open_log_key(path, name="log.example/assent", make=True)
    assert open_log_key(path, name="log.example/other", make=True) == made


def test_a_missing_key_is_refused_where_a_log_was_signed(path: Path) -> None:
    with pytest.raises(KeyProblem, match="missing") as refusal:
        open_log_key(path, make=False)
    assert "backup" in refusal.value.hint
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(path: Path, mode: int) -> None:
    open_log_key(path, make=True)
    path.chmod(mode)
    with pytest.raises(KeyProblem, match="open to other users") as refusal:
        open_log_key(path, make=True)
    assert refusal.value.hint == f"Run: chmod 600 {path}"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "secret",
        f"{HEADER} log c2hvcnQ=\n",
        f"{HEADER} {SEED}\n",
        f"{HEADER} log {'A' * 42}\n",
        f"{HEADER} log {'A' * 42}B=\n",
        f"{HEADER} log {'!' * 44}\n",
        f"{HEADER} two words {SEED}\n",
        f"{HEADER} a+b {SEED}\n",
        f"other log {SEED}\n",
        f"{HEADER} log {SEED}",
        f"{HEADER} log {SEED}\n\n",
        f"{HEADER}  log {SEED}\n",
    ],
)
def test_what_is_not_exactly_one_key_is_refused_and_left_alone(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyProblem, match="not a log key"):
        open_log_key(path, make=True)
    assert path.read_text() == content


def test_the_line_that_the_other_refusals_were_made_of_is_a_key(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(f"{HEADER} log {SEED}\n")
    path.chmod(0o600)
    assert open_log_key(path, make=False).seed == bytes(32)
