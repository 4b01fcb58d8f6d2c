from pathlib import Path

import pytest

from tests.chaos.killing import kill_repeatedly

pytestmark = pytest.mark.anyio


async def test_a_server_killed_under_load_keeps_every_promise_and_a_log_that_verifies(tmp_path: Path) -> None:
    seen = await kill_repeatedly(tmp_path, times=4, seed=7)

    assert seen.asked > 0
    assert seen.decided > 0
