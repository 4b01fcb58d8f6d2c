"""The file of a proposal is read as it is, or refused."""

from pathlib import Path

import pytest

from store.policy.file import InFile, add_to_file, read_file
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


BEFORE = "version: 1\nrules:\n  - {name: a, agent: x}\n"
RULE = {"name": "b", "tool": "f__x", "action": "deny"}
AFTER = f'{BEFORE}  - name: "b"\n    tool: "f__x"\n    action: "deny"\n'
WAITING = f"# mine\n{BEFORE}"


@pytest.mark.parametrize(
    ("text", "said", "then"),
    [
        (BEFORE, InFile.SAME, AFTER),
        (AFTER, InFile.SAME, AFTER),
        (None, InFile.SAME, AFTER),
        (WAITING, InFile.ADDED, f"# mine\n{AFTER}"),
        ("rules: {", InFile.FAILED, "rules: {"),
        (f"# already\n{AFTER}", InFile.FAILED, f"# already\n{AFTER}"),
    ],
)
def test_a_rule_that_came_into_force_stands_in_the_file_too(
    tmp_path: Path, text: str | None, said: InFile, then: str
) -> None:
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)
    assert add_to_file(file, BEFORE, AFTER, RULE) is said
    assert file.read_text() == then


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    assert add_to_file(tmp_path / "no folder" / "policy.yaml", BEFORE, AFTER, RULE) is InFile.FAILED
    assert add_to_file(None, BEFORE, AFTER, RULE) is InFile.NONE
