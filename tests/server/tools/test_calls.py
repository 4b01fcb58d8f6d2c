from typing import Any

import anyio
import pytest
from mcp import Client

from store.answers import Answer, AskedBack, Chosen, Declined, Filled, Selected, Written
from store.desk import Desk
from store.people import Reviewer
from tests.server.serving import ERAS, MODERN, Serving, beside
from tests.stage import FakeClock, answered

pytestmark = pytest.mark.anyio

DEPLOY = {"title": "Deploy 1.4 to production?", "context": "All tests pass.", "risk": "medium"}
FIELDS = [
    {"name": "text"},
    {"name": "textarea", "type": "textarea"},
    {"name": "number", "type": "number"},
    {"name": "integer", "type": "integer"},
    {"name": "select", "type": "select", "options": [{"id": "eu"}, {"id": "us"}]},
    {"name": "multiselect", "type": "multiselect", "options": [{"id": "a"}, {"id": "b"}]},
    {"name": "checkbox", "type": "checkbox"},
    {"name": "date", "type": "date"},
    {"name": "time", "type": "time"},
    {"name": "datetime", "type": "datetime"},
    {"name": "email", "type": "email"},
    {"name": "url", "type": "url"},
    {"name": "password", "type": "password"},
]
VALUES = {
    "text": "host.example",
    "textarea": "two\nlines",
    "number": 1.5,
    "integer": 3,
    "select": "eu",
    "multiselect": ["a", "b"],
    "checkbox": True,
    "date": "2026-11-22",
    "time": "14:30",
    "datetime": "2026-11-22T14:30",
    "email": "ana@example.com",
    "url": "https://example.com/",
}
FORM = {"title": "Access", "fields": FIELDS}
QUESTIONS: list[tuple[str, dict[str, Any], Answer, dict[str, Any]]] = [
    ("ask_approval", DEPLOY, Chosen("approve"), {"decision": "approve", "approved": True}),
    ("ask_approval", DEPLOY, Chosen("reject"), {"decision": "reject", "approved": False}),
    (
        "ask_selection",
        {"prompt": "Which?", "options": [{"id": "eu"}, {"id": "us"}], "mode": "multiple"},
        Selected(("us", "eu")),
        {"selected": ["eu", "us"]},
    ),
    ("ask_form", FORM, Filled({**VALUES, "password": "Zebra-Quartz-77"}), {"values": VALUES}),
    (
        "ask_text_input",
        {"title": "Reply", "prefill": "Dear Ana,"},
        Written("Dear Ben,"),
        {"text": "Dear Ben,", "edited": True},
    ),
]


