"""A held call runs once, exactly as it was approved, and whoever asked for it gets what it returned."""

import json
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import MCPError

from server.clients import Clients
from server.gateway.results import NOT_PERMITTED
from store.agents import Agents
from store.answers import Answer, AskedBack, Declined
from store.audit.events import CallEnd
from store.calls.calls import Run
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from store.questions import HeldCall
from tests.server.gateway.fronting import REFUSE, RUN, fronted, put_in_force, said
from tests.server.gateway.test_inputs import HOLD
from tests.server.serving import ERAS, MODERN, beside
from tests.server.test_tasks import KNOWS_TASKS, Detailed, Handle, TaskRequest
from tests.stage import FakeClock, answered, stir
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything, policy_text

pytestmark = pytest.mark.anyio

PAYMENT = {"to": "Ana", "amount": 12.5}
IMPATIENT = Clients((("mcp", 1.0),))


async def until_done(outcome: Any) -> types.CallToolResult:
    with anyio.fail_after(30):
        await outcome.done.wait()
    if isinstance(outcome.value, Exception):
        raise outcome.value
    result: types.CallToolResult = outcome.value
    return result


async def delivered(desk: Desk, request_id: str) -> None:
    """Return once the log has it that the result arrived."""
    with desk.signals.listen(request_id) as listener, anyio.fail_after(20):
        while (view := await desk.view(request_id)) is None or view.delivered_at is None:
            await listener.changed()


@pytest.mark.parametrize("era", ERAS)
async def test_an_approved_call_runs_once_with_exactly_what_was_shown_and_gives_its_own_result(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path, era: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front,
        front.client(token, era) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__send_payment", PAYMENT)
        card = await front.server.card()
        assert notebook.entries("paid") == []
        question = card.card.question
        assert isinstance(question, HeldCall)
        assert question.arguments == PAYMENT
        await answered(desk, ana, card.request_id, RUN)
        result = await until_done(call)
        await delivered(desk, card.request_id)
    assert said(result) == "sent 12.5 to Ana"
    assert not result.is_error
    assert [entry | {"event": "paid"} for entry in notebook.entries("paid")] == [{"event": "paid", **PAYMENT}]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("given", "status"),
    [(REFUSE, "answered"), (Declined(), "declined"), (AskedBack(), "returned")],
    ids=["refused", "declined", "asked back"],
)
async def test_a_call_that_is_not_approved_does_not_run_and_the_agent_is_told_who_why_and_what_not_to_try(
    desk: Desk,
    agents: Agents,
    database: Database,
    token: str,
    ana: Reviewer,
    tmp_path: Path,
    era: str,
    given: Answer,
    status: str,
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front,
        front.client(token, era) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__add", {"a": 1, "b": 2})
        await front.decide(ana, given, comment="not today")
        result = await until_done(call)
    fields = json.loads(said(result))
    assert result.is_error
    assert result.structured_content is None
    told = {name: fields[name] for name in ("status", "may_proceed", "tool", "decided_by", "comment")}
    assert told == {
        "status": status,
        "may_proceed": False,
        "tool": "up__add",
        "decided_by": "Ana Ruiz",
        "comment": "not today",
    }
    assert "did not run" in fields["next"]
    assert "another way" in fields["next"]
    assert notebook.entries("called") == []


async def test_a_call_that_nobody_decides_expires_and_does_not_run(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, clock: FakeClock
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__send_payment", PAYMENT)
        await front.server.card()
        clock.advance(days=2)
        await desk.expire_due()
        stir(desk)
        result = await until_done(call)
    assert json.loads(said(result))["status"] == "expired"
    assert notebook.entries("paid") == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_held_prompt_and_a_held_resource_wait_like_a_tool_and_are_withheld_as_an_error(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path, era: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder)) as front,
        front.client(token, era) as client,
        anyio.create_task_group() as group,
    ):
        for call, arguments in ((client.get_prompt, ("up__bare",)), (client.read_resource, ("test://text",))):
            outcome = beside(group, call, *arguments)
            await front.decide(ana, REFUSE)
            with pytest.raises(MCPError) as raised:
                await until_done(outcome)
            error = raised.value.error
            assert (error.code, error.data["may_proceed"], error.data["status"]) == (NOT_PERMITTED, False, "answered")
            assert error.message == error.data["next"]
        assert notebook.entries("prompted") == notebook.entries("read") == []
        prompt = beside(group, client.get_prompt, "up__greeting", {"name": "Ben"})
        await front.decide(ana)
        found: Any = await until_done(prompt)
        resource = beside(group, client.read_resource, "test://blob")
        await front.decide(ana)
        read: Any = await until_done(resource)
    assert found.messages[0].content.text == "Greet Ben."
    assert read.contents[0].blob == "AAECAw=="


