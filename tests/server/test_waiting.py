"""Holding a call open: what ends a wait, and what does not."""

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from server.exchange import Exchange
from server.waiting import Call, Drain, Waiting
from store.agents import Agent
from store.asking import Report
from store.desk import Desk
from store.lifecycle import Outcome, Surface
from store.people import Reviewer
from store.problems import WriteRefused
from store.questions import AskApproval

pytestmark = pytest.mark.anyio

QUESTION = AskApproval(title="Deploy to production?")


def silent() -> Callable[[float, Report], Awaitable[None]]:
    async def beat(seconds: float, report: Report) -> None:
        """Nobody listens here."""

    return beat


async def test_a_write_that_is_refused_beside_it_does_not_end_the_wait_for_an_open_request(
    desk: Desk, bot: Agent, ana: Reviewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await desk.ask(bot, QUESTION)
    waiting, exchange = Waiting(desk, Drain()), Exchange(bot)
    claims = 0
    claim = Desk.claim

    async def refused_once(self: Desk, *arguments: object) -> object:
        nonlocal claims
        claims += 1
        if claims == 1:
            raise WriteRefused("nothing was changed: the disk is full", "Make room.")
        return await claim(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Desk, "claim", refused_once)
    found: list[object] = []
    async with anyio.create_task_group() as group:

        async def hold() -> None:
            found.append(await waiting.hold(ticket, Call(exchange, None, silent())))

        group.start_soon(hold)
        while ticket.request_id not in desk.waiting:  # another task gets there
            await anyio.lowlevel.checkpoint()
        view = await desk.show(ana, ticket.request_id, Surface.RENDERED_PAGE)
        assert view is not None
        with anyio.fail_after(20):
            while not claims:  # the wake-up arrives by another thread
                await anyio.lowlevel.checkpoint()
            await desk.withdraw(bot, ticket.request_id)
            while not found:
                await anyio.lowlevel.checkpoint()

    assert isinstance(found[0], Report)
    assert found[0].outcome is Outcome.WITHDRAWN
