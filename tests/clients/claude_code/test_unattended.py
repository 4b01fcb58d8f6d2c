"""A session that nobody attends ends where a person has to decide, and goes on from there once they have."""

import httpx2
import pytest

from tests.clients.claude_code.conftest import ClaudeSeat
from tests.clients.claude_code.model import DELEGATED, Use
from tests.clients.seats import edit
from tests.server.house import decide

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

MAKE = Use("Bash", {"command": "echo asked > made.txt", "description": "Make a file"}, "toolu_make")
MORE = Use("Bash", {"command": "echo more > more.txt", "description": "Make another file"}, "toolu_more")


async def test_it_ends_and_resumed_after_the_approval_it_runs_what_a_person_made_of_it(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([MAKE], unattended=True) as claude:
        first = await claude.run("Make a file.")
        (row,) = await seat.open(reviewer)
        before = claude.made()
        await edit(reviewer, await seat.read(reviewer, row["request_id"]), command="echo edited > made.txt")
        await decide(reviewer, row["request_id"], decision="run")
        last = await claude.run("--resume", first.session_id)
        over = await claude.run("--resume", first.session_id)

        assert (first.why, first.result["deferred_tool_use"]["id"], before) == ("tool_deferred", MAKE.id, {})
        assert (last.why, claude.made()) == ("completed", {"made.txt": "edited\n"})
        assert (over.code, "No deferred tool" in over.errors) == (1, True)
    assert len(await seat.asked(reviewer)) == 1


async def test_resumed_too_early_it_ends_again_and_the_question_stays_the_same(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([MAKE], unattended=True) as claude:
        first = await claude.run("Make a file.")
        again = await claude.run("--resume", first.session_id)

        assert (first.why, again.why, claude.made()) == ("tool_deferred", "tool_deferred", {})
    assert len(await seat.asked(reviewer)) == 1


async def test_resumed_after_a_refusal_it_runs_nothing(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([MAKE], unattended=True) as claude:
        first = await claude.run("Make a file.")
        (row,) = await seat.open(reviewer)
        await decide(reviewer, row["request_id"], decision="refuse", comment="Not today.")
        last = await claude.run("--resume", first.session_id)

        assert (last.why, claude.made()) == ("completed", {})
        assert "Not today." in claude.model.told()[MAKE.id]


async def test_of_two_calls_at_once_the_one_that_it_forgets_finds_its_answer_when_it_is_asked_for_again(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    again = Use("Bash", MAKE.input, "toolu_again")
    with seat.claude([MAKE, MORE], [again], unattended=True) as claude:
        first = await claude.run("Make two files.")
        rows = await seat.open(reviewer)
        before = claude.made()
        for row in rows:
            await decide(reviewer, row["request_id"], decision="run")
        last = await claude.run("--resume", first.session_id)

        assert (first.result["deferred_tool_use"]["id"], before) == (MORE.id, {})
        assert (last.why, claude.made()) == ("completed", {"made.txt": "asked\n", "more.txt": "more\n"})
    assert len(await seat.asked(reviewer)) == 2


async def test_a_sub_agent_is_never_ended_since_it_could_not_be_resumed(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    told = {"description": "a part", "prompt": DELEGATED, "subagent_type": "general-purpose"}
    delegate = Use("Agent", {**told, "run_in_background": False}, "toolu_agent")
    with seat.claude([delegate], delegated=[[MAKE]], unattended=True) as claude:
        first = await claude.run("Have a file made.")
        (row,) = await seat.open(reviewer)
        await decide(reviewer, row["request_id"], decision="run")
        async with claude.running("--resume", first.session_id) as session:
            card = await seat.card(reviewer)
            await decide(reviewer, card["request_id"], decision="run")
            last = await session.ended()

        assert (last.why, claude.made()) == ("completed", {"made.txt": "asked\n"})
