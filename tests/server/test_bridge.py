"""The bridge relays both eras faithfully, and outlives the server that it talks to."""

from collections.abc import Iterator

import pytest

from tests.server.talking import MODERN, RelayServer

pytestmark = pytest.mark.anyio
ERAS = pytest.mark.parametrize("modern", [False, True], ids=["older", "modern"])


@pytest.fixture
def server() -> Iterator[RelayServer]:
    server = RelayServer()
    server.start()
    yield server
    server.kill()


async def test_an_older_client_negotiates_and_calls(server: RelayServer) -> None:
    async with server.bridge() as talk:
        hello = await talk.shake_hands()
        await talk.call(1, "echo", text="hi")
        answer = await talk.answer_to(1)

    assert hello["result"]["protocolVersion"] == "2025-06-18"
    assert answer["result"]["structuredContent"] == {"result": "hi"}


async def test_a_modern_client_calls_without_any_handshake(server: RelayServer) -> None:
    async with server.bridge() as talk:
        await talk.call("a", "echo", modern=True, text="grüß dich")
        answer = await talk.answer_to("a")

    assert answer["result"]["structuredContent"] == {"result": "grüß dich"}


async def test_a_modern_client_that_names_an_unknown_revision_gets_the_servers_own_refusal(server: RelayServer) -> None:
    async with server.bridge() as talk:
        meta = {**MODERN, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
        await talk.send({"id": 1, "method": "tools/list", "params": {"_meta": meta}})
        answer = await talk.answer_to(1)

    assert answer["error"]["data"]["requested"] == "2099-01-01"


async def test_messages_that_come_before_the_handshake_is_answered_wait_for_it(server: RelayServer) -> None:
    async with server.bridge() as talk:
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        await talk.send({"id": 1, "method": "initialize", "params": params})
        await talk.send({"method": "notifications/initialized"})
        await talk.call(2, "echo", text="hi")
        answer = await talk.answer_to(2)

    assert answer["result"]["structuredContent"] == {"result": "hi"}


@ERAS
async def test_a_call_that_waits_holds_up_no_other(server: RelayServer, modern: bool) -> None:
    async with server.bridge() as talk:
        if not modern:
            await talk.shake_hands()
        await talk.call(1, "ask_approval", modern=modern, key="slow")
        await talk.notified("notifications/progress")
        await talk.call(2, "echo", modern=modern, text="quick")
        quick = await talk.answer_to(2)
        await server.answer("slow")
        slow = await talk.answer_to(1)

    assert quick["result"]["structuredContent"] == {"result": "quick"}
    assert slow["result"]["structuredContent"] == {"result": "answered slow"}


@ERAS
async def test_cancelling_a_call_ends_it_at_the_server(server: RelayServer, modern: bool) -> None:
    async with server.bridge() as talk:
        if not modern:
            await talk.shake_hands()
        await talk.call(1, "ask_approval", modern=modern, key="unwanted")
        await talk.notified("notifications/progress")
        await talk.send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await server.cancelled("unwanted")


@ERAS
async def test_a_message_of_megabytes_arrives_whole_in_both_directions(server: RelayServer, modern: bool) -> None:
    text = "x" * 3_000_000
    async with server.bridge() as talk:
        if not modern:
            await talk.shake_hands()
        await talk.call(1, "echo", modern=modern, text=text)
        answer = await talk.answer_to(1)

    assert answer["result"]["structuredContent"] == {"result": text}


async def test_what_is_no_message_is_answered_as_such_and_the_next_line_is_read(server: RelayServer) -> None:
    async with server.bridge() as talk:
        await talk.send_line("no json")
        await talk.send_line('[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]')
        faults = [(await talk.next())["error"]["code"] for _ in range(2)]
        await talk.call(1, "echo", modern=True, text="still here")
        answer = await talk.answer_to(1)

    assert faults == [-32700, -32600]
    assert answer["result"]["structuredContent"] == {"result": "still here"}


async def test_a_question_of_the_server_reaches_an_older_client_and_its_answer_the_server(server: RelayServer) -> None:
    async with server.bridge() as talk:
        await talk.shake_hands(elicitation={})
        await talk.call(1, "ask_name")
        question = await talk.notified("elicitation/create")
        await talk.send({"id": question["id"], "result": {"action": "accept", "content": {"name": "Ada"}}})
        answer = await talk.answer_to(1)

    assert answer["result"]["structuredContent"] == {"result": "accept Ada"}


async def test_a_token_that_the_server_refuses_is_said_to_the_client(server: RelayServer) -> None:
    async with server.bridge(ASSENT_TOKEN="wrong") as talk:
        await talk.call(1, "echo", modern=True, text="hi")
        answer = await talk.answer_to(1)

    assert answer["error"]["message"] == "agent token missing, unknown or revoked"


async def test_the_bridge_ends_when_its_stdin_does(server: RelayServer) -> None:
    async with server.bridge() as talk:
        await talk.shake_hands()
        await talk.call(1, "ask_approval", key="left")
        await talk.notified("notifications/progress")

        assert await talk.close() == 0


@ERAS
async def test_a_question_in_flight_is_asked_again_after_a_restart_under_the_clients_own_id(
    server: RelayServer, modern: bool
) -> None:
    async with server.bridge() as talk:
        if not modern:
            await talk.shake_hands()
        await talk.call("mine", "ask_approval", modern=modern, key="lasting")
        await talk.notified("notifications/progress")
        server.kill()
        server.start()
        await talk.notified("notifications/progress")
        await server.answer("lasting")
        answer = await talk.answer_to("mine")

    assert answer["result"]["structuredContent"] == {"result": "answered lasting"}
    # For the client this is one call, whose progress only ever grows.
    progress = [heard["params"] for heard in talk.heard if heard.get("method") == "notifications/progress"]
    assert [(said["progressToken"], said["progress"]) for said in progress] == [
        ("progress of mine", 1),
        ("progress of mine", 2),
    ]


@ERAS
async def test_a_call_that_may_have_acted_is_not_repeated_but_answered_with_an_error(
    server: RelayServer, modern: bool
) -> None:
    async with server.bridge() as talk:
        if not modern:
            await talk.shake_hands()
        await talk.call(1, "pay", modern=modern, key="once")
        await talk.notified("notifications/progress")
        server.kill()
        server.start()
        answer = await talk.answer_to(1)
        await talk.call(2, "echo", modern=modern, text="on we go")
        await talk.answer_to(2)
        repeated = await server.seen("once")

    assert "whether this call took effect is unknown" in answer["error"]["message"]
    assert repeated == 0


async def test_an_older_client_need_not_know_that_its_session_is_gone(server: RelayServer) -> None:
    async with server.bridge() as talk:
        await talk.shake_hands()
        server.kill()
        server.start()
        await talk.call(1, "echo", text="hi")
        answer = await talk.answer_to(1)

    assert answer["result"]["structuredContent"] == {"result": "hi"}
    assert [message.get("id") for message in talk.heard] == ["hello", 1]


async def test_a_question_cancelled_after_a_restart_is_cancelled_under_the_id_that_the_server_knows(
    server: RelayServer,
) -> None:
    async with server.bridge() as talk:
        await talk.shake_hands()
        await talk.call(1, "ask_approval", key="late")
        await talk.notified("notifications/progress")
        server.kill()
        server.start()
        await talk.notified("notifications/progress")
        await talk.send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await server.cancelled("late")
