"""The event stream, spoken to as a browser does: one chunk at a time, until one side ends it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
from anyio.abc import ObjectReceiveStream
from starlette.types import Message

from review_web.halt_news import halts_mark
from review_web.live import HEARTBEAT
from review_web.sessions import cookie_name
from store.answers import Chosen
from store.audit.events import Halting
from store.deciding.decisions import Decided, Voted
from store.lifecycle import Surface
from store.moments import to_text
from store.people import Session, SignIn
from tests.review_web import held_calls
from tests.review_web.house import HOST, House
from tests.stage import answer
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio


@dataclass
class Stream:
    """An open event stream."""

    status: int
    chunks: ObjectReceiveStream[str]

    async def next(self) -> str:
        with anyio.fail_after(10):
            return await self.chunks.receive()

    async def hears(self, words: str) -> str:
        """The first message with these words in it; wake-ups without news are passed over."""
        while words not in (message := await self.next()):
            assert message.startswith(":"), message
        return message

    async def ended(self) -> bool:
        with anyio.fail_after(10):
            try:
                await self.chunks.receive()
            except anyio.EndOfStream:
                return True
        return False


async def signed_in(house: House) -> tuple[str, Session]:
    ana = await house.people.find("ana") or await house.add("ana")
    return await house.people.open_session(ana, SignIn.PASSWORD)


@asynccontextmanager
async def listening(house: House, query: str, secret: str | None) -> AsyncIterator[Stream]:
    started = anyio.Event()
    leave = anyio.Event()
    status = 0
    into, out = anyio.create_memory_object_stream[str](100)

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            started.set()
        elif message["type"] == "http.response.body":
            if message.get("body"):
                await into.send(message["body"].decode())
            if not message.get("more_body"):
                into.close()

    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await leave.wait()
        return {"type": "http.disconnect"}

    headers = [(b"host", HOST.encode()), (b"sec-fetch-site", b"same-origin")]
    if secret:
        headers.append((b"cookie", f"{cookie_name(house.settings)}={secret}".encode()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": "/events",
        "raw_path": b"/events",
        "root_path": "",
        "query_string": query.encode(),
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 7420),
    }
    async with into, out, anyio.create_task_group() as tasks:
        tasks.start_soon(house.app, scope, receive, send)
        with anyio.fail_after(10):
            await started.wait()
        yield Stream(status, out)
        leave.set()
        tasks.cancel_scope.cancel()


async def decided(house: House, request_id: str) -> None:
    mei = await house.people.find("mei") or await house.add("mei")
    view = await house.desk.show(mei, request_id, Surface.RENDERED_PAGE)
    assert view is not None
    decision = await house.desk.decide(
        mei,
        request_id,
        card_sha256=view.card_sha256,
        answer=Chosen("approve"),
        comment=None,
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )
    assert isinstance(decision, Decided)


async def test_a_stranger_hears_nothing(house: House) -> None:
    async with listening(house, "page=inbox", None) as stream:
        assert stream.status == 401


async def test_a_mark_that_is_no_time_is_refused(house: House) -> None:
    secret, _ = await signed_in(house)
    async with listening(house, "page=inbox&opened=yesterday", secret) as stream:
        assert stream.status == 400


async def test_a_new_request_is_announced_as_a_number(house: House) -> None:
    secret, _ = await signed_in(house)
    async with listening(house, "page=inbox", secret) as stream:
        assert (await stream.next()).startswith(":")
        await house.ask()
        await stream.hears("1 new request: show")


async def test_what_was_on_the_page_already_is_not_new(house: House) -> None:
    secret, _ = await signed_in(house)
    await house.ask()
    async with listening(house, f"page=inbox&opened={to_text(house.clock.now)}", secret) as stream:
        assert (await stream.next()).startswith(":")


async def test_a_decided_row_says_how_and_by_whom(house: House) -> None:
    secret, _ = await signed_in(house)
    request_id = await house.ask()
    async with listening(house, f"page=inbox&opened={to_text(house.clock.now)}", secret) as stream:
        assert (await stream.next()).startswith(":")
        await decided(house, request_id)
        news = await stream.hears("data-closed")
        assert f'data-closed="{request_id}"' in news
        assert "Approved by Mei" in news


async def test_an_open_card_hears_that_it_was_answered_elsewhere(house: House) -> None:
    secret, _ = await signed_in(house)
    request_id = await house.ask()
    async with listening(house, f"page=card&request={request_id}", secret) as stream:
        assert (await stream.next()).startswith(":")
        await decided(house, request_id)
        assert "Approved by Mei" in await stream.hears("data-card-closed")


async def test_who_may_still_answer_hears_nothing_of_anothers_answer(house: House) -> None:
    secret, session = await signed_in(house)
    mei = await house.add("mei")
    await in_force(house.desk, "name: two, reviewers: [ana, mei], approvals: 2")
    request_id = await house.ask()
    async with listening(house, f"page=card&request={request_id}", secret) as stream:
        assert (await stream.next()).startswith(":")
        assert isinstance(await answer(house.desk, mei, request_id, Chosen("approve")), Voted)
        await house.people.end_session(session.reviewer.id, session.id)
        assert (await stream.next()).startswith("event: signed-out")


async def test_a_card_hears_nothing_of_other_requests(house: House) -> None:
    secret, session = await signed_in(house)
    request_id, other = await house.ask(), await house.ask(agent="other-bot")
    async with listening(house, f"page=card&request={request_id}", secret) as stream:
        await stream.next()
        await decided(house, other)
        await house.people.end_session(session.reviewer.id, session.id)
        await stream.hears("event: signed-out")


async def test_the_stream_ends_with_the_session(house: House) -> None:
    secret, session = await signed_in(house)
    async with listening(house, "page=inbox", secret) as stream:
        await stream.next()
        await house.people.end_session(session.reviewer.id, session.id)
        await stream.hears("event: signed-out")
        assert await stream.ended()


async def test_a_page_that_is_merely_open_does_not_keep_itself_signed_in(house: House) -> None:
    secret, _ = await signed_in(house)
    async with listening(house, "page=inbox", secret) as stream:
        await stream.next()
        house.clock.advance(hours=13)
        await house.ask()
        await stream.hears("event: signed-out")


async def test_a_card_whose_arguments_were_edited_says_so_and_leads_to_the_new_one(house: House) -> None:
    await held_calls.rules(house)
    request_id = await held_calls.hold(house)
    view = await house.desk.view(request_id)
    assert view is not None
    secret, _ = await signed_in(house)
    async with listening(house, f"page=card&request={request_id}&card={view.card_sha256}", secret) as stream:
        await held_calls.edit(house, request_id, {"amount": 1, "to": "ACME"})
        said = await stream.hears("changed the arguments")
        assert "Mei changed the arguments." in said
        assert "data-card-closed" in said
        assert f'href="/requests/{request_id}"' in said


@pytest.mark.parametrize("page", ["page=inbox", "page=card&request="])
async def test_an_open_page_is_told_at_once_what_is_held_back_and_that_it_goes_on(house: House, page: str) -> None:
    request_id = await house.ask()
    secret, _ = await signed_in(house)
    query = f"{page}{request_id if page.endswith('=') else ''}&opened={to_text(house.clock.now)}"
    async with listening(house, f"{query}&halts={halts_mark(())}", secret) as stream:
        assert await stream.next() == HEARTBEAT
        await house.desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None)
        assert "Held back by now:</strong> <bdi>deploy-bot</bdi> (paused)" in await stream.hears("Held back")
        await house.desk.halts.hold_back(None, Halting.STOPPED, by=None)
        await stream.hears("Everything is stopped")
    shown = halts_mark(await house.desk.halts.all())
    async with listening(house, f"{query}&halts={shown}", secret) as stream:
        assert await stream.next() == HEARTBEAT
        await house.desk.halts.resume(None, by=None)
        await house.desk.halts.resume("deploy-bot", by=None)
        await stream.hears("Nothing is held back any more")


async def test_a_page_that_does_not_say_what_it_shows_is_told_nothing_of_halts(house: House) -> None:
    await house.ask()
    await house.desk.halts.hold_back(None, Halting.STOPPED, by=None)
    secret, _ = await signed_in(house)
    async with listening(house, f"page=inbox&opened={to_text(house.clock.now)}", secret) as stream:
        assert await stream.next() == HEARTBEAT
