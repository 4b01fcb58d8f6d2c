"""What a policy says: groups, rules and upstreams. Pure.

Invariants:

- The strictest matching rule wins, so no order of rules and no claim of an agent can loosen one.
- Names are kept as the file writes them. Rules that ask or deny match what looks like a name (`fold`), rules that
  permit only the name itself, and exceptions the other way round: so a look-alike never profits.
- Questions are always put to people: rules that permit, or that look at a call's arguments or its time, are for calls
  only, of upstreams and of the tools that clients bring themselves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from store.names import fold
from store.policy.arguments import Matcher
from store.policy.budgets import Budget
from store.policy.globs import Name, Names, is_wild
from store.policy.hours import Hours
from store.policy.until import Until
from store.policy.upstreams import Upstream
from store.questions import Risk

TOOLS = ("ask_approval", "ask_selection", "ask_form", "ask_text_input")
APPROVING_TOOL = "ask_approval"
RISKS = tuple(Risk)
"""From the lowest to the highest."""

_MOST_REMEMBERED = 4096
"""Names whose rules are remembered. There are as many as upstreams have tools; the rest is found anew."""

Path = tuple[str | int, ...]
"""Where in a file something stands: keys and indexes from the top down, such as ("rules", 0, "reviewers")."""


class Action(StrEnum):
    """What a rule does with the calls that it matches, from the mildest to the strictest."""

    ALLOW = "allow"
    NOTICE = "notice"
    HOLD = "hold"
    DENY = "deny"

    @property
    def permits(self) -> bool:
        """Whether the call runs without anybody being asked."""
        return self in (Action.ALLOW, Action.NOTICE)

    @property
    def strictness(self) -> int:
        return _ORDER[self]


_ORDER = {action: position for position, action in enumerate(Action)}


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
    arguments: tuple[Matcher, ...] = ()
    no_other_arguments: bool = False
    """It matches only calls of which every argument is among `arguments`."""
    hours: tuple[Hours, ...] = ()
    """At any of these times; without them always."""
    until: Until | None = None
    when: str | None = None
    """An expression of CEL; see `store.policy.when`."""
    budgets: tuple[Budget, ...] = ()
    """A `rate` is the last of them."""

    @property
    def is_narrowed(self) -> bool:
        """Whether it looks at more than names: such rules are for calls of upstreams."""
        return (
            bool(self.arguments or self.no_other_arguments or self.hours or self.budgets)
            or self.when is not None
            or self.until is not None
        )

    @cached_property
    def named_tools(self) -> tuple[str, ...]:
        """Which of the tools that ask its patterns match."""
        # Of these names there are no look-alikes, so exceptions are folded here too.
        tools, exceptions = Names(self.tools, folded=True), Names(self.exceptions, folded=True)
        names = [(tool, Name.of(tool)) for tool in TOOLS]
        return tuple(tool for tool, name in names if tools.match(name) and not exceptions.match(name))

    @cached_property
    def matched_tools(self) -> tuple[str, ...]:
        """Which of the tools that ask this rule governs."""
        return () if self.action.permits or self.is_narrowed else self.named_tools

    @cached_property
    def call_globs(self) -> tuple[str, ...]:
        """Those of its patterns that calls can match. No upstream and no client is called `ask` or `ask_…`."""
        return tuple(
            glob
            for glob in self.tools
            if not fold(glob).startswith("ask_") and (is_wild(glob) or "__" in glob or ":" in glob)
        )

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

    def names_call(self, tool: Name) -> bool:
        """Whether it governs calls of this name of an upstream. Calls claim no risk, which counts as the lowest."""
        tools, exceptions = self._call_names
        return tools.match(tool) and not exceptions.match(tool) and self.risk in (None, RISKS[0])

    def is_for(self, agent: Name, workflow: Name | None) -> bool:
        """Whether it governs calls of this agent, in the workflow that it was given."""
        return (not self.agents or self._agent_names.match(agent)) and (
            not self.workflows or (workflow is not None and self._workflow_names.match(workflow))
        )

    def is_for_agent(self, name: str) -> bool:
        """Whether it governs anything of this agent's."""
        return not self.agents or self._agent_names.match(Name.of(name))

    def is_for_workflow(self, name: str) -> bool:
        """Whether it governs what is in this workflow."""
        return not self.workflows or self._workflow_names.match(Name.of(name))

    @cached_property
    def _call_names(self) -> tuple[Names, Names]:
        strict = not self.action.permits
        return Names(self.tools, folded=strict), Names(self.exceptions, folded=not strict)

    @cached_property
    def _agent_names(self) -> Names:
        return Names(self.agents, folded=not self.action.permits)

    @cached_property
    def _workflow_names(self) -> Names:
        return Names(self.workflows, folded=not self.action.permits)


@dataclass(frozen=True)
class Policy:
    """A file without mistakes. `sha256` is of its text, as hex."""

    sha256: str
    groups: tuple[Group, ...]
    rules: tuple[Rule, ...]
    upstreams: tuple[Upstream, ...] = ()
    default: Action = Action.HOLD
    """What becomes of calls that no rule matches: held or denied."""
    places: Mapping[Path, Place] = field(default_factory=dict, compare=False, repr=False)

    def people(self, names: Iterable[str]) -> tuple[str, ...]:
        """The folded user names that these groups and user names stand for, sorted. A group goes before a person."""
        members = {fold(group.name): group.members for group in self.groups}
        return tuple(sorted({fold(one) for name in names for one in members.get(fold(name), (name,))}))

    def upstream(self, name: str) -> Upstream | None:
        """The upstream of this name."""
        return self._by_name.get(name)

    def rules_for(self, tool: str) -> tuple[Rule, ...]:
        """The rules whose patterns match this name of an upstream's, in the file's order."""
        found = self._by_tool.get(tool)
        if found is None:
            if len(self._by_tool) >= _MOST_REMEMBERED:
                self._by_tool.clear()
            name = Name.of(tool)
            found = self._by_tool[tool] = tuple(rule for rule in self.rules if rule.names_call(name))
        return found

    @cached_property
    def _by_name(self) -> dict[str, Upstream]:
        return {upstream.name: upstream for upstream in self.upstreams}

    @cached_property
    def _by_tool(self) -> dict[str, tuple[Rule, ...]]:
        return {}
