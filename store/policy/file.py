"""The file that holds a proposal."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from store.policy.additions import CannotAdd, with_rules
from store.policy.reading import read
from store.policy.yaml_nodes import LONGEST_TEXT, PolicyMistake
from store.whole_file import replace_file


class InFile(StrEnum):
    """What became of the file when a proposed rule came into force."""

    NONE = "none"
    """There is no place for one."""
    SAME = "same"
    """It is what is in force."""
    ADDED = "added"
    """It had changes that wait, and has the rule besides."""
    FAILED = "failed"
    """It was left as it was: it cannot be written, or nothing can be added to it for sure."""


def add_to_file(path: Path | None, before: str | None, after: str, rule: Mapping[str, Any]) -> InFile:
    """Keep the file in step with a rule that came into force, which made the text `before` the text `after`. What else
    it proposes stays in it."""
    if path is None:
        return InFile.NONE
    try:
        text = read_file(path)
        if text is None or text == before:
            write_proposal(path, after)
        if text is None or text in (before, after):
            return InFile.SAME
        added = with_rules(text, [rule]).text
        read(added)
        write_proposal(path, added)
    except (PolicyMistake, CannotAdd):
        return InFile.FAILED
    return InFile.ADDED


def read_file(path: Path) -> str | None:
    """The text of a policy file, line ends as they are; None where there is none.

    Raises:
        PolicyMistake: it cannot be read, is too long, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_TEXT + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise PolicyMistake(f"{path} cannot be read: {problem.strerror}", hint="Name a file of yours.") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        if len(data) > LONGEST_TEXT:
            return data.decode("utf-8", "replace")  # refused for its length, which is what is wrong with it
        line = data[: problem.start].count(b"\n") + 1
        raise PolicyMistake(f"{path} is not UTF-8, in line {line}") from None


def write_proposal(path: Path, text: str) -> None:
    """Replace the file, or make it: then it is its owner's alone.

    Raises:
        PolicyMistake: it cannot be written. Nothing was changed.
    """
    try:
        replace_file(path, text)
    except OSError as problem:
        raise PolicyMistake(f"{path} cannot be written: {problem.strerror}", hint="Make it a file of yours.") from None
