import pytest

from store.agents import Agent, Agents
from store.desk import Desk
from store.problems import AgentProblem
from tests.stage import FakeClock, approval
from tests.store.calls.house import DROP, READ, admitted, call, denied, in_force, listed

pytestmark = pytest.mark.anyio


async def test_a_token_is_its_agents_key(agents: Agents) -> None:
    agent, token = await agents.add("deploy-bot", owner="ana", workflow="release")
    assert (agent.name, agent.owner, agent.workflow) == ("deploy-bot", "ana", "release")
    assert await agents.authenticate(token) == agent
    assert await agents.authenticate(token + "x") is None


async def test_adding_an_agent_again_gives_a_further_token(agents: Agents) -> None:
    agent, first = await agents.add("deploy-bot")
    same, second = await agents.add("deploy-bot")
    assert (same, first != second) == (agent, True)
    assert await agents.authenticate(first) == await agents.authenticate(second) == agent


async def test_an_agent_keeps_its_owner(agents: Agents) -> None:
    await agents.add("deploy-bot", owner="ana")
    with pytest.raises(AgentProblem, match="belongs to ana, not to eve"):
        await agents.add("deploy-bot", owner="eve")


async def test_a_revoked_agent_is_refused_with_every_token_and_cannot_come_back(agents: Agents) -> None:
    _, first = await agents.add("deploy-bot")
    _, second = await agents.add("deploy-bot")
    assert await agents.revoke("deploy-bot")
    assert not await agents.revoke("deploy-bot")
    assert await agents.authenticate(first) is None
    assert await agents.authenticate(second) is None
    for attempt in (agents.add("deploy-bot"), agents.enrol("deploy-bot")):
        with pytest.raises(AgentProblem, match="was revoked"):
            await attempt


async def test_the_local_bridges_agent_is_made_once_and_found_again(agents: Agents) -> None:
    assert await agents.enrol("local") == await agents.enrol("local")
    assert [agent.name for agent in await agents.list()] == ["local"]


@pytest.mark.parametrize("name", ["", "two words", "-x", "a" * 65, "bot\n", "böt"])
async def test_a_name_that_is_none_is_refused(agents: Agents, name: str) -> None:
    with pytest.raises(AgentProblem, match="not a name"):
        await agents.add(name)
    with pytest.raises(AgentProblem, match="not a name"):
        await agents.enrol(name)
    assert await agents.list() == []


async def test_the_list_says_when_an_agent_last_asked(agents: Agents, desk: Desk, bot: Agent, clock: FakeClock) -> None:
    clock.advance(minutes=5)
    await desk.ask(bot, approval())
    await agents.add("quiet-bot")
    assert [(a.name, a.last_asked_at) for a in await agents.list()] == [("deploy-bot", clock.now), ("quiet-bot", None)]


async def test_the_list_says_when_an_agent_last_called_what_is_governed(
    agents: Agents, desk: Desk, bot: Agent, other_bot: Agent, clock: FakeClock
) -> None:
    await in_force(desk)
    await listed(desk.calls)
    asked = clock.now
    await desk.ask(bot, approval())
    await desk.ask(other_bot, approval())
    clock.advance(minutes=5)
    await admitted(desk.calls, bot, call(READ, path="/a"))
    assert [(a.name, a.last_asked_at) for a in await agents.list()] == [
        ("billing-bot", asked),
        ("deploy-bot", clock.now),
    ]
    clock.advance(minutes=5)
    await denied(desk.calls, other_bot, call(DROP))
    await desk.ask(bot, approval("Another?"))
    assert [a.last_asked_at for a in await agents.list()] == [clock.now, clock.now]