@pytest.mark.parametrize("era", ERAS)
async def test_an_impatient_client_gets_pending_and_then_by_awaiting_what_the_call_itself_returned_forever(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path, era: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(
            desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD, clients=IMPATIENT
        ) as front,
        front.client(token, era) as client,
    ):
        pending = await client.call_tool("up__add", {"a": 1, "b": 2})
        fields = json.loads(said(pending))
        assert (pending.is_error, fields["status"], fields["may_proceed"]) == (True, "pending", False)
        assert f"await_review with request_id {fields['request_id']}" in fields["next"]
        again = await client.call_tool("up__add", {"b": 2, "a": 1})
        assert json.loads(said(again))["request_id"] == fields["request_id"]
        await answered(desk, ana, fields["request_id"], RUN)
        results = [await client.call_tool("await_review", {"request_id": fields["request_id"]}) for _ in range(3)]
        other = await client.call_tool("await_review", {"request_id": "req_0000000000000000"})
    assert [(result.structured_content, said(result)) for result in results] == [({"sum": 3}, "3")] * 3
    assert len(notebook.entries("called", tool="add")) == 1
    assert other.is_error


@pytest.mark.parametrize("era", ERAS)
async def test_a_caller_who_is_lost_while_people_decide_finds_the_same_card_and_the_call_runs_once(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path, era: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front:
        async with front.client(token, era) as client, anyio.create_task_group() as group:
            beside(group, client.call_tool, "up__send_payment", PAYMENT)
            card = await front.server.card()
            group.cancel_scope.cancel()
        await front.server.hung_up(card.request_id)
        await answered(desk, ana, card.request_id, RUN)
        assert notebook.entries("paid") == []
        async with front.client(token, era) as client:
            result = await client.call_tool("up__send_payment", PAYMENT)
        view = await desk.view(card.request_id)
    assert said(result) == "sent 12.5 to Ana"
    assert len(notebook.entries("paid")) == 1
    assert view is not None
    assert view.run is not None


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_began_runs_to_its_end_without_its_caller_who_gets_the_result_on_coming_back(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path, era: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    gate = {"gate": "g"}
    async with fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front:
        async with front.client(token, era) as client, anyio.create_task_group() as group:
            beside(group, client.call_tool, "up__wait", gate)
            decided = await front.decide(ana)
            await notebook.seen("waiting", gate="g")
            group.cancel_scope.cancel()
        await front.server.hung_up(decided.view.request_id)
        notebook.open("g")
        async with front.client(token, era) as client:
            result = await client.call_tool("up__wait", gate)
    assert said(result) == "g is open"
    assert notebook.entries("cancelled") == []
    assert len(notebook.entries("waiting")) == 1


async def test_a_call_that_takes_longer_than_its_client_can_wait_is_pending_and_not_run_again(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    gate = {"gate": "g"}
    async with (
        fronted(
            desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD, clients=IMPATIENT
        ) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        first = beside(group, client.call_tool, "up__wait", gate)
        decided = await front.decide(ana)
        pending = json.loads(said(await until_done(first)))
        assert (pending["status"], pending["may_proceed"]) == ("pending", False)
        again = json.loads(said(await client.call_tool("up__wait", gate)))
        assert again["request_id"] == decided.view.request_id
        notebook.open("g")
        result = await client.call_tool("await_review", {"request_id": decided.view.request_id})
    assert said(result) == "g is open"
    assert len(notebook.entries("waiting")) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_several_callers_of_the_same_call_cause_one_run_and_one_answer(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path, era: str
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD) as front,
        front.client(token, era) as client,
        anyio.create_task_group() as group,
    ):
        calls = [beside(group, client.call_tool, "up__send_payment", PAYMENT)]
        card = await front.server.card()
        results = []
        for _ in range(4):
            # The newest carries the answer; the one before is told so, and waits no more.
            calls.append(beside(group, client.call_tool, "up__send_payment", PAYMENT))
            results.append(await until_done(calls[-2]))
        await answered(desk, ana, card.request_id, RUN)
        results.append(await until_done(calls[-1]))
        open_now = await desk.inbox()
    assert open_now == []
    assert len(notebook.entries("paid")) == 1
    assert said(results.pop()) == "sent 12.5 to Ana"
    assert [json.loads(said(result))["may_proceed"] for result in results] == [False] * 4


async def test_what_was_approved_does_not_run_once_the_rules_deny_it(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    upstream = everything("up", notebook.folder)
    async with fronted(desk, agents, database, tmp_path, upstream, rules=HOLD) as front:
        async with front.client(token, MODERN) as client, anyio.create_task_group() as group:
            beside(group, client.call_tool, "up__send_payment", PAYMENT)
            card = await front.server.card()
            group.cancel_scope.cancel()
        await front.server.hung_up(card.request_id)
        await answered(desk, ana, card.request_id, RUN)
        await front.activate(upstream, rules="  - {name: never, tool: 'up__*', action: deny}")
        async with front.client(token, MODERN) as client:
            awaited = await client.call_tool("await_review", {"request_id": card.request_id})
            # Back in force, and collected before: reading runs nothing.
            await front.activate(upstream, rules=HOLD)
            read = await client.call_tool("await_review", {"request_id": card.request_id})
    for result in (awaited, read):
        assert result.structured_content is not None
        assert (result.structured_content["status"], result.structured_content["may_proceed"]) == ("answered", False)
    assert awaited.structured_content is not None
    assert "rules changed" in awaited.structured_content["next"]
    assert notebook.entries("paid") == []


async def test_a_call_that_is_taken_back_does_not_run(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(
            desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD, clients=IMPATIENT
        ) as front,
        front.client(token, MODERN) as client,
    ):
        pending = json.loads(said(await client.call_tool("up__send_payment", PAYMENT)))
        taken = await client.call_tool("withdraw_review", {"request_id": pending["request_id"]})
        read = await client.call_tool("await_review", {"request_id": pending["request_id"]})
    for result in (taken, read):
        assert result.structured_content is not None
        assert (result.structured_content["status"], result.structured_content["kind"]) == ("withdrawn", "call")
    assert notebook.entries("paid") == []


async def test_what_the_upstream_answers_with_an_error_of_the_protocol_is_kept_and_read_as_that_error(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path / "notes"), rules=HOLD) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "up__refuses", {})
        decided = await front.decide(ana)
        with pytest.raises(MCPError, match="refused by the upstream"):
            await until_done(call)
        with pytest.raises(MCPError, match="refused by the upstream"):
            await client.call_tool("await_review", {"request_id": decided.view.request_id})


async def test_a_task_begins_the_run_when_it_is_polled_and_completes_with_the_calls_own_result(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    async with (
        fronted(
            desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD, clients=IMPATIENT
        ) as front,
        front.client(token, MODERN, **KNOWS_TASKS) as client,
    ):
        handle = await client.session.call_tool("up__wait", {"gate": "g"}, allow_claimed=True)
        assert isinstance(handle, Handle)
        (card,) = await desk.inbox()
        await answered(desk, ana, card.request_id, RUN)
        assert notebook.entries("waiting") == []

        async def got() -> Detailed:
            request = TaskRequest(method="tasks/get", params={"taskId": handle.task_id})
            found: Detailed = await client.session.send_request(request, Detailed)
            return found

        assert (await got()).status == "working"
        await notebook.seen("waiting", gate="g")
        assert (await got()).status == "working"
        notebook.open("g")
        with anyio.fail_after(30):
            while (task := await got()).status == "working":  # noqa: ASYNC110  # as a client polls
                await anyio.sleep(0.01)
        again = await got()
    assert task.status == again.status == "completed"
    assert task.result is not None
    assert task.result["content"] == [{"type": "text", "text": "g is open"}]
    assert again.result == task.result
    assert len(notebook.entries("waiting")) == 1


async def test_an_agent_that_calls_in_a_loop_has_so_many_cards_and_is_told_to_wait(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    at_once = Clients((("mcp", 0.001),))
    async with (
        fronted(
            desk, agents, database, tmp_path, everything("up", notebook.folder), rules=HOLD, clients=at_once
        ) as front,
        front.client(token, MODERN) as client,
    ):
        same = [await client.call_tool("up__send_payment", PAYMENT) for _ in range(50)]
        cards = await desk.inbox()
        others = [await client.call_tool("up__send_payment", {**PAYMENT, "amount": n}) for n in range(30)]
        full = await desk.inbox()
    assert len({json.loads(said(result))["request_id"] for result in same}) == len(cards) == 1
    assert len(full) == 20
    assert sum(json.loads(said(result))["status"] == "denied" for result in others) == 11
    assert notebook.entries("paid") == []


async def test_a_server_that_stops_in_the_middle_says_unknown_and_never_runs_it_again(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    upstream = everything("up", notebook.folder)
    gate = {"gate": "g"}
    async with fronted(desk, agents, database, tmp_path, upstream, rules=HOLD) as front:
        async with front.client(token, MODERN) as client, anyio.create_task_group() as group:
            beside(group, client.call_tool, "up__wait", gate)
            request_id = (await front.decide(ana)).view.request_id
            await notebook.seen("waiting", gate="g")
            group.cancel_scope.cancel()
        await front.server.hung_up(request_id)
    agent = await agents.authenticate(token)
    assert agent is not None
    run = await desk.calls.run_of(agent, request_id)
    assert isinstance(run, Run)
    assert run.ended is not None
    assert run.ended.end is CallEnd.UNKNOWN
    notebook.open("g")
    async with (
        fronted(desk, agents, database, tmp_path, upstream, rules=HOLD) as front,
        front.client(token, MODERN) as client,
    ):
        again = await client.call_tool("up__wait", gate)
        read = await client.call_tool("await_review", {"request_id": request_id})
    for result in (again, read):
        assert result.is_error
        assert "nobody knows whether" in said(result)
    assert len(notebook.entries("waiting")) == 1


async def test_the_key_of_the_request_goes_along_where_the_upstream_takes_one_and_agents_cannot_send_it(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer, tmp_path: Path
) -> None:
    notebook = Notebook(tmp_path / "notes")
    upstream = everything("up", notebook.folder)
    text = policy_text(upstream, rules=HOLD).replace('"timeout"', '"idempotency_argument": "request_key", "timeout"')
    async with (
        fronted(desk, agents, database, tmp_path, upstream, rules=HOLD) as front,
        front.client(token, MODERN) as client,
        anyio.create_task_group() as group,
    ):
        await put_in_force(database, text)
        await front.until(lambda: front.listing.upstreams["up"].idempotency_argument is not None)
        listed = next(tool for tool in (await client.list_tools()).tools if tool.name == "up__send_payment")
        refused = await client.call_tool("up__send_payment", {**PAYMENT, "request_key": "mine"})
        call = beside(group, client.call_tool, "up__send_payment", PAYMENT)
        decided = await front.decide(ana)
        await until_done(call)
    assert "request_key" not in listed.input_schema["properties"]
    assert refused.is_error
    assert [entry["request_key"] for entry in notebook.entries("paid")] == [decided.view.request_id]
