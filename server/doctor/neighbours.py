"""Other MCP servers that this user's clients start beside Assent: each is a way round it. Names only, read only."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from server.doctor.findings import Finding, note, weak

_SECTIONS = ("mcpServers", "mcp_servers", "servers")


@dataclass(frozen=True)
class Configured:
    """A server in a client's configuration file."""

    file: Path
    name: str
    is_assent: bool


class Unreadable(Exception):
    """A configuration file that is there and cannot be understood."""


def known_files(user: Path, folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """Where the clients that Assent knows keep their servers: for this user, and for this folder."""
    claude = "Claude/claude_desktop_config.json"
    roaming = [Path(environ["APPDATA"]) / claude] if environ.get("APPDATA") else []
    return [
        user / ".claude.json",
        user / ".config" / claude,
        user / "Library" / "Application Support" / claude,
        *roaming,
        user / ".cursor" / "mcp.json",
        user / ".codex" / "config.toml",
        user / ".gemini" / "settings.json",
        folder / ".mcp.json",
        folder / ".cursor" / "mcp.json",
        folder / ".vscode" / "mcp.json",
        folder / ".gemini" / "settings.json",
    ]


def neighbours(files: list[Path]) -> list[Finding]:
    found = []
    for file in dict.fromkeys(files):
        try:
            others = sorted({server.name for server in configured(file) if not server.is_assent})
        except Unreadable as problem:
            found.append(
                note(
                    "client-file-unreadable",
                    f"{file} could not be understood: {problem}.",
                    "Which servers that client starts beside Assent is not known.",
                    "look into it yourself",
                )
            )
            continue
        if others:
            found.append(
                weak(
                    "other-servers",
                    f"{file} names other MCP servers: {', '.join(others)}.",
                    "Their tools run without asking anybody: they are ways round Assent.",
                    "keep only those there that may act unasked",
                )
            )
    return found


def configured(file: Path) -> list[Configured]:
    """The servers of one file; none when it is not there.

    Raises:
        Unreadable
    """
    try:
        text = file.read_text("utf-8")
        content = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text or "{}")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as problem:
        # json and tomllib raise kinds of ValueError; their texts hold places, never content.
        raise Unreadable(getattr(problem, "strerror", None) or type(problem).__name__) from None
    return [Configured(file, name, _is_assent(name, entry)) for name, entry in _entries(content)]


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        return
    for section in _SECTIONS:
        servers = content.get(section)
        if isinstance(servers, dict):
            yield from servers.items()
    projects = content.get("projects")
    for project in projects.values() if isinstance(projects, dict) else ():
        yield from _entries({key: project.get(key) for key in _SECTIONS} if isinstance(project, dict) else {})


def _is_assent(name: str, entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    words = [entry.get("command"), *(entry["args"] if isinstance(entry.get("args"), list) else [])]
    programs = {PurePath(word).name for word in words if isinstance(word, str)}
    return bool(programs & {"assent", "assent.exe", "assent.py"}) or (name == "assent" and "command" not in entry)


def look(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Those of the user who asks."""
    try:
        return neighbours(known_files(Path.home(), Path.cwd(), environ))
    except (RuntimeError, OSError):
        # No home folder, or no working directory: then there is nothing to look at.
        return []
