"""Agents call what upstreams have, in either era before and behind, and get what calling directly would get."""

import json
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import mcp_types as types
import pytest
from mcp import Client, MCPError

from server.gateway.results import NOT_PERMITTED
from server.tools.catalogue import CATALOGUE
from store.agents import Agents
from store.audit.events import CallEnd
from store.database import Database
from store.desk import Desk
from tests.server.gateway.fronting import ALLOW, fronted, recorded_as, said
from tests.server.serving import ERAS, MODERN
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything, over_http
from tests.upstreams.tools import ENTRIES, REFUSED

pytestmark = pytest.mark.anyio

EVERY_ERA = [(front, behind) for front in ERAS for behind in ("legacy", "modern")]
CALLS: dict[str, dict[str, Any]] = {
    "echo": {"text": "hello"},
    "add": {"a": 1, "b": 2.5},
    "picture": {},
    "embedded": {},
    "fails": {},
    "hostile": {},
    "huge": {"size": 100_000},
}


@pytest.mark.parametrize(("era", "behind"), EVERY_ERA)
async def test_a_call_that_is_allowed_gives_what_calling_directly_gives(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str, behind: str
) -> None:
    with over_http("up", tmp_path / "notes", era=behind) as upstream:
        assert upstream.url is not None
        async with (
            Client(upstream.url, mode="auto" if behind == "modern" else "legacy", cache=None) as direct,
            fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
            front.client(token, era) as client,
        ):
            for tool, arguments in CALLS.items():
                here = await client.call_tool(f"up__{tool}", arguments)
                there = await direct.call_tool(tool, arguments)
                assert _told(here) == _told(there), tool
            for name, arguments in (("bare", {}), ("greeting", {"name": "Ana"})):
                assert _told(await client.get_prompt(f"up__{name}", arguments)) == _told(
                    await direct.get_prompt(name, arguments)
                )
            for uri in ("test://text", "test://blob", "test://notes/7"):
                assert _told(await client.read_resource(uri)) == _told(await direct.read_resource(uri))


@pytest.mark.parametrize("era", ERAS)
async def test_an_error_of_the_protocol_comes_through_as_it_is(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path), rules=ALLOW) as front,
        front.client(token, era) as client,
    ):
        with pytest.raises(MCPError) as raised:
            await client.call_tool("up__refuses", {})
        error = raised.value.error
    assert (error.code, error.message, error.data) == (REFUSED, "refused by the upstream", {"code": 7})


@pytest.mark.parametrize("era", ERAS)
async def test_everything_is_listed_after_the_tools_that_are_always_there(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path), rules=ALLOW) as front,
        front.client(token, era) as client,
    ):
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
    assert [tool.name for tool in tools] == [*CATALOGUE, *sorted(f"up__{name}" for name in ENTRIES)] or [
        tool.name for tool in tools
    ] == [*CATALOGUE, *(f"up__{name}" for name in ENTRIES)]
    adds = next(tool for tool in tools if tool.name == "up__add")
    assert _told(adds) | {"name": "add"} == _told(ENTRIES["add"].tool)
    assert {prompt.name for prompt in prompts} == {"up__bare", "up__greeting"}
    assert {resource.uri for resource in resources} == {"test://text", "test://blob"}
    assert [template.uri_template for template in templates] == ["test://notes/{id}"]


async def test_long_lists_come_in_pages_and_an_old_cursor_is_refused(
    desk: Desk,
    agents: Agents,
    database: Database,
    token: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.gateway.lists.PAGE", 5)
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path), rules=ALLOW) as front,
        front.client(token, MODERN) as client,
    ):
        names: list[str] = []
        page = await client.list_tools()
        while page.next_cursor is not None:
            names += [tool.name for tool in page.tools]
            page = await client.list_tools(cursor=page.next_cursor)
        names += [tool.name for tool in page.tools]
        for cursor in ("bm9uc3VjaA==", "§", "x"):
            with pytest.raises(MCPError) as raised:
                await client.list_tools(cursor=cursor)
            assert raised.value.error.code == types.INVALID_PARAMS
    assert len(names) == len(set(names)) == len(CATALOGUE) + len(ENTRIES)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "name", ["echo", "UP__echo", "up__Echo", "up__echo ", "up_echo", "up__nothing", "u\u0440__echo"]
)
async def test_a_name_that_is_not_exactly_one_of_the_list_reaches_no_upstream_and_is_an_entry(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str, name: str
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path / "notes"), rules=ALLOW) as front,
        front.client(token, era) as client,
    ):
        result = await client.call_tool(name, {"text": "hello"})
        recorded = await desk.calls.recorded(10)
    assert result.is_error
    assert "there is no tool" in said(result)
    assert Notebook(tmp_path / "notes").entries("called") == []
    assert len(recorded) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_progress_of_the_upstream_reaches_the_client_step_by_step(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str
) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total, message))

    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path), rules=ALLOW) as front,
        front.client(token, era) as client,
    ):
        result = await client.call_tool("up__progress", {"steps": 3}, progress_callback=hear)
    assert said(result) == "3 steps"
    assert heard == [(step, 3, f"step {step} of 3") for step in (1, 2, 3)]


