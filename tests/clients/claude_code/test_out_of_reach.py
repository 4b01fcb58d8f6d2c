"""Where Assent cannot be asked, was stopped, or holds the agent back: nothing runs."""

from pathlib import Path

import httpx2
import pytest

from tests.clients.claude_code.conftest import RULES, ClaudeSeat
from tests.clients.claude_code.model import Use
from tests.clients.claude_code.session import NOBODY
from tests.clients.seats import furnish
from tests.server.house import decide, house_in
from tests.server.talking import run

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

MAKE = Use("Bash", {"command": "echo asked > made.txt", "description": "Make a file"}, "toolu_make")
# What Claude Code itself would let run without asking anybody: only the hook stands before it.
FREELY = ("--allowedTools", "Bash")


async def test_with_the_server_down_nothing_runs(seat: ClaudeSeat) -> None:
    with seat.claude([MAKE], at=NOBODY) as claude:
        ended = await claude.run("Make a file.", *FREELY)

        assert (ended.code, claude.made()) == (0, {})
        assert 'blocking because onFailure is "block"' in claude.model.told()[MAKE.id]


async def test_without_the_setting_that_is_printed_it_would_run(seat: ClaudeSeat) -> None:
    with seat.claude([MAKE], at=NOBODY) as claude:
        settings = claude.settings()
        assert settings["hooks"]["PreToolUse"][0]["hooks"][0].pop("onFailure") == "block"
        claude.settle(settings)
        await claude.run("Make a file.", *FREELY)

        assert claude.made() == {"made.txt": "asked\n"}


async def test_a_server_that_dies_while_people_are_asked_takes_nothing_with_it(program: Path, tmp_path: Path) -> None:
    house = house_in(tmp_path / "house")
    furnish(house, RULES)
    port = house.serve("--log-level", "warning")["endpoint"].rpartition(":")[2]
    seat = ClaudeSeat(house, "claude", program, tmp_path / "claude")
    again = Use("Bash", MAKE.input, "toolu_again")
    try:
        # It says that it failed, and asks again when it is told to.
        with seat.claude([MAKE], [], [again]) as claude:
            async with claude.running("Make a file.", *FREELY) as session:
                async with house.reviewer() as reviewer:
                    card = await seat.card(reviewer)
                house.kill()
                first = await session.ended()
            before = claude.made()
            house.serve("--log-level", "warning", "--port", port)
            async with claude.running("Try it once more.", "--resume", first.session_id, *FREELY) as session:
                async with house.reviewer() as reviewer:
                    same = await seat.card(reviewer)
                    await decide(reviewer, same["request_id"], decision="run")
                await session.ended()

            assert (before, claude.made()) == ({}, {"made.txt": "asked\n"})
            assert same["request_id"] == card["request_id"]
    finally:
        house.clear()


async def test_an_agent_that_is_stopped_while_it_waits_runs_nothing_more(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([MAKE]) as claude:
        async with claude.running("Make a file.", *FREELY) as session:
            card = await seat.card(reviewer)
            stopped = run("agent", "stop", seat.agent, *seat.house.flags)
            assert stopped.returncode == 0, stopped.stderr
            ended = await session.ended()

        assert (ended.why, claude.made()) == ("hook_stopped", {})
        # Claude Code ends the session by itself: the model is not even asked what to do next.
        assert len(claude.model.heard) == 1
        assert (await seat.read(reviewer, card["request_id"]))["state"] != "closed"

        again = await claude.run("Make it all the same.", *FREELY)
        assert (again.why, claude.made()) == ("hook_stopped", {})

        resumed = run("agent", "resume", seat.agent, *seat.house.flags)
        assert resumed.returncode == 0, resumed.stderr
        async with claude.running("Now make it.", *FREELY) as session:
            same = await seat.card(reviewer)
            await decide(reviewer, same["request_id"], decision="run")
            await session.ended()


async def test_a_paused_agent_waits_for_people_where_rules_would_let_it(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([Use("Read", {"file_path": "notes.txt"}, "toolu_read")]) as claude:
        (claude.project / "notes.txt").write_text("what it says\n")
        paused = run("agent", "pause", seat.agent, *seat.house.flags)
        assert paused.returncode == 0, paused.stderr
        async with claude.running("Read the notes.") as session:
            card = await seat.card(reviewer)
            await decide(reviewer, card["request_id"], decision="run")
            await session.ended()

        assert "what it says" in claude.model.told()["toolu_read"]


async def test_a_revoked_agent_runs_nothing(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([MAKE]) as claude:
        revoked = run("agent", "revoke", seat.agent, *seat.house.flags)
        assert revoked.returncode == 0, revoked.stderr
        await claude.run("Make a file.", *FREELY)

        assert claude.made() == {}
    assert await seat.asked(reviewer) == []
