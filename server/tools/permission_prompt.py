"""`permission_prompt`: the tool that `claude --permission-prompt-tool` calls before it runs one of its own.

Listed for Claude Code and callable by it alone. It must answer with exactly one text of JSON and no structured content:
anything else Claude Code takes for an invalid answer.
"""

import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.caller import Caller
from server.gateway.results import error_result
from server.hooks.asked import NotAsked, Sent, asked_of
from server.hooks.own_tools import OwnTools, Permitted, Refused
from server.progress import Progress
from server.tools.schemas import input_schema
from store.asking import Report
from store.strict_json import shortened

NAME = "permission_prompt"
CLAUDE_CODE, CLIENT_NAME = "claude_code", "claude-code"


class _Arguments(BaseModel):
    # What a later version sends besides is not what is asked about.
    model_config = ConfigDict(frozen=True, extra="ignore")

    tool_name: str = Field(description="The tool that is to run.")
    input: dict[str, Any] = Field(description="With what it is to run.")
    tool_use_id: str | None = Field(default=None, description="Which call of the model's this is.")


TOOL = types.Tool(
    name=NAME,
    title="Ask whether a tool may run",
    description=(
        "For the client, not for the model: given to --permission-prompt-tool, Claude Code asks here before it runs a "
        "tool of its own. Do not call it."
    ),
    input_schema=input_schema(_Arguments),
    annotations=types.ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
)

ENTRY = TOOL.model_dump(by_alias=True, mode="json", exclude_none=True)
"""As a list of the protocol has it."""


class PermissionPrompt:
    """The tool, where a server offers it."""

    def __init__(self, own_tools: OwnTools) -> None:
        self._own_tools = own_tools

    def is_for(self, caller: Caller) -> bool:
        """Whether this caller is one that asks so."""
        return (caller.client_name or "").lower() == CLIENT_NAME

    async def call(self, caller: Caller, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """Whether the tool may run. Whatever is wrong, it must not."""
        if not self.is_for(caller):
            return error_result(_not_for(caller))
        try:
            parsed = _Arguments.model_validate(arguments)
            named = parsed.tool_use_id
            sent = Sent(parsed.tool_name, parsed.input, named, {"tool_use_id": named}, keys=("tool_name", "input"))
            asked = asked_of(CLAUDE_CODE, sent)
        except (ValidationError, NotAsked) as problem:
            why = str(problem) if isinstance(problem, NotAsked) else "give tool_name, input and tool_use_id"
            return _denied(f"{why}. Nothing runs because of it")
        progress = Progress(caller)

        async def beat(_: float, report: Report) -> None:
            await progress.tell(f"Waiting for a person: {self._own_tools.review_url(report.request_id)}")

        verdict = await self._own_tools.ask(caller.exchange, asked.call, asked.call_id, seconds=None, beat=beat)
        if isinstance(verdict, Permitted):
            runs = parsed.input if verdict.edited is None else verdict.edited
            return _answer({"behavior": "allow", "updatedInput": dict(runs)})
        # Stopped, the whole run ends: a model that is only told so would go on with something else.
        return _denied(verdict.why, ends=isinstance(verdict, Refused) and verdict.stopped)


def _not_for(caller: Caller) -> str:
    """What a caller is told that is no Claude Code."""
    return (
        f"{NAME} is for Claude Code's --permission-prompt-tool, and this client is "
        f"{shortened(caller.client_name or 'unknown')}. Nothing was asked."
    )


def _denied(why: str, *, ends: bool = False) -> types.CallToolResult:
    return _answer({"behavior": "deny", "message": why} | ({"interrupt": True} if ends else {}))


def _answer(said: Mapping[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=json.dumps(said, ensure_ascii=False))])
