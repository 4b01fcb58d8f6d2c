"""A task that is polled counts as a call that waits, for as long as it is polled."""

import pytest

from server.polling import Polling
from store.desk import Desk
from store.signals import PRESENCE

pytestmark = pytest.mark.anyio


async def until(desk: Desk, *waiting: str) -> None:
    with desk.signals.listen(PRESENCE) as listener:
        while desk.waiting != frozenset(waiting):
            await listener.changed()


async def test_whoever_asked_is_shown_until_they_stop_asking(desk: Desk) -> None:
    polling = Polling(desk, 0.01)
    polling.asked("req_1")
    await until(desk, "req_1")
    await until(desk)
    polling.asked("req_1")
    await until(desk, "req_1")
    await until(desk)


async def test_whoever_asks_again_in_time_stays_and_nobody_hides_another(desk: Desk) -> None:
    polling = Polling(desk, 60)
    polling.asked("req_1")
    polling.asked("req_2")
    await until(desk, "req_1", "req_2")
    polling.asked("req_1")
    assert desk.waiting == frozenset({"req_1", "req_2"})
