"""The real Claude Code asks before it runs a tool of its own, and runs what a person approved, or nothing."""

import httpx2
import pytest

from tests.clients.claude_code.conftest import ClaudeSeat
from tests.clients.claude_code.model import DELEGATED, Use
from tests.clients.seats import edit
from tests.server.house import decide
from tests.server.talking import run

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

MAKE = Use("Bash", {"command": "echo asked > made.txt", "description": "Make a file"}, "toolu_make")
RAN = ["request_closed", "call_intended", "answer_claimed", "answer_delivered"]


async def test_what_a_person_approved_runs_once(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([MAKE]) as claude:
        async with claude.running("Make a file.") as session:
            card = await seat.card(reviewer)
            before = claude.made()
            await decide(reviewer, card["request_id"], decision="run")
            ended = await session.ended()

        assert (before, claude.made(), ended.why) == ({}, {"made.txt": "asked\n"}, "completed")
    question = card["card"]["question"]
    assert (card["title"], question["tool"], question["arguments"]) == (
        "Claude Code · Bash",
        "claude_code:Bash",
        MAKE.input,
    )
    assert question["facts"]["cwd"] == str(claude.project)
    assert question["facts"]["session_id"] == ended.session_id
    assert (await seat.read(reviewer, card["request_id"]))["run"]["state"] == "released"


async def test_what_a_person_made_of_it_runs_and_the_model_is_told(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    with seat.claude([MAKE]) as claude:
        async with claude.running("Make a file.") as session:
            card = await seat.card(reviewer)
            await edit(reviewer, card, command="echo edited > other.txt", description="Make another file")
            await decide(reviewer, card["request_id"], decision="run")
            await session.ended()

        assert claude.made() == {"other.txt": "edited\n"}
        assert "A person changed the input of this call before it ran" in claude.model.words()
    run_ = await seat.read(reviewer, card["request_id"])
    assert run_["card"]["question"]["arguments"]["command"] == "echo edited > other.txt"
    shown = ["request_opened", "request_shown", "arguments_edited", "request_shown"]
    assert await seat.log(reviewer, card["request_id"]) == [*shown, *RAN]
    assert run("audit", "verify", *seat.house.flags).returncode == 0


async def test_a_file_is_written_as_a_person_changed_it(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([Use("Write", {"file_path": "new.txt", "content": "asked\n"}, "toolu_write")]) as claude:
        async with claude.running("Write a file.") as session:
            card = await seat.card(reviewer)
            asked = card["card"]["question"]["arguments"]
            await edit(reviewer, card, **{**asked, "content": "changed\n"})
            await decide(reviewer, card["request_id"], decision="run")
            await session.ended()

        assert claude.made() == {"new.txt": "changed\n"}
    assert asked == {"file_path": str(claude.project / "new.txt"), "content": "asked\n"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"decision": "refuse", "comment": "Use the other file."}, "Use the other file."),
        ({"action": "decline"}, "A person refused to decide"),
        ({"action": "return", "comment": "Which file is it?"}, "Which file is it?"),
    ],
    ids=["refused", "declined", "asked back"],
)
async def test_without_approval_nothing_runs_and_the_model_is_told_why(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient, answer: dict[str, str], told: str
) -> None:
    with seat.claude([MAKE]) as claude:
        async with claude.running("Make a file.") as session:
            card = await seat.card(reviewer)
            await decide(reviewer, card["request_id"], **answer)
            ended = await session.ended()

        assert (claude.made(), ended.code) == ({}, 0)
        assert told in claude.model.told()[MAKE.id]
    assert "call_intended" not in await seat.log(reviewer, card["request_id"])


async def test_what_nobody_answers_in_time_does_not_run(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([Use("Bash", {"command": "echo hurry > made.txt"}, "toolu_hurry")]) as claude:
        await claude.run("Make a file in a hurry.")

        assert claude.made() == {}
        assert "Nobody decided in time" in claude.model.told()["toolu_hurry"]
    assert [one["outcome"] for one in await seat.asked(reviewer)] == ["expired"]


async def test_what_rules_allow_runs_and_nobody_is_asked(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([Use("Read", {"file_path": "notes.txt"}, "toolu_read")]) as claude:
        (claude.project / "notes.txt").write_text("what it says\n")
        await claude.run("Read the notes.")

        assert "what it says" in claude.model.told()["toolu_read"]
    assert await seat.asked(reviewer) == []


async def test_what_rules_deny_does_not_run_and_nobody_is_asked(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([Use("WebFetch", {"url": "http://127.0.0.1:9/", "prompt": "What is it?"}, "toolu_get")]) as claude:
        await claude.run("Look at the page.")

        assert "fetching is not for agents" in claude.model.told()["toolu_get"]
    assert await seat.asked(reviewer) == []


async def test_an_approval_is_of_one_input_whatever_the_model_calls_the_call(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient
) -> None:
    other = Use("Bash", {"command": "echo more > more.txt"}, MAKE.id)
    with seat.claude([MAKE], [other]) as claude:
        async with claude.running("Make a file.") as session:
            first = await seat.card(reviewer)
            await decide(reviewer, first["request_id"], decision="run")
            second = await seat.card(reviewer)
            before = claude.made()
            await decide(reviewer, second["request_id"], decision="refuse")
            await session.ended()

        assert before == claude.made() == {"made.txt": "asked\n"}


@pytest.mark.parametrize("name", ["toolu_again", MAKE.id])
async def test_the_same_asked_again_is_asked_again_whatever_the_model_calls_it(
    seat: ClaudeSeat, reviewer: httpx2.AsyncClient, name: str
) -> None:
    with seat.claude([MAKE], [Use("Bash", MAKE.input, name)]) as claude:
        async with claude.running("Make a file.") as session:
            await decide(reviewer, (await seat.card(reviewer))["request_id"], decision="run")
            await decide(reviewer, (await seat.card(reviewer))["request_id"], decision="refuse")
            await session.ended()

    assert [one["outcome"] for one in await seat.asked(reviewer)] == ["answered", "answered"]


async def test_a_sub_agent_asks_like_its_agent(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    told = {"description": "a part", "prompt": DELEGATED, "subagent_type": "general-purpose"}
    delegate = Use("Agent", {**told, "run_in_background": False}, "toolu_agent")
    with seat.claude([delegate], delegated=[[MAKE]]) as claude:
        async with claude.running("Have a file made.") as session:
            await decide(reviewer, (await seat.card(reviewer))["request_id"], decision="run")
            card = await seat.card(reviewer)
            before = claude.made()
            await decide(reviewer, card["request_id"], decision="run")
            await session.ended()

        assert (before, claude.made()) == ({}, {"made.txt": "asked\n"})
    question = card["card"]["question"]
    assert (question["tool"], question["facts"]["agent_type"]) == ("claude_code:Bash", "general-purpose")


async def test_a_question_outlives_the_session_that_asked_it(seat: ClaudeSeat, reviewer: httpx2.AsyncClient) -> None:
    with seat.claude([MAKE]) as claude:
        async with claude.running("Make a file.") as session:
            card = await seat.card(reviewer)
            session.kill()
            while (await seat.read(reviewer, card["request_id"]))["agent_waiting"]:
                pass
        async with claude.running("Make a file, once more.") as session:
            again = await seat.card(reviewer)
            await decide(reviewer, again["request_id"], decision="run")
            await session.ended()

        assert (again["request_id"], claude.made()) == (card["request_id"], {"made.txt": "asked\n"})
