"""The stream of an open feed, one message at a time: what changed and nothing else, once a second at most."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ObjectReceiveStream
from starlette.types import Message

from review_web import watch_stream
from review_web.halt_news import halts_mark
from review_web.sessions import cookie_name
from store.audit.events import Halting
from store.people import SignIn
from tests.review_web import held_calls
from tests.review_web.house import HOST, House
from tests.review_web.test_watch_page import ALLOW, pay

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is short here; that there is one, is a promise of its own."""
    monkeypatch.setattr(watch_stream, "EVERY_SECONDS", 0.05)


@asynccontextmanager
async def listening(
    house: House, query: str = "", *, last: str | None = None, secret: str | None = None
) -> AsyncIterator[ObjectReceiveStream[str]]:
    """The messages of the stream at this address, for Ana."""
    if secret is None:
        ana = await house.people.find("ana") or await house.add("ana")
        secret, _ = await house.people.open_session(ana, SignIn.PASSWORD)
    leave = anyio.Event()
    into, out = anyio.create_memory_object_stream[str](100)
    asked = False

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            if message.get("body"):
                await into.send(message["body"].decode())
            if not message.get("more_body"):
                into.close()

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await leave.wait()
        return {"type": "http.disconnect"}

    headers = [(b"host", HOST.encode()), (b"sec-fetch-site", b"same-origin")]
    headers.append((b"cookie", f"{cookie_name(house.settings)}={secret}".encode()))
    if last is not None:
        headers.append((b"last-event-id", last.encode()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": "/watch/events",
        "raw_path": b"/watch/events",
        "root_path": "",
        "query_string": query.encode(),
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 7420),
    }
    async with into, out, anyio.create_task_group() as tasks:
        tasks.start_soon(house.app, scope, receive, send)
        yield out
        leave.set()
        tasks.cancel_scope.cancel()


async def hears(stream: ObjectReceiveStream[str], words: str) -> str:
    """The first message with these words in it; heartbeats are passed over."""
    with anyio.fail_after(10):
        while words not in (message := await stream.receive()):
            assert message.startswith(":"), message
    return message


def lines_in(message: str) -> int:
    return message.count("watch-line")


async def test_a_page_hears_of_the_lines_that_changed_since_it_was_made(house: House) -> None:
    await held_calls.rules(house, ALLOW)
    await pay(house)
    version = (await house.desk.watching.look()).version
    async with listening(house, f"after={version}") as stream:
        await hears(stream, ":")
        await pay(house, agent="other-bot")
        message = await hears(stream, "other-bot")
        assert lines_in(message) == 1
        house.clock.advance(seconds=1)
        await pay(house)
        message = await hears(stream, "2 calls")
        assert (lines_in(message), "other-bot" in message) == (1, False)


async def test_a_page_that_missed_something_is_told_all_of_it(house: House) -> None:
    await held_calls.rules(house, ALLOW)
    await pay(house)
    version = (await house.desk.watching.look()).version
    house.clock.advance(seconds=1)
    await pay(house, agent="other-bot")
    for query in ("after=0", "after=", "after=nonsense", "after=99999999999999999999999"):
        async with listening(house, query) as stream:
            assert lines_in(await hears(stream, "other-bot")) == 2
    async with listening(house, "after=0", last=str(version)) as stream:
        assert lines_in(await hears(stream, "other-bot")) == 1


async def test_each_message_says_which_version_it_leads_to(house: House) -> None:
    await held_calls.rules(house, ALLOW)
    await pay(house)
    async with listening(house) as stream:
        message = await hears(stream, "billing-bot")
    version = (await house.desk.watching.look()).version
    assert message.startswith(f"id: {version}\n")


async def test_a_page_hears_only_of_what_it_shows(house: House) -> None:
    await held_calls.rules(house, ALLOW)
    async with listening(house, "agent=other-bot") as stream:
        await hears(stream, ":")
        await pay(house)
        await pay(house, agent="other-bot")
        message = await hears(stream, "other-bot")
        assert "billing-bot" not in message


async def test_a_burst_is_one_message(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_stream, "EVERY_SECONDS", 0.5)
    await held_calls.rules(house, ALLOW)
    async with listening(house) as stream:
        await hears(stream, ":")
        for number in range(40):
            await pay(house, {"amount": number, "to": "ACME"})
        first = await hears(stream, "billing-bot")
        if "40 calls" not in first:
            await hears(stream, "40 calls")


async def test_a_pause_marks_every_line_of_the_agent_and_the_page_that_shows_nothing_of_it(house: House) -> None:
    await held_calls.rules(house, ALLOW)
    await pay(house)
    await pay(house, agent="other-bot")
    house.clock.advance(seconds=1)
    version = (await house.desk.watching.look()).version
    async with listening(house, f"after={version}&halts={halts_mark(())}") as stream:
        await hears(stream, ":")
        await house.desk.halts.hold_back("billing-bot", Halting.PAUSED, by=None)
        message = await hears(stream, "Held back by now:")
        assert message.count("Paused</span>") == 1
        house.clock.advance(seconds=1)
        await house.desk.halts.resume("billing-bot", by=None)
        message = await hears(stream, "billing-bot")
        assert "Held back by now:" not in message
        assert "Paused</span>" not in message


async def test_the_stream_ends_with_the_session(house: House) -> None:
    ana = await house.add("ana")
    secret, session = await house.people.open_session(ana, SignIn.PASSWORD)
    async with listening(house, secret=secret) as stream:
        await hears(stream, ":")
        await house.people.end_session(ana.id, session.id)
        await hears(stream, "event: signed-out")
        with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
            await stream.receive()