async def text_of(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """The text of a call that must fail as a tool error."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content is None
    (content,) = result.content
    return content.text  # type: ignore[union-attr]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("tool", "arguments", "given", "own"), QUESTIONS)
async def test_a_call_blocks_until_a_person_answers_and_returns_the_typed_answer(
    server: Serving,
    token: str,
    desk: Desk,
    ana: Reviewer,
    era: str,
    tool: str,
    arguments: dict[str, Any],
    given: Answer,
    own: dict[str, Any],
) -> None:
    async with server.client(token, era) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, tool, arguments)
        card = await server.card()
        assert not call.done.is_set()
        await answered(desk, ana, card.request_id, given, comment="as discussed")
        result = await call.result()
    view = await desk.view(card.request_id)
    assert view is not None
    expected = {
        **own,
        "status": "answered",
        "may_proceed": given != Chosen("reject"),
        "request_id": card.request_id,
        "review_url": f"http://review.test/requests/{card.request_id}",
        "waited_seconds": 0.0,
        "comment": "as discussed",
        "decided_by": "Ana Ruiz",
        "decided_at": "2026-11-22T09:00:00.000000Z",
        "audit": {"index": view.closed_index},
    }
    assert {name: result[name] for name in expected} == expected
    assert result["next"]


async def test_a_password_comes_back_as_a_handle_and_nowhere_as_itself(
    server: Serving, token: str, desk: Desk, ana: Reviewer
) -> None:
    async with server.client(token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_form", FORM)
        card = await server.card()
        await answered(desk, ana, card.request_id, Filled({**VALUES, "password": "Zebra-Quartz-77"}))
        result = await call.result()
    assert result["credentials"]["password"].startswith("cred_")
    assert "password" not in result["values"]
    assert "Zebra-Quartz-77" not in call.value.model_dump_json()


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        (Declined(), "declined", "do not ask the same again"),
        (AskedBack(), "returned", "`follows`"),
        (Chosen("reject"), "answered", "said no"),
    ],
)
async def test_what_is_not_an_approval_says_so_and_what_to_do_instead(
    server: Serving, token: str, desk: Desk, ana: Reviewer, given: Answer, status: str, says: str
) -> None:
    async with server.client(token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        await answered(desk, ana, card.request_id, given, comment="not on a Friday")
        result = await call.result()
    assert (result["status"], result["may_proceed"], result["approved"]) == (status, False, False)
    assert result["comment"] == "not on a Friday"
    assert says in result["next"]


async def test_an_expired_question_is_no_approval(server: Serving, token: str, desk: Desk, clock: FakeClock) -> None:
    async with server.client(token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", {**DEPLOY, "timeout_seconds": 60})
        await server.card()
        clock.advance(seconds=60)
        await desk.expire_due()
        result = await call.result()
    assert (result["status"], result["may_proceed"], result["decided_by"]) == ("expired", False, None)
    assert "not an approval" in result["next"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_may_not_be_held_answers_pending_and_can_be_awaited(
    server: Serving, token: str, desk: Desk, ana: Reviewer, era: str
) -> None:
    async with server.client(token, era) as client, anyio.create_task_group() as group:
        pending = (await client.call_tool("ask_approval", {**DEPLOY, "hold_seconds": 0})).structured_content
        assert (pending["status"], pending["may_proceed"]) == ("pending", False)
        assert f"await_review with request_id {pending['request_id']}" in pending["next"]
        call = beside(group, client.call_tool, "await_review", {"request_id": pending["request_id"]})
        card = await server.card()
        await answered(desk, ana, card.request_id, Chosen("approve"))
        result = await call.result()
    assert (result["kind"], result["status"], result["decision"]) == ("approval", "answered", "approve")
    assert (result["request_id"], result["may_proceed"]) == (pending["request_id"], True)


async def test_the_same_question_asked_again_attaches_and_the_newer_call_gets_the_answer(
    server: Serving, token: str, desk: Desk, ana: Reviewer
) -> None:
    async with server.client(token) as client, anyio.create_task_group() as group:
        older = beside(group, client.call_tool, "ask_approval", DEPLOY)
        await server.card()
        newer = beside(group, client.call_tool, "ask_approval", DEPLOY)
        superseded = await older.result()
        card = await server.card()
        await answered(desk, ana, card.request_id, Chosen("approve"))
        result = await newer.result()
    assert (superseded["status"], superseded["may_proceed"]) == ("pending", False)
    assert "Another call of yours" in superseded["next"]
    assert (result["request_id"], result["may_proceed"]) == (superseded["request_id"], True)
    assert len(await desk.history()) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_went_away_is_served_when_it_asks_again(
    server: Serving, token: str, desk: Desk, ana: Reviewer, era: str
) -> None:
    async with server.client(token, era) as client:
        with anyio.move_on_after(20) as scope:
            async with anyio.create_task_group() as group:
                beside(group, client.call_tool, "ask_approval", DEPLOY)
                card = await server.card()
                group.cancel_scope.cancel()
        assert not scope.cancelled_caught
    await server.hung_up(card.request_id)
    await answered(desk, ana, card.request_id, Chosen("approve"))
    async with server.client(token, era) as client:
        result = (await client.call_tool("ask_approval", DEPLOY)).structured_content
    assert (result["request_id"], result["may_proceed"]) == (card.request_id, True)
    assert len(await desk.history()) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_an_answer_that_reached_its_caller_is_recorded_as_delivered(
    server: Serving, token: str, desk: Desk, ana: Reviewer, clock: FakeClock, era: str
) -> None:
    async with server.client(token, era) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        with desk.signals.listen(card.request_id) as listener, anyio.fail_after(20):
            await answered(desk, ana, card.request_id, Chosen("approve"))
            await call.result()
            while (await desk.history())[0].delivered_at is None:
                await listener.changed()
    assert (await desk.history())[0].delivered_at == clock.now


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_stops_ends_every_wait_with_pending(
    server: Serving, token: str, desk: Desk, era: str
) -> None:
    async with server.client(token, era) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        server.drain.started = True
        desk.signals.publish_all()
        result = await call.result()
    assert (result["status"], result["may_proceed"], result["request_id"]) == ("pending", False, card.request_id)
    assert [view.request_id for view in await desk.inbox()] == [card.request_id]


async def test_a_withdrawn_question_ends_the_wait_of_its_call(server: Serving, token: str) -> None:
    async with server.client(token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        withdrawn = (await client.call_tool("withdraw_review", {"request_id": card.request_id})).structured_content
        result = await call.result()
    assert (withdrawn["kind"], withdrawn["status"]) == ("approval", "withdrawn")
    assert (result["status"], result["may_proceed"]) == ("withdrawn", False)


async def test_what_came_of_it_reaches_the_card(server: Serving, token: str, desk: Desk, ana: Reviewer) -> None:
    async with server.client(token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        await answered(desk, ana, card.request_id, Chosen("approve"))
        await call.result()
        told = {"request_id": card.request_id, "result": "deployed", "details": "took 40 s"}
        receipt = (await client.call_tool("report_consequence", told)).structured_content
    assert receipt == {"request_id": card.request_id, "recorded": True}
    view = await desk.view(card.request_id)
    assert view is not None
    assert [(c.result, c.details) for c in view.consequences] == [("deployed", "took 40 s")]


@pytest.mark.parametrize("tool", ["await_review", "withdraw_review", "report_consequence"])
async def test_another_agents_request_does_not_exist(
    server: Serving, token: str, other_token: str, desk: Desk, tool: str
) -> None:
    async with server.client(token) as client:
        mine = (await client.call_tool("ask_approval", {**DEPLOY, "hold_seconds": 0})).structured_content
    arguments = {"request_id": mine["request_id"]} | ({"result": "done"} if tool == "report_consequence" else {})
    async with server.client(other_token) as client:
        assert f"there is no request '{mine['request_id']}' of yours" in await text_of(client, tool, arguments)
    assert len(await desk.inbox()) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("ask_approval", {}, ["title: is required", "An example: {", "Nothing was posted"]),
        ("ask_approval", {"title": "x" * 201}, ["title", "200"]),
        ("ask_approval", {"title": "x", "urgency": 1}, ["urgency: there is no such argument", "known are", "risk"]),
        ("ask_approval", {"title": "x", "timeout_seconds": 86_401}, ["timeout_seconds", "86400"]),
        ("ask_approval", {"title": "x", "options": [{"id": "a"}]}, ["options[0].approves: is required"]),
        ("ask_form", {"title": "x", "fields": [{"name": "p", "pattern": "("}]}, ["fields[0].pattern", "RE2"]),
        ("ask_form", {"title": "x", "fields": [{"name": "p", "type": "color"}]}, ["fields[0].type", "'text'"]),
        ("ask_selection", {"prompt": "x", "options": []}, ["options", "at least 1"]),
        ("ask_text_input", {"title": "x", "format": "html"}, ["format", "'markdown'"]),
        ("await_review", {}, ["request_id: is required"]),
        ("ask_nicely", {}, ["there is no tool 'ask_nicely'", "ask_approval"]),
    ],
)
async def test_bad_arguments_name_the_field_the_limit_and_an_example_and_post_nothing(
    server: Serving, token: str, desk: Desk, tool: str, arguments: dict[str, Any], says: list[str]
) -> None:
    async with server.client(token) as client:
        text = await text_of(client, tool, arguments)
    assert [word for word in says if word not in text] == []
    assert await desk.inbox() == []


async def test_a_refusal_of_the_desk_is_a_tool_error_that_says_what_to_do(server: Serving, token: str) -> None:
    async with server.client(token) as client:
        await client.call_tool("ask_approval", {**DEPLOY, "hold_seconds": 0, "idempotency_key": "k"})
        text = await text_of(client, "ask_approval", {"title": "Another?", "idempotency_key": "k"})
    assert "used for another question" in text
    assert "use a new key" in text


@pytest.mark.parametrize("era", ERAS)
async def test_a_waiting_call_with_a_progress_token_is_told_where_and_how_long(
    server: Serving, token: str, desk: Desk, ana: Reviewer, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.waiting.HEARTBEAT_SECONDS", 0.01)
    beats: list[tuple[float, str | None]] = []
    three = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        beats.append((progress, message))
        if len(beats) == 3:
            three.set()

    async with server.client(token, era) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY, progress_callback=on_progress)
        with anyio.fail_after(20):
            await three.wait()
        card = await server.card()
        await answered(desk, ana, card.request_id, Chosen("approve"))
        await call.result()
    numbers = [number for number, _ in beats]
    assert numbers == sorted(set(numbers))
    assert beats[0][1] == f"Waiting for a person: http://review.test/requests/{card.request_id} (24 hours left)"


async def test_an_impatient_client_is_answered_pending_in_time(
    server: Serving, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.clients.Clients.patience", lambda *_: 0.0)
    async with server.client(token, MODERN) as client:
        result = (await client.call_tool("ask_approval", DEPLOY)).structured_content
    assert (result["status"], result["may_proceed"]) == ("pending", False)


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_claude_code_sends_again_finds_its_own_question_even_after_it_was_answered(
    server: Serving, token: str, desk: Desk, ana: Reviewer, era: str
) -> None:
    async def ask(client: Client, call: object) -> Any:
        meta: Any = {"claudecode/toolUseId": call}
        return (await client.call_tool("ask_approval", {**DEPLOY, "hold_seconds": 0}, meta=meta)).structured_content

    async with server.client(token, era) as client:
        asked = await ask(client, "toolu_1")
        await answered(desk, ana, asked["request_id"], Chosen("approve"))
        for _ in range(2):
            told = await ask(client, "toolu_1")
            assert (told["request_id"], told["may_proceed"]) == (asked["request_id"], True)
        other = await ask(client, "toolu_2")
        assert (other["request_id"] != asked["request_id"], other["status"]) == (True, "pending")
        # What is no usable name is none: the question alone says which it is.
        for unusable in (17, "", "x" * 201, None):
            assert (await ask(client, unusable))["request_id"] == other["request_id"]
