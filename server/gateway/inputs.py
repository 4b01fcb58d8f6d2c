"""What an upstream asks of the caller's user while a call is on its way, taken to that user in either era.

To a caller of the older protocol a question goes on the stream of its call. One of the newer protocol has to be
answered with the question: its call ends, the call to the upstream stays parked here, and the caller comes back with
the answer under a state that is good for the same call of the same agent only.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata

from server.caller import Caller

PARKED_SECONDS = 600.0
PARKED_AN_AGENT = 16

Requests = Mapping[str, types.InputRequest]
Responses = dict[str, types.InputResponse]


class Unanswered(Exception):
    """The question cannot be put to anybody, or nobody answered it. `error` is for whoever asked."""

    def __init__(self, message: str, code: int = types.INVALID_REQUEST) -> None:
        super().__init__(message)
        self.error = types.ErrorData(code=code, message=message)


class Route(Protocol):
    """The way to the user of whoever waits for a call."""

    async def ask(self, requests: Requests) -> Responses:
        """The answers, by the same keys.

        Raises:
            Unanswered
        """


class OnTheStream:
    """The way to a caller of the older protocol."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def ask(self, requests: Requests) -> Responses:
        # A caller that left, or was stopped, is not heard of on its stream: its exchange knows.
        gone = anyio.Event()
        self._caller.exchange.when_lost(gone.set)
        answers: Responses = {}
        problem: Unanswered | None = None
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await gone.wait()
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                # One after another: a person fills in one form at a time.
                for key, request in requests.items():
                    answers[key] = await self._asked(request)
            except Unanswered as found:
                # Raised in here it would come out in a group.
                problem = found
            group.cancel_scope.cancel()
        if problem is not None:
            raise problem
        if len(answers) < len(requests):
            raise Unanswered("the caller has left")
        return answers

    async def _asked(self, request: types.InputRequest) -> types.ElicitResult:
        context, elicitation = self._caller.context, _elicitation(request, self._caller)
        try:
            return await context.session.send_request(
                elicitation, types.ElicitResult, metadata=ServerMessageMetadata(related_request_id=context.request_id)
            )
        except MCPError as error:
            raise Unanswered(error.message, error.code) from error
        except Exception as failure:  # whatever the client sent was no answer
            raise Unanswered("the client did not answer as the protocol says") from failure


@dataclass(frozen=True)
class Question:
    """What a caller of the newer protocol is to be asked, and where its answer goes."""

    requests: Requests
    answer: "asyncio.Future[Responses]"


class Asking(Protocol):
    """A call on its way that can be left waiting for an answer."""

    question: Question | None

    def stir(self) -> None:
        """Have whoever waits for this call look at it."""

    def abandon(self) -> None:
        """Nobody comes back to answer."""


class InTheResult:
    """The way to a caller of the newer protocol: whoever waits for `asking` answers it with the question."""

    def __init__(self, caller: Caller, asking: Asking, parking: "Parking") -> None:
        self._caller = caller
        self._asking = asking
        self._parking = parking

    async def ask(self, requests: Requests) -> Responses:
        for request in requests.values():
            _elicitation(request, self._caller)
        if self._parking.is_full(self._caller.agent.id):
            raise Unanswered(f"{PARKED_AN_AGENT} questions to users of this agent are open, which is the limit")
        question = Question(requests, asyncio.get_running_loop().create_future())
        self._asking.question = question
        self._asking.stir()
        try:
            return await question.answer
        finally:
            self._asking.question = None


@dataclass(frozen=True)
class _Parked:
    agent_id: str
    about: str
    asking: Asking
    question: Question
    timer: asyncio.TimerHandle


class Parking:
    """Calls whose callers were answered with a question, by the state that they come back with."""

    def __init__(self) -> None:
        self._parked: dict[str, _Parked] = {}
        self._of: Counter[str] = Counter()

    def is_full(self, agent_id: str) -> bool:
        """Whether this agent leaves as many questions open as one may."""
        return self._of[agent_id] >= PARKED_AN_AGENT

    def required(self, agent_id: str, about: str, asking: Asking) -> types.InputRequiredResult:
        """The result that asks. `about` names the call: only the same call may bring the answer."""
        assert asking.question is not None
        state = secrets.token_urlsafe(24)
        timer = asyncio.get_running_loop().call_later(PARKED_SECONDS, self._lapse, state)
        self._parked[state] = _Parked(agent_id, about, asking, asking.question, timer)
        self._of[agent_id] += 1
        return types.InputRequiredResult(input_requests=dict(asking.question.requests), request_state=state)

    def take(self, state: str | None, agent_id: str, about: str, answers: Responses | None) -> Asking | None:
        """The call that goes on with these answers; None where there is none for this agent, call and state.

        Answers that do not fit leave the question open: it is asked again.
        """
        found = self._parked.get(state or "")
        if found is None or (found.agent_id, found.about) != (agent_id, about):
            return None
        assert state is not None
        self._forget(state, found)
        if found.question.answer.done():
            return found.asking
        if answers is not None and _fits(found.question.requests, answers):
            # At once and not when the upstream's side wakes up: who looks before then would find it open still.
            found.asking.question = None
            found.question.answer.set_result(answers)
        return found.asking

    def _lapse(self, state: str) -> None:
        found = self._parked[state]
        self._forget(state, found)
        found.asking.abandon()

    def _forget(self, state: str, found: _Parked) -> None:
        found.timer.cancel()
        del self._parked[state]
        self._of[found.agent_id] -= 1
        if not self._of[found.agent_id]:
            del self._of[found.agent_id]


def _fits(requests: Requests, answers: Responses) -> bool:
    return set(answers) == set(requests) and all(isinstance(one, types.ElicitResult) for one in answers.values())


def _elicitation(request: types.InputRequest, caller: Caller) -> types.ElicitRequest:
    if not isinstance(request, types.ElicitRequest):
        raise Unanswered("only questions to the user are passed on here", types.METHOD_NOT_FOUND)
    known = caller.elicitation
    wants_page = isinstance(request.params, types.ElicitRequestURLParams)
    # A client that names neither kind knows forms: that is what the capability meant before there were two.
    if known is None or (known.url is None if wants_page else known.form is None and known.url is not None):
        raise Unanswered("the client cannot put this question to its user")
    return request
