"""Processes that break the protocol: what each costs, and whom."""

import os
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from server.gateway.problems import UpstreamDown
from server.gateway.wire import TRANSPORT_FAULT
from store.database import Database
from tests.repository import ROOT
from tests.server.gateway.house import gateway, send, text_of
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import broken, everything

pytestmark = pytest.mark.anyio


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


async def test_a_process_that_never_answers_is_down_after_the_time_it_has(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "silent"), connect_seconds=0.5) as house:
        with pytest.raises(UpstreamDown, match=r"bad cannot be used: it has not said within 0\.5 seconds what it has"):
            await house.call("bad", "echo")
        assert "0.5 seconds" in (await house.health("bad", "down")).detail


async def test_a_process_that_heeds_no_signal_is_killed(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "stubborn"), connect_seconds=0.5, grace_seconds=0.1) as house:
        await house.health("bad", "down")
    assert house.processes == frozenset()


async def test_a_process_that_ends_at_once_says_why_in_its_health_line(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "exits")) as house:
        health = await house.health("bad", "down")
    assert "its process ended by itself with code 7" in health.detail
    assert "'error: no database at /srv/secret-place'" in health.detail


async def test_what_it_was_given_to_keep_is_not_in_its_last_words(database: Database, tmp_path: Path) -> None:
    bad = broken("bad", "exits", env=(("PLACE", "{{env:PLACE}}"),))
    async with gateway(database, tmp_path) as house:
        house.environment["PLACE"] = "/srv/secret-place"
        await house.activate(bad)
        health = await house.health("bad", "down")
    assert r"no database at \u2026" in health.detail
    assert "secret-place" not in health.detail


async def test_a_program_that_is_not_there_is_named(database: Database, tmp_path: Path) -> None:
    bad = replace(broken("bad", "silent"), command="no-such-program")
    async with gateway(database, tmp_path, bad) as house:
        assert "there is no no-such-program" in (await house.health("bad", "down")).detail


async def test_a_folder_that_is_not_there_is_named_and_not_made(database: Database, tmp_path: Path) -> None:
    bad = replace(broken("bad", "silent"), cwd=str(tmp_path / "nowhere"))
    async with gateway(database, tmp_path, bad) as house:
        assert f"there is no {tmp_path / 'nowhere'}" in (await house.health("bad", "down")).detail
    assert not (tmp_path / "nowhere").exists()


async def test_agents_are_not_told_what_a_process_wrote_for_its_operator(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "exits"), backoff_seconds=300.0) as house:
        await house.health("bad", "down")
        with pytest.raises(UpstreamDown, match="its process ended by itself with code 7") as caught:
            await house.call("bad", "echo")
    assert "secret-place" not in caught.value.message


async def test_lines_that_are_no_messages_are_passed_over_and_mentioned(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "garbage")) as house:
        assert text_of(await house.call("bad", "echo")) == "called echo"
        assert "lines to its stdout that are no messages" in (await house.health("bad", "up")).detail


async def test_a_message_that_is_too_long_costs_the_call_that_it_answers(database: Database, tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "notes")
    async with gateway(database, tmp_path, everything("up", notes.folder), line_bytes=100_000) as house:
        async with house.upstreams.lease("up", "agt_1") as lease, anyio.create_task_group() as tasks:
            others: list[str] = []

            async def wait() -> None:
                others.append(text_of(await send(lease, "wait", gate="g")))

            tasks.start_soon(wait)
            await notes.seen("waiting", gate="g")
            with pytest.raises(
                MCPError, match=r"it answered with a message of [\d,]+ bytes; at most 100,000"
            ) as caught:
                await send(lease, "huge", size=200_000)
            assert caught.value.error.data == TRANSPORT_FAULT
            notes.open("g")
        assert others == ["g is open"]


async def test_a_hundred_mebibytes_in_one_line_are_survived(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "flood_at_hello"), everything("up")) as house:
        assert text_of(await house.call("up", "echo", text="still here")) == "still here"
        assert "104,8" in (await house.health("bad", "down")).detail


async def test_a_line_without_an_end_ends_its_process(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "endless"), discarded_bytes=30 << 20) as house:
        assert "more than 31,457,280 bytes" in (await house.health("bad", "down")).detail


async def test_a_process_that_dies_under_a_call_fails_that_call_and_is_started_again(
    database: Database, tmp_path: Path
) -> None:
    async with gateway(database, tmp_path, everything("up", tmp_path / "notes")) as house:
        with pytest.raises(MCPError):
            await house.call("up", "die")
        await house.until(lambda: len(Notebook(tmp_path / "notes").entries("started")) == 2)
        await house.health("up", "up")
        assert text_of(await house.call("up", "echo", text="again")) == "again"


async def test_what_a_process_started_besides_ends_with_it(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, broken("bad", "litter")) as house:
        listing = await house.upstreams.known(within=20)
        child = int(next(name for name in listing.tools if "child" in name).rpartition("_")[2])
        assert is_alive(child)
    assert not is_alive(child)


async def test_a_process_gets_a_clean_environment_and_a_folder_of_its_own(database: Database, tmp_path: Path) -> None:
    up = replace(everything("up", env=(("GIVEN", "x-{{env:THEIRS}}"), ("PYTHONPATH", str(ROOT)))), cwd=None)
    async with gateway(database, tmp_path) as house:
        house.environment |= {"ASSENT_TOKEN": "ast_secret", "THEIRS": "y", "OTHER": "z"}
        await house.activate(up)
        seen = (await house.call("up", "surroundings"))["structuredContent"]
    assert seen["folder"] == str(tmp_path / "upstreams" / "up")
    assert seen["environment"]["GIVEN"] == "x-y"
    assert set(seen["environment"]) - {"GIVEN", "PYTHONPATH"} <= {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    }  # fmt: skip


async def test_a_variable_that_is_not_set_is_named(database: Database, tmp_path: Path) -> None:
    up = everything("up", env=(("GIVEN", "{{env:NOWHERE_SET}}"),))
    async with gateway(database, tmp_path, up) as house:
        assert "takes the variable NOWHERE_SET, which is not set" in (await house.health("up", "down")).detail
