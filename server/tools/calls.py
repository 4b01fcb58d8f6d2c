"""Carrying out tool calls: arguments in, a result out. What is wrong with a call is told in its result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import anyio
import mcp_types as types
import structlog
from mcp.server.context import HandlerResult
from mcp.server.lowlevel import Server
from pydantic import BaseModel, ValidationError

from server.caller import Caller
from server.clients import Clients
from server.elicitation import offer_page, takes_pages
from server.gateway.held import Asked, CarriedOut, HeldCalls, is_approved_call
from server.gateway.inputs import Responses
from server.gateway.results import as_tool_result, error_result, passed_on, withheld
from server.progress import Progress
from server.tasks import Tasks, declared
from server.tools.catalogue import (
    CATALOGUE,
    AwaitReview,
    ConsequenceReceipt,
    Definition,
    ReadLogs,
    ReportConsequence,
    WithdrawReview,
)
from server.tools.faults import BadArguments, from_validation, text_of
from server.tools.guidance import next_step
from server.tools.results import AnyResult, LogLine, LogPage, Result, result_of
from server.waiting import Call, Standing, Waiting, unless_stopped
from store.agents import Agent
from store.asking import Report, Ticket
from store.audit.own_entries import Wanted
from store.calls.calls import Ended, NotRunnable
from store.calls.definitions import Method
from store.collecting import Halted, untold
from store.desk import Desk
from store.lifecycle import Kind
from store.problems import Problem
from store.questions import AskApproval, AskForm, AskSelection, AskTextInput, HeldCall
from store.strict_json import shortened

log = structlog.get_logger()

AWAIT = "await_review"
Stands = Standing | CarriedOut

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A call that waits, and for how long its agent asks to be held. `about` names it, where it can ask its user."""

    ticket: Ticket
    hold_seconds: int | None
    about: str = ""


@dataclass(frozen=True)
class Back:
    """What a call brings that was answered with a question to its user: see `server.gateway.inputs.Parking`."""

    state: str | None
    answers: Responses | None


