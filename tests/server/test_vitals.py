"""What a supervisor is told: red while nothing can be written, green again by itself, and numbers without words."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette

from server.vitals import Tally, routes
from store.agents import Agent
from store.answers import Chosen
from store.database import Database
from store.desk import Desk
from store.lifecycle import Outcome
from store.people import Reviewer
from tests.stage import FakeClock, answered, approval

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def calling(desk: Desk, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=list(routes(desk, database, "this one")))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://server") as client:
        yield client


async def metrics(client: httpx2.AsyncClient) -> dict[str, float]:
    text = (await client.get("/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^([^#\n]\S*) (\S+)$", text, re.MULTILINE)}


async def test_health_is_red_while_the_database_refuses_and_green_by_itself_afterwards(
    desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = iter(["the disk is full", None])

    async def probe() -> str | None:
        database.failing = next(reasons)
        return database.failing

    monkeypatch.setattr(database, "probe", probe)
    async with calling(desk, database) as client:
        healthy = await client.get("/healthz")
        database.failing = "the disk is full"
        failing, mended, after = [await client.get("/healthz") for _ in range(3)]

    assert [answer.status_code for answer in (healthy, failing, mended, after)] == [200, 503, 200, 200]
    assert failing.json()["status"] == "failing"
    assert failing.json()["reason"] == "the disk is full"


async def test_requests_are_counted_as_they_end_and_how_long_a_person_took(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    async with calling(desk, database) as client:
        clock.advance(seconds=1)
        ticket = await desk.ask(bot, approval())
        opened = await metrics(client)
        clock.advance(seconds=40)
        await answered(desk, ana, ticket.request_id, Chosen("approve"))
        closed, again = await metrics(client), await metrics(client)

    assert (opened["assent_open_requests"], closed["assent_open_requests"]) == (1, 0)
    assert closed['assent_requests_closed_total{outcome="answered"}'] == 1
    assert closed['assent_requests_closed_total{outcome="expired"}'] == 0
    assert (closed["assent_answer_seconds_sum"], closed["assent_answer_seconds_count"]) == (40, 1)
    assert closed['assent_answer_seconds_bucket{le="15"}'] == 0
    assert closed['assent_answer_seconds_bucket{le="60"}'] == 1
    assert closed['assent_answer_seconds_bucket{le="+Inf"}'] == 1
    assert again == closed | {"assent_log_entries": again["assent_log_entries"]}
    assert closed["assent_log_entries"] > opened["assent_log_entries"]


async def test_metrics_hold_no_word_of_agents_or_people(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent
) -> None:
    await desk.ask(bot, approval("A title that nobody else may read"))
    async with calling(desk, database) as client:
        text = (await client.get("/metrics")).text

    assert [word for word in ("title", bot.name, ana.username, bot.id) if word in text] == []


async def test_requests_that_ended_before_this_start_are_not_counted(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent, clock: FakeClock
) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, Chosen("approve"))
    tally = Tally(clock.now)

    tally.add(database.read_now(tally.rows))

    assert tally.outcomes[Outcome.ANSWERED] == 0
