"""The file of values that upstreams are started with and that no policy should hold: `upstreams.env` in the home.

A policy is shown on pages and kept in the log, so it names such a value, `{{env:NAME}}`, and the value stands here or
in the server's own environment. One line each: NAME=value, or NAME="value" with the escapes of JSON.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from server.home import write_private
from store.problems import Problem

LONGEST_FILE = 1024 * 1024
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEAD = (
    "# Values that upstreams are started with. The policy names them as {{env:NAME}} and never holds them.\n"
    "# The environment of `assent serve` wins over this file.\n"
)


def read(path: Path) -> dict[str, str]:
    """The file's values by name; none where there is no file.

    Raises:
        Problem: it cannot be read, others can read it, or a line is none. No value is ever in the message.
    """
    return dict(_pairs(path, _text(path)))


def added(path: Path, values: Mapping[str, str]) -> None:
    """Keep these values too. The rest of the file stays as it is.

    Raises:
        Problem
    """
    text = _text(path) or _HEAD
    kept = dict(_pairs(path, text))
    lines = [f"{name}={json.dumps(value)}\n" for name, value in values.items() if name not in kept]
    _write(path, text + ("" if text.endswith("\n") else "\n") + "".join(lines))


def removed(path: Path, names: Iterable[str]) -> None:
    """Keep these values no longer. A file that holds none any more goes.

    Raises:
        Problem
    """
    gone = set(names)
    text = _text(path)
    lines = [line for line in text.split("\n") if line.partition("=")[0].strip() not in gone]
    if all(not line.strip() or line in _HEAD.split("\n") for line in lines):
        path.unlink(missing_ok=True)
    elif len(lines) != len(text.split("\n")):
        _write(path, "\n".join(lines))


def _pairs(path: Path, text: str) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or NAME.fullmatch(name.strip()) is None:
            raise Problem(f"line {number} of {path} is no value", "Write lines like: NAME=value")
        yield name.strip(), _value(path, number, value.strip())


def _value(path: Path, number: int, value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        read_value = json.loads(value)
    except ValueError:
        read_value = None
    if not isinstance(read_value, str):
        raise Problem(f'the value in line {number} of {path} has no end of its "', 'Write lines like: NAME="value"')
    return read_value


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise Problem(f"{path} is open to other users (mode {stat.S_IMODE(mode):o})", f"Run: chmod 600 {path}")
            data = file.read(LONGEST_FILE + 1)
    except FileNotFoundError:
        return ""
    except OSError as problem:
        raise Problem(f"{path} cannot be read: {problem.strerror}", "Make it this user's own.") from problem
    if len(data) > LONGEST_FILE:
        raise Problem(f"{path} is longer than {LONGEST_FILE // 1024} KiB", "Take out what no upstream needs.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(f"{path} is not UTF-8", "Write it anew in UTF-8.") from None


def _write(path: Path, text: str) -> None:
    try:
        write_private(path, text)
    except OSError as problem:
        raise Problem(
            f"{path} cannot be written: {problem.strerror}", "Make room, or make it this user's own."
        ) from problem
