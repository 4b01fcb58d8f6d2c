"""The servers that a client's configuration file names, and the same file with other servers in it. Pure.

Three forms are known: JSON with `mcpServers` (Claude Code, Claude Desktop, Cursor, Gemini CLI), JSON with `servers` (VS
Code, with comments), and TOML with `mcp_servers` (Codex).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from server.adopting import json_text, toml_text
from server.adopting.json_text import NotUnderstood

Entries = Mapping[str, Mapping[str, Any]]
JSON_PLACES = (("mcpServers",), ("mcp_servers",), ("servers",), ("mcp", "servers"))
_PROJECTS = "projects"


@dataclass(frozen=True)
class Section:
    """One object of servers in a file. `path` are the keys that lead to it."""

    path: tuple[str, ...]
    entries: Entries


@dataclass(frozen=True)
class ClientFile:
    """A file that was understood. `text` is all of it, to the letter."""

    text: str
    sections: tuple[Section, ...]
    is_toml: bool = False

    @property
    def entries(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every server by its name, in the order of the file."""
        return (named for section in self.sections for named in section.entries.items())

    def with_sections(self, sections: Mapping[tuple[str, ...], Entries]) -> str:
        """The text with these sections' servers instead of those that stand there.

        Raises:
            NotUnderstood: this file is written in a way in which that cannot be done for sure.
        """
        if self.is_toml:
            (entries,) = sections.values()
            return toml_text.with_servers(self.text, entries)
        changed = self.text
        spans = {path: (start, end) for path, start, end in _spans(json_text.plain(self.text))}
        for path, (start, end) in sorted(spans.items(), key=lambda one: -one[1][0]):
            if path in sections:
                changed = changed[:start] + _written(self.text, start, sections[path]) + changed[end:]
        wanted = {section.path: sections.get(section.path, section.entries) for section in self.sections}
        if {section.path: section.entries for section in understood(changed).sections} != wanted:
            raise NotUnderstood("its servers could not be replaced for sure")
        return changed

    def section_texts(self) -> dict[tuple[str, ...], str]:
        """Each section as it is written here, for putting it back. A file in TOML has none."""
        if self.is_toml:
            return {}
        return {path: self.text[start:end] for path, start, end in _spans(json_text.plain(self.text))}

    def with_texts(self, texts: Mapping[tuple[str, ...], str]) -> str:
        """The text with these sections written in that way."""
        changed = self.text
        spans = sorted(_spans(json_text.plain(self.text)), key=lambda one: -one[1])
        for path, start, end in spans:
            if path in texts:
                changed = changed[:start] + texts[path] + changed[end:]
        return changed


def understood(text: str, *, is_toml: bool = False) -> ClientFile:
    """What this file says.

    Raises:
        NotUnderstood
    """
    if is_toml:
        entries = toml_text.servers(text)
        return ClientFile(text, (Section((toml_text.TABLE,), entries),) if entries else (), is_toml=True)
    plain = json_text.plain(text)
    content = json_text.value_of(plain)
    if not isinstance(content, dict):
        raise NotUnderstood("it is no JSON object")
    found = []
    for path in _paths(content):
        value = _at(content, path)
        if value:
            found.append(Section(path, value))
    return ClientFile(text, tuple(found))


def is_assent(name: str, entry: Any) -> bool:
    """Whether this server is Assent itself."""
    if not isinstance(entry, Mapping):
        return False
    words = [entry.get("command"), *(entry["args"] if isinstance(entry.get("args"), list) else [])]
    programs = {PurePath(word).name for word in words if isinstance(word, str)}
    return bool(programs & {"assent", "assent.exe", "assent.py"}) or (name == "assent" and "command" not in entry)


def _paths(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    projects = content.get(_PROJECTS)
    inner = [
        (_PROJECTS, name, *place) for name in (projects if isinstance(projects, dict) else ()) for place in JSON_PLACES
    ]
    return [path for path in (*JSON_PLACES, *inner) if _at(content, path) is not None]


def _at(content: Any, path: tuple[str, ...]) -> Entries | None:
    """The object of servers at that place, if there is one: its values are objects."""
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        return None
    return content


def _spans(plain: str, start: int = 0, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Where the sections stand in a text that is an object."""
    inside = {(_PROJECTS,), ("mcp",)}
    for member in json_text.members(plain, start):
        here = (*path, member.key)
        bare = here[2:] if here[:1] == (_PROJECTS,) and len(here) > 2 else here
        if bare in JSON_PLACES and _at(member.value, ()) is not None:
            yield here, member.start, member.end
        elif isinstance(member.value, dict) and (bare in inside or (path == (_PROJECTS,))):
            yield from _spans(plain, member.start, here)


def _written(text: str, start: int, entries: Entries) -> str:
    """The object as the rest of the file is written: its line's indentation, and the file's unit of it."""
    if "\n" not in text.strip():
        return json.dumps(entries, ensure_ascii=False)
    line = text[text.rfind("\n", 0, start) + 1 : start]
    indent = line[: len(line) - len(line.lstrip())]
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    written = json.dumps(entries, ensure_ascii=False, indent=_unit(text))
    return written.replace("\n", f"{end_of_line}{indent}")


def _unit(text: str) -> str:
    lines = (line for line in text.splitlines() if line[:1] in (" ", "\t") and line.strip())
    first = next(lines, "  ")
    return first[: len(first) - len(first.lstrip())]
