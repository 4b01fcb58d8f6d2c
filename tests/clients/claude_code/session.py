"""The real Claude Code in a home of its own, without a person at its terminal, talking to a scripted model.

Nothing that it does leaves this machine: the model is here, what it would send home is switched off, and whatever tries
all the same goes to a proxy that does not exist. It has no key, only a text in the place of one.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process

from tests.clients.claude_code.model import Model
from tests.clients.installed import node_packages
from tests.server.talking import PATIENCE

PACKAGES = "claude_code"
"""The folder whose lock names the version that is tested."""
NOBODY = "http://127.0.0.1:9"
"""An address of this machine at which nothing listens."""
_SILENT = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "HTTP_PROXY": NOBODY,
    "HTTPS_PROXY": NOBODY,
    "NO_PROXY": "127.0.0.1,localhost",
}


def program_in(cache: Path) -> Path:
    """The program, installed into this folder if need be. Skips where npm carries none for this platform."""
    found = sorted((node_packages(cache, PACKAGES) / "node_modules" / "@anthropic-ai").glob("claude-code-*/claude*"))
    if not found:
        pytest.skip("npm carries no Claude Code for this platform: nothing was tested with it")
    return found[0]


@dataclass(frozen=True)
class Ended:
    """How a session ended. `result` is what it printed as JSON, empty where it printed none."""

    code: int
    result: Mapping[str, Any]
    errors: str

    @property
    def session_id(self) -> str:
        found: str = self.result["session_id"]
        return found

    @property
    def why(self) -> str:
        """`completed`, `tool_deferred`, `hook_stopped`, …: as Claude Code calls it."""
        # A session that is resumed and deferred again names the reason only here.
        return str(self.result.get("terminal_reason") or self.result.get("stop_reason"))


class Session:
    """One that runs."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ended(self) -> Ended:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        output = b"".join([chunk async for chunk in self._process.stdout])
        errors = b"".join([chunk async for chunk in self._process.stderr])
        code = await self._process.wait()
        return Ended(code, json.loads(output) if output.strip() else {}, errors.decode())

    def kill(self) -> None:
        self._process.kill()


@dataclass(frozen=True)
class ClaudeCode:
    """An installation: `home` is where its settings and sessions are, `project` where it works."""

    program: Path
    home: Path
    project: Path
    model: Model
    environment: Mapping[str, str]

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[Session]:
        """A session for the length of the block. `arguments` come after `-p`."""
        command = [str(self.program), "-p", *arguments, "--output-format", "json", "--model", "claude-sonnet-4-5"]
        with anyio.fail_after(PATIENCE):
            async with await anyio.open_process(
                command, stdin=None, cwd=self.project, env=self._environment()
            ) as process:
                try:
                    yield Session(process)
                finally:
                    with anyio.CancelScope(shield=True):
                        if process.returncode is None:
                            process.kill()
                        await process.wait()

    async def run(self, *arguments: str) -> Ended:
        """A session to its end."""
        async with self.running(*arguments) as session:
            return await session.ended()

    def made(self) -> dict[str, str]:
        """What stands in the project, by name: the traces of what ran."""
        return {path.name: path.read_text("utf-8") for path in self.project.iterdir() if path.is_file()}

    def settings(self) -> dict[str, Any]:
        """Its user's settings, as they were given."""
        found: dict[str, Any] = json.loads(self._settings.read_text("utf-8"))
        return found

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Give it these settings of its user's."""
        self._settings.parent.mkdir(exist_ok=True)
        self._settings.write_text(json.dumps(settings), encoding="utf-8")

    @property
    def _settings(self) -> Path:
        return self.home / ".claude" / "settings.json"

    def _environment(self) -> dict[str, str]:
        return {
            **_SILENT,
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CLAUDE_CONFIG_DIR": str(self.home / ".claude"),
            "ANTHROPIC_BASE_URL": self.model.url,
            "ANTHROPIC_API_KEY": "no-key",
            **self.environment,
        }


def installed(program: Path, folder: Path, model: Model, **environment: str) -> ClaudeCode:
    """An installation that was never used, in this folder."""
    home, project = folder / "home", folder / "project"
    home.mkdir(parents=True)
    project.mkdir()
    return ClaudeCode(program, home, project, model, environment)
