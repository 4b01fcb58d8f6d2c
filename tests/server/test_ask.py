"""`assent ask` is a gate: it opens for a person's yes and for nothing else, and gives scripts what they read."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from server.commands.ask import Gate, gate_of
from tests.server.house import House, decide, house_in, open_requests
from tests.server.talking import PATIENCE, command, environment, run

pytestmark = pytest.mark.anyio
REQUEST = re.compile(r"req_\w+")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server with a reviewer, for all tests that do not harm it."""
    house = house_in(tmp_path_factory.mktemp("ask"))
    house.add_reviewer()
    house.serve()
    yield house
    house.clear()


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[House]:
    """A home without a server."""
    house = house_in(tmp_path)
    yield house
    house.clear()


class Asking:
    """A running `assent ask`, from the side of the script."""

    def __init__(self, process: Process) -> None:
        assert process.stderr is not None
        self.process = process
        self._stderr = BufferedByteReceiveStream(process.stderr)
        self.said: list[str] = []

    async def next(self) -> str:
        """The next line for people."""
        self.said.append((await self._stderr.receive_until(b"\n", 1 << 16)).decode())
        return self.said[-1]

    async def waits(self) -> str:
        """The id of the request, once it is posted."""
        line = await self.next()
        assert line.startswith("Waiting for a person: http"), line
        return REQUEST.findall(line)[0]  # type: ignore[no-any-return]

    async def ended(self) -> tuple[int, str]:
        """The exit code and stdout; what it said on stderr is in `said`."""
        assert self.process.stdout is not None
        out = b"".join([part async for part in self.process.stdout])
        try:
            while True:
                await self.next()
        except anyio.IncompleteRead:
            pass
        return await self.process.wait(), out.decode()


@asynccontextmanager
async def asking(house: House, *arguments: str, stdin: int = subprocess.DEVNULL) -> AsyncIterator[Asking]:
    ask = command("ask", *arguments, *house.flags)
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process(ask, env=environment(), stdin=stdin) as process:
            try:
                yield Asking(process)
            finally:
                with anyio.CancelScope(shield=True):
                    if process.returncode is None:
                        process.kill()
                    await process.wait()


async def answered(house: House, *arguments: str, **answer: object) -> tuple[int, str, list[str]]:
    """How it ends when a person gives this answer."""
    async with asking(house, *arguments) as ask:
        request_id = await ask.waits()
        async with house.reviewer() as reviewer:
            await decide(reviewer, request_id, **answer)
        return (*await ask.ended(), ask.said[1:])


# How it ends


async def test_an_approval_exits_0_and_leaves_stdout_to_the_script(house: House) -> None:
    ended = await answered(house, "approval", "Migrate?", decision="approve", comment="go\x1b[2J on")

    assert ended == (0, "", ["Approved by ada (approve).", "  go\N{REPLACEMENT CHARACTER}[2J on"])


async def test_a_rejection_exits_3(house: House) -> None:
    ended = await answered(house, "approval", "Drop it?", decision="reject", comment="not today")

    assert ended == (3, "", ["Not approved by ada (reject).", "  not today"])


async def test_a_question_that_is_declined_exits_3_whatever_its_kind(house: House) -> None:
    ended = await answered(house, "text", "A name?", action="decline")

    assert ended == (3, "", ["ada refused to answer."])


async def test_a_question_that_is_returned_exits_3_with_what_the_person_asks(house: House) -> None:
    ended = await answered(house, "approval", "Which one?", action="return", comment="which database?")

    assert ended == (3, "", ["ada asks back; say more with --context and ask again.", "  which database?"])


async def test_a_script_whose_agent_is_stopped_is_told_by_whom_and_does_not_pass(own_house: House) -> None:
    own_house.add_reviewer()
    own_house.serve()
    async with asking(own_house, "approval", "Migrate?", "--agent", "nightly") as ask:
        await ask.waits()
        stop = partial(run, "agent", "stop", "nightly", *own_house.flags)
        assert (await anyio.to_thread.run_sync(stop)).returncode == 0
        code, out = await ask.ended()

    assert (code, out) == (1, "")
    assert "stopped this agent" in ask.said[-2]
    assert ask.said[-1] == "hint: do not proceed"


def test_a_question_that_expires_exits_4(house: House) -> None:
    ended = run("ask", "approval", "Now or never?", "--timeout", "1", *house.flags)

    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr.splitlines()[-1] == "Nobody answered in time, which is no approval."


