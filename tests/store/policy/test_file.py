"""The file of a proposal is read as it is, or refused."""

from pathlib import Path

import pytest

from store.policy.file import read_file
from store.policy.reading import PolicyMistake, read


def test_a_file_is_read_with_its_line_ends(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes("version: 1\r\n# é\n".encode())
    assert read_file(tmp_path / "policy.yaml") == "version: 1\r\n# é\n"


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert read_file(tmp_path / "policy.yaml") is None


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyMistake, match="cannot be read"):
        read_file(tmp_path)


def test_what_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(b"version: 1\n# \xff\n")
    with pytest.raises(PolicyMistake, match="is not UTF-8, in line 2"):
        read_file(tmp_path / "policy.yaml")


def test_of_a_file_that_is_too_long_no_more_is_read_than_shows_it(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes("é".encode() * 200_000)
    text = read_file(tmp_path / "policy.yaml")
    assert text is not None
    with pytest.raises(PolicyMistake, match="the file is longer than 256 KiB"):
        read(text)
