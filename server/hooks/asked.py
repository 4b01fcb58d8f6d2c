"""What a client's hook asks: may this tool of its own run, with exactly this input? Pure.

Every client writes this down in another way; what they have in common is here. What is not understood is refused with
`NotAsked`, and so does not run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from server.stating import stated
from store.calls.calls import GovernedCall
from store.calls.definitions import Method
from store.policy.clients import own_tool, own_tool_fault
from store.strict_json import shortened
from store.text import is_unicode

CALL_ID_LIMIT = 200


class _Missing:
    """The client says nothing of it."""


MISSING: Final = _Missing()


class NotAsked(Exception):
    """The body asks nothing that is understood here. The message says what is wrong, and what to do."""


@dataclass(frozen=True)
class Asked:
    """One tool that a client asks for. `call_id` is what the client calls this call, the same when it asks again."""

    call: GovernedCall
    call_id: str | None
    is_resumable: bool = True
    """Whether the client, told to ask again later, will."""


@dataclass(frozen=True)
class Afterwards:
    """A hook that only reports what a tool did: nothing is decided by its answer."""


@dataclass(frozen=True)
class Sent:
    """A tool as a client names it. `keys` are the names of its fields for the tool and the tool's input, which is
    `MISSING` where the client sent none."""

    tool: Any
    arguments: Any
    call_id: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    reasoning: Any = None
    keys: tuple[str, str] = ("tool_name", "tool_input")


class Form(Protocol):
    """How one client's hooks ask, and how they are answered. Every answer is a JSON object."""

    client: str
    """Its name in rules; see `store.policy.clients`."""
    defers: bool
    """Whether it can be told to ask again later, once its process has ended."""

    def asked(self, body: Mapping[str, Any]) -> Asked | Afterwards:
        """What the hook asks.

        Raises:
            NotAsked
        """

    def unfit(self, call: GovernedCall, edited: Mapping[str, Any]) -> str | None:
        """Why this client cannot run its tool with `edited` in place of what it asked; None where it can."""

    def allowed(self, edited: Mapping[str, Any] | None, said: str | None) -> dict[str, Any]:
        """It may run: as it was asked for, or with `edited` in place of that. `said` is for the model."""

    def denied(self, why: str, *, stopped: bool = False) -> dict[str, Any]:
        """It must not run; `why` is for the model. `stopped`: people stopped the agent, and nothing may go on."""

    def deferred(self, why: str) -> dict[str, Any]:
        """It must not run yet: the client ends, and asks again when it is resumed. Only where it `defers`."""


def is_of(body: Mapping[str, Any], event: str, *, afterwards: tuple[str, ...] = ()) -> bool:
    """Whether a hook is of the event that asks; false for one of those that come afterwards.

    Raises:
        NotAsked: it is another, which is not answered here.
    """
    found = body.get("hook_event_name")
    if found in afterwards:
        return False
    if found != event:
        said = shortened(found) if isinstance(found, str) else "missing"
        raise NotAsked(f"hook_event_name: only {event} hooks are answered here, and this one is {said}")
    return True


def asked_of(client: str, sent: Sent) -> Asked:
    """The question, of what a client sent.

    Raises:
        NotAsked
    """
    tool_key, input_key = sent.keys
    if not isinstance(sent.tool, str):
        raise NotAsked(f"{tool_key}: is missing; send the name of the tool as a text")
    fault = own_tool_fault(client, sent.tool)
    if fault is not None:
        raise NotAsked(f"{tool_key}: {shortened(sent.tool)} is no name of a tool. {fault}")
    if sent.arguments is MISSING:
        # Under another name there may be much that would run, and nobody would be shown it.
        raise NotAsked(f"{input_key}: is missing; send the tool's input as a JSON object, {{}} where it takes none")
    if sent.arguments is not None and not isinstance(sent.arguments, Mapping):
        raise NotAsked(f"{input_key}: is no JSON object; send the tool's input as one")
    call = GovernedCall(
        upstream=client,
        method=Method.OWN,
        name=sent.tool,
        governed_as=own_tool(client, sent.tool),
        definition_sha256=None,
        arguments=dict(sent.arguments or {}),
        stated=stated(sent.reasoning, {name: _text(value) for name, value in sent.facts.items()}),
    )
    return Asked(call, _usable(sent.call_id))


def facts_of(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What of these the client says."""
    return {name: body[name] for name in names if name in body}


def _usable(call_id: Any) -> str | None:
    """The client's name for its call, where it can serve to know the call again."""
    good = isinstance(call_id, str) and 0 < len(call_id) <= CALL_ID_LIMIT and is_unicode(call_id)
    return call_id if good else None


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value