class ToolCalls:
    """The tools of one server. `review_url` gives the page of a request; `tasks` says whether any are handed out;
    `held` runs approved calls, where there is a gateway."""

    def __init__(
        self,
        desk: Desk,
        waiting: Waiting,
        *,
        review_url: Callable[[str], str],
        clients: Clients | None = None,
        tasks: bool = True,
        held: HeldCalls | None = None,
    ) -> None:
        self._desk = desk
        self._waiting = waiting
        self._review_url = review_url
        self._clients = clients or Clients()
        self._held = held
        self._tasks = Tasks(desk, told=self._told_in_task, review_url=review_url, held=held) if tasks else None

    def serve_tasks(self, server: Server) -> None:
        """Serve the methods of tasks beside the tools, unless they are turned off."""
        if self._tasks is not None:
            self._tasks.serve(server)

    async def call(
        self, caller: Caller, name: str, arguments: Mapping[str, Any], back: Back | None = None
    ) -> HandlerResult:
        """Answer one call. Problems come back as tool errors that say what to do; nothing is half-done."""
        definition = CATALOGUE.get(name)
        if definition is None:
            return error_result(f"there is no tool {shortened(name)}. Known are {', '.join(CATALOGUE)}.")
        try:
            return await self._carry_out(caller, definition, arguments, back)
        except Problem as problem:
            log.info("tool_refused", tool=name, agent=caller.agent.name, reason=type(problem).__name__)
            return error_result(text_of(problem))

    async def _carry_out(
        self, caller: Caller, definition: Definition, arguments: Mapping[str, Any], back: Back | None
    ) -> HandlerResult:
        # What was parsed is let go of before the wait, which may last for a day.
        awaited = await self._begun(caller, definition, arguments, back)
        if not isinstance(awaited, _Awaited):
            return awaited
        return await self.waited(
            caller, definition.name, awaited.ticket, asked_seconds=awaited.hold_seconds, about=awaited.about
        )

    async def _begun(
        self, caller: Caller, definition: Definition, arguments: Mapping[str, Any], back: Back | None
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
                about = f"{definition.name} {parsed.request_id}"
                if back is not None and self._held is not None:
                    self._held.take(back.state, caller.agent, about, back.answers)
                ticket = _known(await self._desk.attach(caller.agent, parsed.request_id), parsed.request_id)
                return _Awaited(ticket, parsed.hold_seconds, about)
            case WithdrawReview():
                withdrawn = _known(await self._desk.withdraw(caller.agent, parsed.request_id), parsed.request_id)
                return _answer(self._any(withdrawn))
            case ReportConsequence():
                done = await self._desk.report_consequence(
                    caller.agent, parsed.request_id, parsed.result, parsed.details
                )
                reported = _known(done, parsed.request_id).request_id
                return _answer(ConsequenceReceipt(request_id=reported, recorded=True))
            case ReadLogs():
                return _answer(await self._own_log(caller.agent, parsed))
            case _:
                raise AssertionError(f"{definition.name} has no way to be carried out")

    async def _own_log(self, agent: Agent, asked: ReadLogs) -> LogPage:
        wanted = Wanted(asked.level, asked.since, asked.until, asked.pattern, asked.limit, asked.cursor)
        page = await self._desk.log.of_agent(agent.id, wanted)
        return LogPage(entries=[LogLine(**asdict(entry)) for entry in page.entries], next_cursor=page.next_cursor)

    async def waited(
        self, caller: Caller, tool: str, ticket: Ticket, *, asked_seconds: int | None = None, about: str = ""
    ) -> HandlerResult:
        """The answer; or, when the time for holding is over, a task for clients that know tasks, else `pending`.

        `tool` is what was called, and `about` names the call with its arguments where it may be a held one.

        Raises:
            Problem, MCPError
        """
        stands = await self._hold(caller, ticket, asked_seconds, may_run=bool(about))
        if isinstance(stands, Asked):
            assert self._held is not None
            return self._held.required(caller.agent, about, stands.errand)
        pending = isinstance(stands, Report) and stands.outcome is None and not caller.exchange.is_lost
        takes_tasks = caller.context.method == "tools/call" and declared(caller.context)
        if pending and takes_tasks and self._tasks is not None:
            return await self._tasks.hand_out(caller.agent, ticket, tool)
        told = await self._told(tool, stands, modern=caller.is_modern)
        if caller.exchange.halt is None or isinstance(stands, Halted):
            return told
        # Stopped while its answer was put together: it is not told, and stays to be had.
        stopped = await unless_stopped(_standing_of(stands), caller.exchange)
        return await self._told(tool, stopped, modern=caller.is_modern)

    async def _told(self, tool: str, stands: Stands, *, modern: bool) -> HandlerResult:
        report = _report_of(stands)
        if report.kind is Kind.CALL:
            return await self._told_of_call(tool, stands, modern=modern)
        assert not isinstance(stands, CarriedOut)
        return _answer(self._any(stands) if tool == AWAIT else self._result(stands))

    async def _told_of_call(self, tool: str, stands: Stands, *, modern: bool) -> HandlerResult:
        """What the upstream returned, or why it was not called."""
        report = _report_of(stands)
        view = await self._desk.view(report.request_id)
        assert view is not None
        call = view.card.question
        assert isinstance(call, HeldCall)
        method = Method(call.method)
        if isinstance(stands, CarriedOut) and isinstance(stands.came, Ended):
            shaped = as_tool_result if tool == AWAIT else passed_on
            return shaped(method, call.tool, stands.came, modern=modern)
        if isinstance(stands, CarriedOut):
            assert isinstance(stands.came, NotRunnable)
            return self._not_run(tool, call, replace(stands.report, may_proceed=False), stands.came.why)
        return self._not_run(tool, call, stands)

    def _not_run(self, tool: str, call: HeldCall, standing: Standing, why: str | None = None) -> types.CallToolResult:
        if tool == AWAIT:
            return _answer(self._any(standing, why))
        return withheld(Method(call.method), call.tool, self._result(standing, why).model_dump(mode="json"))

    async def _told_in_task(self, agent: Agent, tool: str, report: Report) -> HandlerResult:
        stands: Stands = report
        if self._held is not None and is_approved_call(report):
            stands = await self._held.read(agent, report)
        return await self._told(tool, stands, modern=True)

    async def _hold(
        self, caller: Caller, ticket: Ticket, asked_seconds: int | None, *, may_run: bool
    ) -> Stands | Asked:
        limits = [limit for limit in (self._clients.patience(caller.client_name), asked_seconds) if limit is not None]
        seconds, started = min(limits, default=None), anyio.current_time()
        progress = Progress(caller)
        call = Call(caller.exchange, seconds, self._heartbeat(progress), leaves_approved=may_run)
        # Once a question, and not with each slice of waiting for it.
        if ticket.reads or call.seconds == 0 or not takes_pages(caller.context):
            stands = await self._waiting.hold(ticket, call)
        else:
            stands = await self._hold_beside_page(caller, ticket, call)
        if not (may_run and is_approved_call(stands)) or self._held is None or caller.exchange.gone:
            return stands
        assert isinstance(stands, Report)
        left = None if seconds is None else max(0.0, seconds - (anyio.current_time() - started))
        running = replace(call, seconds=left, beat=self._running_beat(progress))
        return await self._held.follow(caller, ticket, stands, running, progress)

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

    def _heartbeat(self, progress: Progress) -> Callable[[float, Report], Awaitable[None]]:
        async def beat(_: float, report: Report) -> None:
            left = _in_words((report.expires_at - self._desk.now()).total_seconds())
            await progress.tell(f"Waiting for a person: {self._review_url(report.request_id)} ({left} left)")

        return beat

    def _running_beat(self, progress: Progress) -> Callable[[float, Report], Awaitable[None]]:
        async def beat(_: float, report: Report) -> None:
            await progress.tell(f"Approved, and running: {self._review_url(report.request_id)}")

        return beat

    def _result(self, standing: Standing, next_one: str | None = None) -> Result:
        report = standing if isinstance(standing, Report) else untold(standing.report)
        return result_of(
            report,
            next_step=next_step(standing) if next_one is None else next_one,
            review_url=self._review_url(report.request_id),
            now=self._desk.now(),
        )

    def _any(self, standing: Standing, next_one: str | None = None) -> AnyResult:
        report = _report_of(standing)
        return AnyResult(kind=report.kind, **self._result(standing, next_one).model_dump())


def _report_of(stands: Stands) -> Report:
    return stands if isinstance(stands, Report) else stands.report


def _standing_of(stands: Stands) -> Standing:
    return stands.report if isinstance(stands, CarriedOut) else stands


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
