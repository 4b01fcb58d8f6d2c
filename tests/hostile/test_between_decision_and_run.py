"""Between a person's decision and the run something changed: the rules, the tool, the agent's token, the process.

What was allowed then runs only if it would be allowed now, and never twice.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.hostile.behind import BRIEF, PATIENT, Agent, Behind, Json, behind, gives_no_leave, is_refused
from tests.server.serving import ERAS
from tests.server.talking import PATIENCE, run

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
RULES = "  - {name: reads run, tool: [up__echo, up__announce], action: allow}"
PAY = "up__send_payment"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Behind]:
    """A server for one test, which changes its rules, its upstream or its process."""
    with behind(tmp_path, RULES, agents=5) as found:
        yield found


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Behind]:
    """The same, with an upstream that takes a key by which it knows a payment again."""
    with behind(tmp_path, RULES, agents=5, idempotency_argument="request_key") as found:
        yield found


def paid(scene: Behind, agent: Agent) -> list[Json]:
    """The payments that were made to an account named after this agent."""
    return scene.notebook.entries("paid", to=agent.name)


async def test_a_changed_policy_file_changes_nothing_until_it_is_activated(alone: Behind) -> None:
    allow = "version: 1\nrules:\n  - {name: all, tool: '*', action: allow}\n"
    (alone.house.home.path / "policy.yaml").write_text(allow)
    async with alone.agent() as agent:
        await agent.pending(PAY, to=agent.name, amount=5)

    assert paid(alone, agent) == []


@pytest.mark.parametrize(
    "rules",
    [
        f"{RULES}\n  - {{name: never, tool: {PAY}, action: deny}}",
        f"{RULES}\n  - {{name: two people, tool: {PAY}, action: hold, approvals: 2}}",
    ],
    ids=["denied", "asks more"],
)
async def test_rules_that_changed_between_decision_and_run_are_looked_at_again(alone: Behind, rules: str) -> None:
    if "approvals: 2" in rules:
        alone.house.add_reviewer("ben")
    async with alone.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await alone.allowed(request_id)
        alone.activate(rules)
        told = await agent.told(PAY, to=agent.name, amount=5)
        assert gives_no_leave(await agent.call("await_review", request_id=request_id))

    assert told["may_proceed"] is False
    assert paid(alone, agent) == []


async def test_a_definition_that_changed_between_decision_and_run_stops_it(alone: Behind) -> None:
    async with alone.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await alone.allowed(request_id)
        alone.notebook.define("send_payment", description="Send money twice.")
        await agent.said("up__announce")
        with anyio.fail_after(PATIENCE):
            while all(entry["accepted"] for entry in await alone.entries("definition_seen")):
                pass
        told = await agent.told(PAY, to=agent.name, amount=5)
        assert gives_no_leave(await agent.call("await_review", request_id=request_id))

    assert told["may_proceed"] is False
    assert paid(alone, agent) == []


async def test_a_revoked_agent_can_no_longer_use_its_approval(alone: Behind) -> None:
    async with alone.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await alone.allowed(request_id)
        assert run("agent", "revoke", agent.name, *alone.house.flags).returncode == 0
        body = json.dumps(agent.message("tools/call", {"name": PAY, "arguments": {}})).encode()
        answer = await agent.post(body, **{"mcp-method": "tools/call", "mcp-name": PAY})

    assert answer.status_code == 401
    assert paid(alone, agent) == []


async def test_a_call_whose_server_was_killed_half_way_is_unknown_and_never_repeated(alone: Behind) -> None:
    async with alone.agent(client=PATIENT) as agent, anyio.create_task_group() as group:

        async def lose() -> None:
            with contextlib.suppress(httpx2.TransportError):
                await agent.call("up__wait", gate="g")

        group.start_soon(lose)
        request_id = (await alone.opened_by(agent))["request_id"]
        await alone.allowed(request_id)
        await alone.notebook.seen("called", tool="wait")
        alone.house.kill()
    alone.notebook.open("g")
    await alone.again()
    async with alone.agent(name=agent.name, client=BRIEF) as again:
        message = await again.call("up__wait", gate="g")
        read = await again.call("await_review", request_id=request_id)

    assert is_refused(message)
    assert is_refused(read)
    assert "the server ended while this call ran" in message["result"]["content"][0]["text"]
    assert len(alone.notebook.entries("called", tool="wait")) == 1
    assert [entry["end"] for entry in await alone.entries("call_ended")][-1] == "unknown"


@pytest.mark.parametrize("era", ERAS)
async def test_an_upstream_that_takes_a_key_gets_the_request_s_id_and_no_agent_can_give_another(
    keyed: Behind, era: str
) -> None:
    async with keyed.agent(era) as agent:
        assert is_refused(await agent.call(PAY, to=agent.name, amount=5, request_key="mine"))
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await keyed.allowed(request_id)
        await agent.said(PAY, to=agent.name, amount=5)

    assert paid(keyed, agent) == [{"event": "paid", "to": agent.name, "amount": 5, "request_key": request_id}]
