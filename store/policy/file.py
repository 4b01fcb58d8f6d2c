"""The file that holds a proposal."""

from pathlib import Path

from store.policy.yaml_nodes import LONGEST_TEXT, PolicyMistake
from store.whole_file import replace_file


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
