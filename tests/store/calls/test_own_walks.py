"""Whatever happens in whatever order, a tool of a client's own runs as often as it was let, with what it was let."""

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from store.agents import Agent
from store.answers import Chosen
from store.asking import Ticket
from store.audit.events import Halting
from store.calls.calls import Admitted, NotRunnable, Released
from store.canonical_json import canonical_text
from store.database import Database
from store.desk import Desk
from store.lifecycle import Surface
from store.people import Reviewer
from tests.stage import FakeClock, answer, see
from tests.store.calls.house import log
from tests.store.calls.own import RULES, in_force, own

pytestmark = pytest.mark.anyio

MORE = (
    "{name: two, tool: 'claude_code:Bash', args: {command: make deploy}, action: hold, approvals: 2, timeout: 20m}",
    "{name: for now, tool: 'claude_code:Bash', args: {command: ls}, action: allow, until: '2026-11-22T11:00Z'}",
)


class Walk:
    """One run of random steps."""

    def __init__(self, chance: random.Random, desk: Desk, clock: FakeClock) -> None:
        self.chance, self.desk, self.clock = chance, desk, clock
        self.agents: list[Agent] = []
        self.people: list[Reviewer] = []
        self.requests: dict[str, Agent] = {}
        self.stopped: set[str] = set()
        self.admitted = 0
        self.let: dict[str, set[tuple[str, str]]] = defaultdict(set)
        """By request: to which call of the client's it was released, as which call, with what."""
        self.steps: list[Callable[[], Awaitable[None]]] = [
            *[self.calls] * 8,
            *[self.decides] * 5,
            *[self.releases] * 8,
            *[self.collects] * 2,
            *[self.waits] * 2,
            self.edits,
            self.activates,
            self.halts,
        ]

    def some_id(self) -> str | None:
        return self.chance.choice([None, "toolu_1", "toolu_2", "toolu_3"])

    async def activates(self) -> None:
        await in_force(self.desk, *([one for one in (*RULES, *MORE) if self.chance.random() < 0.8] or RULES))

    async def calls(self) -> None:
        agent = self.chance.choice(self.agents)
        command = self.chance.choice(["ls", "make", "make deploy", "rm -rf /"])
        wanted = self.chance.choice([own(command=command), own(command=command), own("Edit", path="/a"), own("Other")])
        found = await self.desk.calls.admit(agent, wanted, self.some_id())
        if isinstance(found, Admitted):
            self.admitted += 1
        elif isinstance(found, Ticket):
            self.requests[found.request_id] = agent
        if agent.name in self.stopped:
            assert not isinstance(found, Admitted | Ticket)

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
                arguments={"command": self.chance.choice(["ls", "make", "rm -rf /"])},
                surface=Surface.RENDERED_PAGE,
                authenticated_by="password",
            )

    async def releases(self) -> None:
        if not self.requests:
            return
        request, owner = self.chance.choice(list(self.requests.items()))
        agent = self.chance.choice([owner, owner, *self.agents])
        found = await self.desk.calls.release(agent, request)
        if isinstance(found, Released):
            assert agent == owner
            assert agent.name not in self.stopped
            assert not self.let[request], "an approval lets one call run"
            self.let[request].add((found.call_id, canonical_text(dict(found.arguments))))

    async def collects(self) -> None:
        """Another way to the answer, which lets nothing run."""
        if self.requests and not self.stopped:
            request, agent = self.chance.choice(list(self.requests.items()))
            assert isinstance(await self.desk.calls.begin(agent, request), NotRunnable)
            ticket = await self.desk.attach(agent, request)
            assert ticket is not None
            await self.desk.claim(ticket)

    async def halts(self) -> None:
        agent = self.chance.choice(self.agents)
        if agent.name in self.stopped or self.chance.random() < 0.3:
            await self.desk.halts.resume(agent.name, by=None)
            self.stopped.discard(agent.name)
        else:
            how = self.chance.choice([Halting.PAUSED, Halting.STOPPED])
            await self.desk.halts.hold_back(agent.name, how, by=None)
            self.stopped |= {agent.name} if how is Halting.STOPPED else set()

    async def waits(self) -> None:
        self.clock.advance(seconds=self.chance.choice([1, 20, 600, 7_200]))
        await self.desk.expire_due()


@pytest.mark.parametrize("seed", range(6))
async def test_what_was_let_run_is_what_the_log_says(
    desk: Desk,
    database: Database,
    clock: FakeClock,
    bot: Agent,
    other_bot: Agent,
    ana: Reviewer,
    ben: Reviewer,
    seed: int,
) -> None:
    walk = Walk(random.Random(seed), desk, clock)
    walk.agents, walk.people = [bot, other_bot], [ana, ben]
    for _ in range(250):
        await walk.chance.choice(walk.steps)()

    entries = await log(database, "call_intended", "call_ended")
    pairs = list(zip(entries[::2], entries[1::2], strict=True))
    assert all((one["call"], one["at"]) == (other["call"], other["at"]) for one, other in pairs)
    assert {other["end"] for _, other in pairs} == {"released"}
    approved = [one for one, _ in pairs if one["permission"] == "approved"]
    assert walk.admitted == len(pairs) - len(approved)
    assert _released(walk) == {one["request"]: one["call"] for one in approved}
    await anyio.to_thread.run_sync(desk.log.verify)


def _released(walk: Walk) -> dict[str, Any]:
    """By request, the one call as which it was let run."""
    found = {}
    for request, let in walk.let.items():
        if let:
            assert len(let) == 1, let
            ((call, _),) = let
            found[request] = call
    return found
