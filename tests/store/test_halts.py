"""Pausing, stopping and letting go, as rows and entries; and what a stop forbids of questions, answers and tasks."""

from pathlib import Path
from typing import Any

import pytest

from store.agents import Agent, Agents
from store.answers import Chosen
from store.asking import AskingProblem, Report
from store.audit.canonical import decode
from store.audit.checkpoint import LogKey
from store.audit.events import Halting
from store.audit.inspection import Inspection
from store.collecting import Halted
from store.database import Database
from store.desk import Desk
from store.halts import LONGEST_REASON, Halts
from store.held_back import Halt
from store.people import AccountClosed, NotAnAdmin, People, Reviewer, Session, SignIn
from store.problems import AgentProblem, PeopleProblem
from store.signals import HALTS, PEOPLE, Woken
from store.tasks import Standing
from tests.stage import FakeClock, answered, approval, signed_by

pytestmark = pytest.mark.anyio

PAUSED, STOPPED = Halting.PAUSED, Halting.STOPPED
YES = Chosen("approve")


async def session_of(people: People, reviewer: Reviewer) -> Session:
    _, session = await people.open_session(reviewer, SignIn.PASSWORD)
    return session


async def entries(database: Database, *kinds: str) -> list[dict[str, Any]]:
    """The log's entries of these types, without what every entry has."""
    written = [decode(data) for _, data in await Inspection(database).entries(0, 1000)]
    common = {"assurance", "at", "format"}
    return [{k: v for k, v in entry.items() if k not in common} for entry in written if entry["type"] in kinds]


# Who does it, and what is written


