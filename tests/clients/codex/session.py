"""The real Codex in a home of its own, talking to a scripted model. Nothing that it does leaves this machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.clients.codex.model import Model
from tests.clients.installed import node_packages
from tests.server.talking import PATIENCE

PACKAGES = "codex"
"""The folder whose lock names the version that is tested."""
_NOWHERE = "http://127.0.0.1:9"
_CONFIG = """\
model = "gpt-5"
model_provider = "scripted"

[model_providers.scripted]
name = "scripted"
base_url = "{url}"
wire_api = "responses"
env_key = "NO_KEY"

[analytics]
enabled = false
"""


def program_in(cache: Path) -> Path:
    """The program, installed into this folder if need be. Skips where npm carries none for this platform."""
    found = sorted((node_packages(cache, PACKAGES) / "node_modules" / "@openai").glob("codex-*/vendor/*/bin/codex"))
    if not found:
        pytest.skip("npm carries no Codex for this platform: nothing was tested with it")
    return found[0]


@dataclass(frozen=True)
class Codex:
    """An installation: `home` is where its settings and sessions are, `project` where it works."""

    program: Path
    home: Path
    project: Path

    @asynccontextmanager
    async def running(self, *flags: str) -> AsyncIterator[Process]:
        """`codex exec` for the length of the block, without a sandbox of its own: only hooks stand before a tool."""
        arguments = ["exec", "--skip-git-repo-check", "-C", str(self.project), "-s", "danger-full-access", *flags]
        with anyio.fail_after(PATIENCE):
            async with await anyio.open_process(
                [str(self.program), *arguments, "Go."], stdin=None, env=self._environment()
            ) as process:
                try:
                    yield process
                finally:
                    with anyio.CancelScope(shield=True):
                        if process.returncode is None:
                            process.kill()
                        await process.wait()

    async def run(self, *flags: str) -> None:
        """The same to its end."""
        async with self.running(*flags) as process:
            await ended(process)

    def made(self) -> dict[str, str]:
        """What stands in the project, by name: the traces of what ran."""
        return {path.name: path.read_text("utf-8") for path in self.project.iterdir()}

    def _environment(self) -> dict[str, str]:
        home = str(self.home)
        proxies = {"HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": "127.0.0.1,localhost"}
        return {"PATH": os.environ["PATH"], "HOME": home, "CODEX_HOME": home, "NO_KEY": "no-key", **proxies}


async def ended(process: Process) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    async with anyio.create_task_group() as group:
        group.start_soon(_read, process.stdout)
        group.start_soon(_read, process.stderr)
    await process.wait()


async def _read(stream: anyio.abc.ByteReceiveStream) -> None:
    async for _ in stream:
        pass


def installed(program: Path, folder: Path, model: Model) -> Codex:
    """An installation that was never used, in this folder."""
    home, project = folder / "home", folder / "project"
    home.mkdir(parents=True)
    project.mkdir()
    (home / "config.toml").write_text(_CONFIG.format(url=model.url), encoding="utf-8")
    return Codex(program, home, project)
