from collections.abc import AsyncIterator

import pytest

from store.agents import Agents
from store.database import Database
from store.desk import Desk
from store.people import People
from tests.hostile.world import World, open_world


@pytest.fixture
async def world(database: Database, desk: Desk, agents: Agents, people: People) -> AsyncIterator[World]:
    async with open_world(database, desk, agents, people) as world:
        yield world
