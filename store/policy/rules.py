"""What a policy says: groups and rules. Pure.

Invariants:

- A rule only ever asks for more. Nothing here permits, so no order of rules and no claim of an agent can loosen one.
- Names are kept as the file writes them; `fold` decides which of them are the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

import re2

from store.names import fold
from store.questions import Risk

TOOLS = ("ask_approval", "ask_selection", "ask_form", "ask_text_input")
APPROVING_TOOL = "ask_approval"
RISKS = tuple(Risk)
"""From the lowest to the highest."""

Path = tuple[str | int, ...]
"""Where in a file something stands: keys and indexes from the top down, such as ("rules", 0, "reviewers")."""


class Action(StrEnum):
    """What a rule does with the calls that it matches."""

    HOLD = "hold"
    DENY = "deny"


@dataclass(frozen=True)
class Asked:
    """What is known of a question before anybody is asked. `risk` is the agent's own claim."""

    tool: str
    agent: str
    workflow: str | None
    risk: Risk | None


@dataclass(frozen=True)
class Place:
    """Where in the file, counted from 1 as editors count."""

    line: int
    column: int


@dataclass(frozen=True)
class Group:
    """People by one name."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One rule, with every default filled in. Its matchers are globs (`*`, `?`); without agents it is for all."""

    name: str
    tools: tuple[str, ...] = ("ask_*",)
    exceptions: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    risk: Risk | None = None
    action: Action = Action.HOLD
    reviewers: tuple[str, ...] | None = None
    approvals: int = 1
    timeout_seconds: int | None = None
    passkey: bool = False
    not_owner: bool = False
    escalate: tuple[str, ...] = ()
    reason_required: bool = False
    denial: str = ""

    @cached_property
    def matched_tools(self) -> tuple[str, ...]:
        """Which of the tools this rule can match at all."""
        return tuple(tool for tool in TOOLS if _matches(self.tools, tool) and not _matches(self.exceptions, tool))

    def matches(self, asked: Asked) -> bool:
        """Whether this rule governs that question.

        A claimed risk matches from the rule's own upwards, and no claim counts as the lowest: a rule that leans on the
        claim is dodged by claiming less, and never loosened by claiming more.
        """
        return (
            asked.tool in self.matched_tools
            and self.is_for_agent(asked.agent)
            and (not self.workflows or (asked.workflow is not None and self.is_for_workflow(asked.workflow)))
            and (self.risk is None or RISKS.index(asked.risk or RISKS[0]) >= RISKS.index(self.risk))
        )

    def is_for_agent(self, name: str) -> bool:
        """Whether it governs any question of this agent's."""
        return not self.agents or _matches(self.agents, name)

    def is_for_workflow(self, name: str) -> bool:
        """Whether it governs what is in this workflow."""
        return not self.workflows or _matches(self.workflows, name)


@dataclass(frozen=True)
class Policy:
    """A file without mistakes. `sha256` is of its text, as hex."""

    sha256: str
    groups: tuple[Group, ...]
    rules: tuple[Rule, ...]
    places: Mapping[Path, Place] = field(default_factory=dict, compare=False, repr=False)

    def people(self, names: Iterable[str]) -> tuple[str, ...]:
        """The folded user names that these groups and user names stand for, sorted. A group goes before a person."""
        members = {fold(group.name): group.members for group in self.groups}
        return tuple(sorted({fold(one) for name in names for one in members.get(fold(name), (name,))}))


def _matches(globs: tuple[str, ...], name: str) -> bool:
    return any(_compiled(fold(glob)).fullmatch(fold(name)) is not None for glob in globs)


@lru_cache(maxsize=1024)
def _compiled(glob: str) -> Any:
    # RE2, because its time is linear in a name that comes from outside, whatever the pattern.
    return re2.compile("".join({"*": "(?s:.*)", "?": "(?s:.)"}.get(one, re2.escape(one)) for one in glob))
