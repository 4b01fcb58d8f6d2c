"""The gateway's front: agents list what the upstreams have, and call it as far as the rules and people let them.

A call passes: exact look-up in the listing, then - in one transaction - pin, rules and the record that it will be sent;
then it is sent with exactly the arguments that were judged. What is held waits for people like every question, and runs
in the background once they approved it.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import mcp_types as types
import structlog
from mcp.server.context import HandlerResult
from mcp.shared.exceptions import MCPError

from server.caller import Caller
from server.gateway.inputs import InTheResult, OnTheStream, Responses
from server.gateway.lists import Lists, Page, input_schema
from server.gateway.passing import Errand, Passing, Progress
from server.gateway.results import denied, error_result
from server.tools.calls import ToolCalls
from server.tools.catalogue import CATALOGUE
from server.tools.faults import text_of
from store.asking import Ticket
from store.calls.calls import Admitted, GovernedCall
from store.calls.definitions import Method, Pinned, resources_of
from store.deciding.governing import Denied
from store.desk import Desk
from store.problems import Problem
from store.strict_json import shortened

LISTING_SECONDS = 2.0
"""How long a list waits for upstreams of which nothing is known yet. They are told of later, when it changed."""

log = structlog.get_logger()


class Front:
    """What agents may ask of the upstreams."""

    def __init__(self, tools: ToolCalls, passing: Passing, desk: Desk) -> None:
        self._tools = tools
        self._passing = passing
        self._upstreams = passing.upstreams
        self._desk = desk
        self._lists = Lists([definition.tool() for definition in CATALOGUE.values()])

    # Lists

    async def list_tools(self, version: str, cursor: str | None) -> dict[str, Any]:
        return await self._listed("tools", self._lists.tools, version, cursor)

    async def list_prompts(self, version: str, cursor: str | None) -> dict[str, Any]:
        return await self._listed("prompts", self._lists.prompts, version, cursor)

    async def list_resources(self, version: str, cursor: str | None) -> dict[str, Any]:
        return await self._listed("resources", self._lists.resources, version, cursor, resources=True)

    async def list_templates(self, version: str, cursor: str | None) -> dict[str, Any]:
        return await self._listed("resourceTemplates", self._lists.templates, version, cursor, resources=True)

    async def _listed(
        self, key: str, page: Callable[..., Page], version: str, cursor: str | None, *, resources: bool = False
    ) -> dict[str, Any]:
        listing = await self._upstreams.known(within=LISTING_SECONDS, resources=resources)
        return page(listing, version, cursor).result(key)

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        """What an upstream's tool takes; None for a name that none has."""
        return input_schema(self._upstreams.listing, name)

    # Calls

    async def call_tool(self, caller: Caller, params: types.CallToolRequestParams) -> HandlerResult:
        """Call a tool. Whatever keeps it from running is told in an error result."""
        arguments = params.arguments or {}
        pinned = self._upstreams.listing.tools.get(params.name)
        if pinned is None:
            known = f"Known are {', '.join(CATALOGUE)}, and those of the upstreams, under exactly the names in the list"
            why = f"there is no tool {shortened(params.name)}. {known}."
            return await self._turned_away(caller, Method.TOOL, params.name, why, arguments)
        call = _call(pinned, arguments, caller)
        try:
            return await self._governed(caller, call, params.name, params)
        except Problem as problem:
            log.info("call_refused", agent=caller.agent.name, reason=type(problem).__name__)
            return error_result(text_of(problem))

    async def get_prompt(self, caller: Caller, params: types.GetPromptRequestParams) -> HandlerResult:
        """Get a prompt.

        Raises:
            MCPError: it is withheld, or there is none of that name.
        """
        arguments = dict(params.arguments or {})
        pinned = self._upstreams.listing.prompts.get(params.name)
        if pinned is None:
            why = f"There is no prompt {shortened(params.name)}. Names are exact: list the prompts."
            return await self._turned_away(caller, Method.PROMPT, params.name, why, arguments)
        return await self._or_error(self._governed(caller, _call(pinned, arguments, caller), params.name, params))

    async def read_resource(self, caller: Caller, params: types.ReadResourceRequestParams) -> HandlerResult:
        """Read a resource of the one upstream that has it.

        Raises:
            MCPError: it is withheld, or nobody has it, or several do.
        """
        uri = str(params.uri)
        owners = self._upstreams.listing.upstreams_of(uri)
        if not owners:
            # What upstreams list of resources is not kept over a restart.
            listing = await self._upstreams.known(within=LISTING_SECONDS, resources=True)
            owners = listing.upstreams_of(uri)
        if len(owners) != 1:
            several = f"Several upstreams have {shortened(uri, 200)} ({', '.join(owners)}), so it belongs to none."
            why = several if owners else f"No upstream has {shortened(uri, 200)}. List the resources."
            return await self._turned_away(caller, Method.RESOURCE, "resources/read", why, {"uri": uri})
        name = resources_of(owners[0])
        call = GovernedCall(owners[0], Method.RESOURCE, "", name, None, {"uri": uri}, stated=caller.stated)
        return await self._or_error(self._governed(caller, call, name, params))

    async def _turned_away(
        self, caller: Caller, method: Method, tool: str, why: str, arguments: Mapping[str, Any]
    ) -> HandlerResult:
        """Tell a caller that there is no such thing, and keep that it was tried.

        Raises:
            MCPError: it was no tool.
        """
        try:
            await self._passing.calls.refuse(caller.agent, tool, why, arguments)
        except Problem as problem:
            why = text_of(problem)
        if method is not Method.TOOL:
            raise MCPError(types.INVALID_PARAMS, why)
        return error_result(why)

    async def _or_error(self, answer: Awaitable[HandlerResult]) -> HandlerResult:
        try:
            return await answer
        except Problem as problem:
            raise MCPError(types.INTERNAL_ERROR, text_of(problem)) from problem

    async def _governed(
        self, caller: Caller, call: GovernedCall, name: str, params: types.InputResponseRequestParams
    ) -> HandlerResult:
        if params.request_state is not None or params.input_responses is not None:
            return await self._gone_on(caller, call, name, params)
        # Cancelled in the middle, it might be admitted with nobody to send it or to say that it was not sent.
        with anyio.CancelScope(shield=True):
            said = await self._passing.calls.admit(caller.agent, call, caller.call_id)
        match said:
            case Admitted():
                return await self._sent(caller, said, call, name)
            case Ticket():
                return await self._tools.waited(caller, name, said, about=_about(call))
            case Denied(why=why):
                return denied(call.method, name, why)

    async def _sent(self, caller: Caller, admitted: Admitted, call: GovernedCall, name: str) -> HandlerResult:
        errand = Errand(self._passing, caller.agent, admitted, meta=caller.own_meta, progress=_relayed(caller))
        if caller.is_modern and caller.elicitation is not None and self._passing.takes_more:
            # It may have to be answered with a question while the call goes on: so that goes on by itself.
            self._passing.start(errand)
            return await self._attended(caller, errand, call, name)
        errand.route = self._in_the_result(caller, errand) if caller.is_modern else OnTheStream(caller)
        await errand.run()
        return errand.result(name, modern=caller.is_modern)

    async def _gone_on(
        self, caller: Caller, call: GovernedCall, name: str, params: types.InputResponseRequestParams
    ) -> HandlerResult:
        """Go on with a call that was answered with a question."""
        answers: Responses | None = params.input_responses
        errand = self._passing.parking.take(params.request_state, caller.agent.id, _about(call), answers)
        if not isinstance(errand, Errand):
            why = (
                "This request state belongs to no call that waits for an answer with exactly these arguments: it was "
                "used, or nobody answered in time. Nothing was sent; call again without it."
            )
            return await self._turned_away(caller, call.method, name, why, call.arguments)
        if errand.admitted.request_id is None:
            errand.progress = _relayed(caller)
            return await self._attended(caller, errand, call, name)
        ticket = await self._desk.attach(caller.agent, errand.admitted.request_id)
        assert ticket is not None, "who has its state has the request"
        return await self._tools.waited(caller, name, ticket, about=_about(call))

    async def _attended(self, caller: Caller, errand: Errand, call: GovernedCall, name: str) -> HandlerResult:
        errand.route = self._in_the_result(caller, errand)
        stirred = anyio.Event()
        errand.on_stir = stirred.set
        try:
            if not errand.over and errand.question is None:
                await stirred.wait()
        except anyio.get_cancelled_exc_class():
            errand.cancel()
            raise
        if errand.over:
            return errand.result(name, modern=True)
        return self._passing.parking.required(caller.agent.id, _about(call), errand)

    def _in_the_result(self, caller: Caller, errand: Errand) -> InTheResult:
        return InTheResult(caller, errand, self._passing.parking)


def _call(pinned: Pinned, arguments: Mapping[str, Any], caller: Caller) -> GovernedCall:
    listed = pinned.accepted or pinned.definition
    return GovernedCall(
        upstream=listed.upstream,
        method=listed.method,
        name=listed.name,
        governed_as=listed.governed_as,
        definition_sha256=listed.sha256,
        arguments=arguments,
        stated=caller.stated,
    )


def _about(call: GovernedCall) -> str:
    """What names this call: the same for the same arguments, however they are ordered."""
    arguments = json.dumps(call.arguments, sort_keys=True)
    return hashlib.sha256(f"{call.governed_as}\n{arguments}".encode()).hexdigest()


def _relayed(caller: Caller) -> Progress | None:
    return caller.context.session.report_progress if caller.wants_progress else None
