from collections.abc import AsyncIterator

import pytest

from store.agents import Agents
from store.desk import Desk
from tests.server.serving import Serving, serving


@pytest.fixture
async def server(desk: Desk, agents: Agents) -> AsyncIterator[Serving]:
    async with serving(desk, agents) as running:
        yield running


@pytest.fixture
async def token(agents: Agents) -> str:
    _, token = await agents.add("deploy-bot", owner="ana")
    return token


@pytest.fixture
async def other_token(agents: Agents) -> str:
    _, token = await agents.add("billing-bot")
    return token
