"""Other MCP servers that this user's clients start beside Assent: each is a way round it. Names only, read only."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.adopting.client_file import is_assent, understood
from server.adopting.json_text import NotUnderstood
from server.doctor.findings import Finding, note, weak
from store.strict_json import shortened


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
            others = sorted({shortened(server.name)[1:-1] for server in configured(file) if not server.is_assent})
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
                    f"assent adopt {shlex.quote(str(file))}, or keep only those there that may act unasked",
                )
            )
    return found


def configured(file: Path) -> list[Configured]:
    """The servers of one file; none when it is not there.

    Raises:
        Unreadable
    """
    try:
        found = understood(file.read_text("utf-8"), is_toml=file.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as problem:
        # What is not understood is told by its place, and never by its content.
        why = str(problem) if isinstance(problem, NotUnderstood) else getattr(problem, "strerror", None)
        raise Unreadable(why or type(problem).__name__) from None
    return [Configured(file, name, is_assent(name, entry)) for name, entry in found.entries]


def look(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Those of the user who asks."""
    try:
        return neighbours(known_files(Path.home(), Path.cwd(), environ))
    except (RuntimeError, OSError):
        # No home folder, or no working directory: then there is nothing to look at.
        return []
