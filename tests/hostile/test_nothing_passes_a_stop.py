"""Once people have stopped an agent, or everything, nothing of it passes: in no era, by no door, at no moment between.

Each test counts what the upstream did, and asks the verifier whether the log agrees.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from server.config import load
from server.durable import open_database
from store.audit.events import Halting
from store.halts import Halts
from tests.hostile.behind import PATIENT, Agent, Behind, Json, behind, gives_no_leave, is_refused
from tests.hostile.world import message_of
from tests.server.serving import ERAS, MODERN
from tests.server.talking import PATIENCE, environment, run, talking

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
RULES = (
    "  - {name: reads run, tool: [up__echo, up__wait, up__ask_name], action: allow}\n"
    "  - {name: prompts, tool: ['up:prompts', 'up:resources', 'up:*'], action: allow}"
)
PAY = "up__send_payment"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    with behind(tmp_path_factory.mktemp("stopping"), RULES, agents=60) as found:
        yield found
        assert found.fault() is None


@asynccontextmanager
async def halts_of(scene: Behind) -> AsyncIterator[Halts]:
    """From a process beside the server, as the command line is: it notices by itself."""
    database = open_database(load({"home": scene.house.home.path}, environment()))
    try:
        yield Halts(database)
    finally:
        await anyio.to_thread.run_sync(database.close)


@asynccontextmanager
async def stopped(scene: Behind, name: str | None) -> AsyncIterator[None]:
    """While the block runs, the agent of this name is, or everything."""
    async with halts_of(scene) as halts:
        await halts.hold_back(name, Halting.STOPPED, by=None)
        try:
            yield
        finally:
            await halts.resume(name, by=None)


def done_by(scene: Behind) -> list[Json]:
    """What anybody had the upstream do."""
    return [entry for entry in scene.notebook.entries() if entry["event"] in ("called", "paid", "prompted", "read")]


def paid(scene: Behind, agent: Agent) -> list[Json]:
    return scene.notebook.entries("paid", to=agent.name)


async def turned_away(agent: Agent, method: str, params: Json) -> bool:
    """Whether this is refused at the door, with the reason."""
    headers = {"mcp-method": method, "mcp-name": str(params.get("name") or params.get("uri") or "")}
    modern = {name: value for name, value in headers.items() if value} if agent.era == MODERN else {}
    answer = await agent.post(json.dumps(agent.message(method, params)).encode(), **modern)
    return answer.status_code == 403 and answer.json()["error"]["data"]["error"] == "agent_stopped"


EVERY_REQUEST: list[tuple[str, Json]] = [
    ("tools/call", {"name": "up__echo", "arguments": {"text": "a"}}),
    ("tools/call", {"name": PAY, "arguments": {"to": "x", "amount": 1}}),
    ("tools/call", {"name": "ask_approval", "arguments": {"title": "May I?"}}),
    ("tools/call", {"name": "await_review", "arguments": {"request_id": "req_x"}}),
    ("tools/call", {"name": "withdraw_review", "arguments": {"request_id": "req_x"}}),
    ("tools/call", {"name": "read_logs", "arguments": {}}),
    ("prompts/get", {"name": "up__greeting", "arguments": {}}),
    ("resources/read", {"uri": "test://text"}),
    ("tools/list", {}),
    ("tasks/get", {"taskId": "task_x"}),
    ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}),
]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("everything", [False, True], ids=["itself", "everything"])
async def test_every_request_of_a_stopped_agent_is_turned_away(scene: Behind, era: str, everything: bool) -> None:
    async with scene.agent(era) as agent:
        before = done_by(scene)
        async with stopped(scene, None if everything else agent.name):
            refused = [await turned_away(agent, method, params) for method, params in EVERY_REQUEST]
            stream = await agent.http.get(
                "/mcp", headers={"authorization": f"Bearer {agent.token}", "accept": "text/event-stream"}
            )
            ended = await agent.http.delete("/mcp", headers={"authorization": f"Bearer {agent.token}"})
            hook = await agent.http.post(
                "/hooks/claude-code",
                headers={"authorization": f"Bearer {agent.token}"},
                json={
                    "session_id": "s",
                    "hook_event_name": "PreToolUse",
                    "tool_name": "Bash",
                    "tool_input": {"command": "ls"},
                    "tool_use_id": "toolu_1",
                    "cwd": "/",
                },
            )
            assert done_by(scene) == before
        assert await agent.said("up__echo", text="again") == "again"
    assert refused == [True] * len(EVERY_REQUEST)
    assert (stream.status_code, ended.status_code) == (403, 403)
    assert "stopped" in hook.text
    assert '"allow"' not in hook.text


@pytest.mark.parametrize("era", ERAS)
async def test_a_stop_between_approval_and_run_keeps_it_from_running_until_people_let_go(
    scene: Behind, era: str
) -> None:
    async with scene.agent(era) as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        async with stopped(scene, agent.name):
            await scene.allowed(request_id)
            assert await turned_away(agent, "tools/call", {"name": PAY, "arguments": {"to": agent.name, "amount": 5}})
            assert await turned_away(
                agent, "tools/call", {"name": "await_review", "arguments": {"request_id": request_id}}
            )
            assert paid(scene, agent) == []
        async with scene.agent(era, client=PATIENT, name=agent.name) as later:
            await later.said(PAY, to=agent.name, amount=5)
    assert len(paid(scene, agent)) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_waits_for_people_ends_and_what_they_say_then_runs_nothing(scene: Behind, era: str) -> None:
    told: list[Json] = []
    async with scene.agent(era, client=PATIENT) as agent, anyio.create_task_group() as group:

        async def wait() -> None:
            told.append(await agent.call(PAY, to=agent.name, amount=5))

        group.start_soon(wait)
        request_id = (await scene.opened_by(agent))["request_id"]
        async with stopped(scene, agent.name):
            with anyio.fail_after(PATIENCE):
                while not told:  # noqa: ASYNC110  # another process answers
                    await anyio.sleep(0.01)
            await scene.allowed(request_id)
            assert paid(scene, agent) == []
    said = json.loads(told[0]["result"]["content"][0]["text"])
    assert (said["status"], said["may_proceed"], said["request_id"]) == ("pending", False, request_id)
    assert "stopped this agent" in said["next"]
    assert paid(scene, agent) == []


async def test_a_decision_and_a_stop_at_once_run_it_or_do_not_and_the_log_says_which(scene: Behind) -> None:
    """Twenty times the reviewer's click and the stop race each other."""
    for _ in range(20):
        async with scene.agent(client=PATIENT) as agent, anyio.create_task_group() as group:
            answers: list[Json] = []

            async def wait(agent: Agent = agent, answers: list[Json] = answers) -> None:
                answers.append(await agent.call(PAY, to=agent.name, amount=5))

            group.start_soon(wait)
            request_id = (await scene.opened_by(agent))["request_id"]
            async with anyio.create_task_group() as race:
                race.start_soon(scene.decide, request_id)
                race.start_soon(hold_back, scene, agent.name)
            with anyio.fail_after(PATIENCE):
                while not answers:  # noqa: ASYNC110  # another process answers
                    await anyio.sleep(0.01)
            before = len(paid(scene, agent))
            assert await turned_away(agent, "tools/call", {"name": PAY, "arguments": {"to": agent.name, "amount": 5}})
            assert len(paid(scene, agent)) == before
            if not is_refused(answers[0]):
                assert before == 1
    assert scene.fault() is None


