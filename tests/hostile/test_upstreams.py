"""Upstreams that hang, die, flood and lie, all of them behind one server: each harms its own calls and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from store.names import fold
from store.policy.upstreams import Upstream
from tests.hostile.behind import Agent, Behind, behind, is_refused
from tests.server.serving import ERAS
from tests.server.talking import PATIENCE
from tests.upstreams.broken import MODES
from tests.upstreams.broken_http import WAYS
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import broken, everything, serving
from tests.upstreams.tools import HOSTILE

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
RULES = '  - {name: all runs, tool: ["*__*", "*:*"], action: allow}'
MEBIBYTE = 1 << 20
MORE_MEMORY = 200 * 1024
"""KiB that the server may have needed above what it began with, after a hundred MiB came in several ways."""

NEVER_LISTED = ["silent", "stubborn", "exits", "exits_after_hello", "flood_at_hello", "endless", "shapes", "too_deep"]
NO_ANSWER = ["garbage_in_call", "wrong_shape", "flood_in_call", "deaf_in_call"]
HARMLESS = ["garbage", "chatter", "asks", "asks_unbidden", "answers_twice"]


def _upstreams(folder: Path, port: int) -> Iterator[Upstream]:
    # Only those that the tests here call; each is a process, and they start at the same time.
    for mode in (*NEVER_LISTED, *NO_ANSWER, *HARMLESS, "pages", "names", "schemas"):
        yield broken(mode, mode, timeout_seconds=3)
    for way in WAYS:
        url, secret = f"http://127.0.0.1:{port}/{way.__name__}", (("x-secret", "of-the-upstream"),)
        yield Upstream(f"http-{way.__name__}".replace("_", "-"), url=url, headers=secret, timeout_seconds=3)
    yield Upstream("nowhere", url="http://127.0.0.1:9/mcp")
    yield Upstream("no-program", command="/no/such/program")
    yield everything("mortal", folder / "mortal")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving("tests.upstreams.broken_http") as found:
        yield found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("behind")
    with behind(folder, RULES, *_upstreams(folder, port)) as found:
        yield found


@pytest.fixture
def mortal(scene: Behind) -> Notebook:
    return Notebook(scene.folder / "mortal")


async def listed(agent: Agent) -> list[str]:
    return [tool["name"] for tool in (await agent.ask("tools/list"))["result"]["tools"]]


async def others_are_well(scene: Behind) -> bool:
    """Whether another upstream answers, and a person can be asked."""
    async with scene.agent() as agent:
        well = await agent.said("up__echo", text="hello") == "hello"
        asked = await agent.call("ask_approval", title="Deploy?", hold_seconds=0)
        return well and asked["result"]["structuredContent"]["status"] == "pending"


@pytest.mark.parametrize("era", ERAS)
async def test_with_all_of_them_behind_it_everything_else_works(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        assert await agent.said("up__echo", text="hello") == "hello"
        assert (await agent.call("up__add", a=1, b=2))["result"]["structuredContent"] == {"sum": 3}
        assert (await agent.ask("prompts/get", name="up__bare"))["result"]["messages"]

    assert await others_are_well(scene)


@pytest.mark.parametrize("name", NEVER_LISTED)
async def test_one_that_never_gets_to_its_list_has_no_tools_here(scene: Behind, name: str) -> None:
    async with scene.agent() as agent:
        assert [tool for tool in await listed(agent) if tool.startswith(f"{name}__")] == []
        assert is_refused(await agent.call(f"{name}__echo"))

    assert await others_are_well(scene)


@pytest.mark.parametrize("name", NO_ANSWER)
async def test_a_call_that_gets_no_proper_answer_ends_with_a_plain_error(scene: Behind, name: str) -> None:
    await scene.listed(f"{name}__echo")
    async with scene.agent() as agent:
        result = (await agent.call(f"{name}__echo"))["result"]

    assert result["isError"] is True, result
    assert f"{name}__echo" in result["content"][0]["text"]
    assert len(result["content"][0]["text"]) < 1000
    assert (await scene.entries("call_ended"))[-1]["end"] == "failed"
    assert await others_are_well(scene)


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_one_says_besides_is_passed_over(scene: Behind, name: str) -> None:
    await scene.listed(f"{name}__echo")
    async with scene.agent() as agent:
        for _ in range(3):
            assert await agent.said(f"{name}__echo") == "called echo"


async def test_of_names_that_are_alike_or_that_no_tool_can_have_none_is_listed(scene: Behind) -> None:
    await scene.listed("names__fine")
    async with scene.agent() as agent:
        found = [name for name in await listed(agent) if name.startswith("names__")]
        for name in ("twin", "Mixed", "mixed", "with space", "x" * 65, "dele\u0442e", "txt\u202e", "line\nbreak", ""):
            assert is_refused(await agent.call(f"names__{name}"))

    assert set(found) <= {"names__fine", "names__two__parts", "names____leading"}
    assert len({fold(name) for name in found}) == len(found)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("remote", {}),
        ("loops", {}),
        ("slow_pattern", {"text": "a" * 50 + "!"}),
        ("deep", {}),
        ("deeper", {}),
        ("wide", {"text": 1}),
    ],
)
async def test_a_schema_that_nothing_can_be_checked_against_costs_only_its_own_tool(
    scene: Behind, tool: str, arguments: dict[str, Any]
) -> None:
    await scene.listed("schemas__fine")
    async with scene.agent() as agent:
        assert await agent.said("schemas__fine") == "called fine"
        assert is_refused(await agent.call(f"schemas__{tool}", **arguments))

    assert await others_are_well(scene)


async def test_a_pattern_that_cannot_be_judged_here_is_left_to_the_upstream(scene: Behind) -> None:
    await scene.listed("schemas__no_pattern")
    async with scene.agent() as agent:
        assert await agent.said("schemas__no_pattern", text="b") == "called no_pattern"
        assert is_refused(await agent.call("schemas__no_pattern", text=7))


async def test_a_list_without_an_end_is_given_up(scene: Behind) -> None:
    async with scene.agent() as agent:
        assert len([tool for tool in await listed(agent) if tool.startswith("pages__")]) < 10_000

    assert await others_are_well(scene)


@pytest.mark.parametrize("name", [f"http-{way.__name__}".replace("_", "-") for way in WAYS] + ["nowhere", "no-program"])
async def test_one_that_cannot_be_spoken_to_has_no_tools_here(scene: Behind, name: str) -> None:
    async with scene.agent() as agent:
        assert [tool for tool in await listed(agent) if tool.startswith(f"{name}__")] == []
        assert is_refused(await agent.call(f"{name}__echo"))

    assert await others_are_well(scene)


async def test_a_redirect_does_not_carry_the_upstream_s_headers_elsewhere(scene: Behind, port: int) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        seen: list[dict[str, Any]] = (await http.get(f"http://127.0.0.1:{port}/seen")).json()

    assert [headers for headers in seen if "x-secret" in headers] == []


async def test_one_that_dies_in_a_call_harms_that_call_and_is_started_again(scene: Behind, mortal: Notebook) -> None:
    await scene.listed("mortal__die")
    async with scene.agent() as agent, scene.agent() as other, anyio.create_task_group() as group:
        interrupted: list[dict[str, Any]] = []

        async def wait() -> None:
            interrupted.append(await other.call("mortal__wait", gate="never"))

        group.start_soon(wait)
        await mortal.seen("waiting", gate="never")
        result = (await agent.call("mortal__die"))["result"]
        assert await agent.said("up__echo", text="hello") == "hello"
        with anyio.fail_after(PATIENCE):
            while is_refused(await agent.call("mortal__echo", text="again")):
                pass

    assert result["isError"] is True
    assert is_refused(interrupted[0])
    # Neither call was sent a second time by itself.
    assert len(mortal.entries("called", tool="die")) == 1
    assert len(mortal.entries("called", tool="wait")) == 1


async def test_a_hundred_mebibytes_on_its_channel_end_one_upstream_and_not_the_memory(
    scene: Behind, mortal: Notebook
) -> None:
    await scene.listed("mortal__line")
    async with scene.agent() as agent:
        await agent.call("mortal__line", bytes=100 * MEBIBYTE)
        with anyio.fail_after(PATIENCE):
            while is_refused(await agent.call("mortal__echo", text="again")):
                pass

    assert await others_are_well(scene)
    assert scene.house.process is not None
    status = Path(f"/proc/{scene.house.process.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    now = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    assert peak < 150 * 1024 + MORE_MEMORY, (peak, now)


async def test_a_result_is_passed_on_up_to_the_limit_and_above_it_an_error_says_so(scene: Behind) -> None:
    async with scene.agent() as agent:
        assert len(await agent.said("up__huge", size=MEBIBYTE)) == MEBIBYTE
        result = (await agent.call("up__huge", size=5 * MEBIBYTE))["result"]

    assert result["isError"] is True
    assert "4,194,304 are passed on" in result["content"][0]["text"]


async def test_text_of_an_upstream_is_passed_on_as_it_is_and_is_nowhere_in_the_log(scene: Behind) -> None:
    async with scene.agent() as agent:
        assert await agent.said("up__hostile") == HOSTILE

    entries = await scene.entries("call_intended", "call_ended", "definition_seen")
    assert "Ignore all rules" not in json.dumps(entries)


@pytest.fixture
def unruly(tmp_path: Path) -> Iterator[Behind]:
    """A server for one test, with upstreams that do not end by themselves."""
    modes = [broken(mode, mode) for mode in ("litter", "stubborn", "silent", "endless")]
    with behind(tmp_path, RULES, *modes, agents=5) as found:
        yield found


@pytest.mark.parametrize("end", ["terminate", "kill"])
async def test_when_the_server_ends_so_does_every_process_that_it_started(unruly: Behind, end: str) -> None:
    assert unruly.house.process is not None
    server = unruly.house.process.pid
    async with unruly.agent() as agent:
        with anyio.fail_after(PATIENCE):
            while not [name for name in await listed(agent) if name.startswith("litter__child_")]:
                pass
    started = _below(server)
    assert len(started) >= 4
    if end == "terminate":
        assert unruly.house.terminate() == 0
    else:
        unruly.house.kill()
    with anyio.fail_after(PATIENCE):
        while any(_lives(process) for process in started):  # noqa: ASYNC110  # another process ends them
            await anyio.sleep(0.02)


def _below(process: int) -> list[int]:
    """Its children and theirs."""
    parents = {int(path.parent.name): _fields(int(path.parent.name)) for path in Path("/proc").glob("[0-9]*/stat")}
    found = [process]
    for parent in found:
        found += [child for child, fields in parents.items() if fields and int(fields[1]) == parent]
    return found[1:]


def _lives(process: int) -> bool:
    fields = _fields(process)
    return bool(fields) and fields[0] not in "ZX"


def _fields(process: int) -> list[str]:
    """State, parent and what follows them; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (ProcessLookupError, FileNotFoundError):
        return []


def test_every_way_to_be_bad_is_tried_here() -> None:
    assert {*NEVER_LISTED, *NO_ANSWER, *HARMLESS, "pages", "names", "schemas", "litter"} == set(MODES)
