"""What a stop ends at once: waits, calls on their way, streams, processes; and what it leaves as it was."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import SubscriptionLost

from server.exchange import Exchange
from server.gateway.passing import Errand
from server.halting import HaltWatch
from server.waiting import Call, Drain, Waiting, unless_stopped
from store.agents import Agent, Agents
from store.answers import Chosen
from store.audit.events import CallEnd, Halting
from store.calls.calls import Admitted, GovernedCall
from store.collecting import Halted
from store.database import Database
from store.desk import Desk
from store.held_back import Halt, Stops
from store.lifecycle import Outcome as Ending
from store.people import Reviewer
from tests.server.gateway.fronting import ALLOW, RUN, Fronted, fronted, recorded_as, said
from tests.server.gateway.test_inputs import HOLD, User
from tests.server.serving import ERAS, LEGACY, MODERN, Outcome, Serving, beside, serving
from tests.server.test_tasks import KNOWS_TASKS, got, handed
from tests.stage import answered, approval
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import broken, everything, over_http

pytestmark = pytest.mark.anyio

DEPLOY = {"title": "Deploy 1.4 to production?"}
BOT = "deploy-bot"
PAYMENT = {"to": "Ana", "amount": 12.5}


@pytest.fixture
async def server(desk: Desk, agents: Agents) -> AsyncIterator[Serving]:
    async with serving(desk, agents) as running:
        yield running


@asynccontextmanager
async def knowing(server: Serving, token: str, era: str = MODERN, **options: Any) -> AsyncIterator[Client]:
    """A client that has listed the tools: to check a result, it would list them after its agent was stopped."""
    async with server.client(token, era, **options) as client:
        await client.list_tools()
        yield client


async def stop(desk: Desk, name: str | None = BOT) -> None:
    await desk.halts.hold_back(name, Halting.STOPPED, by=None)


async def let_go(desk: Desk, name: str | None = BOT) -> None:
    assert await desk.halts.resume(name, by=None)


async def result_of(call: Outcome) -> types.CallToolResult:
    with anyio.fail_after(20):
        await call.done.wait()
    if isinstance(call.value, Exception):
        raise call.value
    result: types.CallToolResult = call.value
    return result


async def refused(client: Any, tool: str, arguments: dict[str, Any]) -> str:
    """What a stopped agent's client is told at the door."""
    with pytest.raises(MCPError) as refusal:
        await client.call_tool(tool, arguments)
    return refusal.value.error.message


@pytest.mark.parametrize("name", [BOT, None], ids=["the agent", "everything"])
@pytest.mark.parametrize("era", ERAS)
async def test_a_wait_ends_with_who_stopped_it_and_goes_on_once_people_let_go(
    server: Serving, desk: Desk, token: str, ana: Reviewer, era: str, name: str | None
) -> None:
    async with knowing(server, token, era) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        await stop(desk, name)
        told = await call.result()
        at_the_door = await refused(client, "await_review", {"request_id": card.request_id})
        await let_go(desk, name)
        again = beside(group, client.call_tool, "await_review", {"request_id": card.request_id})
        await server.card()
        await answered(desk, ana, card.request_id, Chosen("approve"))
        answer = await again.result()
    what = "everything" if name is None else "this agent"
    assert (told["status"], told["may_proceed"], told["request_id"]) == ("pending", False, card.request_id)
    assert told["next"].startswith(f"Whoever runs Assent stopped {what} on 2026-11-22 at 09:00 UTC. Nothing may")
    assert "do nothing more" in told["next"]
    assert at_the_door.startswith(f"Whoever runs Assent stopped {what} on 2026-11-22 at 09:00 UTC. Nothing may")
    assert (answer["status"], answer["approved"]) == ("answered", True)


