"""One governed call: what is asked, how it may go on, and what came of it. Values only; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from store.audit.events import CallEnd, Permission
from store.calls.definitions import Method
from store.canonical_json import canonical_text

RUNNING = "running"
"""The state of a call's row between intent and end; afterwards it is one of `CallEnd`."""
DENIED = "denied"
"""Permission and state of the row of a call that was turned away."""


@dataclass(frozen=True)
class Stated:
    """What the agent's side says of a call by itself. It is shown as such, changes nothing, and is no part of what
    makes a call the same call."""

    reasoning: str | None = None
    """Why the agent does it, in its own words."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What its client adds, by name: where it runs, under which mode."""


def stated_json(stated: Stated | None) -> str | None:
    """As rows and the log hold it: canonical JSON of `reasoning` and `facts`; None where nothing was stated."""
    if stated is None or (stated.reasoning is None and not stated.facts):
        return None
    return canonical_text({"reasoning": stated.reasoning, "facts": dict(stated.facts)})


def stated_of(text: str | None) -> Stated | None:
    """What `stated_json` wrote."""
    if text is None:
        return None
    found = json.loads(text)
    return Stated(found["reasoning"], found["facts"])


@dataclass(frozen=True)
class GovernedCall:
    """A call as the front took it: the exact name was found, and the arguments were read strictly.

    `arguments` are what is hashed, shown, judged, approved and sent: nothing else ever reaches the upstream. For a
    resource they are `{"uri": …}`.
    """

    upstream: str
    method: Method
    name: str
    """The upstream's own name of the tool or prompt; empty for a resource."""
    governed_as: str
    definition_sha256: str | None
    """Of the definition that the front listed; None for a resource."""
    arguments: Mapping[str, Any]
    hold_seconds: int | None = None
    stated: Stated | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Admitted:
    """The call may be sent now; that it will be is durable. `finish` must follow, whatever comes of it."""

    call_id: str
    upstream: str
    method: Method
    name: str
    arguments: Mapping[str, Any]
    permission: Permission
    request_id: str | None = None
    """The approval that it runs by: the upstream's idempotency key, where it takes one."""
    definition_sha256: str | None = None
    """What the tool or prompt has to be when the call is sent; None for a resource."""
    launch_sha256: str | None = field(default=None, compare=False)
    """How the upstream has to be started or reached: as in the rules that the call was judged by."""


@dataclass(frozen=True)
class Ended:
    """What came of sending it. `result` is the protocol's own result as JSON, already scrubbed and capped."""

    end: CallEnd
    is_error: bool = False
    result: Mapping[str, Any] | None = None
    why: str | None = None
    """Of what failed: a plain sentence for the agent."""
    sent: bool = True
    """False only where it is certain that nothing reached the upstream: then it takes nothing of any budget."""


@dataclass(frozen=True)
class Run:
    """An approved call that was sent. `ended` is None while it runs."""

    call_id: str
    started_at: datetime
    ended: Ended | None

    @property
    def is_released(self) -> bool:
        """Whether the agent's client runs it, and nobody here."""
        return self.ended is not None and self.ended.end is CallEnd.RELEASED


@dataclass(frozen=True)
class Released:
    """A tool of the agent's own that its client may run now, with exactly these arguments. All is written down."""

    call_id: str
    arguments: Mapping[str, Any]
    is_edited: bool
    """Whether a reviewer made the arguments other than what the agent called it with."""


@dataclass(frozen=True)
class NotRunnable:
    """It was approved, and does not run: it lapsed, or pin or rules changed meanwhile. A sentence for the agent."""

    why: str