def test_a_question_that_is_not_waited_for_exits_5_and_names_the_command_that_comes_back(house: House) -> None:
    first = run("ask", "approval", "Later?", "--hold", "0", *house.flags)
    again = run("ask", "approval", "Later?", "--hold", "0", *house.flags)

    assert (first.returncode, first.stdout) == (5, "")
    ours = ["ask", "approval", "Later?", "--hold", "0", *house.flags]
    assert shlex.split(first.stderr.splitlines()[-1])[1:] == ours
    assert set(REQUEST.findall(again.stderr)) == set(REQUEST.findall(first.stderr))


@pytest.mark.parametrize(
    ("result", "gate"),
    [
        ({"status": "answered", "may_proceed": True}, Gate.OPEN),
        ({"status": "answered", "may_proceed": False}, Gate.REFUSED),
        ({"status": "answered", "may_proceed": "true"}, Gate.REFUSED),
        ({"status": "answered"}, Gate.REFUSED),
        ({"status": "withdrawn", "may_proceed": True}, Gate.REFUSED),
        ({"status": "unheard of", "may_proceed": True}, Gate.REFUSED),
        ({"status": "expired", "may_proceed": True}, Gate.EXPIRED),
        ({"status": "pending", "may_proceed": True}, Gate.PENDING),
    ],
)
def test_the_gate_opens_for_an_answer_that_permits_and_for_nothing_else(result: dict[str, object], gate: Gate) -> None:
    assert gate_of(result) is gate


# What scripts read


async def test_a_selection_prints_the_ids_one_a_line(house: House) -> None:
    options = ("--option", "eu:Europe: all of it", "--option", "us", "--option", "ap", "--multiple")
    ended = await answered(house, "selection", "Which regions?", *options, selected=["eu", "ap"])

    assert ended == (0, "eu\nap\n", ["Answered by ada."])


async def test_a_text_is_printed_to_the_letter(house: House) -> None:
    ended = await answered(house, "text", "Release notes?", "--prefill", "draft", text="Größer —\n\n  last line ")

    assert ended == (0, "Größer —\n\n  last line ", ["Answered by ada."])


async def test_a_draft_is_read_from_stdin(house: House) -> None:
    async with asking(house, "text", "Mail?", "--prefill", "-", "--context", "- a list", stdin=subprocess.PIPE) as ask:
        assert ask.process.stdin is not None
        await ask.process.stdin.send("Dear Ana, …\n".encode())
        await ask.process.stdin.aclose()
        request_id = await ask.waits()
        async with house.reviewer() as reviewer:
            card = (await reviewer.get(f"/api/requests/{request_id}")).json()

    assert "Dear Ana, …\\n" in json.dumps(card, ensure_ascii=False)


async def test_an_approval_with_buttons_of_its_own_prints_the_chosen_one_even_if_it_refuses(house: House) -> None:
    buttons = ("--option", "all:Ship: everywhere:approves", "--option", "some::approves", "--option", "no:No:refuses")

    assert (await answered(house, "approval", "Ship?", *buttons, decision="some"))[:2] == (0, "some\n")
    assert (await answered(house, "approval", "Ship it?", *buttons, decision="no"))[:2] == (3, "no\n")


async def test_with_json_the_whole_result_is_on_stdout_and_nothing_else(house: House) -> None:
    code, out, _ = await answered(house, "selection", "One?", "--option", "a", "--json", selected=["a"])

    result = json.loads(out)
    assert code == 0
    assert {name: result[name] for name in ("status", "may_proceed", "decided_by", "selected")} == {
        "status": "answered",
        "may_proceed": True,
        "decided_by": "ada",
        "selected": ["a"],
    }
    assert not {"decision", "text", "values"} & set(result)


async def test_a_question_with_a_key_gets_the_same_answer_again(house: House) -> None:
    ask = ("approval", "Release?", "--key", "release-1")
    first = await answered(house, *ask, decision="approve")

    again = run("ask", *ask, *house.flags)

    assert first[0] == again.returncode == 0
    assert again.stderr.splitlines()[0].startswith("This was answered before")


# Coming and going


async def test_an_interrupt_leaves_the_question_open_and_the_same_command_comes_back_to_it(house: House) -> None:
    async with asking(house, "approval", "Interrupted?") as ask:
        first = await ask.waits()
        ask.process.send_signal(signal.SIGINT)
        code, out = await ask.ended()
    async with asking(house, "approval", "Interrupted?") as ask:
        second = await ask.waits()
        async with house.reviewer() as reviewer:
            await decide(reviewer, second, decision="approve")
        later, _ = await ask.ended()

    assert (code, out) == (5, "")
    assert second == first
    assert later == 0