async def test_a_reviewer_pauses_an_agent_and_the_log_says_so(
    desk: Desk, database: Database, people: People, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    halt = await desk.halts.hold_back("deploy-bot", PAUSED, by=await session_of(people, ben), why=" too\nfast ")
    assert halt == Halt(bot.id, "deploy-bot", PAUSED, clock.now, "Ben Okoro", "too fast")
    assert await desk.halts.all() == (halt,)
    (entry,) = await entries(database, "agent_halted")
    assert entry.pop("why_ref")
    assert entry == {"type": "agent_halted", "agent": bot.id, "how": "paused", "reviewer": ben.id}


async def test_a_stop_takes_the_place_of_a_pause_and_stays_as_it_was_made(
    desk: Desk, database: Database, people: People, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await desk.halts.hold_back("deploy-bot", PAUSED, by=None)
    stopped = await desk.halts.hold_back("deploy-bot", STOPPED, by=await session_of(people, ben))
    clock.advance(minutes=1)
    for how in (PAUSED, STOPPED):
        again = await desk.halts.hold_back("deploy-bot", how, by=await session_of(people, ana), why="me too")
        assert again == stopped
    assert await desk.halts.all() == (stopped,)
    assert [entry["how"] for entry in await entries(database, "agent_halted")] == ["paused", "stopped"]


async def test_letting_go_is_an_entry_and_doing_it_twice_writes_nothing(
    desk: Desk, database: Database, people: People, bot: Agent, ana: Reviewer
) -> None:
    await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
    admin = await session_of(people, ana)
    assert await desk.halts.resume("deploy-bot", by=admin)
    assert not await desk.halts.resume("deploy-bot", by=admin)
    assert await desk.halts.all() == ()
    assert await entries(database, "agent_resumed") == [{"type": "agent_resumed", "agent": bot.id, "reviewer": ana.id}]


async def test_everything_is_stopped_and_let_go_as_a_whole(
    desk: Desk, database: Database, bot: Agent, other_bot: Agent
) -> None:
    mine = await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
    everything = await desk.halts.hold_back(None, STOPPED, by=None, why="alarm")
    assert (everything.agent_id, everything.agent_name, everything.by) == (None, None, None)
    assert await desk.halts.all() == (everything, mine)
    stops = desk.halts.stops()
    assert stops.of(bot.id) == stops.of(other_bot.id) == everything
    assert await desk.halts.resume(None, by=None)
    assert (desk.halts.stops().of(bot.id), desk.halts.stops().of(other_bot.id)) == (mine, None)
    halted = await entries(database, "agent_halted", "agent_resumed")
    assert [entry.get("agent") for entry in halted] == [bot.id, None, None]


async def test_everything_cannot_be_paused(desk: Desk) -> None:
    with pytest.raises(AgentProblem, match="only be stopped"):
        await desk.halts.hold_back(None, PAUSED, by=None)
    assert await desk.halts.all() == ()


async def test_an_auditor_stops_nothing_and_lets_nothing_go(
    desk: Desk, database: Database, people: People, bot: Agent, auditor: Reviewer
) -> None:
    session = await session_of(people, auditor)
    for agent in ("deploy-bot", None):
        with pytest.raises(PeopleProblem, match="only reads"):
            await desk.halts.hold_back(agent, STOPPED, by=session)
    await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
    with pytest.raises(NotAnAdmin):
        await desk.halts.resume("deploy-bot", by=session)
    assert len(await entries(database, "agent_halted", "agent_resumed")) == 1


async def test_a_reviewer_stops_and_lets_nothing_go(desk: Desk, people: People, bot: Agent, ben: Reviewer) -> None:
    session = await session_of(people, ben)
    await desk.halts.hold_back(None, STOPPED, by=session)
    with pytest.raises(NotAnAdmin):
        await desk.halts.resume(None, by=session)
    assert desk.halts.stops().everything is not None


async def test_a_session_that_ended_stops_nothing(desk: Desk, people: People, bot: Agent, ben: Reviewer) -> None:
    session = await session_of(people, ben)
    await people.end_session(ben.id, session.id)
    with pytest.raises(AccountClosed):
        await desk.halts.hold_back("deploy-bot", STOPPED, by=session)
    assert await desk.halts.all() == ()


async def test_what_nobody_is_called_is_not_held_back(desk: Desk) -> None:
    for attempt in (desk.halts.hold_back("no-bot", STOPPED, by=None), desk.halts.resume("no-bot", by=None)):
        with pytest.raises(AgentProblem, match="no agent named no-bot"):
            await attempt


async def test_a_reason_has_its_length(desk: Desk, bot: Agent) -> None:
    with pytest.raises(AgentProblem, match=f"may have {LONGEST_REASON}"):
        await desk.halts.hold_back("deploy-bot", PAUSED, by=None, why="x" * (LONGEST_REASON + 1))
    halt = await desk.halts.hold_back("deploy-bot", PAUSED, by=None, why="x" * LONGEST_REASON)
    assert halt.why == "x" * LONGEST_REASON
    assert (await desk.halts.hold_back(None, STOPPED, by=None, why="  \n ")).why is None


async def test_whoever_listens_is_woken(desk: Desk, agents: Agents, bot: Agent) -> None:
    for topic in (HALTS, PEOPLE):
        with desk.signals.listen(topic) as listener:
            await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
            assert await listener.changed(within=5) is Woken.TOPIC
            await desk.halts.resume("deploy-bot", by=None)
            assert await listener.changed(within=5) is Woken.TOPIC
    with desk.signals.listen(HALTS) as listener:
        await agents.revoke("deploy-bot")
        assert await listener.changed(within=5) is Woken.TOPIC


# What the agent and the gate are told


async def test_who_comes_with_a_token_or_by_the_bridge_comes_with_what_holds_it_back(
    desk: Desk, agents: Agents, token: str, other_token: str
) -> None:
    async def halts() -> list[Halt | None]:
        mine, other = await agents.authenticate(token), await agents.authenticate(other_token)
        assert mine is not None
        assert other is not None
        return [mine.halt, (await agents.enrol("deploy-bot")).halt, other.halt]

    assert await halts() == [None, None, None]
    paused = await desk.halts.hold_back("deploy-bot", PAUSED, by=None)
    assert await halts() == [paused, paused, None]
    everything = await desk.halts.hold_back(None, STOPPED, by=None)
    assert await halts() == [everything] * 3
    assert {agent.name: agent.halt for agent in await agents.list()} == {
        "billing-bot": everything,
        "deploy-bot": everything,
    }
    await desk.halts.resume(None, by=None)
    assert await halts() == [paused, paused, None]


async def test_an_agent_that_is_made_while_everything_is_stopped_is_stopped(desk: Desk, agents: Agents) -> None:
    everything = await desk.halts.hold_back(None, STOPPED, by=None)
    assert (await agents.enrol("newcomer")).halt == everything


async def test_a_revoked_agent_counts_as_stopped_for_good(
    desk: Desk, agents: Agents, bot: Agent, clock: FakeClock
) -> None:
    await desk.halts.hold_back("deploy-bot", PAUSED, by=None)
    await agents.revoke("deploy-bot")
    revoked = Halt(bot.id, "deploy-bot", STOPPED, clock.now, None, None, revoked=True)
    assert desk.halts.stops().of(bot.id) == revoked
    assert revoked.told() == "This agent was revoked on 2026-11-22 at 09:00 UTC."
    await desk.halts.resume("deploy-bot", by=None)
    assert desk.halts.stops().of(bot.id) == revoked
    assert await desk.halts.all() == ()
    with pytest.raises(AgentProblem, match="was revoked"):
        await desk.halts.hold_back("deploy-bot", STOPPED, by=None)


async def test_a_pause_is_no_stop(desk: Desk, bot: Agent) -> None:
    await desk.halts.hold_back("deploy-bot", PAUSED, by=None)
    assert desk.halts.stops().of(bot.id) is None


@pytest.mark.parametrize(
    ("agent", "by", "why", "told"),
    [
        ("agt_1", "Ana Ruiz", None, "Ana Ruiz stopped this agent on 2026-11-22 at 09:00 UTC."),
        ("agt_1", "Ana", "wrong host", 'Ana stopped this agent on 2026-11-22 at 09:00 UTC, saying "wrong host".'),
        (None, None, None, "Whoever runs Assent stopped everything on 2026-11-22 at 09:00 UTC."),
    ],
)
def test_an_agent_is_told_who_when_and_why(
    agent: str | None, by: str | None, why: str | None, told: str, clock: FakeClock
) -> None:
    assert Halt(agent, None, STOPPED, clock.now, by, why).told() == told


# What a stop forbids


async def stop(desk: Desk, how: str, agents: Agents) -> None:
    match how:
        case "one":
            await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
        case "everything":
            await desk.halts.hold_back(None, STOPPED, by=None)
        case _:
            await agents.revoke("deploy-bot")


every_stop = pytest.mark.parametrize("how", ["one", "everything", "revoked"])


@every_stop
async def test_who_is_stopped_asks_nothing_and_comes_back_for_nothing(
    how: str, desk: Desk, database: Database, agents: Agents, bot: Agent
) -> None:
    ticket = await desk.ask(bot, approval())
    task = await desk.hand_out_task(bot, ticket, "ask_approval")
    await stop(desk, how, agents)
    for attempt in (
        desk.ask(bot, approval("Another?")),
        desk.ask(bot, approval()),
        desk.attach(bot, ticket.request_id),
        desk.withdraw(bot, ticket.request_id),
        desk.hand_out_task(bot, ticket, "ask_approval"),
        desk.cancel_task(bot, task.id),
    ):
        with pytest.raises(AskingProblem) as refused:
            await attempt
        assert refused.value.field == "agent"
    assert len(await entries(database, "request_opened")) == 1
    (view,) = await desk.inbox()
    assert view.outcome is None


@every_stop
async def test_who_is_stopped_takes_no_answer_and_is_told_nothing_of_it(
    how: str, desk: Desk, database: Database, agents: Agents, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    task = await desk.hand_out_task(bot, ticket, "ask_approval")
    await stop(desk, how, agents)
    await answered(desk, ana, ticket.request_id, YES, comment="go")
    for standing in (await desk.standing(ticket), await desk.claim(ticket)):
        assert isinstance(standing, Halted)
        assert standing.halt == desk.halts.stops().of(bot.id)
        _require_untold(standing.report)
    for seen in (await desk.task(bot, task.id), await desk.collect_task(bot, task.id)):
        assert seen is not None
        assert seen.standing is Standing.OPEN
        _require_untold(seen.report)
    assert await entries(database, "answer_claimed") == []


def _require_untold(report: Report) -> None:
    said = (report.outcome, report.answer, report.comment, report.decided_by, report.decided_at, report.audit_index)
    assert said == (None,) * 6
    assert report.may_proceed is False


async def test_what_was_delivered_before_a_stop_is_not_read_again_during_it(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=True)
    read = await desk.attach(bot, ticket.request_id)
    assert read is not None
    await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
    assert isinstance(await desk.claim(read), Halted)
    await desk.halts.resume("deploy-bot", by=None)
    again = await desk.claim(read)
    assert isinstance(again, Report)
    assert (again.told_before, again.may_proceed) == (True, True)


async def test_letting_go_loses_nothing(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await desk.halts.hold_back(None, STOPPED, by=None)
    await answered(desk, ana, ticket.request_id, YES)
    await desk.halts.resume(None, by=None)
    report = await desk.claim(await desk.ask(bot, approval()))
    assert isinstance(report, Report)
    assert (report.request_id, report.may_proceed) == (ticket.request_id, True)


async def test_of_a_claim_that_was_under_way_it_is_still_said_how_that_went(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
    await desk.settle(ticket, delivered=False)
    assert len(await entries(database, "answer_released")) == 1
    assert isinstance(await desk.claim(ticket), Halted)


async def test_other_agents_go_on(desk: Desk, bot: Agent, other_bot: Agent, ana: Reviewer) -> None:
    await desk.halts.hold_back("deploy-bot", STOPPED, by=None)
    ticket = await desk.ask(other_bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    assert isinstance(await desk.claim(ticket), Report)


async def test_who_is_paused_asks_and_is_answered_as_usual(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    await desk.halts.hold_back("deploy-bot", PAUSED, by=None)
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    assert isinstance(await desk.claim(ticket), Report)


# What the writer remembers


async def test_another_process_s_stop_holds_at_once(
    desk: Desk, database: Database, bot: Agent, home: Path, signer: LogKey, clock: FakeClock
) -> None:
    await desk.ask(bot, approval())
    other = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer), clock=clock)
    try:
        await Halts(other).hold_back("deploy-bot", STOPPED, by=None)
        with pytest.raises(AskingProblem):
            await desk.ask(bot, approval("Another?"))
    finally:
        other.close()
