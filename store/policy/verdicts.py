"""What the rules say to one governed call: the values that go in, and those that come out. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.policy.demands import Condition
from store.policy.rules import Action


@dataclass(frozen=True)
class Called:
    """A call before anything is done about it.

    `tool` is the name that rules match: `upstream__tool` for a tool, `upstream:prompts/name` for a prompt,
    `upstream:resources` for reading a resource, whose only argument is `uri`. `arguments` are JSON values as
    `store.strict_json` reads them.
    """

    tool: str
    upstream: str
    arguments: Mapping[str, Any]
    agent: str
    at: datetime


@dataclass(frozen=True)
class Spend:
    """What a call would take of one budget of one rule. `micros` are millionths; a budget of calls takes 1,000,000."""

    rule_key: str
    """The rule's name, folded, `#`, and which of its budgets, from 0."""
    agent: str | None
    """Whose budget, where the rule has one for each agent; None: one for all."""
    window_seconds: int
    micros: int
    most_micros: int


Spent = Callable[[Spend], int]
"""What was taken of this budget within its window before, in millionths."""


@dataclass(frozen=True)
class Verdict:
    """The strictest of what the matching rules say."""

    action: Action
    rules: tuple[str, ...]
    """The names of all rules that matched, in the file's order."""
    reasons: tuple[str, ...]
    """Why it is held, or noticed, or denied: a short sentence each, which names its rule, without a full stop."""
    conditions: tuple[Condition, ...] = ()
    """Where it is held: what each rule asks of the answer. Empty: anybody's one answer does."""
    timeout_seconds: int | None = None
    denied: str | None = None
    """Where it is denied: a sentence for the agent, which names the rule and says what the rule's author wants."""
    spends: tuple[Spend, ...] = ()
    """Where it is allowed or noticed: what it takes of which budget, to be written with the intent."""
    policy_sha256: str | None = None
