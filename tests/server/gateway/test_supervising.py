"""Upstreams over time: as rules come into force, as they change, sleep, break and are wanted again."""

import os
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from server.gateway.problems import UpstreamDown
from store.calls.definitions import Method
from store.database import Database
from tests.server.gateway.house import gateway, send, text_of
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import broken, everything, over_http

pytestmark = pytest.mark.anyio


async def never(params: types.ElicitRequestParams) -> types.ElicitResult:
    raise AssertionError(params)


async def test_an_upstream_of_which_everything_is_known_is_started_by_the_first_call_alone(
    database: Database, tmp_path: Path
) -> None:
    notes = Notebook(tmp_path / "notes")
    up = everything("up", notes.folder)
    async with gateway(database, tmp_path, up) as house:
        await house.health("up", "up")
    async with gateway(database, tmp_path, up) as house:
        await house.health("up", "asleep")
        assert "up__echo" in house.listing.tools
        assert len(notes.entries("started")) == 1
        assert text_of(await house.call("up", "echo", text="hello")) == "hello"
        assert len(notes.entries("started")) == 2


async def test_resources_are_found_out_only_when_somebody_wants_them(database: Database, tmp_path: Path) -> None:
    up = everything("up")
    async with gateway(database, tmp_path, up) as house:
        await house.health("up", "up")
    async with gateway(database, tmp_path, up) as house:
        await house.health("up", "asleep")
        assert (await house.upstreams.known(within=20)).resources == ()
        listing = await house.upstreams.known(within=20, resources=True)
        assert [each.content["uri"] for each in listing.resources] == ["test://text", "test://blob"]


async def test_an_upstream_that_nobody_calls_is_let_go_of_and_comes_back_for_a_call(
    database: Database, tmp_path: Path
) -> None:
    async with gateway(database, tmp_path, everything("up"), idle_seconds=0.05) as house:
        await house.health("up", "up")
        await house.health("up", "asleep")
        assert house.processes == frozenset()
        assert text_of(await house.call("up", "echo", text="hello")) == "hello"


