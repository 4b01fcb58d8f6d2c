"""Servers and networks that do anything: what each costs, and whom."""

from contextlib import ExitStack
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from server.gateway.problems import UpstreamDown
from store.database import Database
from store.policy.upstreams import Upstream
from tests.server.gateway.house import gateway, send, text_of
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import over_http, serving

pytestmark = pytest.mark.anyio

WAYS = {
    "fails": "it answers with an error: 'Server returned an error response'",
    "unauthorized": "it answers 401: what the policy gives it does not open it",
    "page": "it answers with an error: 'Unexpected content type: text/html; charset=utf-8'",
    "not_json": "it answers with an error: 'Failed to parse JSON response",
    "flood": "it answered with more than 8,388,608 bytes",
    "endless_events": "SSE stream failed: Server-sent event exceeded the 8388608 byte limit.",
    "silent": "it has not said within 1 seconds what it has",
    "cut": "it answers with an error: 'SSE stream ended without a response'",
    "redirect": "it answers 307 and points to another address, which is not followed",
    "nowhere": "it answers with an error: 'Not Found'",
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_breaks_the_protocol_is_down_and_the_line_says_how(
    database: Database, tmp_path: Path, way: str
) -> None:
    with serving("tests.upstreams.broken_http") as port:
        bad = Upstream(
            "bad", url=f"http://127.0.0.1:{port}/{way}", headers=(("Authorization", "Bearer s3cret-s3cret"),)
        )
        limit = 1.0 if "within 1 seconds" in WAYS[way] else 20.0
        async with gateway(database, tmp_path, bad, connect_seconds=limit) as house:
            health = await house.health("bad", "down")
    assert WAYS[way] in health.detail
    assert "s3cret" not in health.detail


async def test_no_redirect_is_followed_with_what_was_meant_for_the_first_address(
    database: Database, tmp_path: Path
) -> None:
    with serving("tests.upstreams.broken_http") as port:
        async with gateway(database, tmp_path, Upstream("bad", url=f"http://127.0.0.1:{port}/redirect")) as house:
            await house.health("bad", "down")
        async with httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/seen")).json() == []


async def test_a_server_that_is_not_there_is_down_at_once_and_found_when_it_comes(
    database: Database, tmp_path: Path
) -> None:
    with over_http("up") as up:
        pass
    async with gateway(database, tmp_path, up) as house:
        assert "it cannot be reached (no connection)" in (await house.health("up", "down")).detail
        with pytest.raises(UpstreamDown, match="the upstream up cannot be used: it cannot be reached"):
            await house.call("up", "echo", text="hello")
        with over_http("up", port=port_of(up)):
            await house.health("up", "up")
            assert text_of(await house.call("up", "echo", text="hello")) == "hello"


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_server_that_goes_away_is_found_again(database: Database, tmp_path: Path, era: str) -> None:
    with ExitStack() as running:
        up = running.enter_context(over_http("up", era=era))
        async with gateway(database, tmp_path, up) as house:
            assert text_of(await house.call("up", "echo", text="1")) == "1"
            running.close()
            with pytest.raises((MCPError, UpstreamDown)):
                await house.call("up", "echo", text="2")
            await house.health("up", "down")
            with over_http("up", era=era, port=port_of(up)):
                await house.health("up", "up")
                assert text_of(await house.call("up", "echo", text="3")) == "3"


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_server_that_was_started_anew_between_two_calls_costs_none_of_them(
    database: Database, tmp_path: Path, era: str
) -> None:
    with ExitStack() as running:
        up = running.enter_context(over_http("up", era=era))
        async with gateway(database, tmp_path, up, check_seconds=0.0) as house:
            assert text_of(await house.call("up", "echo", text="1")) == "1"
            running.close()
            with over_http("up", era=era, port=port_of(up)):
                assert text_of(await house.call("up", "echo", text="2")) == "2"


async def test_calls_of_the_older_protocol_have_a_session_each_and_agents_never_share_one(
    database: Database, tmp_path: Path
) -> None:
    notes = Notebook(tmp_path / "notes")
    with over_http("up", notes.folder, era="legacy") as up:
        async with gateway(database, tmp_path, up) as house:
            async with house.upstreams.lease("up", "agt_1") as one, house.upstreams.lease("up", "agt_1") as two:
                assert one.session is not two.session
                firsts = {one.session, two.session}
            async with house.upstreams.lease("up", "agt_1") as again:
                assert again.session in firsts
            async with house.upstreams.lease("up", "agt_2") as other:
                assert other.session not in firsts


async def test_a_session_whose_call_was_given_up_is_never_used_again(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    with over_http("up", notes.folder, era="legacy") as up:
        async with gateway(database, tmp_path, up) as house:
            given_up = []
            async with anyio.create_task_group() as tasks:

                async def call() -> None:
                    async with house.upstreams.lease("up", "agt_1") as lease:
                        given_up.append(lease.session)
                        await send(lease, "wait", gate="g")

                tasks.start_soon(call)
                await notes.seen("waiting", gate="g")
                tasks.cancel_scope.cancel()
            await notes.seen("cancelled", gate="g")
            async with house.upstreams.lease("up", "agt_1") as lease:
                assert lease.session not in given_up


async def test_more_calls_than_an_older_server_is_given_are_turned_away(database: Database, tmp_path: Path) -> None:
    with over_http("up", era="legacy") as up:
        async with gateway(database, tmp_path, up, sessions=1) as house:
            async with house.upstreams.lease("up", "agt_1"):
                with pytest.raises(UpstreamDown, match="1 calls of it are running"):
                    await house.call("up", "echo", text="one too many")
            assert text_of(await house.call("up", "echo", text="now")) == "now"


def port_of(upstream: Upstream) -> int:
    assert upstream.url is not None
    return int(upstream.url.rpartition(":")[2].partition("/")[0])
