"""A task is a handle on one call's attachment: it takes the answer by that call's rules, for that call's agent."""

import pytest

from store.agents import Agent
from store.answers import Chosen
from store.asking import Limits, Ticket
from store.database import Database
from store.desk import Desk
from store.lifecycle import Outcome
from store.people import Reviewer
from store.tasks import TASKS_A_REQUEST, Standing, Task
from store.vault.keys import KeyFile
from tests.stage import FakeClock, answered, approval

pytestmark = pytest.mark.anyio

YES = Chosen("approve")


async def asked(desk: Desk, agent: Agent) -> tuple[Ticket, Task]:
    """A question, and a task for the call that asked it."""
    ticket = await desk.ask(agent, approval())
    return ticket, await desk.hand_out_task(agent, ticket, "ask_approval")


async def collected(desk: Desk, agent: Agent, task: Task) -> Task:
    found = await desk.collect_task(agent, task.id)
    assert found is not None
    return found


async def delivered(desk: Desk, agent: Agent, task: Task) -> Task:
    """Collected, and arrived."""
    found = await collected(desk, agent, task)
    await desk.settle(task.ticket, delivered=True)
    return found


async def test_a_task_is_open_until_somebody_answers(desk: Desk, bot: Agent) -> None:
    ticket, task = await asked(desk, bot)
    assert (task.standing, task.tool, task.report.request_id) == (Standing.OPEN, "ask_approval", ticket.request_id)
    again = await collected(desk, bot, task)
    assert (again.standing, again.report.outcome, again.report.may_proceed) == (Standing.OPEN, None, False)


async def test_looking_at_a_task_takes_nothing(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket, task = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    looked = await desk.task(bot, task.id)
    assert looked is not None
    assert looked.standing is Standing.READY
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert (view.on_its_way, view.delivered_at) == (False, None)


async def test_a_task_takes_the_answer_and_reads_it_again_ever_after(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket, task = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    first = await delivered(desk, bot, task)
    clock.advance(days=30)
    again = await collected(desk, bot, task)
    assert (first.standing, first.report.may_proceed, first.report.told_before) == (Standing.TOLD, True, False)
    assert (again.standing, again.report.may_proceed, again.report.told_before) == (Standing.TOLD, True, True)


async def test_an_answer_that_a_task_took_goes_to_no_other_call(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket, task = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    await delivered(desk, bot, task)
    again = await desk.ask(bot, approval())
    assert again.request_id != ticket.request_id


async def test_a_task_that_took_the_answer_keeps_it_when_another_call_reads_it(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket, task = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    await delivered(desk, bot, task)
    await desk.attach(bot, ticket.request_id)
    assert (await collected(desk, bot, task)).standing is Standing.TOLD


async def test_an_answer_that_did_not_arrive_is_free_for_the_task_again(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket, task = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    await collected(desk, bot, task)
    await desk.settle(task.ticket, delivered=False)
    again = await collected(desk, bot, task)
    assert (again.standing, again.report.told_before) == (Standing.TOLD, False)


async def test_a_task_of_an_older_call_is_superseded_and_gets_no_answer(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket, older = await asked(desk, bot)
    _, newer = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    assert (await collected(desk, bot, older)).standing is Standing.SUPERSEDED
    assert (await collected(desk, bot, newer)).report.told_before is False


async def test_cancelling_the_current_task_withdraws_the_request(desk: Desk, bot: Agent) -> None:
    ticket, task = await asked(desk, bot)
    assert await desk.cancel_task(bot, task.id)
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert view.outcome is Outcome.WITHDRAWN
    assert (await collected(desk, bot, task)).standing is Standing.WITHDRAWN


async def test_cancelling_a_superseded_task_withdraws_nothing(desk: Desk, bot: Agent) -> None:
    _, older = await asked(desk, bot)
    _, newer = await asked(desk, bot)
    assert await desk.cancel_task(bot, older.id)
    assert (await collected(desk, bot, newer)).standing is Standing.OPEN


async def test_cancelling_a_task_that_was_answered_changes_nothing(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket, task = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    assert await desk.cancel_task(bot, task.id)
    assert (await collected(desk, bot, task)).report.may_proceed


async def test_another_agents_task_does_not_exist(desk: Desk, bot: Agent, other_bot: Agent, ana: Reviewer) -> None:
    ticket, task = await asked(desk, bot)
    assert await desk.task(other_bot, task.id) is None
    assert not await desk.cancel_task(other_bot, task.id)
    await answered(desk, ana, ticket.request_id, YES)
    assert await desk.collect_task(other_bot, task.id) is None
    assert (await collected(desk, bot, task)).report.told_before is False


async def test_an_approval_that_nobody_comes_for_lapses(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket, task = await asked(desk, bot)
    assert task.keeps_until is not None
    await answered(desk, ana, ticket.request_id, YES)
    clock.now = task.report.expires_at
    assert (await collected(desk, bot, task)).standing is Standing.LAPSED


async def test_an_approval_at_the_last_moment_can_be_collected_for_ten_minutes(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket, task = await asked(desk, bot)
    clock.now = task.report.expires_at
    clock.advance(seconds=-1)
    await answered(desk, ana, ticket.request_id, YES)
    clock.advance(minutes=9, seconds=59)
    assert (await collected(desk, bot, task)).report.may_proceed


async def test_a_task_tells_that_its_question_expired(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    _, task = await asked(desk, bot)
    clock.now = task.report.expires_at
    await desk.expire_due()
    found = await collected(desk, bot, task)
    assert (found.standing, found.report.outcome, found.report.may_proceed) == (Standing.TOLD, Outcome.EXPIRED, False)


async def test_a_desk_that_starts_later_serves_the_tasks_of_the_one_before(
    desk: Desk, database: Database, keys: KeyFile, bot: Agent, ana: Reviewer
) -> None:
    ticket, task = await asked(desk, bot)
    await answered(desk, ana, ticket.request_id, YES)
    later = Desk(database, keys, Limits())
    assert (await collected(later, bot, task)).report.may_proceed


async def test_a_request_keeps_its_newest_tasks_only(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    _, first = await asked(desk, bot)
    later = []
    for _ in range(TASKS_A_REQUEST):
        clock.advance(seconds=1)
        later.append((await asked(desk, bot))[1])
    assert await desk.task(bot, first.id) is None
    assert (await collected(desk, bot, later[0])).standing is Standing.SUPERSEDED
    assert (await collected(desk, bot, later[-1])).standing is Standing.OPEN
