"""A call that was begun in time and sent slowly: whose session ended while it was on its way changes nothing by it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import pytest
from anyio.abc import ByteReceiveStream

from store.agents import Agents
from store.database import Database
from store.desk import Desk
from store.people import People, Reviewer
from store.policy.reading import sha256_of
from tests.hostile.deciding import APPROVE, asked, looked_at, shown
from tests.hostile.world import World, open_world
from tests.push_station import Phone
from tests.review_web.house import Browser

pytestmark = pytest.mark.anyio


class Slow:
    """A POST of which all but the last byte is with the server."""

    def __init__(self, stream: Any, last: bytes) -> None:
        self._stream = stream
        self._last = last

    async def finish(self) -> int:
        """Send the rest; the status of the answer."""
        await self._stream.send(self._last)
        return await _status(self._stream)


async def _status(stream: ByteReceiveStream) -> int:
    said = b""
    while b"\r\n" not in said:
        said += await stream.receive()
    return int(said.split()[1])


@asynccontextmanager
async def slowly(world: World, browser: Browser, path: str, body: bytes, content_type: str) -> AsyncIterator[Slow]:
    """Begin this POST. The server has looked at its session when it asks for the body."""
    host = urlsplit(world.url).netloc
    cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\nOrigin: {world.url}\r\n"
        f"Sec-Fetch-Site: same-origin\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    name, _, port = host.rpartition(":")
    async with await anyio.connect_tcp(name, int(port)) as stream:
        await stream.send(head.encode())
        assert await _status(stream) == 100
        await stream.send(body[:-1])
        yield Slow(stream, body[-1:])


RULES = "version: 1\n"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
async def world(database: Database, desk: Desk, agents: Agents, people: People, tmp_path: Path) -> AsyncIterator[World]:
    """One in which phones can be added, and rules are proposed."""
    (tmp_path / "policy.yaml").write_text(RULES)
    proposal = tmp_path / "policy.yaml"
    async with open_world(database, desk, agents, people, push_key="key", policy_file=proposal) as world:
        yield world


@pytest.fixture(params=["reset", "end_session"])
async def ended(request: pytest.FixtureRequest, people: People) -> Any:
    """Ends what a person has open, in one of two ways."""

    async def end(reviewer: Reviewer) -> None:
        if request.param == "reset":
            await people.administration.reset(reviewer.id, by=None)
            return
        for session in await people.sessions(reviewer.id):
            await people.administration.end_session(reviewer.id, session.id, by=None)

    return end


@pytest.mark.parametrize("how", ["json", "form"])
async def test_a_decision_whose_session_ended_while_it_was_sent_counts_no_more(
    world: World, token: str, ana: Reviewer, ben: Reviewer, ended: Any, how: str
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ben") as stolen:
        card = await looked_at(stolen, request_id)
        if how == "json":
            path, body = f"/api/requests/{request_id}/decision", json.dumps({"card_sha256": card, **APPROVE})
        else:
            form = {"card_sha256": card, "action": "option:approve", "comment": "x"}
            path, body = f"/requests/{request_id}/decision", urlencode(form)
        async with slowly(world, stolen, path, body.encode(), JSON if how == "json" else FORM) as call:
            await ended(ben)
            before = await world.rows()
            status = await call.finish()
            assert await world.rows() == before
    assert status == 403


async def test_a_decision_that_is_only_slow_counts(world: World, token: str, ana: Reviewer, ben: Reviewer) -> None:
    request_id = await asked(world, token)
    async with world.browser("ben") as browser:
        card = await shown(browser, request_id)
        body = json.dumps({"card_sha256": card, **APPROVE}).encode()
        async with slowly(world, browser, f"/api/requests/{request_id}/decision", body, JSON) as call:
            assert await call.finish() == 200


async def test_a_phone_that_was_being_added_when_the_session_ended_is_told_nothing(
    world: World, ana: Reviewer, ben: Reviewer, ended: Any
) -> None:
    async with world.browser("ben") as stolen:
        body = json.dumps({"subscription": Phone("https://push.example/1").subscription}).encode()
        async with slowly(world, stolen, "/phone/devices", body, JSON) as call:
            await ended(ben)
            before = await world.rows()
            status = await call.finish()
            assert await world.rows() == before
    assert status == 422


async def test_rules_that_were_being_put_in_force_when_the_admins_session_ended_stay_out(
    world: World, ana: Reviewer, ended: Any
) -> None:
    async with world.browser("ana") as stolen:
        form = {"proposal": sha256_of(RULES), "instead_of": str(await world.desk.policies.position())}
        async with slowly(world, stolen, "/policy/activate", urlencode(form).encode(), FORM) as call:
            await ended(ana)
            before = await world.rows()
            status = await call.finish()
            assert await world.rows() == before
    assert status == 409
