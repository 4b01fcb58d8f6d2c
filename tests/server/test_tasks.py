"""Tasks, as the official client of the newer protocol meets them; and that nobody else ever meets one."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim, advertise

from server.clients import Clients
from server.tasks import EXTENSION
from store.agents import Agents
from store.answers import Chosen
from store.asking import Limits
from store.database import Database
from store.desk import Desk
from store.lifecycle import Outcome
from store.people import Reviewer
from store.vault.keys import KeyFile
from tests.server.serving import ERAS, LEGACY, Serving, beside, serving
from tests.stage import answered

pytestmark = pytest.mark.anyio

DEPLOY = {"title": "Deploy 1.4 to production?"}
AT_ONCE = {**DEPLOY, "hold_seconds": 0}
YES = Chosen("approve")


class Handle(types.Result):
    result_type: Literal["task"]
    task_id: str
    status: str
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int


class Detailed(types.Result):
    result_type: Literal["complete"]
    task_id: str
    status: str
    status_message: str
    ttl_ms: int | None
    result: dict[str, Any] | None = None


class TaskRequest(types.Request[dict[str, Any], str]):
    name_param = "taskId"


async def resolved(_: Handle, __: ClaimContext) -> types.CallToolResult:
    raise AssertionError("these tests drive their tasks themselves")


class TasksClient(ClientExtension):
    identifier = EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return (ResultClaim(result_type="task", model=Handle, resolve=resolved),)


KNOWS_TASKS: dict[str, Any] = {"extensions": [TasksClient()]}


@pytest.fixture
async def server(desk: Desk, agents: Agents) -> AsyncIterator[Serving]:
    async with serving(desk, agents) as running:
        yield running


async def handed(client: Client, tool: str = "ask_approval", **arguments: Any) -> Handle:
    """The task that a call is answered with."""
    result = await client.session.call_tool(tool, arguments or AT_ONCE, allow_claimed=True)
    assert isinstance(result, Handle)
    return result


async def sent(client: Client, method: str, task_id: str, **more: Any) -> dict[str, Any]:
    request = TaskRequest(method=method, params={"taskId": task_id, **more})
    result = await client.session.send_request(request, types.EmptyResult)
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


async def got(client: Client, task_id: str) -> Detailed:
    request = TaskRequest(method="tasks/get", params={"taskId": task_id})
    return await client.session.send_request(request, Detailed)


async def test_where_a_call_would_end_pending_a_client_that_knows_tasks_gets_one(server: Serving, token: str) -> None:
    async with server.client(token, **KNOWS_TASKS) as client:
        task = await handed(client)
        card = await server.card(waiting=False)
        polled = await got(client, task.task_id)
    assert (task.status, polled.status, polled.result) == ("working", "working", None)
    assert task.ttl_ms == (24 * 60 + 10) * 60 * 1000
    assert 1000 <= task.poll_interval_ms <= 10_000
    assert "nothing that depends on it may proceed" in task.status_message
    assert f"http://review.test/requests/{card.request_id}" in task.status_message


async def test_an_answer_that_comes_while_the_call_is_held_makes_no_task(
    server: Serving, token: str, desk: Desk, ana: Reviewer
) -> None:
    async with server.client(token, **KNOWS_TASKS) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        await answered(desk, ana, (await server.card()).request_id, YES)
        result = await call.result()
    assert (result["status"], result["may_proceed"]) == ("answered", True)


async def test_a_task_completes_with_the_tools_own_result_and_gives_it_again(
    server: Serving, token: str, desk: Desk, ana: Reviewer
) -> None:
    async with server.client(token, **KNOWS_TASKS) as client:
        task = await handed(client)
        card = await server.card(waiting=False)
        await answered(desk, ana, card.request_id, YES)
        first, again = await got(client, task.task_id), await got(client, task.task_id)
    assert (first.status, again.status) == ("completed", "completed")
    assert first.result is not None
    assert again.result is not None
    told = types.CallToolResult.model_validate(first.result).structured_content
    assert told is not None
    assert (told["status"], told["may_proceed"], told["decision"]) == ("answered", True, "approve")
    assert (told["request_id"], told["comment"]) == (card.request_id, None)
    assert first.result["resultType"] == "complete"
    assert "answered before" not in told["next"]
    assert "answered before" in again.result["structuredContent"]["next"]
    view = await desk.view(card.request_id)
    assert view is not None
    assert view.delivered_at is not None


async def test_a_task_of_await_review_completes_with_that_tools_result(
    server: Serving, token: str, desk: Desk, ana: Reviewer
) -> None:
    async with server.client(token, **KNOWS_TASKS) as client:
        first = await handed(client)
        card = await server.card(waiting=False)
        task = await handed(client, "await_review", request_id=card.request_id, hold_seconds=0)
        await answered(desk, ana, card.request_id, YES)
        superseded, polled = await got(client, first.task_id), await got(client, task.task_id)
    assert superseded.status == "cancelled"
    assert polled.result is not None
    assert polled.result["structuredContent"]["kind"] == "approval"


async def test_a_server_that_starts_later_serves_the_tasks_of_the_one_before(
    database: Database, keys: KeyFile, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with (
        serving(Desk(database, keys, Limits()), agents) as before,
        before.client(token, **KNOWS_TASKS) as client,
    ):
        task = await handed(client)
    desk = Desk(database, keys, Limits())
    async with serving(desk, agents) as later, later.client(token, **KNOWS_TASKS) as client:
        assert (await got(client, task.task_id)).status == "working"
        await answered(desk, ana, (await later.card(waiting=False)).request_id, YES)
        polled = await got(client, task.task_id)
    assert polled.result is not None
    assert polled.result["structuredContent"]["may_proceed"] is True


async def test_who_has_a_task_and_comes_back_with_it_is_shown_as_waiting(
    database: Database, keys: KeyFile, agents: Agents, token: str
) -> None:
    async with (
        serving(Desk(database, keys, Limits()), agents) as before,
        before.client(token, **KNOWS_TASKS) as client,
    ):
        task = await handed(client)
        shown = await before.card()
    desk = Desk(database, keys, Limits())
    async with serving(desk, agents) as later, later.client(token, **KNOWS_TASKS) as client:
        unheard = desk.waiting
        await got(client, task.task_id)
        again = await later.card()
    assert unheard == frozenset()
    assert (shown.agent_waiting, again.agent_waiting) == (True, True)


async def test_asking_about_a_task_that_is_over_or_of_another_shows_nobody_as_waiting(
    database: Database, keys: KeyFile, agents: Agents, token: str, other_token: str
) -> None:
    async with (
        serving(Desk(database, keys, Limits()), agents) as before,
        before.client(token, **KNOWS_TASKS) as client,
    ):
        superseded, current = await handed(client), await handed(client)
    desk = Desk(database, keys, Limits())
    async with (
        serving(desk, agents) as later,
        later.client(token, **KNOWS_TASKS) as client,
        later.client(other_token, **KNOWS_TASKS) as other,
    ):
        await got(client, superseded.task_id)
        with pytest.raises(MCPError, match="Task not found"):
            await got(other, current.task_id)
        assert desk.waiting == frozenset()


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_another_agents_task_is_not_found(
    server: Serving, token: str, other_token: str, desk: Desk, method: str
) -> None:
    async with server.client(token, **KNOWS_TASKS) as client, server.client(other_token, **KNOWS_TASKS) as other:
        task = await handed(client)
        with pytest.raises(MCPError, match="Task not found") as refusal:
            await sent(other, method, task.task_id, inputResponses={})
    assert refusal.value.code == types.INVALID_PARAMS
    assert len(await desk.inbox()) == 1


async def test_cancelling_the_current_task_withdraws_the_request(server: Serving, token: str, desk: Desk) -> None:
    async with server.client(token, **KNOWS_TASKS) as client:
        task = await handed(client)
        await sent(client, "tasks/cancel", task.task_id)
        polled = await got(client, task.task_id)
    assert (polled.status, polled.result) == ("cancelled", None)
    assert [view.outcome for view in await desk.history()] == [Outcome.WITHDRAWN]


async def test_cancelling_a_superseded_task_withdraws_nothing(server: Serving, token: str, desk: Desk) -> None:
    async with server.client(token, **KNOWS_TASKS) as client:
        older, newer = await handed(client), await handed(client)
        before = await got(client, older.task_id)
        await sent(client, "tasks/cancel", older.task_id)
        after = await got(client, newer.task_id)
    assert (before.status, after.status) == ("cancelled", "working")
    assert len(await desk.inbox()) == 1


async def test_an_update_is_acknowledged_and_answers_nothing(server: Serving, token: str, desk: Desk) -> None:
    async with server.client(token, **KNOWS_TASKS) as client:
        task = await handed(client)
        await sent(client, "tasks/update", task.task_id, inputResponses={"approve": {"action": "accept"}})
        polled = await got(client, task.task_id)
    assert (polled.status, polled.result) == ("working", None)
    assert len(await desk.inbox()) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_declares_nothing_gets_pending_and_no_method(server: Serving, token: str, era: str) -> None:
    async with server.client(token, era) as client:
        result = await client.call_tool("ask_approval", AT_ONCE)
        with pytest.raises(MCPError) as refusal:
            await sent(client, "tasks/get", "task_x")
    assert result.structured_content is not None
    assert result.structured_content["status"] == "pending"
    expected = types.METHOD_NOT_FOUND if era == LEGACY else types.MISSING_REQUIRED_CLIENT_CAPABILITY
    assert refusal.value.code == expected


async def test_the_older_protocol_has_no_form_for_a_task_so_its_clients_get_pending(
    server: Serving, token: str
) -> None:
    async with server.client(token, LEGACY, extensions=[advertise(EXTENSION)]) as client:
        result = await client.call_tool("ask_approval", AT_ONCE)
    assert result.structured_content is not None
    assert (result.structured_content["status"], result.structured_content["may_proceed"]) == ("pending", False)


async def test_turned_off_there_are_no_tasks_for_anybody(desk: Desk, agents: Agents, token: str) -> None:
    async with serving(desk, agents, tasks=False) as server, server.client(token, **KNOWS_TASKS) as client:
        result = await client.call_tool("ask_approval", AT_ONCE)
        with pytest.raises(MCPError) as refusal:
            await sent(client, "tasks/get", "task_x")
        offered = client.server_capabilities.extensions or {}
    assert result.structured_content is not None
    assert result.structured_content["status"] == "pending"
    assert refusal.value.code == types.METHOD_NOT_FOUND
    assert EXTENSION not in offered


async def test_the_server_says_that_it_has_tasks(server: Serving, token: str) -> None:
    async with server.client(token) as client:
        assert client.server_capabilities.extensions == {EXTENSION: {}}


async def test_the_configuration_says_how_long_a_client_waits(desk: Desk, agents: Agents, token: str) -> None:
    clients = Clients((("mcp", 0.0),))
    async with serving(desk, agents, clients=clients) as server, server.client(token, **KNOWS_TASKS) as client:
        task = await handed(client, **DEPLOY)
    assert task.status == "working"
