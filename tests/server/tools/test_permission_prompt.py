"""`--permission-prompt-tool`: Claude Code asks before it runs a tool of its own, and gets one text of JSON."""

import json
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client

from store.audit.events import Halting
from store.calls.recorded import Became
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from store.questions import HeldCall
from tests.server.gateway.fronting import put_in_force
from tests.server.hooks.asking import REFUSE, RUN, edited_to
from tests.server.serving import ERAS, Outcome, Serving, beside
from tests.stage import answered

pytestmark = pytest.mark.anyio

CLAUDE_CODE = types.Implementation(name="claude-code", version="2.1.330")
READS = "version: 1\nrules:\n  - {name: reads, tool: 'claude_code:Read', action: allow}\n"
INPUT = {"command": "make deploy"}


def claude_code(server: Serving, token: str, era: str) -> AbstractAsyncContextManager[Client]:
    return server.client(token, era, client_info=CLAUDE_CODE)


def asks(tool: str = "Bash", given: Any = None, tool_use_id: str = "toolu_1") -> dict[str, Any]:
    return {"tool_name": tool, "input": INPUT if given is None else given, "tool_use_id": tool_use_id}


def said(result: types.CallToolResult) -> dict[str, Any]:
    """The decision, of a result that has nothing else."""
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    assert result.structured_content is None
    assert not result.is_error
    found: dict[str, Any] = json.loads(content.text)
    return found


async def until_said(outcome: Outcome) -> dict[str, Any]:
    with anyio.fail_after(20):
        await outcome.done.wait()
    if isinstance(outcome.value, Exception):
        raise outcome.value
    return said(outcome.value)


@pytest.mark.parametrize("era", ERAS)
async def test_claude_code_is_listed_the_tool_and_others_are_not(server: Serving, token: str, era: str) -> None:
    async with claude_code(server, token, era) as client, server.client(token, era) as other:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        others = {tool.name for tool in (await other.list_tools()).tools}

    assert listed - others == {"permission_prompt"}
    assert others <= listed


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_person_approves_may_run_as_it_was_asked(
    server: Serving, desk: Desk, token: str, ana: Reviewer, era: str
) -> None:
    async with claude_code(server, token, era) as client, anyio.create_task_group() as group:
        outcome = beside(group, client.call_tool, "permission_prompt", asks())
        card = await server.card()
        question = card.card.question
        await answered(desk, ana, card.request_id, RUN)
        assert await until_said(outcome) == {"behavior": "allow", "updatedInput": INPUT}

    assert isinstance(question, HeldCall)
    assert (question.tool, question.arguments) == ("claude_code:Bash", INPUT)


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_person_changed_runs_in_its_place(
    server: Serving, desk: Desk, token: str, ana: Reviewer, era: str
) -> None:
    async with claude_code(server, token, era) as client, anyio.create_task_group() as group:
        outcome = beside(group, client.call_tool, "permission_prompt", asks())
        card = await server.card()
        await edited_to(desk, ana, card.request_id, command="make test")
        await answered(desk, ana, card.request_id, RUN)
        assert await until_said(outcome) == {"behavior": "allow", "updatedInput": {"command": "make test"}}


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_person_refuses_does_not_run(
    server: Serving, desk: Desk, token: str, ana: Reviewer, era: str
) -> None:
    async with claude_code(server, token, era) as client, anyio.create_task_group() as group:
        outcome = beside(group, client.call_tool, "permission_prompt", asks())
        await answered(desk, ana, (await server.card()).request_id, REFUSE, comment="Not today.")
        answer = await until_said(outcome)

    assert answer["behavior"] == "deny"
    assert "Not today." in answer["message"]


async def test_what_a_rule_allows_may_run_at_once(server: Serving, desk: Desk, database: Database, token: str) -> None:
    await put_in_force(database, READS)
    async with claude_code(server, token, "auto") as client:
        answer = said(await client.call_tool("permission_prompt", asks("Read", {"file_path": "/a"})))

    assert answer == {"behavior": "allow", "updatedInput": {"file_path": "/a"}}
    (call,) = await desk.calls.recorded(5)
    assert call.became == Became.RELEASED


async def test_who_is_stopped_meanwhile_is_told_so_and_nothing_runs(server: Serving, desk: Desk, token: str) -> None:
    async with claude_code(server, token, "auto") as client, anyio.create_task_group() as group:
        # The client checks results against the list, which it could not read any more.
        await client.list_tools()
        outcome = beside(group, client.call_tool, "permission_prompt", asks())
        await server.card()
        await desk.halts.hold_back("deploy-bot", Halting.STOPPED, by=None, why="Look at this first")
        answer = await until_said(outcome)

    assert (answer["behavior"], answer["interrupt"]) == ("deny", True)
    assert "Look at this first" in answer["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"tool_name": "Bash"},
        {"tool_name": "Bash", "input": "make"},
        {"tool_name": "Ba\nsh", "input": {}},
        {"tool_name": "", "input": {}},
    ],
)
async def test_what_is_not_understood_is_denied_and_asks_nobody(
    server: Serving, desk: Desk, token: str, arguments: dict[str, Any]
) -> None:
    async with claude_code(server, token, "auto") as client:
        answer = said(await client.call_tool("permission_prompt", arguments))

    assert answer["behavior"] == "deny"
    assert await desk.inbox() == []


async def test_another_client_cannot_ask_so(server: Serving, desk: Desk, token: str) -> None:
    async with server.client(token) as client:
        result = await client.call_tool("permission_prompt", asks())

    assert result.is_error
    assert await desk.inbox() == []
