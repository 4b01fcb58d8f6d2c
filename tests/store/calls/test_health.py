"""How upstreams are doing stands in rows, and so does a person's wish to have one started anew."""

import pytest

from store.calls.health import NoSuchUpstream, UpstreamHealth
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from store.policy.active import NotAdmin
from store.signals import GATEWAY, Woken
from tests.stage import FakeClock
from tests.store.calls.house import in_force, listed, log, text_of, upstream

pytestmark = pytest.mark.anyio

FILES, PAY = upstream("files"), upstream("pay")


@pytest.fixture(autouse=True)
async def governed(desk: Desk) -> None:
    await in_force(desk)


async def test_what_nobody_said_anything_of_is_not_started_yet(desk: Desk, clock: FakeClock) -> None:
    await desk.calls.observe(FILES, [])
    files = UpstreamHealth("files", FILES.launch_sha256, "files-server", "idle", "not started yet", None, False)
    pay = UpstreamHealth("pay", PAY.launch_sha256, "https://pay.example/mcp", "idle", "not started yet", None, False)
    assert await desk.calls.upstreams() == (files, pay)


async def test_the_newest_word_stands_with_its_time(desk: Desk, clock: FakeClock) -> None:
    await desk.calls.health("files", FILES.launch_sha256, "up", "it runs")
    clock.advance(seconds=5)
    await desk.calls.health("files", FILES.launch_sha256, "up", "it runs")
    (files, _) = await desk.calls.upstreams()
    assert (files.state, files.detail) == ("up", "it runs")
    assert files.changed_at is not None
    assert (clock.now - files.changed_at).total_seconds() == 5
    await desk.calls.health("files", FILES.launch_sha256, "down", "it ended with status 1")
    assert (await desk.calls.upstreams())[0].changed_at == clock.now


async def test_what_is_said_of_another_launch_line_or_upstream_is_old_news(desk: Desk) -> None:
    await desk.calls.health("files", PAY.launch_sha256, "down", "it ended")
    await desk.calls.health("gone", FILES.launch_sha256, "down", "it ended")
    assert [one.state for one in await desk.calls.upstreams()] == ["idle", "idle"]


async def test_a_wish_to_start_one_anew_is_told_once(desk: Desk) -> None:
    assert await desk.calls.take_restarts() == ()
    with desk.signals.listen(GATEWAY) as listener:
        await desk.calls.ask_restart("pay", reviewer=None, session_id=None)
        assert await listener.changed(within=1) is Woken.TOPIC
    await desk.calls.ask_restart("pay", reviewer=None, session_id=None)
    assert [one.restart_wanted for one in await desk.calls.upstreams()] == [False, True]
    assert await desk.calls.take_restarts() == ("pay",)
    assert await desk.calls.take_restarts() == ()
    assert [one.restart_wanted for one in await desk.calls.upstreams()] == [False, False]


async def test_a_wish_keeps_what_is_known(desk: Desk, database: Database) -> None:
    await listed(desk.calls)
    await desk.calls.health("files", FILES.launch_sha256, "up", "it runs")
    await desk.calls.ask_restart("files", reviewer=None, session_id=None)
    assert (await desk.calls.upstreams())[0].state == "up"
    assert len(await desk.calls.definitions()) == 5


async def test_who_had_it_started_anew_is_in_the_log(desk: Desk, database: Database, ana: Reviewer) -> None:
    await desk.calls.ask_restart("files", reviewer=ana, session_id=None)
    await desk.calls.ask_restart("pay", reviewer=None, session_id=None)
    assert [one.get("reviewer") for one in await log(database, "upstream_restarted")] == [ana.id, None]
    desk.log.verify()


async def test_a_session_that_ended_starts_nothing_anew(desk: Desk, database: Database, ana: Reviewer) -> None:
    with pytest.raises(NotAdmin, match="session has ended"):
        await desk.calls.ask_restart("files", reviewer=ana, session_id="no such session")
    assert await log(database, "upstream_restarted") == []
    assert await desk.calls.take_restarts() == ()


async def test_nothing_else_is_started_anew(desk: Desk) -> None:
    with pytest.raises(NoSuchUpstream, match="name no upstream 'gone'"):
        await desk.calls.ask_restart("gone", reviewer=None, session_id=None)


async def test_rules_that_come_into_force_wake_the_gateway(desk: Desk) -> None:
    with desk.signals.listen(GATEWAY) as listener:
        await in_force(desk, text=text_of("{name: all, tool: 'files__*', action: allow}"))
        assert await listener.changed(within=1) is Woken.TOPIC
