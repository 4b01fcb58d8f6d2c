"""The desk: every use case of a request, for the agent's side and the reviewers' side alike.

Each method is one change or one query; whatever is decided, is decided inside the database's writer. What is in memory
here (who is on the line at this moment) is for display only: losing it changes nothing.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import anyio
from sqlalchemy import Connection

from store import asking, collecting, requests, tasks
from store.agents import Agent
from store.answers import Answer
from store.asking import AskingProblem, Limits, Report, Superseded, Ticket
from store.audit.inspection import Inspection
from store.calls.editing import Edited, Editing, edit
from store.calls.service import Calls
from store.calls.watching import Watching
from store.card import Card
from store.collecting import Halted
from store.database import Database
from store.deciding import decide as deciding
from store.deciding import shows, votes
from store.deciding.decisions import Decided, Decision, Refusal, Statement, Taken, Voted
from store.deciding.escalation import escalate_due, next_moment
from store.deciding.governing import Denied
from store.deciding.votes import Standing
from store.halts import Halts
from store.inbox import Mark, Neighbours, Window, arrived_since, neighbours, window
from store.lifecycle import Surface
from store.people import Reviewer
from store.policy.policies import Policies
from store.policy.proposals import Proposals
from store.precedents import Precedents, precedents
from store.problems import DatabaseProblem
from store.push.devices import Devices
from store.questions import AnyQuestion
from store.requests import HISTORY_PAGE, RequestView
from store.runs import clock_jumped
from store.signals import INBOX, PRESENCE, Signals
from store.signing.nonces import Signer, hand_out
from store.signing.signed import SignedDecision
from store.tasks import Task
from store.vault.credentials import any_credentials
from store.vault.keys import KeyProvider

LONGEST_NAP = 60.0
SHORTEST_NAP = 0.1
RETRY_SECONDS = 1.0
CLOCK_TOLERANCE = 5.0


class Desk:
    """Requests, from question to consequence."""

    def __init__(self, database: Database, keys: KeyProvider, limits: Limits | None = None) -> None:
        self._database = database
        self._keys = keys
        self._limits = limits or Limits()
        self._calls = Calls(database, self._limits)
        self._watching = Watching(database)
        self._on_the_line: Counter[str] = Counter()

    @property
    def signals(self) -> Signals:
        return self._database.signals

    @property
    def log(self) -> Inspection:
        """The signed log of everything that happens here, for reading."""
        return Inspection(self._database)

    @property
    def devices(self) -> Devices:
        """The browsers in which people are told of what waits for them."""
        return Devices(self._database)

    @property
    def policies(self) -> Policies:
        """The rules that say who may answer what."""
        return Policies(self._database)

    @property
    def calls(self) -> Calls:
        """Calls of the servers behind this one, which the rules govern."""
        return self._calls

    @property
    def proposals(self) -> Proposals:
        """Rules that people proposed because of a call."""
        return Proposals(self._database)

    @property
    def watching(self) -> Watching:
        """Calls as they happen, for people who watch them."""
        return self._watching

    @property
    def halts(self) -> Halts:
        """Who is paused or stopped."""
        return Halts(self._database)

    def now(self) -> datetime:
        return self._database.clock()

    @property
    def failing(self) -> str | None:
        """Why nothing can be decided at the moment: the database refuses to write. None while all is well."""
        return self._database.failing

    # The agent's side

    async def ask(self, agent: Agent, question: AnyQuestion, call_id: str | None = None) -> Ticket:
        """Post a question, or attach to the same one; see `store.asking.ask`. `call_id` is the client's own for it."""
        ticket = await self._database.write(lambda change: asking.ask(change, agent, question, self._limits, call_id))
        if isinstance(ticket, Denied):
            # Raised out here: inside the change it would take the record of the denial back.
            raise AskingProblem("request", ticket.why.rstrip("."), "Nobody was asked. Ask for something else instead.")
        return ticket

    async def attach(self, agent: Agent, request_id: str) -> Ticket | None:
        """Wait on a request of this agent by its id; None when there is none."""
        return await self._database.write(lambda change: asking.attach(change, agent, request_id))

    async def standing(self, ticket: Ticket) -> Report | Superseded | Halted:
        """How a ticket's request stands."""
        return await self._database.read(lambda connection: collecting.standing(connection, ticket))

    async def claim(self, ticket: Ticket) -> Report | Superseded | Halted:
        """Take the outcome for this call, before it is written to the caller."""
        return await self._database.write(lambda change: collecting.claim(change, ticket))

    async def settle(self, ticket: Ticket, *, delivered: bool) -> None:
        """Say how writing it went."""
        await self._database.write(lambda change: collecting.settle(change, ticket, delivered=delivered))

    async def withdraw(self, agent: Agent, request_id: str) -> Report | None:
        """Take a question back; None when this agent has no such request."""
        return await self._database.write(lambda change: asking.withdraw(change, agent, request_id))

    async def report_consequence(
        self, agent: Agent, request_id: str, result: str, details: str | None
    ) -> Report | None:
        """Keep what came of a decision; None when this agent has no such request."""
        return await self._database.write(
            lambda change: asking.report_consequence(change, agent, request_id, result, details)
        )

    async def hand_out_task(self, agent: Agent, ticket: Ticket, tool: str) -> Task:
        """A handle by which the agent comes back for the answer; see `store.tasks`."""
        return await self._database.write(lambda change: tasks.create(change, agent, ticket, tool))

    async def task(self, agent: Agent, task_id: str) -> Task | None:
        """How a task of this agent stands, without taking anything; None when there is none."""
        now = self.now()
        return await self._database.read(lambda connection: tasks.find(connection, agent, task_id, now))

    async def collect_task(self, agent: Agent, task_id: str) -> Task | None:
        """A task with what it may take or read of the outcome; None when this agent has no such task."""
        return await self._database.write(lambda change: tasks.collect(change, agent, task_id))

    async def cancel_task(self, agent: Agent, task_id: str) -> bool:
        """Withdraw the request of a task that still carries it; False when this agent has no such task."""
        return await self._database.write(lambda change: tasks.cancel(change, agent, task_id))

    @contextmanager
    def on_the_line(self, request_id: str) -> Iterator[None]:
        """Shown on the card while the block runs: an agent waits for this answer right now."""
        self._on_the_line[request_id] += 1
        self.signals.publish([PRESENCE])
        try:
            yield
        finally:
            self._on_the_line[request_id] -= 1
            if not self._on_the_line[request_id]:
                del self._on_the_line[request_id]
            self.signals.publish([PRESENCE])

    @property
    def waiting(self) -> frozenset[str]:
        """The requests whose agent is on the line."""
        return frozenset(self._on_the_line)

    # The reviewers' side

    async def inbox(self) -> list[RequestView]:
        """What is open, oldest deadline first."""
        waiting = self.waiting
        return await self._database.read(
            lambda connection: requests.views(connection, requests.inbox(connection), waiting)
        )

    async def inbox_of(self, reviewer: Reviewer, *, after: Mark | None = None) -> Window:
        """What waits, as this person finds it; see `store.inbox.window`."""
        waiting = self.waiting
        return await self._database.read(lambda connection: window(connection, reviewer, waiting, after=after))

    async def neighbours(self, reviewer: Reviewer, request_id: str) -> Neighbours:
        """What else waits for this person, next to that request."""
        return await self._database.read(lambda connection: neighbours(connection, reviewer, request_id))

    async def arrived_since(self, moment: datetime | None) -> int:
        """How many of those that wait were opened later."""
        return await self._database.read(lambda connection: arrived_since(connection, moment))

    async def precedents(self, request_id: str) -> Precedents | None:
        """What came before a request; see `store.precedents`."""
        now = self.now()
        return await self._database.read(lambda connection: precedents(connection, request_id, now))

    async def history(
        self, search: str = "", *, before: str | None = None, limit: int = HISTORY_PAGE, agent: str | None = None
    ) -> list[RequestView]:
        """What is closed, newest first; `before` is the last request_id of the page before."""

        def query(connection: Connection) -> list[RequestView]:
            rows = requests.history(connection, search, before=before, limit=limit, agent=agent)
            return requests.views(connection, rows, frozenset())

        return await self._database.read(query)

    async def view(self, request_id: str) -> RequestView | None:
        """A request, without recording that anybody saw it."""
        waiting = self.waiting

        def query(connection: Connection) -> RequestView | None:
            row = requests.find(connection, request_id)
            return None if row is None else requests.views(connection, [row], waiting)[0]

        return await self._database.read(query)

    async def show(self, reviewer: Reviewer, request_id: str, surface: Surface) -> RequestView | None:
        """A request for this reviewer to decide on: that they were shown this card is recorded first.

        Raises:
            DatabaseProblem: the card is not the one that was posted; or the record could not be written.
        """

        def seen(connection: Connection) -> bool:
            row = requests.find(connection, request_id)
            return row is None or shows.was_shown(connection, reviewer.id, row, surface)

        if not await self._database.read(seen):
            await self._database.write(lambda change: shows.show(change, reviewer, request_id, surface))
        return await self.view(request_id)

    async def decide(
        self,
        reviewer: Reviewer,
        request_id: str,
        *,
        card_sha256: str,
        answer: Answer,
        comment: str | None,
        surface: Surface,
        authenticated_by: str,
        signed: SignedDecision | None = None,
        session_id: str | None = None,
    ) -> Decision:
        """Answer a request. Everything but `Decided` and `Voted` wrote nothing; see `store.deciding.decide`."""
        statement = Statement(reviewer, card_sha256, answer, comment, surface, authenticated_by, signed, session_id)
        waiting = self.waiting
        taken = await self._database.write(
            lambda change: deciding.decide(change, request_id, statement, self._keys, waiting)
        )
        if not isinstance(taken, Taken):
            return taken
        # Read outside of the change: the writer serves everybody, and the agent that waits is resumed meanwhile.
        view = await self.view(request_id)
        assert view is not None, "a request that was just answered is there"
        return Voted(view, taken.still_needed) if taken.still_needed else Decided(view)

    async def edit(
        self,
        reviewer: Reviewer,
        request_id: str,
        *,
        card_sha256: str,
        arguments: Mapping[str, Any],
        surface: Surface,
        authenticated_by: str,
        session_id: str | None = None,
    ) -> Edited | Refusal:
        """Change what a held call would run with. Everything but `Edited` wrote nothing; see `store.calls.editing`."""
        editing = Editing(reviewer, card_sha256, arguments, surface, authenticated_by, session_id)
        waiting = self.waiting
        made = await self._database.write(lambda change: edit(change, request_id, editing, waiting))
        if not isinstance(made, Card):
            return made
        view = await self.view(request_id)
        assert view is not None, "a request that was just edited is there"
        return Edited(view)

    async def hand_out_statement(self, request_id: str, statement: Statement, signer: Signer) -> str | Refusal:
        """What is to be signed for this answer, if it would stand at this moment; see `store.signing.nonces`."""
        waiting = self.waiting
        return await self._database.write(lambda change: hand_out(change, request_id, statement, signer, waiting))

    async def standings(self, reviewer: Reviewer, views: Sequence[RequestView]) -> Mapping[str, Standing]:
        """What this person can do about those of these requests that are open, by id; see `deciding.votes.Standing`."""
        return await self._database.read(partial(votes.standings, reviewer_id=reviewer.id, views=views, now=self.now()))

    async def first_hidden_entry(self) -> int | None:
        """From which log entry on whoever decides must not read now; see `deciding.votes`."""
        return await self._database.read(votes.first_hidden_position)

    # The clock's side

    async def expire_due(self) -> int:
        """Close what is over time; how many that were."""
        return await self._database.write(deciding.expire_due)

    async def escalate_due(self) -> int:
        """Ask further people where half of the time is gone; of how many requests."""
        return await self._database.write(escalate_due)

    async def next_deadline(self) -> datetime | None:
        """When the next open request expires or escalates."""
        return await self._database.read(next_moment)

    async def keep_deadlines(self) -> None:
        """Run until cancelled: every request escalates and expires on time, and at once after a downtime."""
        drift = self._drift()
        with self.signals.listen(INBOX) as listener:
            while True:
                if abs(jump := self._drift() - drift) > CLOCK_TOLERANCE:
                    drift += jump
                    self._database.submit(partial(clock_jumped, by_seconds=jump))
                try:
                    deadline = await self.next_deadline()
                    # Looked at first: whatever opens or closes a request comes by here, and most of it is not due.
                    if deadline is not None and deadline <= self.now():
                        await self.expire_due()
                        await self.escalate_due()
                        deadline = await self.next_deadline()
                except DatabaseProblem:
                    # Nothing can be written: nothing is answered either. Try until it can; the gate stays shut.
                    await anyio.sleep(RETRY_SECONDS)
                    await self._database.probe()
                    continue
                # Never one long sleep: a machine that slept, or a clock that was set, must not delay a deadline.
                nap = LONGEST_NAP if deadline is None else (deadline - self.now()).total_seconds()
                with anyio.move_on_after(min(max(nap, 0.0), LONGEST_NAP)):
                    await listener.changed()
                    # No request lives for less than a second: a burst of changes is one reason to look, and not many.
                    await anyio.sleep(SHORTEST_NAP)

    def _drift(self) -> float:
        """The wall clock against the time that passes; it stays the same unless somebody sets the clock."""
        return self.now().timestamp() - time.monotonic()


def needs_key(database: Database) -> bool:
    """Whether secrets are sealed in this database: then the server must not start without their key."""
    return database.read_now(any_credentials)