async def test_a_call_that_lasts_longer_than_the_idle_time_is_not_cut_off(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    async with gateway(database, tmp_path, everything("up", notes.folder), idle_seconds=0.01) as house:
        async with house.upstreams.lease("up", "agt_1") as lease, anyio.create_task_group() as tasks:

            async def wait() -> None:
                assert text_of(await send(lease, "wait", gate="g")) == "g is open"

            tasks.start_soon(wait)
            await notes.seen("waiting", gate="g")
            assert text_of(await house.call("up", "echo", text="meanwhile")) == "meanwhile"
            notes.open("g")
        assert len(notes.entries("started")) == 1 + len(notes.entries("stopped"))


async def test_one_process_more_than_may_run_ends_the_one_that_is_idle_for_longest(
    database: Database, tmp_path: Path
) -> None:
    ups = [everything(name, tmp_path / name) for name in ("one", "two", "three")]
    async with gateway(database, tmp_path, *ups) as house:
        for up in ups:
            await house.health(up.name, "up")
    async with gateway(database, tmp_path, *ups, processes=2) as house:
        for name in ("one", "two", "one", "three"):
            assert text_of(await house.call(name, "echo", text=name)) == name
        await house.health("two", "asleep")
        assert len(house.processes) == 2
        async with house.upstreams.lease("one", "agt_1"), house.upstreams.lease("three", "agt_1"):
            with pytest.raises(UpstreamDown, match="all 2 processes that may run at once are in use"):
                await house.call("two", "echo", text="one too many")
        assert text_of(await house.call("two", "echo", text="now")) == "now"


async def test_rules_that_come_into_force_start_and_end_upstreams(database: Database, tmp_path: Path) -> None:
    one, two = everything("one", tmp_path / "one"), everything("two", tmp_path / "two")
    async with gateway(database, tmp_path, one) as house:
        await house.health("one", "up")
        await house.activate(two)
        await house.until(lambda: "two__echo" in house.listing.tools)
        assert "one__echo" not in house.listing.tools
        await Notebook(tmp_path / "one").seen("stopped")
        with pytest.raises(UpstreamDown, match="no upstream one in the rules in force"):
            await house.call("one", "echo", text="gone")
        await house.activate()
        await Notebook(tmp_path / "two").seen("stopped")
        await house.until(lambda: not house.processes)


async def test_a_call_that_runs_when_its_upstream_leaves_the_rules_has_its_answer(
    database: Database, tmp_path: Path
) -> None:
    notes = Notebook(tmp_path / "notes")
    async with gateway(database, tmp_path, everything("up", notes.folder)) as house:
        async with house.upstreams.lease("up", "agt_1") as lease, anyio.create_task_group() as tasks:
            answers: list[str] = []

            async def wait() -> None:
                answers.append(text_of(await send(lease, "wait", gate="g")))

            tasks.start_soon(wait)
            await notes.seen("waiting", gate="g")
            await house.activate(everything("other"))
            notes.open("g")
        assert answers == ["g is open"]
        await notes.seen("stopped")


async def test_another_launch_line_is_another_process(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, everything("up", tmp_path / "one")) as house:
        await house.health("up", "up")
        await house.activate(everything("up", tmp_path / "two"))
        await Notebook(tmp_path / "two").seen("started")
        await Notebook(tmp_path / "one").seen("stopped")
        assert text_of(await house.call("up", "echo", text="two")) == "two"


async def test_another_time_limit_alone_starts_nothing_anew(database: Database, tmp_path: Path) -> None:
    up = everything("up", tmp_path / "notes")
    async with gateway(database, tmp_path, up) as house:
        await house.health("up", "up")
        await house.activate(replace(up, timeout_seconds=7))
        async with house.upstreams.lease("up", "agt_1") as lease:
            assert lease.upstream.timeout_seconds == 7
        assert len(Notebook(tmp_path / "notes").entries("started")) == 1


async def test_a_person_can_have_it_started_anew(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    async with gateway(database, tmp_path, everything("up", notes.folder)) as house:
        await house.health("up", "up")
        await house.calls.ask_restart("up", reviewer=None, session_id=None)
        await notes.seen("started", times=2)
        await notes.seen("stopped")
        assert text_of(await house.call("up", "echo", text="anew")) == "anew"


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_a_change_that_an_upstream_tells_of_is_listed(
    database: Database, tmp_path: Path, kind: str, era: str
) -> None:
    with ExitStack() as stack:
        folder = tmp_path / "notes"
        over = over_http("up", folder, era=era)
        up = everything("up", folder, era=era) if kind == "stdio" else stack.enter_context(over)
        async with gateway(database, tmp_path, up) as house:
            await house.upstreams.known(within=20)
            await house.call("up", "redefine", name="newer")
            await house.until(lambda: "up__newer" in house.listing.tools)


async def test_a_change_that_nobody_tells_of_is_found_in_time(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    async with gateway(database, tmp_path, everything("up", notes.folder), relist_seconds=0.05) as house:
        await house.upstreams.known(within=20)
        notes.define("echo", description="Something else.")
        await house.until(lambda: not house.listing.tools["up__echo"].is_accepted)


async def test_a_lease_knows_what_was_listed_when_it_was_got(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    up = everything("up", notes.folder)
    async with gateway(database, tmp_path, up) as house:
        accepted = (await house.upstreams.known(within=20)).tools["up__echo"].definition.sha256
        async with house.upstreams.lease("up", "agt_1") as lease:
            assert lease.sha256(Method.TOOL, "echo") == accepted
    notes.define("echo", description="Something else.")
    async with gateway(database, tmp_path, up) as house:
        await house.health("up", "asleep")
        assert house.listing.tools["up__echo"].is_accepted
        async with house.upstreams.lease("up", "agt_1") as lease:
            assert lease.sha256(Method.TOOL, "echo") != accepted
            await house.until(lambda: not house.listing.tools["up__echo"].is_accepted)
            assert lease.sha256(Method.TOOL, "nothing") is None


async def test_an_upstream_that_hangs_delays_neither_the_others_nor_the_end(database: Database, tmp_path: Path) -> None:
    bad = [broken(mode.replace("_", "-"), mode) for mode in ("silent", "stubborn", "exits", "endless")]
    with anyio.fail_after(20):
        async with gateway(database, tmp_path, *bad, everything("up"), grace_seconds=0.1) as house:
            assert text_of(await house.call("up", "echo", text="hello")) == "hello"


async def test_what_fails_again_and_again_is_tried_less_and_less_often(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "exits"), backoff_most_seconds=300.0) as house:
        before = await house.health("bad", "down")
        with pytest.raises(UpstreamDown, match="ended by itself with code 7"):
            await house.call("bad", "echo")
        assert await house.health("bad", "down") == before


async def test_an_upstream_that_says_without_end_that_it_changed_is_asked_now_and_then(
    database: Database, tmp_path: Path
) -> None:
    async with gateway(database, tmp_path, broken("bad", "chatter"), everything("up")) as house:
        assert text_of(await house.call("bad", "echo")) == "called echo"
        assert text_of(await house.call("up", "echo", text="hello")) == "hello"


async def test_a_list_without_an_end_is_cut_off_and_the_line_says_so(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "pages"), pages=5) as house:
        health = await house.health("bad", "up")
    assert "its list of tools does not end; the first 2 entries" in health.detail


async def test_a_list_of_what_is_none_is_no_list(database: Database, tmp_path: Path) -> None:
    program = "from tests.upstreams.broken import behave, tool; behave([tool('fine'), tool(7)])"
    nameless = replace(broken("bad", "silent"), args=("-c", program))
    async with gateway(database, tmp_path, nameless, broken("worse", "too_deep")) as house:
        bad, worse = await house.health("bad", "down"), await house.health("worse", "down")
        assert bad.detail.startswith("its list of tools is not what the protocol demands (since")
        assert worse.detail.startswith("it answered with what cannot be read (since")
        assert house.listing.tools == {}


async def test_arguments_that_a_schema_sends_in_headers_are_sent_in_headers(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    notes.define("surroundings", inputSchema=schema)
    with over_http("up", notes.folder, era="modern") as up:
        async with gateway(database, tmp_path, up) as house:
            seen = (await house.call("up", "surroundings", region="eu"))["structuredContent"]
    assert seen["headers"]["mcp-param-region"] == "eu"


async def test_names_that_could_be_mistaken_are_left_out_and_the_line_says_so(
    database: Database, tmp_path: Path
) -> None:
    async with gateway(database, tmp_path, broken("bad", "names")) as house:
        health = await house.health("bad", "up")
        assert set(house.listing.tools) == {"bad__fine", "bad__two__parts", "bad____leading"}
    assert "the tool 'twin' is left out: another one has the same name" in health.detail


async def test_a_question_of_an_older_process_goes_to_the_one_call_that_runs(
    database: Database, tmp_path: Path
) -> None:
    async with gateway(database, tmp_path, everything("up", era="legacy")) as house:
        async with house.upstreams.lease("up", "agt_1") as lease:
            asked: list[str] = []

            async def sink(params: types.ElicitRequestParams) -> types.ElicitResult:
                asked.append(params.message)
                return types.ElicitResult(action="accept", content={"name": "Ana"})

            lease.sink = sink
            assert "Ana" in text_of(await send(lease, "ask_name", question="Who?"))
        assert asked == ["Who?"]


async def test_a_question_of_an_older_process_goes_to_nobody_while_two_calls_run(
    database: Database, tmp_path: Path
) -> None:
    async with (
        gateway(database, tmp_path, everything("up", era="legacy")) as house,
        house.upstreams.lease("up", "agt_1") as one,
        house.upstreams.lease("up", "agt_2") as two,
    ):
        one.sink = two.sink = never
        with pytest.raises(MCPError, match="nobody can be asked"):
            await send(one, "ask_name")


async def test_a_question_after_a_call_was_given_up_goes_to_nobody(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, everything("up", era="legacy")) as house:
        with anyio.CancelScope() as scope:
            async with house.upstreams.lease("up", "agt_1"):
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        async with house.upstreams.lease("up", "agt_2") as lease:
            lease.sink = never
            with pytest.raises(MCPError, match="nobody can be asked"):
                await send(lease, "ask_name")


async def test_what_was_never_offered_to_upstreams_is_refused(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "asks"), broken("worse", "asks_unbidden")) as house:
        assert text_of(await house.call("bad", "echo")) == "called echo"
        assert text_of(await house.call("worse", "echo")) == "called echo"


async def test_an_upstream_that_is_killed_is_back_for_the_next_call(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    async with gateway(database, tmp_path, everything("up", notes.folder)) as house:
        await house.health("up", "up")
        (process,) = house.processes
        os.kill(process, signal.SIGKILL)
        await notes.seen("started", times=2)
        await house.health("up", "up")
        assert text_of(await house.call("up", "echo", text="back")) == "back"
