"""An approved call runs once, as it was approved; and what came of any call is kept, as far as anybody knows."""

import asyncio
import threading
from dataclasses import replace

import anyio
import pytest
from sqlalchemy import select

from store import tables
from store.agents import Agent
from store.answers import Chosen, Declined
from store.audit.events import Assurance, CallEnd, Permission
from store.calls.calls import Admitted, Ended, NotRunnable, Run
from store.calls.service import Calls
from store.database import Database
from store.desk import Desk
from store.lifecycle import Surface
from store.people import Reviewer
from store.runs import Runs
from tests.stage import FakeClock, answered, see
from tests.store.calls.house import (
    FILES,
    READ,
    RULES,
    SEND,
    WRITE,
    admitted,
    approved,
    call,
    held,
    in_force,
    log,
    returned,
    send,
    upstream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]


async def begun(desk: Desk, agent: Agent, request_id: str) -> Admitted:
    going = await desk.calls.begin(agent, request_id)
    assert isinstance(going, Admitted), going
    return going


async def not_run(desk: Desk, database: Database, agent: Agent, request_id: str) -> str:
    """Why it does not run; and nothing says that it did."""
    stopped = await desk.calls.begin(agent, request_id)
    assert isinstance(stopped, NotRunnable), stopped
    assert await log(database, "call_intended") == []
    assert await desk.calls.run_of(agent, request_id) is None
    desk.log.verify()
    return stopped.why


