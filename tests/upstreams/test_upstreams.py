"""The upstream that other tests stand on does what it says, reached directly: over both channels, in both eras."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from store.policy.upstreams import Upstream
from tests.upstreams.everything import LEGACY, MODERN
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import broken, everything, over_http
from tests.upstreams.tools import ENTRIES, HOSTILE, PIXEL, REFUSED

pytestmark = pytest.mark.anyio
MODES = {LEGACY: "legacy", MODERN: "auto"}


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path / "notebook")


@pytest.fixture(params=["stdio", "http"])
def upstream(request: pytest.FixtureRequest, notebook: Notebook) -> Iterator[Upstream]:
    if request.param == "stdio":
        yield everything(folder=notebook.folder)
        return
    with over_http(folder=notebook.folder) as running:
        yield running


@pytest.fixture(params=[LEGACY, MODERN])
def era(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def _named(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult | types.ErrorData:
    return types.ElicitResult(action="accept", content={"name": f"Ana, asked {params.message!r}"})


@asynccontextmanager
async def direct(upstream: Upstream, mode: str, **more: Any) -> AsyncIterator[Client]:
    """The official client, on the upstream itself."""
    target: StdioServerParameters | str
    if upstream.url is not None:
        target = upstream.url
    else:
        assert upstream.command is not None
        target = StdioServerParameters(command=upstream.command, args=list(upstream.args), cwd=upstream.cwd)
    with anyio.fail_after(30):
        async with Client(target, mode=mode, cache=None, elicitation_callback=_named, **more) as client:
            yield client


def said(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


async def test_it_lists_all_that_it_has(upstream: Upstream, era: str) -> None:
    async with direct(upstream, MODES[era]) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates

    assert [tool.name for tool in tools] == list(ENTRIES)
    assert [prompt.name for prompt in prompts] == ["bare", "greeting"]
    assert [str(resource.uri) for resource in resources] == ["test://text", "test://blob"]
    assert [template.uri_template for template in templates] == ["test://notes/{id}"]


async def test_results_have_every_form(upstream: Upstream, era: str) -> None:
    async with direct(upstream, MODES[era]) as client:
        assert said(await client.call_tool("echo", {"text": "héllo"})) == "héllo"
        assert (await client.call_tool("add", {"a": 1, "b": 2.5})).structured_content == {"sum": 3.5}
        image, _ = (await client.call_tool("picture")).content
        assert isinstance(image, types.ImageContent)
        assert image.data == PIXEL
        assert (await client.call_tool("embedded")).meta is not None
        assert (await client.call_tool("fails")).is_error is True
        assert said(await client.call_tool("hostile")) == HOSTILE
        assert len(said(await client.call_tool("huge", {"size": 100_000}))) == 100_000
        with pytest.raises(MCPError) as refused:
            await client.call_tool("refuses")
        assert (refused.value.code, refused.value.data) == (REFUSED, {"code": 7})
        assert (await client.get_prompt("greeting", {"name": "Ana"})).messages[0].role == "user"
        assert (await client.read_resource("test://notes/7")).contents[0].uri == "test://notes/7"


async def test_it_asks_its_client(upstream: Upstream, era: str) -> None:
    async with direct(upstream, MODES[era]) as client:
        once = said(await client.call_tool("ask_name", {"question": "Which?"}))
        twice = said(await client.call_tool("ask_twice"))

    assert once == "accept Ana, asked 'Which?'"
    assert twice == "accept Ana, asked 'The first name?', accept Ana, asked 'The second name?'"


async def test_it_reports_progress_and_notices_that_it_is_cancelled(
    upstream: Upstream, era: str, notebook: Notebook
) -> None:
    steps: list[float] = []

    async def step(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with direct(upstream, MODES[era]) as client, anyio.create_task_group() as group:
        await client.call_tool("progress", {"steps": 3}, progress_callback=step)
        group.start_soon(client.call_tool, "wait", {"gate": "never"})
        await notebook.seen("waiting", gate="never")
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await notebook.seen("cancelled", gate="never")

    assert steps == [1, 2, 3]


async def test_what_it_did_is_in_its_notebook_and_a_gate_lets_a_call_go_on(
    upstream: Upstream, notebook: Notebook
) -> None:
    async with direct(upstream, "auto") as client, anyio.create_task_group() as group:
        await client.call_tool("send_payment", {"to": "Ana", "amount": 5})
        group.start_soon(client.call_tool, "wait", {"gate": "g"})
        await notebook.seen("waiting")
        notebook.open("g")

    assert notebook.entries("paid") == [{"event": "paid", "to": "Ana", "amount": 5}]
    assert notebook.entries("cancelled") == []


async def test_its_definitions_change_while_it_runs_and_before(upstream: Upstream, notebook: Notebook) -> None:
    notebook.define("echo", description="Now otherwise.")
    async with direct(upstream, "auto") as client:
        await client.call_tool("redefine", {"name": "grown"})
        notebook.remove("add")
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert tools["echo"].description == "Now otherwise."
    assert "grown" in tools
    assert "add" not in tools


@pytest.mark.parametrize("only", [LEGACY, MODERN])
async def test_an_upstream_of_one_era_speaks_that_only(only: str, notebook: Notebook) -> None:
    with over_http(folder=notebook.folder, era=only) as http:
        for upstream in (http, everything(folder=notebook.folder, era=only)):
            async with direct(upstream, "auto") as client:
                assert (client.protocol_version == "2026-07-28") is (only == MODERN)
                assert said(await client.call_tool("echo", {"text": "hello"})) == "hello"


async def test_a_call_may_end_the_process(notebook: Notebook) -> None:
    async with direct(everything(folder=notebook.folder), "auto") as client:
        with pytest.raises(MCPError):
            await client.call_tool("die")

    assert len(notebook.entries("dying")) == 1


async def test_a_broken_upstream_lists_names_that_cannot_all_be_had() -> None:
    async with direct(broken("bad", "names"), "legacy") as client:
        names = [tool.name for tool in (await client.list_tools()).tools]

    assert names.count("twin") == 2
    assert "two__parts" in names