async def hold_back(scene: Behind, name: str) -> None:
    async with halts_of(scene) as halts:
        await halts.hold_back(name, Halting.STOPPED, by=None)


@pytest.mark.parametrize("held", [False, True], ids=["allowed", "approved"])
@pytest.mark.parametrize("era", ERAS)
async def test_what_runs_is_cancelled_over_there_and_never_sent_again(scene: Behind, era: str, held: bool) -> None:
    gate = f"{era}-{held}"
    tool = "up__wait"
    answers: list[Json] = []
    if held:
        scene.activate("  - {name: reads run, tool: up__echo, action: allow}")
    async with scene.agent(era, client=PATIENT) as agent, anyio.create_task_group() as group:

        async def wait() -> None:
            answers.append(await agent.call(tool, gate=gate))

        group.start_soon(wait)
        request_id = ""
        if held:
            request_id = (await scene.opened_by(agent))["request_id"]
            await scene.allowed(request_id)
        await scene.notebook.seen("waiting", gate=gate)
        async with stopped(scene, agent.name):
            await scene.notebook.seen("cancelled", gate=gate)
            with anyio.fail_after(PATIENCE):
                while not answers:  # noqa: ASYNC110  # another process answers
                    await anyio.sleep(0.01)
        if held:
            assert gives_no_leave(await agent.call("await_review", request_id=request_id))
    if held:
        scene.activate(RULES)
    assert is_refused(answers[0])
    assert len(scene.notebook.entries("waiting", gate=gate)) == 1
    assert (await scene.entries("call_ended"))[-1]["end"] == "cancelled"


@pytest.mark.parametrize("era", ERAS)
async def test_calls_that_keep_arriving_stop_at_once_and_none_runs_after_it(scene: Behind, era: str) -> None:
    """Ten callers that call one after the other; what reached the upstream after the stop was known is counted."""
    async with scene.agent(era) as agent, anyio.create_task_group() as group:
        done: list[int] = []

        async def keep_calling() -> None:
            while True:
                with contextlib.suppress(httpx2.HTTPError, KeyError):
                    message = await agent.call("up__echo", text=agent.name)
                    done.append(1)
                    if is_refused(message):
                        await anyio.sleep(0.001)

        for _ in range(10):
            group.start_soon(keep_calling)
        with anyio.fail_after(PATIENCE):
            while len(done) < 50:  # noqa: ASYNC110  # another process answers
                await anyio.sleep(0.01)
        async with stopped(scene, agent.name):
            with anyio.fail_after(PATIENCE):
                while not await turned_away(agent, "tools/list", {}):
                    pass
            count = len(scene.notebook.entries("called", tool="echo"))
            refused = len(done)
            with anyio.fail_after(PATIENCE):
                while len(done) < refused + 100:  # noqa: ASYNC110  # another process answers
                    await anyio.sleep(0.01)
            assert len(scene.notebook.entries("called", tool="echo")) == count
        group.cancel_scope.cancel()


