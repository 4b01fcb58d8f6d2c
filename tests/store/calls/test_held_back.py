"""Calls of an agent that people paused or stopped: held, or turned away, inside the very transaction."""

import anyio
import pytest

from store.agents import Agent, Agents
from store.answers import Chosen
from store.audit.events import CallEnd, Halting
from store.calls.calls import Admitted, Run
from store.calls.definitions import Definition
from store.database import Database
from store.deciding.governing import Denied
from store.desk import Desk
from store.halts import LONGEST_REASON
from store.held_back import Halt
from store.people import Reviewer
from store.questions import HeldCall
from tests.stage import answered
from tests.store.calls.house import (
    DROP,
    READ,
    WRITE,
    admitted,
    approved,
    call,
    denied,
    held,
    in_force,
    log,
    returned,
    send,
    text_of,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]

BUDGET = "{name: few, tool: 'files__read_*', action: allow, budget: {sum: calls, per: day, max: 1}}"


async def pause(desk: Desk) -> Halt:
    return await desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None)


async def stop(desk: Desk) -> Halt:
    return await desk.halts.hold_back("deploy-bot", Halting.STOPPED, by=None)


@pytest.mark.parametrize("definition", [READ, WRITE], ids=["allowed", "noticed"])
async def test_of_a_paused_agent_what_rules_let_through_is_held_and_anybody_may_let_it_run(
    desk: Desk, database: Database, bot: Agent, ben: Reviewer, definition: Definition
) -> None:
    await pause(desk)
    ticket = await held(desk.calls, bot, call(definition, path="/a"))
    view = await desk.view(ticket.request_id)
    assert view is not None
    question = view.card.question
    assert isinstance(question, HeldCall)
    assert question.held_because == ("Whoever runs Assent paused this agent on 2026-11-22 at 09:00 UTC",)
    assert view.conditions == ()
    assert await log(database, "call_intended") == []
    await answered(desk, ben, ticket.request_id, Chosen("run"))
    begun = await desk.calls.begin(bot, ticket.request_id)
    assert isinstance(begun, Admitted)
    await desk.calls.finish(begun.call_id, returned())


async def test_a_pause_takes_no_budget_and_lifts_none(desk: Desk, bot: Agent) -> None:
    await in_force(desk, text=text_of(BUDGET))
    await pause(desk)
    await held(desk.calls, bot, call(READ, path="/a"))
    await desk.halts.resume("deploy-bot", by=None)
    await admitted(desk.calls, bot, call(READ, path="/b"))
    await held(desk.calls, bot, call(READ, path="/c"))


async def test_of_a_paused_agent_what_rules_hold_or_deny_stays_so(desk: Desk, bot: Agent) -> None:
    await pause(desk)
    ticket = await held(desk.calls, bot, send(500))
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert isinstance(view.card.question, HeldCall)
    assert view.card.question.held_because == ("the rule 'payments' holds it",)
    assert "Ask the database team." in await denied(desk.calls, bot, call(DROP))


async def test_who_is_let_go_runs_as_the_rules_say_again(desk: Desk, bot: Agent) -> None:
    await pause(desk)
    await held(desk.calls, bot, call(READ, path="/a"))
    await desk.halts.resume("deploy-bot", by=None)
    await admitted(desk.calls, bot, call(READ, path="/a"))


async def test_a_stopped_agent_s_calls_are_turned_away_whatever_the_rules_say(
    desk: Desk, database: Database, bot: Agent, other_bot: Agent
) -> None:
    halt = await stop(desk)
    for wanted in (call(READ, path="/a"), send(500), call(DROP)):
        assert (await denied(desk.calls, bot, wanted)).startswith(halt.told())
    assert await log(database, "call_intended", "request_opened") == []
    assert [entry["count"] for entry in await log(database, "call_denied")] == [1, 1, 1]
    await admitted(desk.calls, other_bot, call(READ, path="/a"))


async def test_everything_stopped_stops_every_agent(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    await desk.halts.hold_back(None, Halting.STOPPED, by=None)
    for agent in (bot, other_bot):
        assert "stopped everything" in await denied(desk.calls, agent, call(READ, path="/a"))


async def test_what_was_approved_does_not_begin_while_stopped_and_does_afterwards(
    desk: Desk, database: Database, bot: Agent, ben: Reviewer
) -> None:
    request_id = await approved(desk, bot, ben, send(500))
    halt = await stop(desk)
    assert await desk.calls.begin(bot, request_id) == halt
    assert await log(database, "call_intended", "call_denied") == []
    await desk.halts.resume("deploy-bot", by=None)
    assert isinstance(await desk.calls.begin(bot, request_id), Admitted)


async def test_what_ran_is_not_read_while_stopped(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    request_id = await approved(desk, bot, ben, send(500))
    begun = await desk.calls.begin(bot, request_id)
    assert isinstance(begun, Admitted)
    halt = await stop(desk)
    await desk.calls.finish(begun.call_id, returned())
    assert await desk.calls.begin(bot, request_id) == halt
    await desk.halts.resume("deploy-bot", by=None)
    run = await desk.calls.begin(bot, request_id)
    assert isinstance(run, Run)
    assert run.ended is not None
    assert run.ended.end is CallEnd.RETURNED


async def test_a_revoked_agent_s_calls_are_turned_away(
    desk: Desk, database: Database, agents: Agents, bot: Agent, ben: Reviewer
) -> None:
    request_id = await approved(desk, bot, ben, send(500))
    await agents.revoke("deploy-bot")
    assert "was revoked" in await denied(desk.calls, bot, call(READ, path="/a"))
    begun = await desk.calls.begin(bot, request_id)
    assert isinstance(begun, Halt)
    assert begun.revoked
    assert await log(database, "call_intended") == []


async def test_a_stopped_agent_in_a_loop_fills_no_log(desk: Desk, database: Database, bot: Agent) -> None:
    await stop(desk)
    for number in range(50):
        await denied(desk.calls, bot, call(READ, path=f"/{number}"))
    assert len(await log(database, "call_denied")) == 1


async def test_a_long_reason_and_a_long_name_still_fit_on_the_card(desk: Desk, bot: Agent) -> None:
    await desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None, why="x" * LONGEST_REASON)
    ticket = await held(desk.calls, bot, call(READ, path="/a"))
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert isinstance(view.card.question, HeldCall)
    assert "x" * LONGEST_REASON in view.card.question.held_because[0]


async def test_in_one_commit_with_many_calls_a_stop_divides_them(desk: Desk, database: Database, bot: Agent) -> None:
    async def admit(number: int) -> object:
        return await desk.calls.admit(bot, call(READ, path=f"/{number}"), None)

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(admit, number)
            if number == 20:
                group.start_soon(stop, desk)
    assert isinstance(await admit(99), Denied)
    # It looks for calls that were let through behind the entry of the stop.
    desk.log.verify()
    kinds = [entry["type"] for entry in await log(database, "call_intended", "agent_halted")]
    assert kinds.index("agent_halted") == len(kinds) - 1
