"""Three agents, three reviewers, rules, held calls, a clock, crashes: in whatever order, the same promises hold.

Hypothesis makes up the runs. A model that knows nothing of SQL says what each step must come to; after every step the
rows are compared with it, and after every run the log is verified and its story compared with the rows.

One file, long as it is: the model and its steps are only understood together.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection, select

from store import tables
from store.agents import Agent, Agents
from store.answers import Answer, AskedBack, Chosen, Declined
from store.asking import AskingProblem, Limits, Report, Superseded, Ticket
from store.audit import reading
from store.audit.canonical import decode
from store.audit.checkpoint import LogKey
from store.audit.events import CallEnd
from store.audit.verify import verify
from store.calls.calls import Admitted, Ended, GovernedCall, NotRunnable, Run
from store.calls.definitions import Definition, Method
from store.calls.editing import EDITS_LIMIT, Edited
from store.database import Database
from store.deciding.decisions import BadAnswer, Conflict, Decided, NotAllowed, NotSeen, Voted
from store.deciding.governing import Denied
from store.desk import Desk
from store.lifecycle import DECISIONS, Outcome, State, Surface
from store.people import People, Reviewer, Role
from store.people.administration import Administration
from store.policy.active import Via
from store.policy.upstreams import Upstream
from store.runs import Runs
from store.vault.keys import KeyFile, open_key_file
from tests.stage import FakeClock, approval, signed_by

YES, NO, BACK = Chosen("approve"), Chosen("reject"), AskedBack()
ENDS = {YES: Outcome.ANSWERED, NO: Outcome.ANSWERED, Declined(): Outcome.DECLINED, BACK: Outcome.RETURNED}
TITLES = ("Deploy 1.4?", "Delete the backups?")
LIMITS = Limits(open_requests=1000, requests_per_minute=1000, requests_per_hour=1000)
COLLECT, REPEAT = timedelta(minutes=10), timedelta(minutes=1)
UNENDED = 10**9
"""Where what is open stands among what was closed."""
PHASES = [Phase.generate] if "MACHINE_UNSHRUNK" in os.environ else list(Phase)
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Files in memory, where there are such: a run commits hundreds of times, and what a disk costs is not the question."""
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "20"))
STEPS = int(os.environ.get("MACHINE_STEPS", "40"))

T = TypeVar("T")
some = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5, 8, 13])
"""Which of many, counted from the newest: what goes wrong, goes wrong where much happens to one."""
whose = st.sampled_from([0, 0, 0, 1, 1, 2])
who = st.integers(0, 2)
RULES = """
version: 1
upstreams:
  pay: {command: pay}
rules:
  - {name: two people, tool: [ask_approval, pay__send], agent: billing-bot, approvals: 2}
  - {name: one person, tool: [ask_approval, pay__send], agent: mail-bot, reviewers: [ben], escalate: [ana]}
  - {name: every payment, tool: pay__send, timeout: 1h}
"""
LONGEST = timedelta(hours=1)
"""How long the rules leave a held call open."""
SEND = Definition("pay", Method.TOOL, "send", {"name": "send", "inputSchema": {"type": "object"}})
SHOWN_AS: dict[Answer, Answer] = {YES: Chosen("run"), NO: Chosen("refuse")}
"""What the buttons of an approval are on the card of a held call."""


