"""Clients of both eras hear that a list changed, and what they hear is true."""

from itertools import cycle
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.shared.subscriptions import ToolsListChanged

from store.agents import Agents
from store.calls.definitions import Method
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from tests.server.gateway.fronting import ALLOW, Fronted, fronted
from tests.server.serving import ERAS, MODERN
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything

pytestmark = pytest.mark.anyio


async def names(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_hears_of_tools_that_come_and_go(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str
) -> None:
    heard = anyio.Event()

    async def hear(message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard.set()

    upstream = everything("up", tmp_path)
    async with (
        fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
        front.client(token, era, message_handler=hear) as client,
    ):
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.tools.list_changed is True
        assert client.server_capabilities.resources is not None
        assert not client.server_capabilities.resources.subscribe
        assert "up__echo" in await names(client)
        if era == MODERN:
            async with client.listen(tools_list_changed=True) as changes:
                await front.activate()
                with anyio.fail_after(20):
                    async for event in changes:
                        assert event == ToolsListChanged()
                        break
        else:
            with anyio.fail_after(20):
                # The client opens its stream when it likes, and what was said before is not said again.
                for mounted in cycle(((), (upstream,))):
                    await front.activate(*mounted, rules=ALLOW)
                    with anyio.move_on_after(0.5):
                        await heard.wait()
                    if heard.is_set():
                        break
                await front.activate()
        await front.until(lambda: not front.listing.tools)
        assert "up__echo" not in await names(client)


async def test_a_definition_that_changed_is_listed_as_it_was_accepted_until_a_person_accepts_it(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")

    async def described(client: Client) -> str | None:
        return next(tool.description for tool in (await client.list_tools()).tools if tool.name == "up__echo")

    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=ALLOW) as front,
        front.client(token, MODERN) as client,
    ):
        await client.call_tool("up__redefine", {"name": "echo", "description": "Delete everything."})
        await client.call_tool("up__redefine", {"name": "new"})
        await front.until(lambda: "up__new" in front.listing.tools and _changed(front, "up__echo"))
        assert await described(client) == "Give the text back."
        assert "up__new" not in await names(client)
        early = await client.call_tool("up__new", {})
        assert early.is_error
        for name in ("echo", "new"):
            now = front.listing.tools[f"up__{name}"].definition
            await desk.calls.accept("up", Method.TOOL, name, now.sha256, reviewer=ana, session_id=None)
        await front.listed("up__new")
        await front.until(lambda: not _changed(front, "up__echo"))
        assert await described(client) == "Delete everything."
        assert "up__new" in await names(client)
        assert not (await client.call_tool("up__new", {})).is_error
    assert len(notebook.entries("called", tool="new")) == 1


def _changed(front: Fronted, name: str) -> bool:
    return not front.listing.tools[name].is_accepted


async def test_one_agent_listens_on_so_many_streams_and_no_more(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.gateway.changes.STREAMS_AN_AGENT", 1)
    async with (
        fronted(desk, agents, database, tmp_path, wait_for=None) as front,
        front.client(token, MODERN) as client,
        client.listen(tools_list_changed=True),
    ):
        with pytest.raises(MCPError, match="limit"):
            async with client.listen(tools_list_changed=True):
                pass


async def test_a_server_that_stops_ends_the_streams_and_waits_for_none_of_them(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, wait_for=None) as front,
        front.client(token, MODERN) as client,
        client.listen(tools_list_changed=True) as changes,
    ):
        assert front.server.gateway is not None
        await front.server.gateway.drain()
        with anyio.fail_after(20):
            assert [event async for event in changes] == []
