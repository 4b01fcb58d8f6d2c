"""What one agent, or a stranger, can take up is bounded, and the others go on."""

import anyio
import httpx2
import pytest
from starlette.types import Message

from review_web.attempts import SignInLimiter, TooMany
from server.agent_sessions import SESSIONS_AN_AGENT
from server.exchange import Exchange
from server.strict_body import StrictBody
from store.agents import Agent
from store.fields import FormField
from store.people import Reviewer
from store.text import compile_pattern
from tests.hostile.world import DEPLOY, World, message_of
from tests.server.serving import LEGACY

pytestmark = pytest.mark.anyio


async def test_one_agent_has_so_many_sessions_and_no_more_and_others_still_get_one(
    world: World, token: str, other_token: str
) -> None:
    async with world.caller(token, LEGACY) as caller:
        fresh = {name: value for name, value in caller.headers.items() if name != "mcp-session-id"}
        opened = [await world.open_session(caller.http, fresh) for _ in range(SESSIONS_AN_AGENT - 1)]
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        refused = await caller.http.post("/mcp", json=hello, headers=fresh)
        async with world.caller(other_token, LEGACY) as other:
            assert (await other.asked("ask_approval", DEPLOY))["status"] == "pending"
        await caller.http.delete("/mcp", headers={**fresh, "mcp-session-id": opened[-1]})
        await world.open_session(caller.http, fresh)
        assert (await caller.asked("ask_approval", DEPLOY))["status"] == "pending"
    assert refused.status_code == 429
    assert f"has {SESSIONS_AN_AGENT} open sessions" in message_of(refused)["error"]["message"]


async def test_calls_that_open_sessions_at_once_do_not_pass_the_limit(world: World, token: str) -> None:
    statuses: list[int] = []
    async with world.caller(token) as caller:
        fresh = {**caller.headers, "mcp-protocol-version": "2025-06-18"}
        hello = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "x", "version": "1"},
            },
        }

        async def open_one() -> None:
            statuses.append((await caller.http.post("/mcp", json=hello, headers=fresh)).status_code)

        async with anyio.create_task_group() as group:
            for _ in range(SESSIONS_AN_AGENT + 50):
                group.start_soon(open_one)
    assert sorted(statuses) == [200] * SESSIONS_AN_AGENT + [429] * 50


async def test_a_session_of_another_agent_is_not_found(world: World, token: str, other_token: str) -> None:
    async with world.caller(token, LEGACY) as caller, world.caller(other_token, LEGACY) as other:
        stolen = {**other.headers, "mcp-session-id": caller.headers["mcp-session-id"]}
        for method in ("POST", "GET", "DELETE"):
            answer = await other.http.request(method, "/mcp", json=other.body(), headers=stolen)
            assert answer.status_code == 404
        assert (await caller.asked("ask_approval", DEPLOY))["status"] == "pending"


async def test_a_hundred_waits_on_one_question_are_one_wait(world: World, token: str) -> None:
    async with world.serving.client(token) as client, anyio.create_task_group() as group:
        ended = anyio.Semaphore(0)

        async def wait() -> None:
            await client.call_tool("ask_approval", {"title": "Deploy?"})
            ended.release()

        for _ in range(100):
            group.start_soon(wait)
        with anyio.fail_after(60):
            for _ in range(99):
                await ended.acquire()
        assert len(await world.desk.inbox()) == 1
        group.cancel_scope.cancel()


