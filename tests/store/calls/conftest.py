"""What many tests of governed calls begin with."""

import pytest

from store.desk import Desk
from tests.store.calls.house import in_force, listed


@pytest.fixture
async def governed(desk: Desk) -> None:
    """The rules of the house are in force, and what its upstreams define is listed."""
    await in_force(desk)
    await listed(desk.calls)
