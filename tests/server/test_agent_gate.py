from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from server.agent_gate import AgentGate
from server.exchange import Exchange
from server.halting import HaltWatch
from store.agents import Agents
from store.audit.events import Halting
from store.desk import Desk
from store.held_back import Stops

pytestmark = pytest.mark.anyio

SECRET = "the bridge's secret"


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    """Behind the gate: says who came through, and what the protocol's sessions would be bound to."""
    request = Request(scope)
    exchange = Exchange.of(scope)
    await JSONResponse({"agent": exchange.agent.name, "bound_to": request.user.access_token.client_id})(
        scope, receive, send
    )


async def call(
    desk: Desk, agents: Agents, headers: list[tuple[str, str]], address: str = "127.0.0.1", path: str = "/mcp"
) -> httpx2.Response:
    watch = HaltWatch(desk.halts, desk.signals, desk.now)
    watch.look()
    gate = AgentGate(who, agents, watch, bridge_secret=SECRET)
    transport = httpx2.ASGITransport(app=gate, client=(address, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://assent.test") as client:
        return await client.post(path, headers=[(name.encode(), value.encode("latin-1")) for name, value in headers])


async def test_a_token_lets_its_agent_through(desk: Desk, agents: Agents) -> None:
    agent, token = await agents.add("deploy-bot")
    answer = await call(desk, agents, [("authorization", f"Bearer {token}")])
    assert answer.json() == {"agent": "deploy-bot", "bound_to": agent.id}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer ast_wrong")],
        [("authorization", "Basic YTpi")],
        [("authorization", f"Bearer {SECRET}")],
        [("authorization", f"Bearer {SECRET}x"), ("assent-agent", "local")],
        [("authorization", "Bearer \xe4")],
    ],
)
async def test_anything_else_stays_outside_and_is_told_how_to_get_in(
    desk: Desk, agents: Agents, headers: list[tuple[str, str]]
) -> None:
    answer = await call(desk, agents, headers)
    assert answer.status_code == 401
    assert "assent agent add NAME" in answer.json()["error_description"]
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_two_credentials_at_once_are_none(desk: Desk, agents: Agents) -> None:
    _, token = await agents.add("deploy-bot")
    one = ("authorization", f"Bearer {token}")
    assert (await call(desk, agents, [one, one])).status_code == 401


async def test_a_revoked_agent_stays_outside(desk: Desk, agents: Agents) -> None:
    _, token = await agents.add("deploy-bot")
    await agents.revoke("deploy-bot")
    assert (await call(desk, agents, [("authorization", f"Bearer {token}")])).status_code == 401


async def test_the_bridge_speaks_for_the_agent_that_it_names(desk: Desk, agents: Agents) -> None:
    headers = [("authorization", f"Bearer {SECRET}"), ("assent-agent", "claude-code")]
    assert (await call(desk, agents, headers)).json()["agent"] == "claude-code"
    assert [agent.name for agent in await agents.list()] == ["claude-code"]


@pytest.mark.parametrize("address", ["10.0.0.9", "192.168.1.1", "2001:db8::1", "nonsense"])
async def test_the_bridges_secret_opens_nothing_from_another_machine(desk: Desk, agents: Agents, address: str) -> None:
    headers = [("authorization", f"Bearer {SECRET}"), ("assent-agent", "claude-code")]
    assert (await call(desk, agents, headers, address)).status_code == 401
    assert await agents.list() == []


async def test_the_bridge_cannot_bring_a_revoked_agent_back(desk: Desk, agents: Agents) -> None:
    await agents.add("claude-code")
    await agents.revoke("claude-code")
    answer = await call(desk, agents, [("authorization", f"Bearer {SECRET}"), ("assent-agent", "claude-code")])
    assert answer.status_code == 401
    assert "was revoked" in answer.json()["error_description"]