async def test_an_approved_call_runs_once_and_its_result_is_read_forever(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    request = await approved(desk, bot, ana, send(500))
    assert await desk.calls.run_of(bot, request) is None
    going = await begun(desk, bot, request)
    assert going == Admitted(
        going.call_id, "pay", SEND.method, "send", {"amount": 500}, Permission.APPROVED, request, SEND.sha256
    )
    started = Run(going.call_id, clock.now, None)
    assert await desk.calls.begin(bot, request) == started
    clock.advance(seconds=2)
    await desk.calls.finish(going.call_id, returned("paid"))
    clock.advance(days=3)
    ended = replace(started, ended=returned("paid"))
    assert await desk.calls.begin(bot, request) == ended
    assert await desk.calls.run_of(bot, request) == ended
    (intended,) = await log(database, "call_intended")
    assert intended.items() >= {"permission": "approved", "request": request}.items()
    (entry,) = await log(database, "call_ended")
    assert entry.items() >= {"end": "returned", "milliseconds": 2000, "is_error": False}.items()
    desk.log.verify()


async def test_of_many_who_begin_it_at_once_one_sends_it(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    request = await approved(desk, bot, ana, send(500))
    found: list[object] = []

    async def begin() -> None:
        found.append(await desk.calls.begin(bot, request))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(begin)
    assert sum(isinstance(one, Admitted) for one in found) == 1
    assert sum(isinstance(one, Run) for one in found) == 19


async def test_an_allowed_calls_result_is_not_kept_and_its_hash_is(desk: Desk, database: Database, bot: Agent) -> None:
    going = await admitted(desk.calls, bot, call(READ, path="/a"))
    await desk.calls.finish(going.call_id, returned("secret"))
    row = (await database.read(lambda c: c.execute(select(tables.calls)).all()))[0]
    assert (row.state, row.result, row.result_bytes) == ("returned", None, 61)
    (entry,) = await log(database, "call_ended")
    assert "result_ref" in entry
    assert entry["result_bytes"] == 61


async def test_a_call_ends_once(desk: Desk, database: Database, bot: Agent) -> None:
    going = await admitted(desk.calls, bot, call(READ, path="/a"))
    await desk.calls.finish(going.call_id, Ended(CallEnd.FAILED, is_error=True, why="it did not answer"))
    await desk.calls.finish(going.call_id, returned())
    await desk.calls.finish("call_other", returned())
    assert [entry["end"] for entry in await log(database, "call_ended")] == ["failed"]


async def test_only_its_own_agent_runs_it(
    desk: Desk, database: Database, bot: Agent, other_bot: Agent, ana: Reviewer
) -> None:
    request = await approved(desk, bot, ana, send(500))
    assert "no held call" in await not_run(desk, database, other_bot, request)
    assert "no held call" in await not_run(desk, database, bot, "req_other")
    going = await begun(desk, bot, request)
    assert await desk.calls.run_of(other_bot, request) is None
    assert isinstance(await desk.calls.begin(other_bot, request), NotRunnable)
    assert going.request_id == request


@pytest.mark.parametrize("answer", [Chosen("refuse"), Declined()])
async def test_a_refused_call_does_not_run(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer, answer: Chosen | Declined
) -> None:
    ticket = await held(desk.calls, bot, send(500))
    assert "was not approved" in await not_run(desk, database, bot, ticket.request_id)
    await answered(desk, ana, ticket.request_id, answer)
    assert "was not approved" in await not_run(desk, database, bot, ticket.request_id)


async def test_an_approval_lapses_at_the_deadline_and_not_within_ten_minutes(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    rule = "{name: payments, tool: 'pay__send', action: hold, timeout: 60s}"
    await in_force(desk, rule)
    early = await approved(desk, bot, ana, send(500))
    clock.advance(minutes=9, seconds=59)
    await begun(desk, bot, early)
    late = await approved(desk, bot, ana, send(501))
    clock.advance(minutes=10)
    stopped = await desk.calls.begin(bot, late)
    assert isinstance(stopped, NotRunnable)
    assert "has lapsed" in stopped.why
    assert len(await log(database, "call_intended")) == 1
    assert len(await log(database, "call_denied")) == 1
    desk.log.verify()


async def test_what_the_rules_deny_by_then_does_not_run(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    request = await approved(desk, bot, ana, send(500))
    await in_force(desk, *RULES, "{name: frozen, tool: 'pay__*', action: deny, reason: Ask finance.}")
    assert "the rule 'frozen' denies this. Ask finance." in await not_run(desk, database, bot, request)
    assert len(await log(database, "call_denied")) == 1


async def test_what_the_rules_ask_more_for_by_then_does_not_run(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    request = await approved(desk, bot, ana, send(500))
    await in_force(desk, *RULES, "{name: other, tool: 'pay__send', action: hold, not_owner: true}")
    assert "The rules ask more by now" in await not_run(desk, database, bot, request)
    await in_force(desk, *RULES, "{name: note, tool: 'pay__send', action: notice}")
    await begun(desk, bot, request)
    desk.log.verify()


async def test_what_the_rules_allow_by_then_runs_as_approved(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    request = await approved(desk, bot, ana, send(500))
    await in_force(desk, "{name: all, tool: 'pay__*', action: allow}")
    assert (await begun(desk, bot, request)).permission is Permission.APPROVED
    desk.log.verify()


async def test_a_call_whose_definition_changed_since_does_not_run(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    request = await approved(desk, bot, ana, send(500))
    changed = replace(SEND, content={**SEND.content, "description": "Sends twice."})
    await desk.calls.observe(upstream("pay"), [changed])
    assert "has changed since it was approved" in await not_run(desk, database, bot, request)
    await desk.calls.accept("pay", SEND.method, "send", changed.sha256, reviewer=None, session_id=None)
    assert "has changed since it was approved" in await not_run(desk, database, bot, request)
    await desk.calls.observe(upstream("pay"), [])
    assert "does not list pay__send now" in await not_run(desk, database, bot, request)


async def test_an_argument_that_assent_sends_itself_by_then_is_not_sent_in_place_of_the_approved_one(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    before = await in_force(desk, "{name: writes, tool: 'files__write', action: hold}")
    request_id = await approved(desk, bot, ana, call(WRITE, path="approved"))
    own = "{command: files-server, idempotency_argument: path}"
    await in_force(desk, text=before.replace("{command: files-server}", own))

    why = await not_run(desk, database, bot, request_id)
    assert "path is set by Assent itself" in why
    assert "call it again" in why


async def test_a_changed_definition_runs_for_whom_it_was_approved_as_it_is(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    changed = replace(READ, content={**READ.content, "description": "Reads, and tells."})
    await desk.calls.observe(upstream(), [changed, *FILES[1:]])
    request = await approved(desk, bot, ana, call(READ, path="/a"))
    assert (await begun(desk, bot, request)).definition_sha256 == changed.sha256
    desk.log.verify()


async def test_an_answer_that_was_collected_without_a_run_runs_nothing(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    ticket = await held(desk.calls, bot, send(500))
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    await desk.claim(ticket)
    assert "was collected before" in await not_run(desk, database, bot, ticket.request_id)


async def test_edited_arguments_are_what_runs(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await held(desk.calls, bot, send(500))
    card = await see(desk, ana, ticket.request_id)
    await desk.edit(
        ana,
        ticket.request_id,
        card_sha256=card,
        arguments={"amount": 400},
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
        session_id=None,
    )
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    assert (await begun(desk, bot, ticket.request_id)).arguments == {"amount": 400}
    desk.log.verify()


async def test_what_ran_when_the_server_died_is_unknown_and_never_sent_again(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    runs = Runs(database)
    await runs.started(version="1", instance="one")
    request = await approved(desk, bot, ana, send(500))
    going = await begun(desk, bot, request)
    await admitted(desk.calls, bot, call(READ, path="/a"))
    await runs.started(version="1", instance="two")
    found = await desk.calls.begin(bot, request)
    assert isinstance(found, Run)
    assert found.ended is not None
    assert (found.ended.end, found.ended.is_error) == (CallEnd.UNKNOWN, True)
    await desk.calls.finish(going.call_id, returned())
    assert await desk.calls.run_of(bot, request) == found
    assert [entry["end"] for entry in await log(database, "call_ended")] == ["unknown", "unknown"]
    desk.log.verify()


async def test_a_server_that_stops_loses_its_own_calls_only(desk: Desk, database: Database, bot: Agent) -> None:
    runs = Runs(database)
    await admitted(desk.calls, bot, call(READ, path="/a"))
    await runs.started(version="1", instance="one")
    assert len(await log(database, "call_ended")) == 1
    await admitted(desk.calls, bot, call(READ, path="/b"))
    assert await desk.calls.lost("other") == 0
    await runs.stopped("one")
    assert [entry["end"] for entry in await log(database, "call_ended")] == ["unknown", "unknown"]
    desk.log.verify()


async def test_the_result_of_a_held_call_survives_a_new_server(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    request = await approved(desk, bot, ana, send(500))
    odd = {"content": [{"type": "text", "text": "\ud800 ü"}], "big": 2**70, "small": 1e-7}
    going = await begun(desk, bot, request)
    await desk.calls.finish(going.call_id, Ended(CallEnd.RETURNED, is_error=True, result=odd))
    run = await Calls(database).run_of(bot, request)
    assert run is not None
    assert run.ended == Ended(CallEnd.RETURNED, is_error=True, result=odd)


async def test_an_agents_assurance_stands_in_both_entries(desk: Desk, database: Database, bot: Agent) -> None:
    remote = replace(bot, assurance=Assurance.REMOTE)
    going = await admitted(desk.calls, remote, call(READ, path="/a"))
    await desk.calls.finish(going.call_id, returned())
    assert {entry["assurance"] for entry in await log(database, "call_intended", "call_ended")} == {"remote"}


async def test_a_caller_who_goes_before_it_learns_leaves_nothing_running(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    request = await approved(desk, bot, ana, send(500))
    for wanted in (desk.calls.admit(bot, call(READ, path="/a"), None), desk.calls.begin(bot, request)):
        waiting = asyncio.ensure_future(wanted)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await database.write(lambda change: None)
    assert [entry["end"] for entry in await log(database, "call_ended")] == ["cancelled"] * len(
        await log(database, "call_intended")
    )
    desk.log.verify()


async def test_who_goes_away_while_the_database_is_busy_sends_nothing(
    desk: Desk, database: Database, bot: Agent
) -> None:
    await admitted(desk.calls, bot, call(READ, path="/a"))
    gate = threading.Event()
    database.submit(lambda change: gate.wait(10))
    waiting = asyncio.ensure_future(desk.calls.admit(bot, call(READ, path="/b"), None))
    for _ in range(10):
        await asyncio.sleep(0)
    waiting.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await database.write(lambda change: None)
    assert len(await log(database, "call_intended")) == 2
    (entry,) = await log(database, "call_ended")
    assert entry.items() >= {"end": "cancelled", "result_bytes": 0}.items()
    desk.log.verify()
