"""A server that stops waits for answers that are leaving, and not for callers that take none."""

import anyio
import pytest

from server import draining
from server.draining import STALLED_LOOKS, all_answered
from server.exchange import Exchange
from store.agents import Agents

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def turns_of_the_loop_are_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "LOOK_SECONDS", 0)


@pytest.fixture
async def exchanges(agents: Agents) -> set[Exchange]:
    agent, _ = await agents.add("deploy-bot")
    return {Exchange(agent) for _ in range(4)}


async def test_as_long_as_answers_leave_the_others_are_waited_for(exchanges: set[Exchange]) -> None:
    async def leave_slowly() -> None:
        for exchange in list(exchanges):
            for _ in range(STALLED_LOOKS // 2):
                await anyio.lowlevel.checkpoint()
            exchanges.discard(exchange)

    async with anyio.create_task_group() as group:
        group.start_soon(leave_slowly)
        await all_answered(exchanges)
        left = len(exchanges)

    assert left == 0


async def test_those_who_come_again_prolong_nothing(exchanges: set[Exchange]) -> None:
    first, agent = set(exchanges), next(iter(exchanges)).agent

    async def come_again() -> None:
        exchanges.difference_update(first)
        while True:
            exchanges.clear()
            exchanges.add(Exchange(agent))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(come_again)
        await all_answered(exchanges)
        left = first & exchanges
        group.cancel_scope.cancel()

    assert left == set()


async def test_callers_that_never_take_their_answer_hold_up_nothing(exchanges: set[Exchange]) -> None:
    await all_answered(exchanges)

    assert len(exchanges) == 4
