"""The servers of a TOML file, and the same file with other servers in it. Pure.

Nothing here writes TOML in general: whole tables are cut out as lines, one is added, and the result is read again and
compared. What does not come out as meant is refused.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from server.adopting.json_text import NotUnderstood

TABLE = "mcp_servers"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"\s*\[\[?\s*(?P<first>[\w-]+|\"[^\"]*\"|'[^']*')")


def servers(text: str) -> dict[str, dict[str, Any]]:
    """The servers by name.

    Raises:
        NotUnderstood
    """
    found = _read(text).get(TABLE, {})
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise NotUnderstood(f"{TABLE} holds no tables")
    return found


def with_servers(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The text with these servers instead of its own.

    Raises:
        NotUnderstood: it is written in a way in which that cannot be done for sure.
    """
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        header = _HEADER.match(line)
        inside = header["first"].strip("\"'") == TABLE if header else inside
        if not inside:
            kept.append(line)
    rest = "".join(kept)
    gap = "" if not rest.strip() else "\n" if rest.endswith("\n") else "\n\n"
    changed = rest + gap + "\n".join(_table(name, entry) for name, entry in entries.items())
    wanted = {**_read(text), TABLE: dict(entries)}
    if not entries:
        del wanted[TABLE]
    if _read(changed) != wanted:
        raise NotUnderstood("its servers could not be replaced for sure")
    return changed


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise NotUnderstood(str(problem)) from None
    except RecursionError:
        raise NotUnderstood("it is nested too deeply") from None


def _table(name: str, entry: Mapping[str, Any]) -> str:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in entry.items()]
    return "\n".join([f"[{TABLE}.{_key(name)}]", *lines, ""])


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str | bool | int):
        # A JSON string with its escapes is a basic string of TOML, except for characters written as two halves.
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else json.dumps(value)
    if isinstance(value, float):
        return repr(value)
    raise NotUnderstood("it holds a date, which is not moved")
