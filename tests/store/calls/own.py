"""What tests of clients' own tools stand on: a call of Claude Code's, and rules for such."""

from typing import Any

from store.agents import Agent
from store.answers import Chosen
from store.asking import Ticket
from store.calls.calls import GovernedCall, NotRunnable, Released, Stated
from store.calls.definitions import Method
from store.deciding.governing import Denied
from store.desk import Desk
from store.people import Reviewer
from store.policy.active import Via
from store.policy.clients import own_tool
from tests.stage import answered

CLIENT = "claude_code"
RULES = (
    "{name: reads, tool: 'claude_code:Read', action: allow}",
    "{name: edits, tool: 'claude_code:Edit', action: notice}",
    "{name: few searches, tool: 'claude_code:WebSearch', action: allow, rate: 2/minute}",
    "{name: shell, tool: 'claude_code:Bash', action: hold}",
    "{name: never, tool: '*:Bash', args: {command: {matches: 'rm -rf.*'}}, action: deny, reason: Use the trash.}",
)


def text_of(*rules: str) -> str:
    return "version: 1\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules)


async def in_force(desk: Desk, *rules: str) -> None:
    await desk.policies.activate(text_of(*(rules or RULES)), reviewer=None, via=Via.COMMAND_LINE)


def own(name: str = "Bash", *, client: str = CLIENT, stated: Stated | None = None, **arguments: Any) -> GovernedCall:
    arguments = arguments or {"command": "make deploy"}
    return GovernedCall(client, Method.OWN, name, own_tool(client, name), None, arguments, stated=stated)


async def hold(desk: Desk, agent: Agent, call: GovernedCall | None = None, call_id: str | None = "toolu_1") -> Ticket:
    found = await desk.calls.admit(agent, call or own(), call_id)
    assert isinstance(found, Ticket), found
    return found


async def denial(desk: Desk, agent: Agent, call: GovernedCall) -> str:
    found = await desk.calls.admit(agent, call, None)
    assert isinstance(found, Denied), found
    return found.why


async def approved(
    desk: Desk, agent: Agent, reviewer: Reviewer, call: GovernedCall | None = None, call_id: str | None = "toolu_1"
) -> str:
    """A held call that this reviewer approved; its request."""
    ticket = await hold(desk, agent, call, call_id)
    await answered(desk, reviewer, ticket.request_id, Chosen("run"))
    return ticket.request_id


async def released(desk: Desk, agent: Agent, request_id: str) -> Released:
    found = await desk.calls.release(agent, request_id)
    assert isinstance(found, Released), found
    return found


async def refused(desk: Desk, agent: Agent, request_id: str) -> str:
    """Why it may not run."""
    found = await desk.calls.release(agent, request_id)
    assert isinstance(found, NotRunnable), found
    return found.why
