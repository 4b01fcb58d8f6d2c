"""The real Codex, with the requirements that Assent prints for it as an administrator puts them in place."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.clients.codex.model import Call, Model, scripted, shell, typed
from tests.clients.codex.session import Codex, ended, installed, program_in
from tests.clients.installed import find_node
from tests.clients.managed import managed
from tests.clients.seats import Seat, edit, furnished
from tests.server.house import House, decide
from tests.server.talking import run

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

RULES = """\
  - {name: looking is let through, tool: "codex:Bash", args: {command: {eq: "ls"}}, action: allow}
"""
MAKE = shell("echo asked > made.txt")


@dataclass(frozen=True)
class CodexSeat(Seat):
    """One whose client is Codex."""

    @contextmanager
    def codex(self, *script: Call) -> Iterator[tuple[Codex, Model]]:
        """Codex under these requirements, and the model that leads it."""
        requirements = self.printed("codex", "--hooks")["text"]
        program = managed(self.program, self.folder, "codex/requirements.toml", requirements)
        with scripted(*script) as model:
            yield installed(program, self.folder, model), model


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with furnished(tmp_path_factory.mktemp("house"), RULES) as house:
        yield house


@pytest.fixture
async def reviewer(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with house.reviewer() as client:
        yield client


@pytest.fixture
def seat(house: House, cache: Path, tmp_path: Path) -> CodexSeat:
    find_node(cache / "node")
    return CodexSeat(house, f"codex-{secrets.token_hex(4)}", program_in(cache), tmp_path)


async def test_what_a_person_made_of_it_runs(seat: CodexSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.codex(MAKE) as (codex, _):
        async with codex.running() as process:
            card = await seat.card(reviewer)
            await edit(reviewer, card, command="echo edited > other.txt")
            await decide(reviewer, card["request_id"], decision="run")
            await ended(process)

        assert codex.made() == {"other.txt": "edited\n"}
    question = card["card"]["question"]
    assert (question["tool"], question["arguments"]) == ("codex:Bash", {"command": "echo asked > made.txt"})


async def test_what_a_person_refused_does_not_run(seat: CodexSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.codex(MAKE) as (codex, model):
        async with codex.running() as process:
            card = await seat.card(reviewer)
            await decide(reviewer, card["request_id"], decision="refuse", comment="Not today.")
            await ended(process)

        assert codex.made() == {}
        assert "Not today." in model.told[0]


async def test_what_rules_allow_runs_and_nobody_is_asked(seat: CodexSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.codex(shell("ls")) as (codex, model):
        (codex.project / "seen.txt").touch()
        await codex.run()

        assert "seen.txt" in model.told[0]
    assert await seat.asked(reviewer) == []


@pytest.mark.parametrize("flags", [(), ("--disable", "hooks"), ("-c", "features.hooks=false")])
async def test_a_revoked_agent_runs_nothing_whatever_flags_it_is_started_with(
    seat: CodexSeat, flags: tuple[str, ...]
) -> None:
    with seat.codex(MAKE) as (codex, model):
        for done in ("add", "revoke"):
            assert run("agent", done, seat.agent, *seat.house.flags).returncode == 0
        await codex.run(*flags)

        assert codex.made() == {}
        assert "blocked by PreToolUse hook" in model.told[0]


async def test_what_is_typed_into_an_approved_program_is_not_asked_about(
    seat: CodexSeat, reviewer: httpx2.AsyncClient
) -> None:
    # Codex has no hook for it: what the documentation warns of.
    with seat.codex(shell("bash", tty=True, yield_time_ms=1000), typed("echo typed > made.txt\n")) as (codex, _):
        async with codex.running() as process:
            await decide(reviewer, (await seat.card(reviewer))["request_id"], decision="run")
            await ended(process)

        assert codex.made() == {"made.txt": "typed\n"}
    assert len(await seat.asked(reviewer)) == 1
