"""A call that is held: an upstream that pays, rules that hold it, and an agent that calls it."""

from collections.abc import Mapping
from typing import Any

from store.agents import Agent
from store.asking import Ticket
from store.calls.calls import GovernedCall
from store.calls.definitions import Definition, Method
from store.calls.editing import Edited
from store.deciding.decisions import Refusal
from store.desk import Desk
from store.lifecycle import Surface
from store.people import Reviewer
from store.policy.active import Via
from store.policy.upstreams import Upstream
from store.questions import HeldCall
from tests.stage import see

UPSTREAM = Upstream("payments", command="pay")
SEND = Definition(
    "payments",
    Method.TOOL,
    "send",
    {
        "name": "send",
        "description": "Sends money.",
        "inputSchema": {
            "type": "object",
            "properties": {"amount": {"type": "number", "minimum": 0}, "to": {"type": "string"}},
            "required": ["amount", "to"],
            "additionalProperties": False,
        },
    },
)
ARGUMENTS = {"amount": 600, "to": "ACME"}
HOLD = "name: payments, tool: payments__send, action: hold"
TWO = "name: large, tool: payments__send, action: hold, approvals: 2, args: {amount: {ge: 500, le: 1000000}}"
NEVER = "name: never, tool: payments__send, action: deny, args: {to: Mallory}, reason: Ask the bank"


def policy(*rules: str, groups: str = "") -> str:
    lines = "\n".join(f"  - {{{rule}}}" for rule in rules)
    groups = f"groups: {groups}\n" if groups else ""
    return f"version: 1\nupstreams:\n  payments: {{command: pay}}\n{groups}rules:\n{lines}\n"


async def in_force(desk: Desk, *rules: str, groups: str = "", definition: Definition = SEND) -> None:
    """Put these rules in force, and have the upstream list its one tool."""
    text = policy(*(rules or (HOLD,)), groups=groups)
    await desk.policies.activate(text, reviewer=None, via=Via.COMMAND_LINE)
    await desk.calls.observe(UPSTREAM, [definition])


def call(arguments: Mapping[str, Any] = ARGUMENTS, definition: Definition = SEND) -> GovernedCall:
    return GovernedCall("payments", Method.TOOL, "send", "payments__send", definition.sha256, arguments)


def held_call(arguments: Mapping[str, Any] = ARGUMENTS, **more: Any) -> HeldCall:
    """The question of a card that holds it."""
    said: dict[str, Any] = {
        "upstream": "payments",
        "method": "tool",
        "name": "send",
        "tool": "payments__send",
        "arguments": dict(arguments),
        "definition_sha256": SEND.sha256,
        "description": "Sends money.",
        "held_because": ("the rule 'payments' holds it",),
        **more,
    }
    return HeldCall(**said)


async def hold(
    desk: Desk, agent: Agent, arguments: Mapping[str, Any] = ARGUMENTS, *, call_id: str | None = None
) -> Ticket:
    """Call it, where the call must be held."""
    ticket = await desk.calls.admit(agent, call(arguments), call_id)
    assert isinstance(ticket, Ticket), ticket
    return ticket


async def edit(
    desk: Desk, reviewer: Reviewer, request_id: str, arguments: Mapping[str, Any], *, card: str | None = None
) -> Edited | Refusal:
    """Edit it as this reviewer; without `card`, after being shown it."""
    return await desk.edit(
        reviewer,
        request_id,
        card_sha256=await see(desk, reviewer, request_id) if card is None else card,
        arguments=arguments,
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )


async def edited(desk: Desk, reviewer: Reviewer, request_id: str, arguments: Mapping[str, Any]) -> Edited:
    """`edit`, where it must be done."""
    done = await edit(desk, reviewer, request_id, arguments)
    assert isinstance(done, Edited), done
    return done
