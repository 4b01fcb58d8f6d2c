"""A house whose policy governs Claude Code's own tools, and an agent of its own for every test."""

import json
import secrets
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.clients.claude_code.model import Turn, scripted
from tests.clients.claude_code.session import ClaudeCode, installed, program_in
from tests.clients.installed import find_node
from tests.clients.seats import Json, Seat, furnished
from tests.server.house import House

RULES = """\
  - {name: reading is let through, tool: "claude_code:Read", action: allow}
  - {name: Assent's own tools are governed on arrival, tool: "claude_code:mcp__assent__*", action: allow}
  - {name: nothing is fetched, tool: "claude_code:WebFetch", action: deny, reason: fetching is not for agents}
  - {name: short questions, tool: "claude_code:Bash", args: {command: {glob: "*hurry*"}}, action: hold, timeout: 2s}
"""


@pytest.fixture(scope="session")
def program(cache: Path) -> Path:
    # It needs no Node, but what installs it does; where that is left out, so is this.
    find_node(cache / "node")
    return program_in(cache)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One server for a module: its tests tell their cards apart by the agent."""
    with furnished(tmp_path_factory.mktemp("house"), RULES) as house:
        yield house


@pytest.fixture
async def reviewer(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with house.reviewer() as client:
        yield client


@dataclass(frozen=True)
class ClaudeSeat(Seat):
    """One whose client is Claude Code, with the settings that Assent prints for it."""

    @contextmanager
    def claude(
        self,
        *script: Turn,
        delegated: Sequence[Turn] = (),
        hooks: bool = True,
        unattended: bool = False,
        at: str | None = None,
    ) -> Iterator[ClaudeCode]:
        """Claude Code, led by a model that says this; with the hooks that Assent prints for it, unless it has none."""
        with scripted(script, delegated) as model:
            if not hooks:
                yield installed(self.program, self.folder, model)
                return
            token, settings = self.hooks(unattended=unattended, at=at)
            claude = installed(self.program, self.folder, model, ASSENT_TOKEN=token)
            # As its user's own settings they are a guardrail, which the other key is no part of.
            claude.settle({"hooks": settings["hooks"]})
            yield claude

    def hooks(self, *, unattended: bool = False, at: str | None = None) -> tuple[str, Json]:
        """A token, and the settings as they are printed; `at` is another address than the server's."""
        said = self.printed("claude-code", "--hooks", *(("--unattended",) if unattended else ()))
        settings: Json = json.loads(said["text"])
        (hook,) = settings["hooks"]["PreToolUse"][0]["hooks"]
        # No test waits a minute before an unattended run ends.
        hook["url"] = hook["url"].replace("?defer=60", "?defer=1")
        if at is not None:
            hook["url"] = f"{at}{urlsplit(hook['url']).path}"
        return said["token"], settings

    def connection(self) -> str:
        """The `--mcp-config` with which the same agent reaches the server's tools, by the printed recipe."""
        *_, server = shlex.split(self.printed("claude-code", "--http")["text"])
        return json.dumps({"mcpServers": {"assent": json.loads(server)}})


@pytest.fixture
def seat(house: House, program: Path, tmp_path: Path) -> ClaudeSeat:
    return ClaudeSeat(house, f"claude-{secrets.token_hex(4)}", program, tmp_path)
