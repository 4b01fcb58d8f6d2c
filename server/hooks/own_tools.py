"""Whether a tool of a client's own may run, asked of the rules and, where they hold it, of people.

Invariants:

- It may run only once that is written down; and an approval is used once, by exactly one call of the client's.
- Whatever goes wrong, and whoever cannot be asked: it does not run.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import structlog

from server.agent_gate import NOTHING_PROCEEDS
from server.exchange import Exchange
from server.gateway.held import is_approved_call
from server.tools.faults import text_of
from server.tools.guidance import next_step
from server.waiting import Call, Standing, Waiting
from store.agents import Agent
from store.asking import Report, Superseded, Ticket
from store.calls.calls import Admitted, GovernedCall, NotRunnable
from store.collecting import Halted
from store.deciding.governing import Denied
from store.desk import Desk
from store.held_back import Halt
from store.problems import Problem
from store.questions import HeldCall

log = structlog.get_logger()

SHOWN = 4_000
"""Characters of a changed input that the model is told of where its client cannot run it."""

Beat = Callable[[float, Report], Awaitable[None]]


@dataclass(frozen=True)
class Permitted:
    """It may run: as it was asked for, or with `edited` in place of that. `said` is for the model."""

    edited: Mapping[str, Any] | None = None
    said: str | None = None


@dataclass(frozen=True)
class Refused:
    """It must not run. `stopped`: people stopped the agent."""

    why: str
    stopped: bool = False


@dataclass(frozen=True)
class Undecided:
    """Nobody has decided; the question stays open, and the same asked again finds it."""

    request_id: str
    why: str


Verdict = Permitted | Refused | Undecided
Unfit = Callable[[GovernedCall, Mapping[str, Any]], str | None]
"""Why a client cannot run its tool as a reviewer changed it; None where it can."""


class OwnTools:
    """The gate for tools that clients bring themselves. `review_url` gives the page of a request."""

    def __init__(self, desk: Desk, waiting: Waiting, review_url: Callable[[str], str]) -> None:
        self._desk = desk
        self._waiting = waiting
        self.review_url = review_url

    async def ask(
        self,
        exchange: Exchange,
        call: GovernedCall,
        call_id: str | None,
        *,
        seconds: float | None,
        beat: Beat,
        unfit: Unfit = lambda call, edited: None,
    ) -> Verdict:
        """Whether this call may run. It waits for people for `seconds`, None for as long as they take."""
        call_id = _with_content(call_id, call)
        try:
            verdict = await self._asked(exchange, call, call_id, seconds=seconds, beat=beat, unfit=unfit)
        except Problem as problem:
            log.info("hook_refused", agent=exchange.agent.name, reason=type(problem).__name__)
            return Refused(text_of(problem))
        if exchange.halt is not None:
            # It may have been let run in the moment before, or refused. It was not told so yet, and is not.
            await exchange.take_back()
            return _stopped(exchange.halt)
        return verdict

    async def _asked(
        self,
        exchange: Exchange,
        call: GovernedCall,
        call_id: str | None,
        *,
        seconds: float | None,
        beat: Beat,
        unfit: Unfit,
    ) -> Verdict:
        with anyio.CancelScope(shield=True):
            said = await self._desk.calls.admit(exchange.agent, call, call_id)
        match said:
            case Admitted():
                return Permitted()
            case Denied(why=why):
                return Refused(why)
            case Ticket():
                standing = await self._waiting.hold(said, Call(exchange, seconds, beat, leaves_approved=True))
                return await self._decided(exchange, call, standing, unfit)

    async def _decided(self, exchange: Exchange, call: GovernedCall, standing: Standing, unfit: Unfit) -> Verdict:
        if isinstance(standing, Halted):
            return _stopped(standing.halt)
        if isinstance(standing, Superseded):
            return Refused(next_step(standing))
        if standing.outcome is None or (is_approved_call(standing) and exchange.gone):
            return Undecided(standing.request_id, self._open(call, standing.request_id))
        if not is_approved_call(standing):
            return Refused(_refusal(standing))
        return await self._released(exchange.agent, call, standing, unfit)

    async def _released(self, agent: Agent, call: GovernedCall, report: Report, unfit: Unfit) -> Verdict:
        request_id = report.request_id
        view = await self._desk.view(request_id)
        assert view is not None, "who waited for it has it"
        assert isinstance(view.card.question, HeldCall), "only a held call is waited for here"
        approved = view.card.question.arguments
        wrong = unfit(call, approved) if dict(approved) != dict(call.arguments) else None
        if wrong is not None:
            # Told that it may run, the client would run something else than what was approved.
            as_approved = json.dumps(approved, ensure_ascii=False)
            shown = as_approved if len(as_approved) <= SHOWN else f"{as_approved[:SHOWN]}… (cut)"
            return Refused(
                f"A person approved this with changes, and it did not run, because {wrong}. What they approved: "
                f"{shown}. Call it with exactly that, and a person is asked anew; or tell your user."
            )
        with anyio.CancelScope(shield=True):
            said = await self._desk.calls.release(agent, request_id)
        if isinstance(said, NotRunnable):
            return Refused(said.why)
        return Permitted(said.arguments if said.is_edited else None, _told(report, is_edited=said.is_edited))

    def _open(self, call: GovernedCall, request_id: str) -> str:
        return (
            f"{call.name} is held until a person decides, and did not run. Nobody has decided yet. To wait on, call "
            f"it again with exactly the same input; do not look for another way to the same end. People decide at "
            f"{self.review_url(request_id)}"
        )


def _with_content(call_id: str | None, call: GovernedCall) -> str | None:
    """A client's name for a call is text of its model's: with another tool or other input it names another call."""
    if call_id is None:
        return None
    content = json.dumps([call_id, call.governed_as, call.arguments], sort_keys=True)
    return f"own_{hashlib.sha256(content.encode()).hexdigest()}"


def _stopped(halt: Halt) -> Refused:
    return Refused(f"{halt.told()} {NOTHING_PROCEEDS}", stopped=True)


def _refusal(report: Report) -> str:
    said = "" if not report.comment else f' They said: "{report.comment}"'
    return f"{next_step(report)}{said}"


def _told(report: Report, *, is_edited: bool) -> str | None:
    """What the model should know of an approval: that something else runs than it asked for, and what people said."""
    parts = []
    if is_edited:
        parts.append("A person changed the input of this call before it ran: what ran is what they made of it.")
    if report.comment:
        parts.append(f'The person who approved it said: "{report.comment}"')
    return " ".join(parts) or None
