"""Claude Code with Assent's tools at hand: one that it asks for permission, and those that are governed behind it."""

import json

import httpx2
import pytest

from tests.clients.claude_code.conftest import ClaudeSeat
from tests.clients.claude_code.model import Use
from tests.clients.seats import edit
from tests.server.house import decide

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

MAKE = Use("Bash", {"command": "echo asked > made.txt", "description": "Make a file"}, "toolu_make")
ADD = Use("mcp__assent__up__add", {"a": 2, "b": 3}, "toolu_add")
ASK = Use("mcp__assent__ask_approval", {"title": "Go on?"}, "toolu_ask")
PROMPT = ("--permission-prompt-tool", "mcp__assent__permission_prompt")


def asking(seat: ClaudeSeat) -> tuple[str, ...]:
    return ("--mcp-config", seat.connection(), *PROMPT)


async def test_the_prompt_tool_lets_run_what_a_person_made_of_it(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([MAKE], hooks=False) as claude:
        async with claude.running("Make a file.", *asking(seat)) as session:
            card = await seat.card(reviewer)
            await edit(reviewer, card, command="echo edited > made.txt")
            await decide(reviewer, card["request_id"], decision="run")
            await session.ended()

        assert claude.made() == {"made.txt": "edited\n"}
    assert card["card"]["question"]["tool"] == "claude_code:Bash"
    assert (await seat.read(reviewer, card["request_id"]))["run"]["state"] == "released"


async def test_the_prompt_tool_lets_nothing_run_that_a_person_refused(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([MAKE], hooks=False) as claude:
        async with claude.running("Make a file.", *asking(seat)) as session:
            card = await seat.card(reviewer)
            await decide(reviewer, card["request_id"], decision="refuse", comment="Not in this folder.")
            await session.ended()

        assert claude.made() == {}
        assert "Not in this folder." in claude.model.told()[MAKE.id]


async def test_a_governed_tool_behind_it_is_held_once(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([ADD]) as claude:
        async with claude.running("Add them.", "--mcp-config", seat.connection()) as session:
            card = await seat.card(reviewer)
            await decide(reviewer, card["request_id"], decision="run")
            await session.ended()

        assert "5" in claude.model.told()[ADD.id]
    assert [one["title"] for one in await seat.asked(reviewer)] == [card["title"]]
    assert card["card"]["question"]["tool"] == "up__add"


async def test_a_governed_tool_that_a_person_refused_does_not_run(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([ADD]) as claude:
        async with claude.running("Add them.", "--mcp-config", seat.connection()) as session:
            await decide(reviewer, (await seat.card(reviewer))["request_id"], decision="refuse")
            await session.ended()

        assert "refused" in claude.model.told()[ADD.id]


async def test_a_question_of_the_agent_s_own_is_put_to_people_beside_the_hooks(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([ASK], [MAKE]) as claude:
        async with claude.running("Ask first.", "--mcp-config", seat.connection()) as session:
            question = await seat.card(reviewer)
            await decide(reviewer, question["request_id"], decision="approve")
            held = await seat.card(reviewer)
            before = claude.made()
            await decide(reviewer, held["request_id"], decision="run")
            await session.ended()

        assert (before, claude.made()) == ({}, {"made.txt": "asked\n"})
        told, _ = json.JSONDecoder().raw_decode(claude.model.told()[ASK.id])
        assert told["may_proceed"] is True
    assert (question["kind"], held["kind"]) == ("approval", "call")
