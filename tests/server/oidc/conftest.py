from collections.abc import AsyncIterator

import pytest

from tests.server.oidc.provider_server import ProviderServer, provider_server
from tests.stage import FakeClock


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[ProviderServer]:
    """A provider that listens on this machine."""
    async with provider_server(clock) as server:
        yield server