@pytest.mark.parametrize("everything", [False, True], ids=["itself", "everything"])
async def test_a_stopped_agent_is_told_who_stopped_it_when_and_what_to_do(
    desk: Desk, agents: Agents, everything: bool
) -> None:
    _, token = await agents.add("deploy-bot")
    await desk.halts.hold_back(None if everything else "deploy-bot", Halting.STOPPED, by=None, why="it went astray")
    answer = await call(desk, agents, [("authorization", f"Bearer {token}")])
    what = "everything" if everything else "this agent"
    assert answer.status_code == 403
    assert answer.json()["id"] is None
    assert answer.json()["error"]["data"] == {
        "error": "agent_stopped",
        "stopped_by": None,
        "stopped_at": "2026-11-22T09:00:00.000000Z",
        "everything": everything,
    }
    said = answer.json()["error"]["message"]
    assert said.startswith(
        f'Whoever runs Assent stopped {what} on 2026-11-22 at 09:00 UTC, saying "it went astray". Nothing may proceed'
    )


async def test_beside_the_protocol_the_same_is_plain_json(desk: Desk, agents: Agents) -> None:
    _, token = await agents.add("deploy-bot")
    await desk.halts.hold_back("deploy-bot", Halting.STOPPED, by=None)
    answer = await call(desk, agents, [("authorization", f"Bearer {token}")], path="/hooks/claude-code")
    assert answer.status_code == 403
    assert answer.json()["error"] == "agent_stopped"
    assert "Nothing may proceed" in answer.json()["error_description"]


async def test_the_bridge_speaks_for_no_stopped_agent(desk: Desk, agents: Agents) -> None:
    await agents.add("claude-code")
    await desk.halts.hold_back("claude-code", Halting.STOPPED, by=None)
    answer = await call(desk, agents, [("authorization", f"Bearer {SECRET}"), ("assent-agent", "claude-code")])
    assert answer.status_code == 403


async def test_a_stop_of_everything_keeps_out_an_agent_that_nobody_knew_before(desk: Desk, agents: Agents) -> None:
    await desk.halts.hold_back(None, Halting.STOPPED, by=None)
    answer = await call(desk, agents, [("authorization", f"Bearer {SECRET}"), ("assent-agent", "new")])
    assert answer.status_code == 403


async def test_others_and_paused_agents_come_through(desk: Desk, agents: Agents) -> None:
    _, token = await agents.add("deploy-bot")
    _, other = await agents.add("billing-bot")
    await desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None)
    await agents.add("third")
    await desk.halts.hold_back("third", Halting.STOPPED, by=None)
    assert (await call(desk, agents, [("authorization", f"Bearer {token}")])).status_code == 200
    assert (await call(desk, agents, [("authorization", f"Bearer {other}")])).status_code == 200


async def test_who_is_let_go_comes_through_again(desk: Desk, agents: Agents) -> None:
    _, token = await agents.add("deploy-bot")
    await desk.halts.hold_back("deploy-bot", Halting.STOPPED, by=None)
    await desk.halts.resume("deploy-bot", by=None)
    assert (await call(desk, agents, [("authorization", f"Bearer {token}")])).status_code == 200


async def test_while_nobody_can_tell_who_is_stopped_nobody_comes_through(
    desk: Desk, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await agents.add("deploy-bot")

    def unreadable(_: Any) -> Stops:
        raise OSError("the disk is gone")

    monkeypatch.setattr("store.halts.Halts.stops", unreadable)
    answer = await call(desk, agents, [("authorization", f"Bearer {token}")])
    assert answer.status_code == 403
    assert "cannot tell at the moment who is stopped" in answer.json()["error"]["message"]


async def test_what_another_process_changed_is_known_with_the_first_call_that_shows_it(
    desk: Desk, agents: Agents
) -> None:
    agent, token = await agents.add("deploy-bot")
    watch = HaltWatch(desk.halts, desk.signals, desk.now)
    watch.look()
    gate = AgentGate(who, agents, watch, bridge_secret=SECRET)
    transport = httpx2.ASGITransport(app=gate, client=("127.0.0.1", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://assent.test") as client:
        headers = {"authorization": f"Bearer {token}"}
        await desk.halts.hold_back("deploy-bot", Halting.STOPPED, by=None)
        assert watch.of(agent.id) is None
        assert (await client.post("/mcp", headers=headers)).status_code == 403
        assert watch.of(agent.id) is not None
        await desk.halts.resume("deploy-bot", by=None)
        assert (await client.post("/mcp", headers=headers)).status_code == 200
