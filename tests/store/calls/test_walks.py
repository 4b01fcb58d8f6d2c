"""Whatever happens in whatever order, the log tells a story that follows, and what runs is what was let run."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from store import tables
from store.agents import Agent
from store.answers import Chosen
from store.asking import Report, Ticket
from store.audit.events import CallEnd, Halting
from store.calls.calls import Admitted, Ended
from store.collecting import Halted
from store.database import Database
from store.deciding.governing import Denied
from store.desk import Desk
from store.held_back import Halt
from store.lifecycle import Surface
from store.people import Reviewer
from store.runs import Runs
from tests.stage import FakeClock, answer, see
from tests.store.calls.house import DROP, GREETING, READ, SEND, WRITE, call, in_force, reading, send, text_of, upstream

pytestmark = pytest.mark.anyio

RULES = (
    "{name: reads, tool: 'files__read_*', rate: 3/minute, action: allow}",
    "{name: writes, tool: 'files__write', action: notice}",
    "{name: sums, tool: 'pay__send', budget: {sum: args.amount, per: hour, max: 50, each: agent}, action: allow}",
    "{name: large, tool: 'pay__send', args: {amount: {gt: 20}}, action: hold, not_owner: true, timeout: 20m}",
    "{name: never, tool: '*__drop', action: deny, reason: No.}",
    "{name: rest, tool: ['files:resources', 'files:prompts/*'], action: allow}",
    "{name: nights, tool: 'files__write', hours: '22:00-06:00', action: hold}",
)


class Walk:
    """One run of random steps."""

    def __init__(self, chance: random.Random, desk: Desk, database: Database, clock: FakeClock) -> None:
        self.chance, self.desk, self.database, self.clock = chance, desk, database, clock
        self.agents: list[Agent] = []
        self.people: list[Reviewer] = []
        self.text = ""
        self.requests: dict[str, Agent] = {}
        self.tickets: list[Ticket] = []
        self.stopped: set[str | None] = set()
        """Whom people stopped, by name; None: everything."""
        self.paused: set[str] = set()
        self.running: list[str] = []
        self.served = 0
        self.steps: list[Callable[[], Awaitable[None]]] = [
            *[self.calls] * 8,
            *[self.decides] * 4,
            *[self.begins] * 4,
            *[self.ends] * 3,
            *[self.waits] * 2,
            self.lists,
            self.accepts,
            self.edits,
            self.activates,
            self.restarts,
            *[self.claims] * 2,
            self.holds_back,
            *[self.lets_go] * 3,
        ]

    def is_stopped(self, agent: Agent) -> bool:
        return bool(self.stopped & {None, agent.name})

    async def holds_back(self) -> None:
        name = self.chance.choice([*(agent.name for agent in self.agents), None])
        how = Halting.STOPPED if name is None else self.chance.choice(list(Halting))
        await self.desk.halts.hold_back(name, how, by=None)
        if how is Halting.STOPPED:
            self.stopped.add(name)
        elif name is not None:
            self.paused.add(name)

    async def lets_go(self) -> None:
        name = self.chance.choice([*(agent.name for agent in self.agents), None])
        was = name in self.stopped or name in self.paused
        assert await self.desk.halts.resume(name, by=None) is was
        self.stopped.discard(name)
        self.paused.discard(name or "")

    async def claims(self) -> None:
        if self.tickets:
            ticket = self.chance.choice(self.tickets)
            found = await self.desk.claim(ticket)
            assert isinstance(found, Halted) is self.is_stopped(self.requests[ticket.request_id])
            if isinstance(found, Report) and found.outcome is not None and not found.told_before:
                await self.desk.settle(ticket, delivered=self.chance.random() < 0.5)

    async def activates(self) -> None:
        rules = [rule for rule in RULES if self.chance.random() < 0.8] or list(RULES)
        text = text_of(*rules)
        if self.chance.random() < 0.3:
            text = text.replace("files-server", f"files-server --{self.chance.randint(1, 2)}")
        self.text = await in_force(self.desk, text=text)

    async def lists(self) -> None:
        variants = [
            replace(one, content={**one.content, "description": f"Variant {self.chance.randint(0, 2)}."})
            for one in (READ, WRITE, DROP, GREETING)
            if self.chance.random() < 0.9
        ]
        await self.desk.calls.observe(upstream("files", self.text), variants)
        await self.desk.calls.observe(upstream("pay", self.text), [SEND])

    async def accepts(self) -> None:
        waiting = [one.definition for one in await self.desk.calls.definitions() if not one.gone_at]
        for one in waiting[:1]:
            await self.desk.calls.accept(
                one.upstream, one.method, one.name, one.sha256, reviewer=self.people[0], session_id=None
            )

    async def calls(self) -> None:
        agent = self.chance.choice(self.agents)
        wanted = self.chance.choice(
            [reading(), call(READ, path="/a"), call(WRITE), call(GREETING), call(DROP), call(READ), send(7), send(30.5)]
        )
        pinned = await self.desk.calls.definition(wanted.upstream, wanted.method, wanted.name)
        if pinned is not None and pinned.accepted is not None:
            wanted = replace(wanted, definition_sha256=pinned.accepted.sha256)
        found = await self.desk.calls.admit(agent, wanted, None)
        assert isinstance(found, Denied) or not self.is_stopped(agent)
        if isinstance(found, Admitted):
            assert agent.name not in self.paused
            self.running.append(found.call_id)
        elif isinstance(found, Ticket):
            self.requests[found.request_id] = agent
            self.tickets.append(found)

    async def decides(self) -> None:
        if self.requests:
            request = self.chance.choice(list(self.requests))
            said = Chosen(self.chance.choice(["run", "run", "run", "refuse"]))
            await answer(self.desk, self.chance.choice(self.people), request, said)

    async def edits(self) -> None:
        if self.requests:
            request, person = self.chance.choice(list(self.requests)), self.chance.choice(self.people)
            await self.desk.edit(
                person,
                request,
                card_sha256=await see(self.desk, person, request),
                arguments={"amount": self.chance.randint(1, 60)},
                surface=Surface.RENDERED_PAGE,
                authenticated_by="password",
            )

    async def begins(self) -> None:
        if self.requests:
            request, agent = self.chance.choice(list(self.requests.items()))
            who = self.chance.choice([agent, agent, *self.agents])
            found = await self.desk.calls.begin(who, request)
            assert isinstance(found, Halt) is (who == agent and self.is_stopped(agent))
            if isinstance(found, Admitted):
                self.running.append(found.call_id)

    async def ends(self) -> None:
        if self.running:
            how = self.chance.choice([CallEnd.RETURNED, CallEnd.FAILED, CallEnd.CANCELLED])
            result: dict[str, object] | None = {"content": []} if how is CallEnd.RETURNED else None
            ended = Ended(how, is_error=self.chance.random() < 0.3, result=result, sent=how is not CallEnd.FAILED)
            await self.desk.calls.finish(self.chance.choice(self.running), ended)

    async def waits(self) -> None:
        self.clock.advance(seconds=self.chance.choice([1, 20, 600, 7_200]))
        await self.desk.expire_due()

    async def restarts(self) -> None:
        runs = Runs(self.database)
        if self.chance.random() < 0.5 and self.served:
            await runs.stopped(f"run_{self.served}")
        self.served += 1
        await runs.started(version="1", instance=f"run_{self.served}")


@pytest.mark.parametrize("seed", range(6))
async def test_the_log_follows(
    desk: Desk,
    database: Database,
    clock: FakeClock,
    bot: Agent,
    other_bot: Agent,
    ana: Reviewer,
    ben: Reviewer,
    seed: int,
) -> None:
    walk = Walk(random.Random(seed), desk, database, clock)
    walk.agents, walk.people = [bot, other_bot], [ana, ben]
    await walk.activates()
    await walk.lists()
    for _ in range(180):
        await walk.chance.choice(walk.steps)()
    desk.log.verify()
    requests, calls = tables.requests.c, tables.calls.c
    ran = await database.read(
        lambda c: c.execute(
            select(requests.may_proceed, requests.outcome).join(tables.calls, calls.request_id == requests.id)
        ).all()
    )
    assert set(ran) <= {(True, "answered")}
    states = set(await database.read(lambda c: c.execute(select(calls.state)).scalars().all()))
    assert len(states) >= 3, "a walk that leads nowhere shows nothing"