@dataclass(frozen=True)
class Stage:
    """A home as every run finds it: accounts, agents and rules are there, nothing was asked."""

    folder: Path
    signer: LogKey
    keys: KeyFile
    agents: tuple[Agent, ...]
    reviewers: tuple[Reviewer, ...]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder, signer = tmp_path_factory.mktemp("stage"), LogKey.generate("assent.test/log")
    database = Database.open(f"sqlite:///{folder / 'assent.db'}", signed_by(signer), clock=FakeClock())

    async def cast() -> tuple[tuple[Agent, ...], tuple[Reviewer, ...]]:
        people = People(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        agents = [(await Agents(database).add(name))[0] for name in ("deploy-bot", "billing-bot", "mail-bot")]
        reviewers = [await people.add_reviewer(name, role=Role.REVIEWER) for name in ("ana", "ben", "cara")]
        desk = Desk(database, keys)
        await desk.policies.activate(RULES, reviewer=None, via=Via.COMMAND_LINE)
        await desk.calls.observe(Upstream("pay", command="pay"), [SEND])
        return tuple(agents), tuple(reviewers)

    keys = open_key_file(folder / "vault.key", make=True)
    agents, reviewers = asyncio.run(cast())
    database.close()
    return Stage(folder, signer, keys, agents, reviewers)


@dataclass
class Known:
    """What the model knows of a request."""

    id: str
    agent: Agent
    title: str
    key: str | None
    call: str | None
    expires_at: datetime
    half_time: datetime
    ticket: Ticket
    seen_by: set[str] = field(default_factory=set)
    outcome: Outcome | None = None
    may_proceed: bool = False
    closed_at: datetime | None = None
    claimed: Ticket | None = None
    claimed_run: int | None = None
    delivered: bool = False
    told: int = 0
    order: int = UNENDED
    approved_by: list[str] = field(default_factory=list)
    """Who approved, and did not end it with that."""
    escalated: bool = False
    pays: int | None = None
    """Of a held call: what the agent would pay."""
    card_pays: int | None = None
    """What its card says by now."""
    edits: int = 0
    run: str | None = None
    """How the call stands that its approval let run; None: it did not run."""
    sent: str | None = None

    @property
    def needed(self) -> int:
        return 2 if self.agent.name == "billing-bot" else 1

    def asks(self, name: str) -> bool:
        return self.agent.name != "mail-bot" or name == "ben" or (name == "ana" and self.escalated)

    @property
    def state(self) -> State:
        if self.outcome is not None:
            return State.CLOSED
        return State.SHOWN if self.seen_by else State.PENDING


@dataclass
class Account:
    """What the model knows of a reviewer's account."""

    role: Role = Role.REVIEWER
    disabled: bool = False
    reset_at: datetime | None = None

    @property
    def may_decide(self) -> bool:
        return self.role is not Role.AUDITOR and not self.disabled


class Refused(Exception):
    """The model says that this cannot be asked."""


class Machine(RuleBasedStateMachine):
    """The real desk, and the model beside it. `stage` is set by the test."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="assent-machine-", dir=MEMORY))
        shutil.copy(self.stage.folder / "assent.db", self.folder)
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.requests: list[Known] = []
        self.tickets: list[Ticket] = []
        self.accounts = {reviewer.id: Account() for reviewer in self.stage.reviewers}
        self.run_number = 0
        self.start()

    # The process

    def start(self) -> None:
        url = f"sqlite:///{self.folder / 'assent.db'}"
        self.database = Database.open(url, signed_by(self.stage.signer), clock=self.clock)
        self.desk = Desk(self.database, self.stage.keys, LIMITS)
        self.run_number += 1
        self.do(Runs(self.database).started(version="1", instance=f"run{self.run_number}"))

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    @rule()
    def crash(self) -> None:
        """Without a word; what was claimed and not settled stays so."""
        self.database.close()
        self.lose()
        self.start()

    def lose(self) -> None:
        """What ran when the process ended is never known."""
        for known in self.requests:
            known.run = "unknown" if known.run == "running" else known.run

    @rule()
    def restart(self) -> None:
        self.do(Runs(self.database).stopped(f"run{self.run_number}"))
        self.database.close()
        self.lose()
        self.start()

    @rule(seconds=st.sampled_from([1, 30, 59, 61, 300, 700, 4000, -90, -900]))
    def time_passes(self, seconds: int) -> None:
        """Or somebody sets the clock back."""
        self.clock.advance(seconds=seconds)

    @rule()
    def expire(self) -> None:
        due = [known for known in self.requests if known.outcome is None and known.expires_at <= self.clock.now]
        assert self.do(self.desk.expire_due()) == len(due)
        for known in due:
            self.close(known, Outcome.EXPIRED)

    @rule()
    def escalate(self) -> None:
        due = [known for known in self.requests if self.due_to_escalate(known)]
        assert self.do(self.desk.escalate_due()) == len(due)
        for known in due:
            known.escalated = True

    def due_to_escalate(self, known: Known) -> bool:
        rule = known.agent.name == "mail-bot" and not known.escalated
        return rule and self.end_of(known) is None and known.half_time <= self.clock.now

    # The agents

    @rule(
        agent=whose,
        title=st.sampled_from([TITLES[0], TITLES[0], TITLES[0], TITLES[1]]),
        key=st.sampled_from([None, None, None, None, "k"]),
        call=st.sampled_from([None, None, None, "c1", "c2"]),
        timeout=st.sampled_from([60, 3600]),
    )
    def ask(self, agent: int, title: str, key: str | None, call: str | None, timeout: int) -> None:
        asks = self.stage.agents[agent]
        question = approval(title, idempotency_key=key, timeout_seconds=timeout)
        try:
            expected, reads = self.same(asks, title, key, call)
        except Refused:
            with pytest.raises(AskingProblem, match="used for another question"):
                self.do(self.desk.ask(asks, question, call))
            return
        ticket = self.do(self.desk.ask(asks, question, call))
        self.tickets.append(ticket)
        if expected is None:
            assert ticket.request_id not in {known.id for known in self.requests}
            life = timedelta(seconds=timeout)
            expires, half = self.clock.now + life, self.clock.now + life / 2
            self.requests.append(Known(ticket.request_id, asks, title, key, call, expires, half, ticket))
            return
        self.attached(ticket, expected, reads, call)

    def attached(self, ticket: Ticket, expected: Known, reads: bool, call: str | None) -> None:
        assert ticket.request_id == expected.id
        assert ticket.reads or not reads
        expected.ticket, expected.call = ticket, call or expected.call

    @precondition(lambda self: self.requests)
    @rule(request=some, call=st.sampled_from([None, None, "c1", "c2"]), seconds=st.sampled_from([0, 0, 30, 61, -90]))
    def ask_again(self, request: int, call: str | None, seconds: int) -> None:
        """The same question of the same agent, a while later or at once."""
        known = self.pick(request)
        self.clock.advance(seconds=seconds)
        agent = self.stage.agents.index(known.agent)
        if known.pays is None:
            self.ask(agent, known.title, known.key, call, 60)
        else:
            self.call_tool(agent, known.pays, call)

    @rule(agent=whose, pays=st.sampled_from([5, 5, 5, 6]), call=st.sampled_from([None, None, None, "c1", "c2"]))
    def call_tool(self, agent: int, pays: int, call: str | None) -> None:
        """A tool that every rule holds."""
        asks, title = self.stage.agents[agent], f"pay {pays}"
        wanted = GovernedCall("pay", Method.TOOL, "send", "pay__send", SEND.sha256, {"pays": pays})
        answer = self.do(self.desk.calls.admit(asks, wanted, call))
        try:
            expected, reads = self.same(asks, title, None, call)
        except Refused:
            assert isinstance(answer, Denied)
            assert "used for another question" in answer.why
            return
        assert isinstance(answer, Ticket)
        self.tickets.append(answer)
        if expected is not None:
            self.attached(answer, expected, reads, call)
            return
        assert answer.request_id not in {known.id for known in self.requests}
        expires, half = self.clock.now + LONGEST, self.clock.now + LONGEST / 2
        held = Known(answer.request_id, asks, title, None, call, expires, half, answer, pays=pays, card_pays=pays)
        self.requests.append(held)

    @precondition(lambda self: self.requests)
    @rule(agent=whose, request=some, end=st.sampled_from([None, CallEnd.RETURNED, CallEnd.FAILED]))
    def begin(self, agent: int, request: int, end: CallEnd | None) -> None:
        """Let a held call run, and see the end of it or not."""
        known, asks = self.pick(request), self.stage.agents[agent]
        begun = self.do(self.desk.calls.begin(asks, known.id))
        if known.pays is None or known.agent is not asks or not known.may_proceed:
            assert isinstance(begun, NotRunnable)
        elif known.run is not None:
            assert isinstance(begun, Run)
            assert (begun.call_id, begun.ended is None) == (known.sent, known.run == "running")
        elif known.claimed is not None or self.lapsed(known):
            assert isinstance(begun, NotRunnable)
        else:
            assert isinstance(begun, Admitted)
            assert begun.arguments == {"pays": known.card_pays}, "something runs that nobody was shown"
            known.run, known.sent = "running", begun.call_id
        if end is not None and known.run == "running":
            assert known.sent is not None
            self.do(self.desk.calls.finish(known.sent, Ended(end, result={} if end is CallEnd.RETURNED else None)))
            known.run = end.value

    def lapsed(self, known: Known) -> bool:
        assert known.closed_at is not None
        return self.clock.now >= max(known.expires_at, known.closed_at + COLLECT)

    def same(self, agent: Agent, title: str, key: str | None, call: str | None) -> tuple[Known | None, bool]:
        """The request that a call attaches to, and whether it must be able to read what was told before."""
        own = sorted((known for known in self.requests if known.agent is agent), key=lambda known: known.order)
        if key is not None and (keyed := [known for known in own if known.key == key]):
            if keyed[-1].title != title:
                raise Refused
            if (end := self.end_of(keyed[-1])) is None or end in DECISIONS:
                return keyed[-1], True
        if call is not None and (sent := [known for known in own if known.call == call]):
            if (sent[-1].title, sent[-1].key) != (title, key):
                raise Refused
            return sent[-1], True
        alike = [known for known in own if known.title == title and known.key is None]
        if key is not None or not alike:
            return None, False
        return self.still_to_be_had(alike[-1])

    def still_to_be_had(self, last: Known) -> tuple[Known | None, bool]:
        end = self.end_of(last)
        if end is None:
            return last, False
        if end not in DECISIONS:
            return None, False
        if last.claimed is None and (last.run is not None or not self.lapsed(last)):
            return last, False
        assert last.closed_at is not None
        rejected = end is not Outcome.RETURNED and not last.may_proceed
        return (last, True) if rejected and self.clock.now < last.closed_at + REPEAT else (None, False)

    def overdue(self, known: Known) -> bool:
        return known.outcome is None and known.expires_at <= self.clock.now

    def end_of(self, known: Known) -> Outcome | None:
        return Outcome.EXPIRED if self.overdue(known) else known.outcome

    @precondition(lambda self: self.requests)
    @rule(agent=whose, request=some)
    def await_by_id(self, agent: int, request: int) -> None:
        known = self.pick(request)
        ticket = self.do(self.desk.attach(self.stage.agents[agent], known.id))
        if known.agent is not self.stage.agents[agent]:
            assert ticket is None
            return
        assert ticket is not None
        assert ticket.reads
        known.ticket = ticket
        self.tickets.append(ticket)

    @precondition(lambda self: self.requests)
    @rule(agent=whose, request=some)
    def withdraw(self, agent: int, request: int) -> None:
        known, end = self.pick(request), self.end_of(self.pick(request))
        report = self.do(self.desk.withdraw(self.stage.agents[agent], known.id))
        if known.agent is not self.stage.agents[agent]:
            assert report is None
            return
        assert report is not None
        assert report.outcome is (end or Outcome.WITHDRAWN)
        if end is None:
            self.close(known, Outcome.WITHDRAWN)

    @precondition(lambda self: self.tickets)
    @rule(ticket=some)
    def collect(self, ticket: int) -> None:
        held = self.tickets[-1 - ticket % len(self.tickets)]
        known = self.of(held)
        told = self.do(self.desk.claim(held))
        if known.ticket != held or (known.claimed is not None and not held.reads):
            assert isinstance(told, Superseded)
            return
        assert isinstance(told, Report)
        assert (told.outcome, told.may_proceed) == (known.outcome, known.may_proceed)
        assert told.told_before is (known.claimed is not None)
        if known.outcome is not None and not told.told_before:
            known.claimed, known.claimed_run, known.told = held, self.run_number, known.told + 1

    @precondition(lambda self: self.tickets)
    @rule(ticket=some, delivered=st.booleans())
    def settle(self, ticket: int, delivered: bool) -> None:
        """The caller got it, or was gone. A call that took nothing changes nothing."""
        held = self.tickets[-1 - ticket % len(self.tickets)]
        known = self.of(held)
        if known.claimed == held and known.claimed_run != self.run_number:
            return  # a process that died settles nothing
        self.do(self.desk.settle(held, delivered=delivered))
        if known.claimed != held or known.delivered:
            return
        if delivered:
            known.delivered = True
        else:
            known.claimed, known.claimed_run, known.told = None, None, known.told - 1

    @precondition(lambda self: self.requests)
    @rule(agent=whose, request=some)
    def report_consequence(self, agent: int, request: int) -> None:
        known = self.pick(request)
        asks = self.stage.agents[agent]
        if known.agent is asks and known.outcome not in DECISIONS:
            with pytest.raises(AskingProblem, match="not decided"):
                self.do(self.desk.report_consequence(asks, known.id, "done", None))
            return
        report = self.do(self.desk.report_consequence(asks, known.id, "done", None))
        assert (report is not None) is (known.agent is asks)

    # The reviewers

    @rule(reviewer=who, role=st.sampled_from([Role.REVIEWER, Role.REVIEWER, Role.AUDITOR]))
    def change_role(self, reviewer: int, role: Role) -> None:
        name = self.stage.reviewers[reviewer].id
        self.do(Administration(self.database).change_role(name, role, by=None))
        self.accounts[name].role = role

    @rule(reviewer=who)
    def disable_or_enable(self, reviewer: int) -> None:
        name, rules = self.stage.reviewers[reviewer].id, Administration(self.database)
        disabled = self.accounts[name].disabled
        self.do(rules.enable(name, by=None) if disabled else rules.disable(name, by=None))
        self.accounts[name].disabled = not disabled

    @rule(reviewer=st.sampled_from([2, 2, 2, 2, 1]))
    def reset_account(self, reviewer: int) -> None:
        name = self.stage.reviewers[reviewer].id
        if self.accounts[name].disabled:
            return  # it would have to be enabled first
        self.do(Administration(self.database).reset(name, by=None))
        self.accounts[name].reset_at = self.clock.now

    def may_approve(self, known: Known, reviewer: Reviewer) -> bool:
        return known.needed == 1 or self.counts_among_several(reviewer.id)

    def counts_among_several(self, reviewer_id: str) -> bool:
        account = self.accounts[reviewer_id]
        fresh = account.reset_at is not None and self.clock.now < account.reset_at + timedelta(days=1)
        return account.may_decide and not fresh

    @precondition(lambda self: self.requests)
    @rule(reviewer=who, request=some, surface=st.sampled_from(Surface))
    def show(self, reviewer: int, request: int, surface: Surface) -> None:
        known, looks = self.pick(request), self.stage.reviewers[reviewer]
        view = self.do(self.desk.show(looks, known.id, surface))
        assert view is not None
        if self.end_of(known) is None and self.accounts[looks.id].may_decide:
            known.seen_by.add(looks.id)

    @precondition(lambda self: self.requests)
    @rule(reviewer=who, request=some, answer=st.sampled_from([YES, YES, NO, Declined(), BACK]))
    def decide(self, reviewer: int, request: int, answer: Answer) -> None:
        known, decides = self.pick(request), self.stage.reviewers[reviewer]
        view = self.do(self.desk.view(known.id))
        assert view is not None
        end = self.end_of(known)
        decision = self.do(
            self.desk.decide(
                decides,
                known.id,
                card_sha256=view.card_sha256,
                answer=answer if known.pays is None else SHOWN_AS.get(answer, answer),
                comment="why?",
                surface=Surface.RENDERED_PAGE,
                authenticated_by="password",
            )
        )
        known.escalated = known.escalated or self.due_to_escalate(known)
        counted = [one for one in known.approved_by if self.counts_among_several(one)]
        if not self.accounts[decides.id].may_decide:
            assert isinstance(decision, NotAllowed)
        elif end is not None:
            assert isinstance(decision, Conflict)
            assert decision.view.outcome is end
        elif decides.id not in known.seen_by:
            assert isinstance(decision, NotSeen)
        elif decides.id in known.approved_by:
            assert isinstance(decision, Conflict)
            assert decision.view.outcome is None
        elif not known.asks(decides.username) or (answer == YES and not self.may_approve(known, decides)):
            assert isinstance(decision, NotAllowed)
        elif answer == YES and len(counted) + 1 < known.needed:
            assert isinstance(decision, Voted)
            assert decision.still_needed == 1
            known.approved_by.append(decides.id)
        else:
            assert isinstance(decision, Decided)
            self.close(known, ENDS[answer], may_proceed=answer == YES)

    @precondition(lambda self: self.requests)
    @rule(reviewer=who, request=some, pays=st.sampled_from([1, 2, 5, 6]), sees=st.booleans())
    def edit(self, reviewer: int, request: int, pays: int, sees: bool) -> None:
        """Change what a held call would run with."""
        if sees:
            self.show(reviewer, request, Surface.RENDERED_PAGE)
        known, edits = self.pick(request), self.stage.reviewers[reviewer]
        view, end = self.do(self.desk.view(known.id)), self.end_of(self.pick(request))
        assert view is not None
        made = self.do(
            self.desk.edit(
                edits,
                known.id,
                card_sha256=view.card_sha256,
                arguments={"pays": pays},
                surface=Surface.RENDERED_PAGE,
                authenticated_by="password",
            )
        )
        known.escalated = known.escalated or self.due_to_escalate(known)
        if not self.accounts[edits.id].may_decide:
            assert isinstance(made, NotAllowed)
        elif end is not None:
            assert isinstance(made, Conflict)
        elif edits.id not in known.seen_by:
            assert isinstance(made, NotSeen)
        elif edits.id in known.approved_by:
            assert isinstance(made, Conflict)
        elif (
            known.pays is None
            or not known.asks(edits.username)
            or not self.may_approve(known, edits)
            or known.edits == EDITS_LIMIT
        ):
            assert isinstance(made, NotAllowed)
        elif pays == known.card_pays:
            assert isinstance(made, BadAnswer)
        else:
            assert isinstance(made, Edited)
            self.edited(known, pays)

    def edited(self, known: Known, pays: int) -> None:
        """Nobody was shown the new card, and nothing that was said before counts."""
        known.card_pays, known.edits = pays, known.edits + 1
        known.seen_by.clear()
        known.approved_by.clear()
        known.expires_at = min(known.expires_at, self.clock.now + LONGEST)
        half = min(known.half_time, self.clock.now + (known.expires_at - self.clock.now) / 2)
        known.half_time, known.escalated = half, known.escalated and half == known.half_time

    @precondition(lambda self: self.requests)
    @rule(first=who, second=who, request=some, answer=st.sampled_from([YES, YES, NO]), meanwhile=st.integers(0, 5))
    def answer_together(self, first: int, second: int, request: int, answer: Answer, meanwhile: int) -> None:
        """Two people, or one person twice, one after the other; the first account may change in between."""
        for reviewer in (first, second):
            self.show(reviewer, request, Surface.RENDERED_PAGE)
        self.decide(first, request, YES)
        self.every_promise_holds()
        match meanwhile:
            case 0:
                self.reset_account(first)
            case 1:
                self.change_role(first, Role.AUDITOR)
            case 2:
                self.disable_or_enable(first)
            case _:
                pass
        self.decide(second, request, answer)

    @rule(
        agent=st.sampled_from([1, 1, 0, 2]), first=who, next_one=st.sampled_from([1, 1, 2, 0]), pays=st.integers(4, 7)
    )
    def edit_between(self, agent: int, first: int, next_one: int, pays: int) -> None:
        """One approves a held call, another edits it, and both approve what became of it."""
        self.call_tool(agent, 5, None)
        known, second = self.of(self.tickets[-1]), (first + next_one) % 3
        request = len(self.requests) - 1 - self.requests.index(known)
        for reviewer in (first, second):
            self.show(reviewer, request, Surface.RENDERED_PAGE)
        self.decide(first, request, YES)
        self.edit(second, request, pays, sees=False)
        self.every_promise_holds()
        for reviewer in (first, second):
            self.show(reviewer, request, Surface.RENDERED_PAGE)
            self.decide(reviewer, request, YES)

    @precondition(lambda self: self.held())
    @rule(reviewer=who, request=some, end=st.sampled_from([None, CallEnd.RETURNED]), seconds=st.sampled_from([0, 9000]))
    def run_and_come_back(self, reviewer: int, request: int, end: CallEnd | None, seconds: int) -> None:
        """A held call runs, its caller is gone, and the agent calls the same again."""
        request = self.held_one(request)
        known = self.pick(request)
        self.show(reviewer, request, Surface.RENDERED_PAGE)
        self.decide(reviewer, request, YES)
        self.begin(self.stage.agents.index(known.agent), request, end)
        self.every_promise_holds()
        self.ask_again(request, None, seconds)

    @precondition(lambda self: self.requests)
    @rule(reviewer=who, request=some, answer=st.sampled_from([YES, NO]), delivered=st.booleans())
    def carry_through(self, reviewer: int, request: int, answer: Answer, delivered: bool) -> None:
        """The usual course, in one go: steps alone seldom come in this order."""
        self.show(reviewer, request, Surface.RENDERED_PAGE)
        self.decide(reviewer, request, answer)
        self.every_promise_holds()
        held = len(self.tickets) - 1 - self.tickets.index(self.pick(request).ticket)
        known = self.pick(request)
        if known.pays is not None:
            self.begin(self.stage.agents.index(known.agent), request, CallEnd.RETURNED)
        self.collect(held)
        self.settle(held, delivered)

    # What the model keeps

    def pick(self, number: int) -> Known:
        return self.requests[-1 - number % len(self.requests)]

    def held(self) -> list[int]:
        """Which of the requests are held calls, counted from the newest."""
        return [number for number, known in enumerate(reversed(self.requests)) if known.pays is not None]

    def held_one(self, number: int) -> int:
        return self.held()[number % len(self.held())]

    def of(self, ticket: Ticket) -> Known:
        return next(known for known in self.requests if known.id == ticket.request_id)

    def close(self, known: Known, outcome: Outcome, *, may_proceed: bool = False) -> None:
        known.outcome, known.may_proceed, known.closed_at = outcome, may_proceed, self.clock.now

    # What holds after every step

    @invariant()
    def every_promise_holds(self) -> None:
        rows = self.rows()
        self.compare({row.id: row for row in rows})
        cards = Counter((row.agent_id, row.fingerprint, row.idempotency_key) for row in rows if row.outcome is None)
        assert all(count == 1 for count in cards.values()), "a question has two open cards"
        assert all(known.told <= 1 for known in self.requests), "an answer was told to two calls"
        for row in rows:
            approved = row.outcome == Outcome.ANSWERED and row.answer["approved"]
            assert row.may_proceed is approved, "something other than an approving answer lets an agent proceed"
            known = self.known(row.id)
            assert not approved or row.decided_by_id in known.seen_by, "somebody decided unseen"
            people = {row.decided_by_id, *known.approved_by}
            assert not approved or len(people) >= known.needed, "too few people let an agent proceed"
            assert not approved or all(known.asks(self.name_of(one)) for one in people), "somebody else was asked"

    def compare(self, rows: dict[str, Any]) -> None:
        assert set(rows) == {known.id for known in self.requests}
        for known in self.requests:
            row = rows[known.id]
            if self.overdue(known) and row.outcome == Outcome.EXPIRED:
                # Over time; who looked at it first closed it.
                self.close(known, Outcome.EXPIRED)
            known.order = UNENDED if row.closed_index is None else row.closed_index
            assert (row.state, row.outcome, row.may_proceed) == (known.state, known.outcome, known.may_proceed)
            assert row.attachment == known.ticket.attachment
            assert row.claimed_by == (None if known.claimed is None else known.claimed.attachment)
            assert (row.delivered_at is not None) is known.delivered
            assert row.call_id == known.call
            assert (row.escalated_at is not None) is known.escalated
            assert (row.edits, row.expires_at) == (known.edits, known.expires_at)
        ran = {call.request_id: (call.id, call.state) for call in self.calls()}
        assert ran == {known.id: (known.sent, known.run) for known in self.requests if known.run is not None}

    @precondition(lambda self: self.requests)
    @rule(request=some)
    def look(self, request: int) -> None:
        """What a claim in a run that ended came to is not known, and the card says so."""
        known = self.pick(request)
        view = self.do(self.desk.view(known.id))
        assert view is not None
        unsettled, here = known.claimed is not None and not known.delivered, known.claimed_run == self.run_number
        assert (view.on_its_way, view.delivery_unknown) == (unsettled and here, unsettled and not here)

    def name_of(self, reviewer_id: str) -> str:
        return next(one.username for one in self.stage.reviewers if one.id == reviewer_id)

    def known(self, request_id: str) -> Known:
        return next(known for known in self.requests if known.id == request_id)

    def calls(self) -> list[Any]:
        return self.database.read_now(
            lambda connection: list(connection.execute(select(tables.calls).where(tables.calls.c.state != "denied")))
        )

    def rows(self) -> list[Any]:
        return self.database.read_now(lambda connection: list(connection.execute(select(tables.requests))))

    # What holds after every run

    def teardown(self) -> None:
        try:
            self.the_log_verifies_and_tells_the_same_story()
        finally:
            self.database.close()
            self.runner.close()
            shutil.rmtree(self.folder)

    def the_log_verifies_and_tells_the_same_story(self) -> None:
        def told(connection: Connection) -> dict[str, Story]:
            head = reading.head(connection)
            assert head is not None
            entries = reading.entries(connection, 0, head.size + 1)
            texts = list(reading.disclosures(connection, 0, head.size + 1))
            verify(entries, head.note, [self.stage.signer.verifier], disclosures=texts)
            cards = {index: json.loads(text.text) for index, text in texts if text.key == "card_ref"}
            return stories(((index, decode(data)) for index, data in entries), cards)

        assert self.database.read_now(told) == {
            row.id: Story(
                row.state,
                row.outcome,
                row.may_proceed,
                row.closed_index,
                row.claimed_by,
                row.delivered_at is not None,
                row.escalated_at is not None,
                self.known(row.id).approved_by,
                row.card.get("escalates_at"),
                row.edits,
                self.known(row.id).sent,
            )
            for row in self.rows()
        }


@dataclass
class Story:
    """What the log says of a request, as its row should have it."""

    state: str = "pending"
    outcome: str | None = None
    may_proceed: bool = False
    closed_index: int | None = None
    claimed_by: str | None = None
    delivered: bool = False
    escalated: bool = False
    approved_by: list[str] = field(default_factory=list)
    escalates_at: str | None = None
    edits: int = 0
    sent: str | None = None

    def edited(self, card: dict[str, Any]) -> None:
        self.state, self.edits, self.approved_by = "pending", self.edits + 1, []
        self.escalated = self.escalated and self.escalates_at == card["escalates_at"]
        self.escalates_at = card["escalates_at"]


def stories(entries: Iterator[tuple[int, dict[str, Any]]], cards: dict[int, dict[str, Any]]) -> dict[str, Story]:
    """The log's entries, request by request; `cards` are those that they disclose."""
    told: dict[str, Story] = {}
    for index, entry in entries:
        match entry["type"]:
            case "request_opened":
                told[entry["request"]] = Story(escalates_at=cards[index].get("escalates_at"))
            case "arguments_edited":
                told[entry["request"]].edited(cards[index])
            case "call_intended":
                assert told[entry["request"]].sent is None, "one approval ran twice"
                assert told[entry["request"]].may_proceed, "something ran that nobody approved"
                told[entry["request"]].sent = entry["call"]
            case "request_shown":
                told[entry["request"]].state = "shown"
            case "request_closed":
                story = told[entry["request"]]
                story.state, story.outcome, story.may_proceed = "closed", entry["outcome"], entry["may_proceed"]
                story.closed_index = index
            case "request_escalated":
                told[entry["request"]].escalated = True
            case "request_voted":
                told[entry["request"]].approved_by.append(entry["reviewer"])
            case "answer_claimed":
                told[entry["request"]].claimed_by = entry["call"]
            case "answer_released":
                told[entry["request"]].claimed_by = None
            case "answer_delivered":
                told[entry["request"]].delivered = True
            case _:
                pass
    return told


def test_whatever_happens_in_whatever_order_the_promises_hold(stage: Stage) -> None:
    Machine.stage = stage
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            phases=PHASES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