async def test_a_body_that_never_ends_is_given_up(bot: Agent) -> None:
    sent: list[Message] = []

    async def endless() -> Message:
        if sent:
            raise AssertionError("nothing is read after the answer")
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def unreached(*_: object) -> None:
        raise AssertionError("half a body was handed on")

    scope = {"type": "http", "method": "POST", "headers": []}
    Exchange(bot).attach(scope)
    await StrictBody(unreached, seconds=0)(scope, endless, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_slow_bodies_of_one_agent_do_not_hold_up_another(bot: Agent, other_bot: Agent) -> None:
    reached: list[str] = []

    async def reach(scope: dict[str, object], *_: object) -> None:
        reached.append(Exchange.of(scope).agent.name)

    layer = StrictBody(reach)  # type: ignore[arg-type]

    async def call(agent: Agent, slow: bool) -> None:
        async def receive() -> Message:
            if slow:
                await anyio.sleep_forever()
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(_: Message) -> None:
            raise AssertionError("nothing is answered here")

        scope = {"type": "http", "method": "POST", "headers": []}
        Exchange(agent).attach(scope)
        await layer(scope, receive, send)

    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(call, bot, True)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(20):
            await call(other_bot, False)
        group.cancel_scope.cancel()
    assert reached == ["billing-bot"]


async def test_a_stranger_sends_no_large_form_and_a_reviewer_does(world: World, token: str, ana: Reviewer) -> None:
    async with world.caller(token) as caller, world.browser() as stranger, world.browser("ana") as browser:
        asked = await caller.asked("ask_text_input", {"title": "x", "hold_seconds": 0})
        card = (await browser.fetch(f"/api/requests/{asked['request_id']}")).json()["card_sha256"]
        large = {"username": "ana", "password": "x" * 200_000}
        refused = [(await stranger.send_form(path, large)).status_code for path in ("/login", "/setup", "/logout")]
        taken = await browser.send_form(
            f"/requests/{asked['request_id']}/decision",
            {"card_sha256": card, "action": "answer", "text": "\u20ac" * 65_536},
        )
    assert refused == [413, 413, 413]
    assert taken.status_code == 303


async def test_no_password_is_hashed_for_a_setup_link_that_is_void(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(*_: object) -> str:
        raise AssertionError("a stranger made the server hash a password")

    monkeypatch.setattr(world.people._passwords, "hash", hashed)
    form = {"token": "setup_wrong", "username": "eve", "password": "a" * 20, "password_again": "a" * 20}
    async with world.browser() as browser:
        assert (await browser.send_form("/setup", form)).status_code == 410


def test_every_spelling_of_a_name_counts_against_the_account_that_it_opens() -> None:
    limiter = SignInLimiter()
    spellings = ["ana", " ANA ", "\uff41na", "a\uff4ea", "\U0001d41a\U0001d427\U0001d41a", "\u1d43na"] * 2
    answers = [limiter.attempt(address=f"10.0.0.{n}", account=name) for n, name in enumerate(spellings)]
    assert [isinstance(answer, TooMany) for answer in answers] == [False] * 10 + [True] * 2


def test_names_tried_from_an_address_that_is_refused_take_up_no_memory() -> None:
    limiter = SignInLimiter()
    for number in range(1000):
        limiter.attempt(address="10.0.0.1", account=f"name {number}")
    assert len(limiter._storage.storage) <= 62


def test_a_pattern_is_compiled_once_however_often_its_card_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def counted(pattern: str) -> object:
        compiled.append(pattern)
        return compile_pattern(pattern)

    monkeypatch.setattr("store.text.compile_pattern", counted)
    for _ in range(5):
        FormField.model_validate({"name": "a", "pattern": "only-in-this-test{1,9}"})
    assert len(compiled) == 1


async def test_a_form_of_every_box_there_can_be_is_answered(world: World, token: str, ana: Reviewer) -> None:
    options = [{"id": f"o{n}"} for n in range(50)]
    fields = [{"name": f"f{n}", "type": "multiselect", "options": options} for n in range(50)]
    async with world.caller(token) as caller, world.browser("ana") as browser:
        asked = await caller.asked("ask_form", {"title": "x", "fields": fields, "hold_seconds": 0})
        card = (await browser.fetch(f"/api/requests/{asked['request_id']}")).json()["card_sha256"]
        ticked = [(f"field:f{n}", f"o{m}") for n in range(50) for m in range(50)]
        body = httpx2.QueryParams([("card_sha256", card), ("action", "answer"), *ticked])
        answer = await browser.client.post(
            f"/requests/{asked['request_id']}/decision",
            content=str(body),
            headers={"content-type": "application/x-www-form-urlencoded", "origin": world.url, "accept": "text/html"},
        )
    assert answer.status_code == 303
