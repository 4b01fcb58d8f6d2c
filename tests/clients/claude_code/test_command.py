"""The same gate by `assent hook`: a command that Claude Code starts, where hooks are no addresses."""

import shlex
from dataclasses import replace

import httpx2
import pytest

from tests.clients.claude_code.conftest import ClaudeSeat
from tests.clients.claude_code.model import Use
from tests.clients.claude_code.session import NOBODY
from tests.clients.seats import Json, edit
from tests.server.house import decide
from tests.server.talking import command

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

MAKE = Use("Bash", {"command": "echo asked > made.txt", "description": "Make a file"}, "toolu_make")


def hook(seat: ClaudeSeat, *flags: str) -> Json:
    """Settings of a user's whose hook is the command."""
    line = shlex.join(command("hook", "claude-code", "--agent", seat.agent, *flags, *seat.house.flags))
    return {
        "hooks": {"PreToolUse": [{"matcher": "*", "hooks": [{"type": "command", "command": line, "timeout": 86_400}]}]}
    }


async def test_what_a_person_made_of_it_runs(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([MAKE], hooks=False) as claude:
        claude.settle(hook(seat))
        async with claude.running("Make a file.") as session:
            card = await seat.card(reviewer)
            await edit(reviewer, card, command="echo edited > made.txt")
            await decide(reviewer, card["request_id"], decision="run")
            await session.ended()

        assert claude.made() == {"made.txt": "edited\n"}


async def test_without_approval_nothing_runs_and_the_model_is_told_why(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([MAKE], hooks=False) as claude:
        claude.settle(hook(seat))
        async with claude.running("Make a file.", "--allowedTools", "Bash") as session:
            card = await seat.card(reviewer)
            await decide(reviewer, card["request_id"], decision="refuse", comment="Not today.")
            await session.ended()

        assert claude.made() == {}
        assert "Not today." in claude.model.told()[MAKE.id]


async def test_where_nobody_can_be_asked_nothing_runs(seat: ClaudeSeat) -> None:
    with seat.claude([MAKE], hooks=False) as claude:
        token, _ = seat.hooks()
        claude.settle(hook(seat, "--url", NOBODY))
        await replace(claude, environment={"ASSENT_TOKEN": token}).run("Make a file.", "--allowedTools", "Bash")

        assert claude.made() == {}
        assert "did not run" in claude.model.told()[MAKE.id]
