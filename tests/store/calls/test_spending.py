"""A budget is what a rule allows within a window, however often the server starts; beyond it people are asked."""

from datetime import timedelta

import anyio
import pytest
from sqlalchemy import func, select

from store import tables
from store.agents import Agent
from store.audit.events import CallEnd
from store.calls.calls import Admitted, Ended
from store.calls.service import Calls
from store.calls.spending import KEPT, spent
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from store.policy.verdicts import Spend
from store.questions import HeldCall
from tests.stage import FakeClock
from tests.store.calls.house import READ, admitted, approved, call, held, in_force, listed, returned, send

pytestmark = pytest.mark.anyio

DAILY = "{name: daily, tool: 'pay__*', budget: {sum: args.amount, per: day, max: 100}, action: allow}"


@pytest.fixture(autouse=True)
async def governed(desk: Desk) -> None:
    await in_force(desk, DAILY)
    await listed(desk.calls)


async def rows(database: Database) -> int:
    return await database.read(lambda c: c.execute(select(func.count()).select_from(tables.spends)).scalar_one())


async def test_what_is_over_the_budget_is_held_with_the_reason(desk: Desk, bot: Agent) -> None:
    await admitted(desk.calls, bot, send(60))
    ticket = await held(desk.calls, bot, send(40.000001))
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert isinstance(view.card.question, HeldCall)
    (because,) = view.card.question.held_because
    assert "the rule 'daily' allows up to 100" in because
    await admitted(desk.calls, bot, send(40))
    desk.log.verify()


async def test_the_window_slides(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await admitted(desk.calls, bot, send(60))
    clock.advance(hours=12)
    await admitted(desk.calls, bot, send(40))
    clock.advance(hours=11, minutes=59)
    await held(desk.calls, bot, send(50))
    clock.advance(minutes=1)
    await admitted(desk.calls, bot, send(60))
    await held(desk.calls, bot, send(1))


async def test_a_clock_that_is_set_back_gives_nothing_back(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await admitted(desk.calls, bot, send(100))
    clock.advance(days=-30)
    await held(desk.calls, bot, send(1))


async def test_a_restart_gives_nothing_back(desk: Desk, database: Database, bot: Agent) -> None:
    await admitted(desk.calls, bot, send(100))
    await held(Calls(database), bot, send(1))


async def test_a_budget_is_for_all_agents_unless_it_says_each(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    await admitted(desk.calls, bot, send(100))
    await held(desk.calls, other_bot, send(1))
    await in_force(desk, DAILY.replace("max: 100", "max: 100, each: agent"))
    await held(desk.calls, bot, send(2))
    await admitted(desk.calls, other_bot, send(100))


async def test_a_rate_counts_calls(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await in_force(desk, "{name: reads, tool: 'files__*', rate: 2/minute, action: allow}")
    await admitted(desk.calls, bot, call(READ, path="/a"))
    await admitted(desk.calls, bot, call(READ, path="/a"))
    await held(desk.calls, bot, call(READ, path="/a"))
    clock.advance(minutes=1)
    await admitted(desk.calls, bot, call(READ, path="/a"))


async def test_every_matching_rule_has_its_budget(desk: Desk, bot: Agent) -> None:
    await in_force(desk, DAILY, "{name: few, tool: 'pay__send', rate: 1/hour, action: notice}")
    await admitted(desk.calls, bot, send(1))
    await held(desk.calls, bot, send(2))


async def test_of_two_at_once_one_gets_what_is_left(desk: Desk, bot: Agent) -> None:
    found: list[object] = []

    async def pay(amount: float) -> None:
        found.append(await desk.calls.admit(bot, send(amount), None))

    async with anyio.create_task_group() as group:
        for step in range(10):
            group.start_soon(pay, 60 + step)
    assert sum(isinstance(one, Admitted) for one in found) == 1


@pytest.mark.parametrize(
    "ended",
    [
        returned(),
        Ended(CallEnd.RETURNED, is_error=True),
        Ended(CallEnd.FAILED, why="no answer"),
        Ended(CallEnd.CANCELLED),
    ],
)
async def test_what_was_sent_is_never_given_back(desk: Desk, database: Database, bot: Agent, ended: Ended) -> None:
    going = await admitted(desk.calls, bot, send(100))
    await desk.calls.finish(going.call_id, ended)
    await held(desk.calls, bot, send(1))
    assert await rows(database) == 1


async def test_what_was_not_sent_is_given_back(desk: Desk, database: Database, bot: Agent) -> None:
    going = await admitted(desk.calls, bot, send(100))
    await desk.calls.finish(going.call_id, Ended(CallEnd.FAILED, is_error=True, why="it is down", sent=False))
    assert await rows(database) == 0
    await admitted(desk.calls, bot, send(100))


async def test_what_people_approve_takes_nothing(desk: Desk, database: Database, bot: Agent, ana: Reviewer) -> None:
    request = await approved(desk, bot, ana, send(500))
    assert isinstance(await desk.calls.begin(bot, request), Admitted)
    assert await rows(database) == 0
    await admitted(desk.calls, bot, send(100))


async def test_a_change_that_fails_takes_nothing(desk: Desk, database: Database, bot: Agent) -> None:
    await held(desk.calls, bot, send(101))
    assert await rows(database) == 0


async def test_what_no_window_reaches_is_forgotten(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    await admitted(desk.calls, bot, send(1))
    clock.advance(seconds=KEPT.total_seconds())
    await admitted(desk.calls, bot, send(1))
    assert await rows(database) == 1


async def test_looking_takes_nothing(desk: Desk, database: Database, bot: Agent, clock: FakeClock) -> None:
    await admitted(desk.calls, bot, send(60))
    day = Spend("daily#0", None, 86_400, 1, 100)
    each = Spend("daily#0", bot.name, 86_400, 1, 100)
    nobody = Spend("daily#0", "nobody", 86_400, 1, 100)
    at = clock.now + timedelta(hours=1)
    taken = await database.read(lambda c: [spent(c, at)(one) for one in (day, each, nobody)])
    assert taken == [60_000_000, 60_000_000, 0]
    assert await rows(database) == 1
