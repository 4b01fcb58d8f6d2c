from collections.abc import AsyncIterator

import pytest

from store.agents import Agents
from store.desk import Desk
from tests.server.serving import Serving, serving


@pytest.fixture
async def server(desk: Desk, agents: Agents) -> AsyncIterator[Serving]:
    async with serving(desk, agents) as running:
        yield running
