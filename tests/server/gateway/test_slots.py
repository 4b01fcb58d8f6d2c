"""A cap on processes."""

from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import TaskStatus

from server.gateway.problems import Unavailable
from server.gateway.slots import Slots

pytestmark = pytest.mark.anyio


@dataclass(eq=False)
class Holder:
    idle_since: float | None = None
    asked_to_go: anyio.Event = field(default_factory=anyio.Event)

    def let_go(self) -> None:
        self.asked_to_go.set()

    async def hold(self, slots: Slots, *, task_status: TaskStatus[None]) -> None:
        async with slots.taken(self):
            task_status.started()
            await self.asked_to_go.wait()


async def test_below_the_cap_nobody_has_to_go() -> None:
    slots = Slots(2)
    one, two = Holder(1.0), Holder(2.0)
    async with slots.taken(one), slots.taken(two):
        assert not one.asked_to_go.is_set()


async def test_the_one_that_is_idle_for_longest_makes_room() -> None:
    slots = Slots(2)
    old, young, next_one = Holder(1.0), Holder(2.0), Holder()
    async with anyio.create_task_group() as tasks:
        await tasks.start(young.hold, slots)
        await tasks.start(old.hold, slots)
        async with slots.taken(next_one):
            assert old.asked_to_go.is_set()
            assert not young.asked_to_go.is_set()
        young.let_go()


async def test_where_none_is_idle_one_more_is_refused() -> None:
    slots = Slots(1)
    async with slots.taken(Holder()):
        assert slots.is_full
        with pytest.raises(Unavailable, match="all 1 processes that may run at once are in use"):
            async with slots.taken(Holder()):
                raise AssertionError


async def test_two_that_want_room_at_once_end_two() -> None:
    slots = Slots(2)
    holders = [Holder(1.0), Holder(2.0)]
    async with anyio.create_task_group() as tasks:
        for holder in holders:
            await tasks.start(holder.hold, slots)
        async with slots.taken(Holder()), slots.taken(Holder()):
            assert all(holder.asked_to_go.is_set() for holder in holders)