@pytest.mark.parametrize("modern", [False, True], ids=ERAS)
async def test_the_bridge_tells_its_client_who_stopped_it(scene: Behind, modern: bool) -> None:
    name = f"bridged-{modern}"
    async with talking("--agent", name, *scene.house.flags) as talk:
        await talk.begin(modern=modern)
        await talk.call("wait", "ask_approval", modern=modern, title="May I?", hold_seconds=600)
        with anyio.fail_after(PATIENCE):
            while not (await opened_by_name(scene, name)):
                pass
        async with stopped(scene, name):
            waited = await talk.answer_to("wait")
            await talk.call("again", "up__echo", modern=modern, text="a")
            refused = await talk.answer_to("again")
        await talk.call("later", "up__echo", modern=modern, text="a")
        later = await talk.answer_to("later")
    assert waited["result"]["structuredContent"]["status"] == "pending"
    assert "stopped this agent" in waited["result"]["structuredContent"]["next"]
    assert "stopped this agent" in refused["error"]["message"]
    assert later["result"]["content"][0]["text"] == "a"


async def opened_by_name(scene: Behind, name: str) -> list[Json]:
    async with scene.reviewer() as reviewer:
        answer = await reviewer.get("/api/requests", params={"state": "open"})
        return [found for found in answer.json()["requests"] if found["agent"] == name]


async def test_a_question_of_an_upstream_is_answered_by_nobody_after_a_stop(scene: Behind) -> None:
    """A caller of the newer protocol comes back with the answer once it may again: the call is over by then."""
    async with scene.agent(client=PATIENT) as agent:
        able: Json = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
        first = await asked(agent, able)
        state = first["result"]["requestState"]
        answered = len(scene.notebook.entries("called", tool="ask_name"))
        async with stopped(scene, agent.name):
            assert await turned_away(agent, "tools/call", {"name": "up__ask_name", "arguments": {}})
        name = {"name": {"action": "accept", "content": {"name": "Eve"}}}
        second = await asked(agent, able, requestState=state, inputResponses=name)
    assert is_refused(second)
    assert "stopped this agent" in second["result"]["content"][0]["text"]
    assert len(scene.notebook.entries("called", tool="ask_name")) == answered


async def asked(agent: Agent, capabilities: Json, **more: object) -> Json:
    message = agent.message("tools/call", {"name": "up__ask_name", "arguments": {}, **more})
    message["params"]["_meta"] |= capabilities
    answer = await agent.post(json.dumps(message).encode(), **{"mcp-method": "tools/call", "mcp-name": "up__ask_name"})
    return message_of(answer)


async def test_a_revoked_agents_running_call_is_cancelled_and_its_wait_ends(scene: Behind) -> None:
    async with scene.agent(client=PATIENT) as agent, anyio.create_task_group() as group:
        answers: list[Json] = []

        async def call(tool: str, **arguments: object) -> None:
            answers.append(await agent.call(tool, **arguments))

        group.start_soon(lambda: call("up__wait", gate="revoked"))
        group.start_soon(lambda: call("ask_approval", title="May I?"))
        await scene.notebook.seen("waiting", gate="revoked")
        await scene.opened_by(agent)
        assert run("agent", "revoke", agent.name, *scene.house.flags).returncode == 0
        await scene.notebook.seen("cancelled", gate="revoked")
        with anyio.fail_after(PATIENCE):
            while len(answers) < 2:  # noqa: ASYNC110  # another process answers
                await anyio.sleep(0.01)
    said = json.dumps(answers)
    assert said.count("This agent was revoked") >= 2


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Behind]:
    """A server for one test, which starts it anew."""
    with behind(tmp_path, RULES, agents=3) as found:
        yield found
        assert found.fault() is None


async def test_with_everything_stopped_a_restarted_server_lets_nothing_through(alone: Behind) -> None:
    async with alone.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await alone.allowed(request_id)
    assert run("agent", "stop", "--all", *alone.house.flags).returncode == 0
    alone.house.kill()
    alone.house.serve("--log-level", "warning")
    async with alone.agent(name=agent.name, client=PATIENT) as again:
        assert await turned_away(again, "tools/call", {"name": PAY, "arguments": {"to": agent.name, "amount": 5}})
        assert paid(alone, again) == []
        assert run("agent", "resume", "--all", *alone.house.flags).returncode == 0
        await alone.listed(PAY)
        # The answer outlived the restart, and runs once people let go.
        await again.said(PAY, to=agent.name, amount=5)
    assert len(paid(alone, again)) == 1
