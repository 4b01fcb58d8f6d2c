"""Tasks: handles by which an agent comes back for an answer. Changes for the writer; `store.desk` calls them.

A task is a row, so any process serves it after any restart. It stands for one call's attachment to a request, and has
no state of its own: how it stands is read from the request.

Invariants:

- A task is known to the agent that it was made for, and to nobody else.
- It takes the answer by the rules of the call that it stands for. What it once took it may read again, forever.
- When a newer call carries the answer, the task is over: it neither reads the answer nor withdraws the request.
- A task of an agent that people stopped is as of an open request, whatever it was, and none is made.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from store import asking, collecting, tables
from store.agents import Agent
from store.asking import Report, Superseded, Ticket
from store.collecting import Halted
from store.database import Transaction
from store.identifiers import new_id
from store.lifecycle import DECISIONS, Outcome, State
from store.opening import require_not_stopped
from store.requests import find as find_request
from store.requests import lapses_at, run_of

TASKS_A_REQUEST = 20
"""A request keeps its newest tasks; one that old was superseded this many times over."""


class Standing(StrEnum):
    """How a task stands."""

    OPEN = "open"
    READY = "ready"
    """It ended, and this task may take the outcome."""
    TOLD = "told"
    """This task took the outcome, and may read it again."""
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    """A person answered, and nobody came for it in time."""


_PASSING = frozenset({Standing.OPEN, Standing.READY})


@dataclass(frozen=True)
class Task:
    """A task as its agent may see it. `tool` is what was called; `keeps_until` is when an answer lapses, if it can.

    `report` holds the answer whatever the standing is: only `collect` is for passing it on.
    """

    id: str
    tool: str
    ticket: Ticket
    standing: Standing
    report: Report
    created_at: datetime
    updated_at: datetime
    keeps_until: datetime | None


def create(transaction: Transaction, agent: Agent, ticket: Ticket, tool: str) -> Task:
    """A task for the call that holds this ticket.

    Raises:
        AskingProblem: people stopped the agent.
    """
    require_not_stopped(transaction.connection, agent)
    tasks = tables.tasks
    task_id = new_id("task", bits=160)
    transaction.connection.execute(
        insert(tasks).values(
            id=task_id,
            request_id=ticket.request_id,
            agent_id=agent.id,
            attachment=ticket.attachment,
            tool=tool,
            created_at=transaction.now,
        )
    )
    newest = (
        select(tasks.c.id)
        .where(tasks.c.request_id == ticket.request_id)
        .order_by(tasks.c.created_at.desc(), (tasks.c.id == task_id).desc(), tasks.c.id)
        .limit(TASKS_A_REQUEST)
    )
    transaction.connection.execute(
        delete(tasks).where(tasks.c.request_id == ticket.request_id, tasks.c.id.not_in(newest))
    )
    made = find(transaction.connection, agent, task_id, transaction.now)
    assert made is not None
    return made


def find(connection: Connection, agent: Agent, task_id: str, now: datetime) -> Task | None:
    """A task of this agent; looking takes nothing. None when this agent has no such task."""
    tasks = tables.tasks
    row = connection.execute(select(tasks).where(tasks.c.id == task_id, tasks.c.agent_id == agent.id)).one_or_none()
    if row is None:
        return None
    request = find_request(connection, row.request_id)
    ticket = Ticket(row.request_id, row.attachment, reads=True)
    seen = collecting.standing(connection, ticket)
    has_run = run_of(connection, request) is not None
    standing = _standing(row, request, now, has_run=has_run)
    if isinstance(seen, Halted) and standing in (Standing.READY, Standing.TOLD):
        standing = Standing.OPEN
    return Task(
        id=row.id,
        tool=row.tool,
        ticket=ticket,
        standing=standing,
        report=seen.report if isinstance(seen, Superseded | Halted) else seen,
        created_at=row.created_at,
        updated_at=row.created_at if request.closed_at is None else max(row.created_at, request.closed_at),
        keeps_until=None if has_run or standing not in _PASSING else lapses_at(request),
    )


def collect(transaction: Transaction, agent: Agent, task_id: str) -> Task | None:
    """Take the outcome for this task if it may, and say how it stands then; see `store.collecting.claim`."""
    task = find(transaction.connection, agent, task_id, transaction.now)
    if task is None:
        return None
    if task.standing is Standing.TOLD:
        return replace(task, report=replace(task.report, told_before=True))
    if task.standing is Standing.READY:
        taken = collecting.claim(transaction, task.ticket)
        assert isinstance(taken, Report)
        return replace(task, standing=Standing.TOLD, report=taken, keeps_until=None)
    return task


def cancel(transaction: Transaction, agent: Agent, task_id: str) -> bool:
    """Withdraw the request, if this task is the one that carries it; False when this agent has no such task.

    Raises:
        AskingProblem: people stopped the agent.
    """
    task = find(transaction.connection, agent, task_id, transaction.now)
    if task is None:
        return False
    if task.standing is Standing.OPEN:
        asking.withdraw(transaction, agent, task.ticket.request_id)
    return True


def _standing(task: Any, request: Any, now: datetime, *, has_run: bool) -> Standing:
    if request.claimed_by == task.attachment:
        return Standing.TOLD
    if request.attachment != task.attachment:
        return Standing.SUPERSEDED
    if request.state != State.CLOSED.value:
        return Standing.OPEN
    if request.outcome == Outcome.WITHDRAWN:
        return Standing.WITHDRAWN
    # What came of a held call that ran is kept: there is nothing left that could lapse.
    if request.outcome in DECISIONS and request.claimed_by is None and not has_run and now >= lapses_at(request):
        return Standing.LAPSED
    return Standing.READY
