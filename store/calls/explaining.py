"""What would become of a call, were it made now. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from store import tables
from store.answers import Fault
from store.calls import judgement, pins
from store.calls.calls import GovernedCall
from store.calls.definitions import SEPARATOR, Method
from store.calls.spending import spent
from store.policy.active import active
from store.policy.clients import is_client, own_tool_fault
from store.policy.judging import judge
from store.policy.verdicts import Called, Verdict


@dataclass(frozen=True)
class Explanation:
    """What would become of a call. The verdict is that of rules, budgets and pin together."""

    tool: str
    upstream: str
    workflow: str | None
    """The one that its agent was given; without such an agent, the one that was named."""
    verdict: Verdict
    by_rules: Verdict | None
    """What the rules alone say; None where none were ever activated."""
    wrong: tuple[Fault, ...]
    """What is wrong with the arguments: such a call is turned away before it is judged."""


def explained(
    connection: Connection,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    agent: str,
    workflow: str | None,
    now: datetime,
) -> Explanation:
    """What would become of a call of this name, as rules have it.

    Raises:
        PolicyUnreadable
    """
    upstream, method, name = named(tool)
    agents = tables.agents.c
    known = connection.execute(select(agents.workflow).where(agents.name == agent)).one_or_none()
    given = workflow if known is None else known.workflow
    is_pinned = method in (Method.TOOL, Method.PROMPT)
    pin = pins.pin(connection, upstream, method, name) if is_pinned else None
    call = GovernedCall(upstream, method, name, tool, None if pin is None else pin.accepted_sha256, arguments)
    policy = active(connection)
    called = Called(tool, upstream, arguments, agent, now)
    return Explanation(
        tool=tool,
        upstream=upstream,
        workflow=given,
        verdict=judgement.judged(connection, agent=agent, workflow=given, call=call, now=now),
        by_rules=None if policy is None else judge(policy, called, given=given, spent=spent(connection, now)),
        wrong=judgement.validated(connection, call),
    )


def named(tool: str) -> tuple[str, Method, str]:
    """The upstream or client, what is asked of it, and its own name for it. Only for names as rules have them, where it
    is plain: what an agent sends is looked up and never taken apart.

    Raises:
        ValueError: it is no such name.
    """
    upstream, colon, rest = tool.partition(":")
    if colon and is_client(upstream):
        if own_tool_fault(upstream, rest) is None:
            return upstream, Method.OWN, rest
        raise ValueError(tool)
    if colon:
        if rest == "resources":
            return upstream, Method.RESOURCE, ""
        if rest.startswith("prompts/") and rest != "prompts/":
            return upstream, Method.PROMPT, rest.removeprefix("prompts/")
        raise ValueError(tool)
    upstream, separator, name = tool.partition(SEPARATOR)
    if not (upstream and separator and name):
        raise ValueError(tool)
    return upstream, Method.TOOL, name