@pytest.mark.parametrize(("era", "behind"), EVERY_ERA)
async def test_a_call_that_its_caller_cancels_is_cancelled_upstream_and_written_down(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str, behind: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder, era=behind), rules=ALLOW) as front,
        front.client(token, era) as client,
    ):
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "up__wait", {"gate": "g"})
            await notebook.seen("waiting", gate="g")
            group.cancel_scope.cancel()
        await notebook.seen("cancelled", gate="g")
        newest = await recorded_as(desk, CallEnd.CANCELLED)
    assert newest.called.tool == "up__wait"


async def test_what_the_rules_deny_says_so_and_reaches_no_upstream(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    rules = "  - {name: never, tool: 'up*', action: deny, reason: 'Ask the database team.'}"
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path / "notes"), rules=rules) as front,
        front.client(token, MODERN) as client,
    ):
        result = await client.call_tool("up__drop_database", {})
        fields = json.loads(said(result))
        with pytest.raises(MCPError) as prompt:
            await client.get_prompt("up__bare")
        with pytest.raises(MCPError) as resource:
            await client.read_resource("test://text")
    assert result.is_error
    assert result.structured_content is None
    assert (fields["status"], fields["may_proceed"], fields["tool"]) == ("denied", False, "up__drop_database")
    assert "Ask the database team" in fields["next"]
    for refused in (prompt.value.error, resource.value.error):
        assert (refused.code, refused.data["status"], refused.data["may_proceed"]) == (NOT_PERMITTED, "denied", False)
    assert Notebook(tmp_path / "notes").entries("dropped") == []
    assert Notebook(tmp_path / "notes").entries("prompted") == []
    assert Notebook(tmp_path / "notes").entries("read") == []


async def test_arguments_that_do_not_fit_the_schema_are_named_and_sent_nowhere(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path / "notes"), rules=ALLOW) as front,
        front.client(token, MODERN) as client,
    ):
        result = await client.call_tool("up__send_payment", {"to": "ana", "amount": "all of it"})
    assert result.is_error
    assert "amount" in said(result)
    assert Notebook(tmp_path / "notes").entries("paid") == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_result_over_the_limit_is_replaced_by_words_that_say_so(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str
) -> None:
    limits = {"result_bytes": 10_000}
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path), rules=ALLOW, limits=limits) as front,
        front.client(token, era) as client,
    ):
        small = await client.call_tool("up__huge", {"size": 9_000})
        large = await client.call_tool("up__huge", {"size": 10_001})
    assert not small.is_error
    assert large.is_error
    assert "at most 10,000 are passed on" in said(large)


async def test_an_upstream_that_does_not_answer_in_time_costs_this_call_only(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    upstream = everything("up", tmp_path / "notes", timeout_seconds=1)
    async with (
        fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
        front.client(token, MODERN) as client,
    ):
        late = await client.call_tool("up__wait", {"gate": "never"})
        next_one = await client.call_tool("up__echo", {"text": "still there"})
    assert late.is_error
    assert "did not answer within 1 seconds" in said(late)
    assert said(next_one) == "still there"


async def test_an_upstream_that_dies_in_the_middle_is_an_error_and_back_for_the_next_call(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path / "notes"), rules=ALLOW) as front,
        front.client(token, MODERN) as client,
    ):
        died = await client.call_tool("up__die", {})
        with anyio.fail_after(30):
            while (again := await client.call_tool("up__echo", {"text": "back"})).is_error:  # noqa: ASYNC110
                await anyio.sleep(0.05)
    assert died.is_error
    assert "went away" in said(died)
    assert said(again) == "back"


async def test_what_a_client_says_beside_its_arguments_goes_along_without_the_protocols_own_keys(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path, era="legacy"), rules=ALLOW) as front,
        front.client(token, MODERN) as client,
    ):
        result = await client.call_tool("up__surroundings", {}, meta={"example.com/trace": "t1"})
    meta = result.structured_content["meta"]
    assert meta["example.com/trace"] == "t1"
    assert [key for key in meta if key.startswith("io.modelcontextprotocol/")] == []


def _told(result: Any) -> dict[str, Any]:
    """A result as it came over the wire, without what one connection says of itself."""
    told: dict[str, Any] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    meta = {key: value for key, value in told.pop("_meta", {}).items() if not key.startswith("io.modelcontextprotocol")}
    return {key: value for key, value in told.items() if key not in ("ttlMs", "cacheScope")} | {"_meta": meta}
