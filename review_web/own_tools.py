"""Tools that an agent's client brings itself, as a card shows them: a command, a change of a file, an address. Pure.

Only what stands in the view whole is covered by it; every other argument stands in the table of arguments beneath, and
so does all of a call whose arguments are not of the documented shape. Nothing that would run is ever left out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from review_web.changed_text import ChangedLine, added_lines, changed_lines
from review_web.words import count

CLAIM = "description"
"""The argument in which agents say what a command does."""
# What a reader of addresses cannot take for another host: no user before it, no backslash, nothing but ASCII.
_ADDRESS = re.compile(
    r"https?://(?P<host>(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?:[/?#][!-\[\]-~]*)?"
)


@dataclass(frozen=True)
class Command:
    """Something for a shell."""

    lines: tuple[str, ...]
    """All of it; only a line feed ends a line."""
    says: str
    """How long it is, in words; empty of one line."""
    remark: str | None
    part: str = "command"


@dataclass(frozen=True)
class Change:
    """One replacement in a file, or all of its content."""

    lines: tuple[ChangedLine, ...]
    says: str
    """What is done with it, in words."""


@dataclass(frozen=True)
class FileChange:
    """What would be written into one file, in this order."""

    path: str
    changes: tuple[Change, ...]
    part: str = "file"


@dataclass(frozen=True)
class Patch:
    """Changes of files in one text, which names them itself."""

    lines: tuple[ChangedLine, ...]
    part: str = "patch"


@dataclass(frozen=True)
class Address:
    """Something to be fetched."""

    host: str | None
    """None where readers of addresses could disagree about it."""
    address: str
    part: str = "address"


@dataclass(frozen=True)
class SearchTerms:
    """Words that go to a search engine."""

    query: str
    part: str = "search"


View = Command | FileChange | Patch | Address | SearchTerms


@dataclass(frozen=True)
class OwnView:
    """A view of a call, the names of the arguments that it shows whole, and what the agent says the call does."""

    view: View
    covers: frozenset[str]
    claim: str | None = None
    """In the agent's own words; the argument is among those that are covered."""


def own_view(tool: str, arguments: Mapping[str, Any]) -> OwnView | None:
    """How a tool of that name is shown; None for all that is not known here, or not of the shape that is."""
    read = _READERS.get(tool.lower())
    return None if read is None else read(arguments)


def is_code(tool: str, argument: str) -> bool:
    """Whether what is typed for that argument is code: a browser corrects no spelling in it."""
    return argument in _CODE and tool.lower() in _READERS


def _command(arguments: Mapping[str, Any]) -> OwnView | None:
    text = arguments.get("command")
    if not isinstance(text, str) or not text.strip():
        return None
    lines = tuple(text.split("\n"))
    bare = arguments.get("dangerouslyDisableSandbox") is True
    view = Command(
        lines,
        says=count(len(lines), "line") if len(lines) > 1 else "",
        remark="It is to run outside of its client's sandbox." if bare else None,
    )
    return _with_claim(view, {"command"}, arguments)


def _edit(arguments: Mapping[str, Any]) -> OwnView | None:
    path = _text(arguments, "file_path")
    change = _replacement(arguments)
    if path is None or change is None:
        return None
    covers = {"file_path", "old_string", "new_string"} | ({"replace_all"} & arguments.keys())
    return OwnView(FileChange(path, (change,)), frozenset(covers))


def _edits(arguments: Mapping[str, Any]) -> OwnView | None:
    path, edits = _text(arguments, "file_path"), arguments.get("edits")
    if path is None or not isinstance(edits, list) or not edits:
        return None
    changes = [_replacement(one) if isinstance(one, Mapping) and not one.keys() - _OF_EDIT else None for one in edits]
    if None in changes:
        return None
    return OwnView(FileChange(path, tuple(one for one in changes if one)), frozenset({"file_path", "edits"}))


_OF_EDIT = {"old_string", "new_string", "replace_all"}


def _replacement(arguments: Mapping[str, Any]) -> Change | None:
    old, new, everywhere = (arguments.get(name) for name in ("old_string", "new_string", "replace_all"))
    if not isinstance(old, str) or not isinstance(new, str) or not isinstance(everywhere, bool | None):
        return None
    if not old:
        says = "Writes this:"
    elif everywhere:
        says = "Replaces this everywhere in the file:"
    else:
        says = "Replaces this where it stands in the file:"
    return Change(changed_lines(old, new), says)


def _write(arguments: Mapping[str, Any]) -> OwnView | None:
    path, content = _text(arguments, "file_path"), arguments.get("content")
    if path is None or not isinstance(content, str):
        return None
    change = Change(added_lines(content), f"Writes all of the file anew, {_length(content)}:")
    return OwnView(FileChange(path, (change,)), frozenset({"file_path", "content"}))


def _notebook(arguments: Mapping[str, Any]) -> OwnView | None:
    path, source = _text(arguments, "notebook_path"), arguments.get("new_source")
    mode = arguments.get("edit_mode", "replace")
    if path is None or not isinstance(source, str) or mode not in ("replace", "insert"):
        return None
    says = "Puts a new cell in" if mode == "insert" else "Writes a cell anew"
    change = Change(added_lines(source), f"{says}, {_length(source)}:")
    return OwnView(FileChange(path, (change,)), frozenset({"notebook_path", "new_source"}))


def _patch(arguments: Mapping[str, Any]) -> OwnView | None:
    text = _text(arguments, "command")
    if text is None:
        return None
    return OwnView(Patch(tuple(map(_patch_line, text.split("\n")))), frozenset({"command"}))


def _patch_line(line: str) -> ChangedLine:
    side = {"+": "now", "-": "before"}.get(line[:1])
    return ChangedLine("same", line) if side is None else ChangedLine(side, line[1:])


def _fetch(arguments: Mapping[str, Any]) -> OwnView | None:
    address = _text(arguments, "url")
    if address is None:
        return None
    read = _ADDRESS.fullmatch(address)
    return OwnView(Address(read["host"].lower() if read else None, address), frozenset({"url"}))


def _search(arguments: Mapping[str, Any]) -> OwnView | None:
    query = _text(arguments, "query")
    return None if query is None else OwnView(SearchTerms(query), frozenset({"query"}))


def _with_claim(view: View, covers: set[str], arguments: Mapping[str, Any]) -> OwnView:
    claim = _text(arguments, CLAIM)
    return OwnView(view, frozenset(covers | ({CLAIM} if claim else set())), claim)


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _length(text: str) -> str:
    lines = text.count("\n") + (0 if text.endswith("\n") or not text else 1)
    return count(lines, "line")


_CODE = frozenset({"command", "content", "file_path", "new_source", "new_string", "notebook_path", "old_string", "url"})
_READERS: Mapping[str, Callable[[Mapping[str, Any]], OwnView | None]] = {
    "bash": _command,
    "powershell": _command,
    "shell": _command,
    "run_shell_command": _command,
    "apply_patch": _patch,
    "edit": _edit,
    "replace": _edit,
    "multiedit": _edits,
    "write": _write,
    "write_file": _write,
    "notebookedit": _notebook,
    "webfetch": _fetch,
    "websearch": _search,
    "google_web_search": _search,
}
"""By the tool's name in small letters: the documented ones of the clients in `store.policy.clients`."""