async def test_a_revoked_agents_wait_ends_too(server: Serving, desk: Desk, agents: Agents, token: str) -> None:
    async with knowing(server, token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        await server.card()
        await agents.revoke(BOT)
        told = await call.result()
    assert (told["status"], told["may_proceed"]) == ("pending", False)
    assert told["next"].startswith("This agent was revoked on 2026-11-22")


@pytest.mark.parametrize("held_back", ["another", "paused"])
async def test_a_stop_of_another_and_a_pause_end_no_wait(
    server: Serving, desk: Desk, token: str, other_token: str, ana: Reviewer, held_back: str
) -> None:
    async with knowing(server, token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        if held_back == "another":
            await stop(desk, "billing-bot")
        else:
            await desk.halts.hold_back(BOT, Halting.PAUSED, by=None)
        await answered(desk, ana, card.request_id, Chosen("approve"))
        told = await call.result()
    assert told["approved"] is True


async def test_what_people_answer_while_it_is_stopped_is_there_once_it_goes_on(
    server: Serving, desk: Desk, token: str, ana: Reviewer
) -> None:
    async with knowing(server, token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        await stop(desk)
        await call.result()
        decided = await answered(desk, ana, card.request_id, Chosen("approve"))
        await let_go(desk)
        result = await client.call_tool("await_review", {"request_id": card.request_id})
    assert decided.view.outcome is Ending.ANSWERED
    assert result.structured_content is not None
    assert (result.structured_content["approved"], result.structured_content["may_proceed"]) == (True, True)


async def test_an_answer_that_was_claimed_just_before_the_stop_is_not_told_and_stays_to_be_had(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, Chosen("approve"))
    exchange = Exchange(bot)
    waiting = Waiting(desk, Drain())

    async def beat(seconds: float, report: Any) -> None: ...

    claimed = await waiting.hold(ticket, Call(exchange, None, beat))
    await stop(desk)
    halt = desk.halts.stops().of(bot.id)
    assert halt is not None
    exchange.stop(halt)
    told = await unless_stopped(claimed, exchange)
    await exchange.finish()
    await let_go(desk)
    again = await waiting.hold(await desk.ask(bot, approval()), Call(Exchange(bot), None, beat))
    assert isinstance(told, Halted)
    assert (told.report.outcome, told.report.may_proceed, told.report.answer) == (None, False, None)
    assert not isinstance(again, Halted)
    assert getattr(again, "outcome", None) is Ending.ANSWERED


async def test_a_task_of_a_stopped_agent_answers_nothing_until_it_goes_on(
    server: Serving, desk: Desk, token: str, ana: Reviewer
) -> None:
    async with knowing(server, token, **KNOWS_TASKS) as client:
        task = await handed(client)
        card = await server.card(waiting=False)
        await stop(desk)
        await answered(desk, ana, card.request_id, Chosen("approve"))
        with pytest.raises(MCPError) as refusal:
            await got(client, task.task_id)
        await let_go(desk)
        done = await got(client, task.task_id)
    assert "stopped this agent" in refusal.value.error.message
    assert done.status == "completed"
    assert done.result is not None
    assert done.result["structuredContent"]["approved"] is True


async def test_streams_of_a_stopped_agent_end_and_those_of_others_do_not(
    server: Serving, desk: Desk, token: str, other_token: str
) -> None:
    """The stream on which an older client hears what belongs to no call."""
    ended: dict[str, anyio.Event] = {token: anyio.Event(), other_token: anyio.Event()}
    open_: dict[str, anyio.Event] = {token: anyio.Event(), other_token: anyio.Event()}

    async def listen(of: str) -> None:
        headers = {
            "authorization": f"Bearer {of}",
            "accept": "text/event-stream",
            "mcp-protocol-version": "2025-06-18",
            "mcp-session-id": await session(server, of),
        }
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=None) as http,
            http.stream("GET", f"{server.url}/mcp", headers=headers) as stream,
        ):
            assert stream.status_code == 200
            open_[of].set()
            async for _ in stream.aiter_bytes():
                pass
        ended[of].set()

    async with anyio.create_task_group() as group:
        for of in (token, other_token):
            group.start_soon(listen, of)
            with anyio.fail_after(20):
                await open_[of].wait()
        await stop(desk)
        with anyio.fail_after(20):
            await ended[token].wait()
        assert not ended[other_token].is_set()
        group.cancel_scope.cancel()


async def session(server: Serving, token: str) -> str:
    """A session of the older era; its id."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        answer = await http.post(f"{server.url}/mcp", json=body, headers=headers)
    return str(answer.headers["mcp-session-id"])


# Calls of upstreams


@pytest.mark.parametrize("held", [False, True], ids=["allowed", "approved"])
@pytest.mark.parametrize("behind", ["stdio", LEGACY, "modern"])
@pytest.mark.parametrize("era", ERAS)
async def test_a_call_on_its_way_is_cancelled_over_there_and_told_and_kept_as_such(
    desk: Desk,
    agents: Agents,
    database: Database,
    token: str,
    ana: Reviewer,
    tmp_path: Path,
    era: str,
    behind: str,
    held: bool,
) -> None:
    notebook = Notebook(tmp_path / "notes")
    with over_http("up", notebook.folder, era="both" if behind == "stdio" else behind) as far:
        upstream = everything("up", notebook.folder) if behind == "stdio" else far
        async with (
            fronted(desk, agents, database, tmp_path, upstream, rules=HOLD if held else ALLOW) as front,
            front.client(token, era) as client,
            anyio.create_task_group() as group,
        ):
            call = beside(group, client.call_tool, "up__wait", {"gate": "g"})
            if held:
                await front.decide(ana)
            await notebook.seen("waiting", gate="g")
            await stop(desk)
            result = await result_of(call)
            await notebook.seen("cancelled", gate="g")
            newest = await recorded_as(desk, CallEnd.CANCELLED)
    why = (
        "Whoever runs Assent stopped this agent on 2026-11-22 at 09:00 UTC. So this call was cancelled while it was on "
        "its way; it may have taken effect."
    )
    assert newest.why == why
    assert result.is_error
    if held:
        told = json.loads(said(result))
        assert (told["status"], told["may_proceed"]) == ("pending", False)
        assert told["next"].startswith("Whoever runs Assent stopped this agent")
    else:
        assert said(result) == f"up__wait: {why}"


async def test_a_call_of_another_agent_runs_on(
    desk: Desk, agents: Agents, database: Database, token: str, other_token: str, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=ALLOW) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__wait", {"gate": "g"})
        await notebook.seen("waiting", gate="g")
        await stop(desk, "billing-bot")
        notebook.open("g")
        result = await result_of(call)
    assert said(result) == "g is open"


async def test_a_call_that_was_let_through_and_not_sent_yet_is_not_sent(
    desk: Desk, agents: Agents, database: Database, bot: Agent, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=ALLOW) as front:
        admitted = await let_through(front, bot)
        await stop(desk)
        assert front.server.gateway is not None
        errand = Errand(front.server.gateway.passing, bot, admitted)
        await errand.run()
    assert notebook.entries("called") == []
    ended = errand.came_of_it()
    assert (ended.end, ended.sent) == (CallEnd.CANCELLED, False)
    assert str(ended.why).endswith("So this call was cancelled before it was sent.")


async def test_while_nobody_can_tell_who_is_stopped_nothing_is_sent(
    desk: Desk, agents: Agents, database: Database, bot: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=ALLOW) as front:
        assert front.server.gateway is not None
        passing = front.server.gateway.passing
        admitted = await let_through(front, bot)

        def unreadable(_: Any) -> Stops:
            raise OSError("the disk is gone")

        with monkeypatch.context() as patched:
            patched.setattr("store.halts.Halts.stops", unreadable)
            passing.watch.look()
            errand = Errand(passing, bot, admitted)
            await errand.run()
        passing.watch.look()
        later = Errand(passing, bot, await let_through(front, bot))
        await later.run()
    assert "cannot tell at the moment who is stopped" in str(errand.came_of_it().why)
    assert later.came_of_it().end is CallEnd.RETURNED
    assert len(notebook.entries("called")) == 1


async def let_through(front: Fronted, agent: Agent) -> Admitted:
    """An allowed call in the moment before it is sent."""
    listed = front.listing.tools["up__echo"].accepted
    assert listed is not None
    call = GovernedCall(
        listed.upstream, listed.method, listed.name, listed.governed_as, listed.sha256, {"text": "psst"}
    )
    admitted = await front.desk.calls.admit(agent, call, None)
    assert isinstance(admitted, Admitted)
    return admitted


async def test_what_people_approve_while_it_is_stopped_does_not_run_until_it_goes_on(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__send_payment", PAYMENT)
        card = await front.server.card()
        await stop(desk)
        told = json.loads(said(await result_of(call)))
        await answered(desk, ana, card.request_id, RUN)
        with pytest.raises(MCPError):
            await client.call_tool("up__send_payment", PAYMENT)
        assert notebook.entries("paid") == []
        await let_go(desk)
        result = await client.call_tool("up__send_payment", PAYMENT)
    assert told["status"] == "pending"
    assert told["next"].endswith(f"await_review with request_id {card.request_id} waits for its answer.")
    assert said(result) == "sent 12.5 to Ana"
    assert len(notebook.entries("paid")) == 1


@pytest.mark.parametrize("behind", ["legacy", "modern"])
@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_asks_its_user_something_ends_and_no_answer_reaches_the_upstream(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str, behind: str
) -> None:
    user = User(None)
    notebook = Notebook(tmp_path / "notes")
    with over_http("up", notebook.folder, era=behind) as upstream:
        async with (
            fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
            front.client(token, era, elicitation_callback=user) as client,
            anyio.create_task_group() as group,
        ):
            beside(group, client.call_tool, "up__ask_name", {})
            with anyio.fail_after(20):
                await user.reached.wait()
            await stop(desk)
            newest = await recorded_as(desk, CallEnd.CANCELLED)
            group.cancel_scope.cancel()
    assert str(newest.why).startswith("Whoever runs Assent stopped this agent")
    assert notebook.entries("answered") == []


# Everything


async def test_with_everything_stopped_no_process_is_left_and_none_is_started_until_people_let_go(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=ALLOW) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__wait", {"gate": "g"})
        await notebook.seen("waiting", gate="g")
        await stop(desk, None)
        result = await result_of(call)
        await front.until(lambda: not front.upstreams.children.running)
        await health(desk, "asleep", "Whoever runs Assent stopped everything")
        await desk.calls.ask_restart("up", reviewer=None, session_id=None)
        await front.upstreams.known(within=0.3, resources=True)
        assert front.upstreams.children.running == frozenset()
        await let_go(desk, None)
        again = await client.call_tool("up__echo", {"text": "hello"})
    assert "stopped everything" in said(result)
    assert said(again) == "hello"


async def test_a_server_that_starts_while_everything_is_stopped_starts_no_process(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    await stop(desk, None)
    upstream = everything("up", tmp_path / "notes")
    async with fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW, wait_for=None) as front:
        await health(desk, "asleep", "Whoever runs Assent stopped everything")
        assert front.upstreams.children.running == frozenset()
        await let_go(desk, None)
        await front.listed()


async def test_a_process_that_nothing_ends_has_less_time_once_everything_is_stopped(
    desk: Desk, agents: Agents, database: Database, tmp_path: Path
) -> None:
    """What ends a process without a stop waits for a minute here, twice."""
    upstream, limits = broken("up", "stubborn"), {"grace_seconds": 60.0}
    async with fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW, wait_for=None, limits=limits) as front:
        await front.until(lambda: bool(front.upstreams.children.running))
        await stop(desk, None)
        await front.until(lambda: not front.upstreams.children.running)


async def test_a_stream_of_changes_ends_with_a_stop_and_can_be_opened_again(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    upstream = everything("up", tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
        front.client(token, MODERN) as client,
    ):

        async def listen() -> None:
            async with client.listen(tools_list_changed=True) as changes:
                await stop(desk)
                async for _ in changes:
                    pass

        with anyio.fail_after(20), pytest.raises((MCPError, SubscriptionLost)):
            await listen()
        await let_go(desk)
        async with client.listen(tools_list_changed=True) as changes:
            await front.activate()
            with anyio.fail_after(20):
                async for _ in changes:
                    break


async def health(desk: Desk, state: str, begins: str) -> None:
    """Return once the upstream is said to be in this state."""
    with anyio.fail_after(20):
        while not any(  # noqa: ASYNC110  # written beside, and not published
            (each.state, each.detail[: len(begins)]) == (state, begins) for each in await desk.calls.upstreams()
        ):
            await anyio.sleep(0.01)


# What this process knows


async def test_what_another_process_stops_is_noticed_here(
    server: Serving, desk: Desk, token: str, home: Path, signer: Any
) -> None:
    other = Database.open(f"sqlite:///{home / 'assent.db'}", lambda _: signer)
    try:
        async with knowing(server, token) as client, anyio.create_task_group() as group:
            call = beside(group, client.call_tool, "ask_approval", DEPLOY)
            await server.card()
            await Desk(other, keys=None).halts.hold_back(BOT, Halting.STOPPED, by=None)  # type: ignore[arg-type]
            told = await call.result()
    finally:
        other.close()
    assert told["status"] == "pending"
    assert "stopped this agent" in told["next"]


async def test_before_the_first_look_everybody_is_stopped_and_after_it_who_is(desk: Desk, bot: Agent) -> None:
    watch = HaltWatch(desk.halts, desk.signals, desk.now)
    unknown = watch.of(bot.id)
    assert unknown is not None
    assert watch.everything is None
    watch.look()
    assert watch.of(bot.id) is None
    halt = await desk.halts.hold_back(BOT, Halting.STOPPED, by=None)
    watch.look()
    assert watch.of(bot.id) == halt
    assert watch.of("agt_another") is None


async def test_whoever_ends_things_is_told_once_for_each_change(desk: Desk, bot: Agent) -> None:
    watch = HaltWatch(desk.halts, desk.signals, desk.now)
    seen: list[Halt | None] = []
    watch.when_changed(lambda: seen.append(watch.of(bot.id)))
    watch.look()
    watch.look()
    halt = await desk.halts.hold_back(BOT, Halting.STOPPED, by=None)
    watch.look()
    watch.look()
    await desk.halts.resume(BOT, by=None)
    watch.look()
    assert seen == [None, halt, None]
