import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from server.agent_gate import AgentGate
from server.exchange import Exchange
from store.agents import Agents

pytestmark = pytest.mark.anyio

SECRET = "the bridge's secret"


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    """Behind the gate: says who came through, and what the protocol's sessions would be bound to."""
    request = Request(scope)
    exchange = Exchange.of(scope)
    await JSONResponse({"agent": exchange.agent.name, "bound_to": request.user.access_token.client_id})(
        scope, receive, send
    )


async def call(agents: Agents, headers: list[tuple[str, str]], address: str = "127.0.0.1") -> httpx2.Response:
    gate = AgentGate(who, agents, bridge_secret=SECRET)
    transport = httpx2.ASGITransport(app=gate, client=(address, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://assent.test") as client:
        return await client.post("/mcp", headers=[(name.encode(), value.encode("latin-1")) for name, value in headers])


async def test_a_token_lets_its_agent_through(agents: Agents) -> None:
    agent, token = await agents.add("deploy-bot")
    answer = await call(agents, [("authorization", f"Bearer {token}")])
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
    agents: Agents, headers: list[tuple[str, str]]
) -> None:
    answer = await call(agents, headers)
    assert answer.status_code == 401
    assert "assent agent add NAME" in answer.json()["error_description"]
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_two_credentials_at_once_are_none(agents: Agents) -> None:
    _, token = await agents.add("deploy-bot")
    one = ("authorization", f"Bearer {token}")
    assert (await call(agents, [one, one])).status_code == 401


async def test_a_revoked_agent_stays_outside(agents: Agents) -> None:
    _, token = await agents.add("deploy-bot")
    await agents.revoke("deploy-bot")
    assert (await call(agents, [("authorization", f"Bearer {token}")])).status_code == 401


async def test_the_bridge_speaks_for_the_agent_that_it_names(agents: Agents) -> None:
    headers = [("authorization", f"Bearer {SECRET}"), ("assent-agent", "claude-code")]
    assert (await call(agents, headers)).json()["agent"] == "claude-code"
    assert [agent.name for agent in await agents.list()] == ["claude-code"]


@pytest.mark.parametrize("address", ["10.0.0.9", "192.168.1.1", "2001:db8::1", "nonsense"])
async def test_the_bridges_secret_opens_nothing_from_another_machine(agents: Agents, address: str) -> None:
    headers = [("authorization", f"Bearer {SECRET}"), ("assent-agent", "claude-code")]
    assert (await call(agents, headers, address)).status_code == 401
    assert await agents.list() == []


async def test_the_bridge_cannot_bring_a_revoked_agent_back(agents: Agents) -> None:
    await agents.add("claude-code")
    await agents.revoke("claude-code")
    answer = await call(agents, [("authorization", f"Bearer {SECRET}"), ("assent-agent", "claude-code")])
    assert answer.status_code == 401
    assert "was revoked" in answer.json()["error_description"]
