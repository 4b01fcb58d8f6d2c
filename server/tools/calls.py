"""Carrying out tool calls: arguments in, a result out. What is wrong with a call is told in its result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import mcp_types as types
import structlog
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import BaseModel, ValidationError

from server.clients import Clients
from server.elicitation import offer_page, takes_pages
from server.exchange import Exchange
from server.tasks import Tasks, declared
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
from store.text import is_unicode

log = structlog.get_logger()

CALL_ID = "claudecode/toolUseId"
"""Where Claude Code says, under `_meta`, which call of its model's this is: the same when it sends the call again."""
CALL_ID_LIMIT = 200

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

    @property
    def call_id(self) -> str | None:
        """What the client calls this call, where it says so in a usable way."""
        name = (self.context.meta or {}).get(CALL_ID)
        return name if isinstance(name, str) and 0 < len(name) <= CALL_ID_LIMIT and is_unicode(name) else None


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A call that waits, and for how long its agent asks to be held."""

    ticket: Ticket
    hold_seconds: int | None


class ToolCalls:
    """The tools of one server. `review_url` gives the page of a request; `tasks` says whether any are handed out."""

    def __init__(
        self,
        desk: Desk,
        waiting: Waiting,
        *,
        review_url: Callable[[str], str],
        clients: Clients | None = None,
        tasks: bool = True,
    ) -> None:
        self._desk = desk
        self._waiting = waiting
        self._review_url = review_url
        self._clients = clients or Clients()
        self._tasks = Tasks(desk, told=self._told, review_url=review_url) if tasks else None

    def serve_tasks(self, server: Server) -> None:
        """Serve the methods of tasks beside the tools, unless they are turned off."""
        if self._tasks is not None:
            self._tasks.serve(server)

    async def call(self, context: Context, name: str, arguments: Mapping[str, Any]) -> HandlerResult:
        """Answer one call. Problems come back as tool errors that say what to do; nothing is half-done."""
        exchange = Exchange.of(context.request.scope)  # type: ignore[union-attr]
        caller = Caller(exchange.agent, exchange, context)
        definition = CATALOGUE.get(name)
        if definition is None:
            return _error(f"there is no tool {shortened(name)}. Known are {', '.join(CATALOGUE)}.")
        try:
            return await self._carry_out(caller, definition, arguments)
        except Problem as problem:
            log.info("tool_refused", tool=name, agent=caller.agent.name, reason=type(problem).__name__)
            return _error(text_of(problem))

    async def _carry_out(self, caller: Caller, definition: Definition, arguments: Mapping[str, Any]) -> HandlerResult:
        # What was parsed is let go of before the wait, which may last for a day.
        awaited = await self._begun(caller, definition, arguments)
        if isinstance(awaited, _Awaited):
            return await self._waited(caller, definition, awaited.ticket, awaited.hold_seconds)
        return awaited

    async def _begun(
        self, caller: Caller, definition: Definition, arguments: Mapping[str, Any]
    ) -> "_Awaited | types.CallToolResult":
        """What is to be waited for; or the result, where nothing is."""
        try:
            parsed = definition.arguments.model_validate(arguments)
        except ValidationError as error:
            raise from_validation(definition.name, error, definition.arguments) from None
        match parsed:
            case AskApproval() | AskSelection() | AskForm() | AskTextInput():
                ticket = await self._desk.ask(caller.agent, parsed, caller.call_id)
                return _Awaited(ticket, parsed.hold_seconds)
            case AwaitReview():
                ticket = _known(await self._desk.attach(caller.agent, parsed.request_id), parsed.request_id)
                return _Awaited(ticket, parsed.hold_seconds)
            case WithdrawReview():
                withdrawn = _known(await self._desk.withdraw(caller.agent, parsed.request_id), parsed.request_id)
                return _answer(self._any(withdrawn))
            case ReportConsequence():
                done = await self._desk.report_consequence(
                    caller.agent, parsed.request_id, parsed.result, parsed.details
                )
                reported = _known(done, parsed.request_id).request_id
                return _answer(ConsequenceReceipt(request_id=reported, recorded=True))
            case _:
                raise AssertionError(f"{definition.name} has no way to be carried out")

    async def _waited(
        self, caller: Caller, definition: Definition, ticket: Ticket, asked_seconds: int | None
    ) -> HandlerResult:
        """The answer; or, when the time for holding is over, a task for clients that know tasks, else `pending`."""
        standing = await self._hold(caller, ticket, asked_seconds)
        pending = isinstance(standing, Report) and standing.outcome is None and not caller.exchange.gone
        if pending and self._tasks is not None and declared(caller.context):
            return await self._tasks.hand_out(caller.agent, ticket, definition.name)
        return self._told(definition.name, standing)

    def _told(self, tool: str, standing: Standing) -> types.CallToolResult:
        return _answer(self._any(standing) if tool == "await_review" else self._result(standing))

    async def _hold(self, caller: Caller, ticket: Ticket, asked_seconds: int | None) -> Standing:
        limits = [limit for limit in (self._clients.patience(caller.client_name), asked_seconds) if limit is not None]
        call = Call(caller.exchange, min(limits, default=None), self._heartbeat(caller))
        # Once a question, and not with each slice of waiting for it.
        if ticket.reads or call.seconds == 0 or not takes_pages(caller.context):
            return await self._waiting.hold(ticket, call)
        return await self._hold_beside_page(caller, ticket, call)

    async def _hold_beside_page(self, caller: Caller, ticket: Ticket, call: Call) -> Standing:
        held: Standing | Problem
        async with anyio.create_task_group() as beside:
            beside.start_soon(offer_page, caller.context, ticket.request_id, self._review_url(ticket.request_id))
            try:
                held = await self._waiting.hold(ticket, call)
            except Problem as problem:
                # Raised in here it would reach the caller in a group, and not as the problem it is.
                held = problem
            beside.cancel_scope.cancel()
        if isinstance(held, Problem):
            raise held
        return held

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
