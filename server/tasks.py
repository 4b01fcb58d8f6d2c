"""The protocol's Tasks extension: where a call would end with `pending`, a handle that the client comes back with.

The handle opens no gate. A task tells its client in words that nothing may proceed yet, and completes only with the
result that the call itself would have had. What a task is, and when it may take an answer, is in `store.tasks`.

Only clients of the newer protocol that declare the extension with the very request get a task: older ones have no form
for it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import HandlerResult
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field

from server.caller import Context
from server.exchange import Exchange
from server.gateway.held import HeldCalls, is_approved_call
from server.polling import Polling
from server.tools.faults import text_of
from server.tools.guidance import next_step
from store.agents import Agent
from store.asking import Report, Ticket
from store.collecting import Halted
from store.desk import Desk
from store.moments import to_text
from store.problems import Problem
from store.tasks import Standing, Task

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_INTERVAL_MS = 5000
"""People take minutes: asking more often than this brings nothing sooner that anybody would notice."""
WAITING_SECONDS = 2 * POLL_INTERVAL_MS / 1000
"""Who polls as told, but a little late, is still waiting."""

Wire = dict[str, Any]

_STATUS = {
    Standing.OPEN: "working",
    Standing.READY: "working",
    Standing.TOLD: "completed",
    Standing.SUPERSEDED: "cancelled",
    Standing.WITHDRAWN: "cancelled",
    Standing.LAPSED: "cancelled",
}


class TaskParams(types.RequestParams):
    task_id: str


class UpdateParams(TaskParams):
    input_responses: dict[str, Any] = Field(default_factory=dict)


class Tasks:
    """The extension's methods. `told` makes a tool's result of how its question ended; `review_url` gives its page;
    `held` runs approved calls: who comes back with a task waits for one like a caller who stayed."""

    def __init__(
        self,
        desk: Desk,
        *,
        told: Callable[[Agent, str, Report], Awaitable[HandlerResult]],
        review_url: Callable[[str], str],
        held: HeldCalls | None = None,
    ) -> None:
        self._desk = desk
        self._polling = Polling(desk, WAITING_SECONDS)
        self._told = told
        self._review_url = review_url
        self._held = held

    def serve(self, server: Server) -> None:
        """Declare the extension and answer its methods."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler("tasks/get", TaskParams, partial(_answered, self._get))
        server.add_request_handler("tasks/update", UpdateParams, partial(_answered, self._update))
        server.add_request_handler("tasks/cancel", TaskParams, partial(_answered, self._cancel))

    async def hand_out(self, agent: Agent, ticket: Ticket, tool: str) -> Wire:
        """A task in place of the tool's result. It is durable before anybody hears of it."""
        task = await self._desk.hand_out_task(agent, ticket, tool)
        self._show(task)
        return {"resultType": "task", **self._shape(task)}

    async def _get(self, exchange: Exchange, params: TaskParams) -> Wire:
        task = await self._desk.task(exchange.agent, params.task_id)
        if task is not None and task.standing in (Standing.READY, Standing.TOLD) and await self._ran(exchange, task):
            task = await self._collect(exchange, params.task_id)
        if task is None:
            raise _unknown()
        self._show(task)
        outcome = await self._outcome(exchange.agent, task) if task.standing is Standing.TOLD else {}
        if exchange.halt is not None:
            # Stopped while its answer was put together: it is not told, and stays to be had.
            with anyio.CancelScope(shield=True):
                await exchange.take_back()
            said = next_step(Halted(task.report, exchange.halt))
            return {"resultType": "complete", **self._shape(task), "status": "working", "statusMessage": said}
        return {"resultType": "complete", **self._shape(task), **outcome}

    async def _ran(self, exchange: Exchange, task: Task) -> bool:
        """Whether nothing is left to be done before the answer may be taken."""
        if self._held is None or task.standing is Standing.TOLD or not is_approved_call(task.report):
            return True
        return await self._held.is_over(exchange.agent, task.ticket.request_id)

    async def _outcome(self, agent: Agent, task: Task) -> Wire:
        try:
            result = await self._told(agent, task.tool, task.report)
        except MCPError as error:
            return {"status": "failed", "error": error.error.model_dump(mode="json", exclude_none=True)}
        if isinstance(result, BaseModel):
            result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return {"result": {"resultType": "complete", **(result or {})}}

    async def _collect(self, exchange: Exchange, task_id: str) -> Task | None:
        # Cancelled between the claim and its registration, the answer would be neither delivered nor free.
        with anyio.CancelScope(shield=True):
            task = await self._desk.collect_task(exchange.agent, task_id)
            if task is not None and task.standing is Standing.TOLD:
                ticket, again = task.ticket, task.report.told_before

                async def settle(sent: bool) -> None:
                    # A second reading that is lost gives nothing back: the first may have arrived.
                    if sent or not again:
                        await self._desk.settle(ticket, delivered=sent)

                await exchange.when_settled(settle)
        return task

    async def _update(self, exchange: Exchange, params: UpdateParams) -> Wire:
        # No task asks its client for anything: what a person is asked, they answer on their own page.
        if await self._desk.task(exchange.agent, params.task_id) is None:
            raise _unknown()
        return {"resultType": "complete"}

    async def _cancel(self, exchange: Exchange, params: TaskParams) -> Wire:
        if not await self._desk.cancel_task(exchange.agent, params.task_id):
            raise _unknown()
        return {"resultType": "complete"}

    def _show(self, task: Task) -> None:
        """On the card, that somebody waits for its answer by this task."""
        if task.standing is Standing.OPEN:
            self._polling.asked(task.ticket.request_id)

    def _shape(self, task: Task) -> Wire:
        shape = {
            "taskId": task.id,
            "status": _STATUS[task.standing],
            "statusMessage": self._message(task),
            "createdAt": to_text(task.created_at),
            "lastUpdatedAt": to_text(task.updated_at),
            "ttlMs": None,
            "pollIntervalMs": POLL_INTERVAL_MS,
        }
        if task.keeps_until is not None:
            shape["ttlMs"] = int((task.keeps_until - task.created_at).total_seconds() * 1000)
        return shape

    def _message(self, task: Task) -> str:
        match task.standing:
            case Standing.OPEN | Standing.READY:
                return (
                    "No answer yet, so nothing that depends on it may proceed. A person is asked on "
                    f"{self._review_url(task.report.request_id)} and may take hours. Wait for this task to complete: "
                    "do not go on without its result, and do not ask again. If you must end your turn, tell your user "
                    "that this question is open."
                )
            case Standing.TOLD:
                return next_step(task.report)
            case Standing.SUPERSEDED:
                return (
                    "Another call of yours asks this same question and gets its answer. Do not proceed because of this "
                    "task."
                )
            case Standing.WITHDRAWN:
                return "The question was taken back. Do not proceed because of it."
            case Standing.LAPSED:
                return "The answer was not collected in time and has lapsed. Do not proceed; ask again if you need it."


def declared(context: Context) -> bool:
    """Whether the client of this very request can be answered with a task."""
    capabilities = context.session.client_capabilities
    return (
        context.protocol_version in MODERN_PROTOCOL_VERSIONS
        and capabilities is not None
        and EXTENSION in (capabilities.extensions or {})
    )


async def _answered(method: Callable[[Exchange, Any], Awaitable[Wire]], context: Context, params: Any) -> Wire:
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
    if not declared(context):
        required: Wire = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", required)
    try:
        return await method(Exchange.of(context.request.scope), params)  # type: ignore[union-attr]
    except Problem as problem:
        raise MCPError(types.INTERNAL_ERROR, text_of(problem)) from problem


def _unknown() -> MCPError:
    return MCPError(types.INVALID_PARAMS, "Task not found: there is no such task of yours.")