async def test_a_second_run_of_the_same_question_takes_the_answer_over_from_the_first(house: House) -> None:
    async with asking(house, "approval", "Both?") as first, asking(house, "approval", "Both?") as second:
        await first.waits()
        request_id = await second.waits()
        # Whichever came later waits on; the earlier ends by itself, before there is any answer.
        async with anyio.create_task_group() as group:
            ends: list[int] = []

            async def watch(ask: Asking) -> None:
                ends.append((await ask.ended())[0])
                if len(ends) == 1:
                    async with house.reviewer() as reviewer:
                        await decide(reviewer, request_id, decision="approve")

            group.start_soon(watch, first)
            group.start_soon(watch, second)

    assert ends == [5, 0]


async def test_without_a_server_one_is_started_and_a_killed_one_is_started_again(own_house: House) -> None:
    own_house.add_reviewer()
    async with asking(own_house, "approval", "Restart?") as ask:
        first = await ask.waits()
        before = own_house.running
        os.kill(before.pid, signal.SIGKILL)
        await anyio.to_thread.run_sync(run, "open", "--print", *own_house.flags)
        after = own_house.running
        async with own_house.reviewer() as reviewer:
            (request,) = await open_requests(reviewer)
            await decide(reviewer, request["request_id"], decision="approve")
        ended = await ask.ended()

    assert before.instance != after.instance
    assert request["request_id"] == first
    assert request["agent"] == "shell"
    assert ended == (0, "")


async def test_a_server_that_stops_and_starts_again_is_waited_for(own_house: House) -> None:
    own_house.add_reviewer()
    own_house.serve()
    async with asking(own_house, "approval", "Stopped?") as ask:
        first = await ask.waits()
        own_house.terminate()
        await anyio.to_thread.run_sync(run, "open", "--print", *own_house.flags)
        async with own_house.reviewer() as reviewer:
            await decide(reviewer, first, decision="approve")
        ended = await ask.ended()

    assert ended == (0, "")


def test_a_server_elsewhere_is_opened_by_a_token(house: House) -> None:
    token = json.loads(run("agent", "add", "ci", "--json", *house.flags).stdout)["token"]
    ask = ("ask", "approval", "From afar?", "--hold", "0", "--url", house.running.endpoint)

    with_token, without = run(*ask, ASSENT_TOKEN=token), run(*ask)

    assert with_token.returncode == 5
    assert (without.returncode, "ASSENT_TOKEN" in without.stderr) == (2, True)


def test_a_token_that_the_server_refuses_opens_nothing(house: House) -> None:
    ended = run("ask", "approval", "Let me?", "--url", house.running.endpoint, ASSENT_TOKEN="wrong")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "agent token missing, unknown or revoked" in ended.stderr


def test_a_server_that_cannot_start_closes_the_gate(own_house: House) -> None:
    own_house.home.database_file.mkdir()

    ended = run("ask", "approval", "Well?", *own_house.flags)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")


async def test_a_server_that_cannot_come_back_ends_the_wait_as_a_failure_and_the_question_stays(
    own_house: House,
) -> None:
    own_house.add_reviewer()
    own_house.serve()
    async with asking(own_house, "approval", "Broken?") as ask:
        await ask.waits()
        own_house.home.config_file.write_text("nonsense")
        own_house.kill()
        ended = await ask.ended()
    own_house.home.config_file.write_text("port = 0\n")

    assert ended == (1, "")
    assert [line.partition(" ")[0] for line in ask.said[-4:]] == ["The", "", "error:", "hint:"]


# Usage


@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        ("the question", ("approval", "")),
        ("--timeout", ("approval", "x", "--timeout", "86401")),
        ("--timeout", ("approval", "x", "--timeout", "soon")),
        ("--hold", ("approval", "x", "--hold", "-1")),
        ("--risk", ("approval", "x", "--risk", "huge")),
        ("--option", ("approval", "x", "--option", "ship:Ship")),
        ("--option", ("approval", "x", "--option", "ship:Ship:approves")),
        ("--option", ("selection", "x")),
        ("--option", ("selection", "x", "--option", "a b")),
        ("--description", ("selection", "x", "--option", "a", "--description", "y")),
    ],
)
def test_wrong_usage_names_the_flag_and_asks_nothing(house: House, named: str, arguments: tuple[str, ...]) -> None:
    ended = run("ask", *arguments, *house.flags)

    error, hint = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert error.startswith("error: ")
    assert named in error
    assert hint.startswith("hint: ")


def test_asking_imports_neither_the_database_nor_the_protocol_nor_the_site(house: House) -> None:
    ended = run("ask", "approval", "Light?", "--hold", "0", *house.flags, PYTHONVERBOSE="1")

    imported = {line.split("'")[1] for line in ended.stderr.splitlines() if line.startswith("import '")}
    assert ended.returncode == 5
    assert {"httpx2", "server.inquiry"} <= imported
    assert imported & {"sqlalchemy", "mcp", "starlette", "pydantic", "store.database", "review_web"} == set()
