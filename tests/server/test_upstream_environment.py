"""Values for upstreams are kept in a file of their owner's, and never shown."""

import stat
from pathlib import Path

import pytest

from server.upstream_environment import added, read, removed
from store.problems import Problem


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "upstreams.env"


def test_every_text_comes_back_as_it_was_put_there(file: Path) -> None:
    values = {"A": 'a "b" \\ c\nd', "B": "", "C": " x ", "D": "\u00e4\u2028\u65e5", "E": "#no comment", "F": "a=b"}
    added(file, values)

    assert read(file) == values
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_stands_there_stays_and_wins(file: Path) -> None:
    file.touch(0o600)
    file.write_text("# mine\nA = plain text\nB=2")
    added(file, {"A": "other", "C": "3"})

    assert read(file) == {"A": "plain text", "B": "2", "C": "3"}
    assert file.read_text().startswith("# mine\nA = plain text\nB=2\n")


def test_values_are_taken_out_one_by_one_and_the_last_takes_the_file_along(file: Path) -> None:
    added(file, {"A": "1", "B": "2"})
    removed(file, ["A"])
    assert read(file) == {"B": "2"}
    removed(file, ["B", "C"])
    assert not file.exists()


def test_without_a_file_there_are_no_values(file: Path) -> None:
    assert read(file) == {}
    removed(file, ["A"])
    assert not file.exists()


@pytest.mark.parametrize("text", ["hush\n", "A=1\nB-C=hush\n", 'A="hush\n', '="hush"\n', 'A="a" hush\n', "\ud800=hush"])
def test_a_line_that_is_no_value_is_named_without_it(file: Path, text: str) -> None:
    file.touch(0o600)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Problem) as refused:
        read(file)
    assert "hush" not in refused.value.message


def test_a_file_that_others_can_read_is_refused(file: Path) -> None:
    added(file, {"A": "1"})
    file.chmod(0o640)
    with pytest.raises(Problem, match="open to other users"):
        read(file)


def test_a_file_that_is_too_long_is_refused(file: Path) -> None:
    file.touch(0o600)
    file.write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(Problem, match="longer than"):
        read(file)
