"""Carrying out tool calls: arguments in, a result out. What is wrong with a call is told in its result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import mcp_types as types
import structlog
from mcp.server.context import ServerRequestContext
from pydantic import BaseModel, ValidationError

from server.clients import patience
from server.exchange import Exchange
from server.tools.catalogue import (
    CATALOGUE,
    AwaitReview,
    ConsequenceReceipt,
    Definition,
    ReportConsequence,
    WithdrawReview,
)
from server.tools.faults import BadArguments, from_validation, text_of
from server.tools.guidance import next_step
from server.tools.results import AnyResult, Result, result_of
from server.waiting import Call, Standing, Waiting
from store.agents import Agent
from store.asking import Report, Superseded, Ticket
from store.desk import Desk
from store.problems import Problem
from store.questions import AskApproval, AskForm, AskSelection, AskTextInput
from store.strict_json import shortened

log = structlog.get_logger()

Context = ServerRequestContext[Any, Any]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Caller:
    """Who calls, and over what."""

    agent: Agent
    exchange: Exchange
    context: Context

    @property
    def client_name(self) -> str | None:
        """What the client says it is: a hint, for its patience only."""
        params = self.context.session.client_params
        return None if params is None else params.client_info.name


class ToolCalls:
    """The tools of one server. `review_url` gives the page of a request."""

    def __init__(self, desk: Desk, waiting: Waiting, *, review_url: Callable[[str], str]) -> None:
        self._desk = desk
        self._waiting = waiting
        self._review_url = review_url

    async def call(self, context: Context, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """Answer one call. Problems come back as tool errors that say what to do; nothing is half-done."""
        exchange = Exchange.of(context.request.scope)  # type: ignore[union-attr]
        caller = Caller(exchange.agent, exchange, context)
        definition = CATALOGUE.get(name)
        if definition is None:
            return _error(f"there is no tool {shortened(name)}. Known are {', '.join(CATALOGUE)}.")
        try:
            return _answer(await self._carry_out(caller, definition, arguments))
        except Problem as problem:
            log.info("tool_refused", tool=name, agent=caller.agent.name, reason=type(problem).__name__)
            return _error(text_of(problem))

    async def _carry_out(self, caller: Caller, definition: Definition, arguments: Mapping[str, Any]) -> BaseModel:
        try:
            parsed = definition.arguments.model_validate(arguments)
        except ValidationError as error:
            raise from_validation(definition.name, error, definition.arguments) from None
        match parsed:
            case AskApproval() | AskSelection() | AskForm() | AskTextInput():
                ticket = await self._desk.ask(caller.agent, parsed)
                return self._result(await self._hold(caller, ticket, parsed.hold_seconds))
            case AwaitReview():
                awaited = _known(await self._desk.attach(caller.agent, parsed.request_id), parsed.request_id)
                return self._any(await self._hold(caller, awaited, parsed.hold_seconds))
            case WithdrawReview():
                return self._any(_known(await self._desk.withdraw(caller.agent, parsed.request_id), parsed.request_id))
            case ReportConsequence():
                done = await self._desk.report_consequence(
                    caller.agent, parsed.request_id, parsed.result, parsed.details
                )
                return ConsequenceReceipt(request_id=_known(done, parsed.request_id).request_id, recorded=True)
            case _:
                raise AssertionError(f"{definition.name} has no way to be carried out")

    async def _hold(self, caller: Caller, ticket: Ticket, asked_seconds: int | None) -> Standing:
        limits = [limit for limit in (patience(caller.client_name), asked_seconds) if limit is not None]
        call = Call(caller.exchange, min(limits, default=None), self._heartbeat(caller))
        return await self._waiting.hold(ticket, call)

    def _heartbeat(self, caller: Caller) -> Callable[[float, Report], Awaitable[None]]:
        async def beat(seconds: float, report: Report) -> None:
            left = _in_words((report.expires_at - self._desk.now()).total_seconds())
            message = f"Waiting for a person: {self._review_url(report.request_id)} ({left} left)"
            await caller.context.session.report_progress(seconds, None, message)

        return beat

    def _result(self, standing: Standing) -> Result:
        report = _pending(standing.report) if isinstance(standing, Superseded) else standing
        return result_of(
            report,
            next_step=next_step(standing),
            review_url=self._review_url(report.request_id),
            now=self._desk.now(),
        )

    def _any(self, standing: Standing) -> AnyResult:
        report = standing.report if isinstance(standing, Superseded) else standing
        return AnyResult(kind=report.kind, **self._result(standing).model_dump())


def _pending(report: Report) -> Report:
    """What a superseded call is told: nothing but that it is not the one."""
    return Report(
        request_id=report.request_id,
        kind=report.kind,
        outcome=None,
        may_proceed=False,
        answer=None,
        comment=None,
        decided_by=None,
        decided_at=None,
        opened_at=report.opened_at,
        expires_at=report.expires_at,
        audit_index=None,
    )


def _known(found: _T | None, request_id: str) -> _T:
    if found is None:
        raise BadArguments(
            f"request_id: there is no request {request_id!r} of yours",
            "Use the request_id of an earlier answer, or ask the question again.",
        )
    return found


def _in_words(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.0f} hours"
    if seconds >= 90:
        return f"{seconds / 60:.0f} minutes"
    return f"{max(0, seconds):.0f} seconds"


def _answer(result: BaseModel) -> types.CallToolResult:
    return types.CallToolResult(
        # Some models see only the text, others only the structure: both hold everything.
        content=[types.TextContent(text=result.model_dump_json())],
        structured_content=result.model_dump(mode="json"),
    )


def _error(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
