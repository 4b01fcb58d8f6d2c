from collections.abc import AsyncIterator, Callable

import pytest

from review_web.settings import SiteSettings
from review_web.site import create_site
from store.agents import Agents
from store.database import Database
from store.desk import Desk
from store.people import People
from tests.review_web.house import BEHIND_TLS, LOCAL, PLAIN_NETWORK, House
from tests.stage import FakeClock

HouseWith = Callable[[SiteSettings], House]


@pytest.fixture
async def house_with(
    database: Database, people: People, agents: Agents, desk: Desk, clock: FakeClock
) -> AsyncIterator[HouseWith]:
    """Builds the site with settings of a test's own."""
    built: list[House] = []

    def build(settings: SiteSettings) -> House:
        app = create_site(desk, people, agents, settings)
        built.append(House(app, database, people, agents, desk, settings, clock))
        return built[-1]

    yield build
    for house in built:
        for client in house.clients:
            await client.aclose()


@pytest.fixture
def house(house_with: HouseWith) -> House:
    """The site on one machine."""
    return house_with(LOCAL)


@pytest.fixture
def tls_house(house_with: HouseWith) -> House:
    """The site behind TLS, under a public name."""
    return house_with(BEHIND_TLS)


@pytest.fixture
def plain_house(house_with: HouseWith) -> House:
    """The site over plain HTTP, under an address of the local network."""
    return house_with(PLAIN_NETWORK)
