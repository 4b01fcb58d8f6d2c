"""What was called, as its agent called it, and what became of it: the newest first."""

from typing import Any

import pytest

from store.agents import Agent, Agents
from store.answers import AskedBack, Chosen
from store.audit.events import CallEnd
from store.calls.calls import Admitted, Ended
from store.calls.recorded import Became
from store.desk import Desk
from store.lifecycle import Surface
from store.people import Reviewer
from store.policy.rules import Action
from store.policy.verdicts import Called
from tests.stage import FakeClock, answered, see
from tests.store.calls.house import (
    DROP,
    READ,
    WRITE,
    admitted,
    approved,
    call,
    denied,
    held,
    returned,
    send,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]


async def became(desk: Desk) -> list[tuple[Action, Became]]:
    return [(one.action, one.became) for one in await desk.calls.recorded(50)]


async def test_calls_that_were_let_through(desk: Desk, agents: Agents, clock: FakeClock) -> None:
    agent, _ = await agents.add("worker", workflow="billing")
    going = await admitted(desk.calls, agent, call(READ, path="/a"))
    await desk.calls.finish(going.call_id, returned())
    (one,) = await desk.calls.recorded(50)
    assert one.called == Called("files__read_text", "files", {"path": "/a"}, "worker", clock.now)
    assert (one.given, one.rules, one.request_id) == ("billing", ("reads",), None)
    assert (one.action, one.became, one.is_error) == (Action.ALLOW, Became.RETURNED, False)


async def test_everything_that_can_become_of_a_call(desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock) -> None:
    async def step(agent_call: Any) -> str:
        clock.advance(seconds=1)
        return (await held(desk.calls, bot, agent_call)).request_id

    await denied(desk.calls, bot, call(DROP))
    clock.advance(seconds=1)
    await admitted(desk.calls, bot, call(WRITE, path="/a"))
    await answered(desk, ana, await step(send(101)), Chosen("refuse"))
    await answered(desk, ana, await step(send(102)), AskedBack(), comment="why?")
    await desk.withdraw(bot, await step(send(103)))
    await answered(desk, ana, await step(send(104)), Chosen("run"))
    await step(send(105))
    clock.advance(seconds=1)
    request = await approved(desk, bot, ana, send(106))
    going = await desk.calls.begin(bot, request)
    assert isinstance(going, Admitted)
    await desk.calls.finish(going.call_id, Ended(CallEnd.FAILED, is_error=True, why="it is down"))
    assert await became(desk) == [
        (Action.HOLD, Became.FAILED),
        (Action.HOLD, Became.WAITING),
        (Action.HOLD, Became.APPROVED),
        (Action.HOLD, Became.WITHDRAWN),
        (Action.HOLD, Became.RETURNED_TO_AGENT),
        (Action.HOLD, Became.REFUSED),
        (Action.NOTICE, Became.RUNNING),
        (Action.DENY, Became.DENIED),
    ]
    newest = (await desk.calls.recorded(1))[0]
    assert (newest.why, newest.rules, newest.request_id) == ("it is down", ("payments",), request)
    clock.advance(days=2)
    await desk.expire_due()
    assert (await became(desk))[1] == (Action.HOLD, Became.EXPIRED)


async def test_an_edited_call_is_what_its_agent_asked(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await held(desk.calls, bot, send(500))
    card = await see(desk, ana, ticket.request_id)
    await desk.edit(
        ana,
        ticket.request_id,
        card_sha256=card,
        arguments={"amount": 400},
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )
    assert [one.called.arguments for one in await desk.calls.recorded(5)] == [{"amount": 500}]
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    await desk.calls.begin(bot, ticket.request_id)
    assert [one.called.arguments for one in await desk.calls.recorded(5)] == [{"amount": 500}]
