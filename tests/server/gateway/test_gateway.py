"""The gateway beside the server: neither start, nor stop, nor the tools that are always there wait for upstreams."""

import json
from pathlib import Path

import anyio
import pytest

from server.clients import Clients
from store.agents import Agents
from store.audit.events import CallEnd
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from tests.server.gateway.fronting import ALLOW, fronted, recorded_as, said
from tests.server.gateway.test_held import until_done
from tests.server.gateway.test_inputs import HOLD
from tests.server.serving import ERAS, MODERN, beside
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import broken, everything

pytestmark = pytest.mark.anyio
AT_ONCE = Clients((("mcp", 0.001),))


@pytest.mark.parametrize("mode", ["silent", "exits", "flood_at_hello", "stubborn"])
async def test_an_upstream_that_does_not_work_delays_nothing_else(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, mode: str
) -> None:
    upstreams = (broken("bad", mode), everything("up", tmp_path))
    with anyio.fail_after(40):
        async with (
            fronted(desk, agents, database, tmp_path, *upstreams, rules=ALLOW, clients=AT_ONCE) as front,
            front.client(token, MODERN) as client,
        ):
            asked = await client.call_tool("ask_approval", {"title": "Deploy?"})
            called = await client.call_tool("up__echo", {"text": "hello"})
            listed = {tool.name for tool in (await client.list_tools()).tools}
    assert asked.structured_content is not None
    assert asked.structured_content["status"] == "pending"
    assert said(called) == "hello"
    assert "up__echo" in listed
    assert not [name for name in listed if name.startswith("bad__")]


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_on_its_way_when_the_server_stops_is_answered_with_nobody_knows_and_so_is_the_log(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=ALLOW) as front,
        front.client(token, era) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__wait", {"gate": "g"})
        await notebook.seen("waiting", gate="g")
        assert front.server.gateway is not None
        with anyio.fail_after(10):
            await front.server.gateway.drain()
        result = await until_done(call)
        await recorded_as(desk, CallEnd.UNKNOWN)
    assert result.is_error
    assert "nobody knows whether" in said(result)


async def test_a_held_call_that_runs_when_the_server_stops_is_pending_for_its_caller_and_not_cut_short(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__wait", {"gate": "g"})
        await front.decide(ana)
        await notebook.seen("waiting", gate="g")
        front.server.drain.started = True
        assert front.server.gateway is not None
        await front.server.gateway.drain()
        desk.signals.publish_all()
        pending = json.loads(said(await until_done(call)))
        notebook.open("g")
        await recorded_as(desk, CallEnd.RETURNED)
    assert (pending["status"], pending["may_proceed"]) == ("pending", False)


async def test_a_client_that_waits_hears_that_the_call_was_approved_and_how_far_it_is(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(done: float, _: float | None, message: str | None) -> None:
        heard.append((done, message))

    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path), rules=HOLD) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__progress", {"steps": 3}, progress_callback=hear)
        await front.decide(ana)
        await until_done(call)
    values = [done for done, _ in heard]
    assert values == sorted(set(values))
    assert [message for _, message in heard if message and message.startswith("Approved")] == [
        f"Approved, and running: {step} of 3, step {step} of 3" for step in (1, 2, 3)
    ]
