"""What one rule more would do: to the call because of which it is proposed, and to those that were made before. Pure.

The rules in force are compared with the same rules and the new one: what else changed since the calls is not counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from store.policy.additions import RULES, START, as_yaml
from store.policy.drafts import Cause
from store.policy.judging import judge
from store.policy.reading import read
from store.policy.replay import Past, Replayed, replay
from store.policy.rules import Action, Policy, Rule
from store.policy.verdicts import Called, Spend, Verdict


@dataclass(frozen=True)
class Change:
    """A recorded call that one rule more would treat otherwise."""

    called: Called
    before: Action
    after: Action

    @property
    def is_looser(self) -> bool:
        return self.after.strictness < self.before.strictness


@dataclass(frozen=True)
class Effect:
    """What a rule would do beside those in force."""

    calls: int
    """How many recorded calls it was tried on."""
    since: datetime | None
    """When the oldest of them was made."""
    matched: int
    """How many of them it is for."""
    changes: tuple[Change, ...]
    """The newest first."""
    kept: tuple[tuple[str, int], ...]
    """Where something stricter keeps calls as they are that it is for: why, in words, and how many; the most first."""
    of_cause: Verdict | None
    """What would be said now to the call because of which it is proposed; None: there is no such call any more."""
    matches_cause: bool

    @cached_property
    def counts(self) -> tuple[tuple[Action, Action, int], ...]:
        """How many calls go from which action to which: those first with which less stands in the way."""
        counted = Counter((one.before, one.after) for one in self.changes)
        order = sorted(counted, key=lambda pair: (pair[1].strictness - pair[0].strictness, pair[0].strictness))
        return tuple((before, after, counted[before, after]) for before, after in order)


def rule_of(rule: Mapping[str, Any]) -> Rule:
    """The rule that these fields are, as the file has them.

    Raises:
        PolicyMistake: they are none.
    """
    return read(START + as_yaml(RULES, [rule])).rules[0]


def effect_of(policy: Policy, rule: Rule, past: Sequence[Past], cause: Cause | None, now: datetime) -> Effect:
    """What `rule` would do beside those of `policy`."""
    more = with_rule(policy, rule)
    tried = past if any(one.budgets for one in policy.rules) else _matched(policy, rule, past)
    before, after = replay(policy, tried).calls, replay(more, tried).calls
    pairs = zip(before, after, strict=True)
    changed = [_change(one, other) for one, other in pairs if one.verdict.action is not other.verdict.action]
    matching = [one for one in after if rule.name in one.verdict.rules]
    kept = Counter(
        reason
        for one in matching
        if one.verdict.action.strictness > rule.action.strictness
        for reason in one.verdict.reasons
    )
    verdict = None if cause is None else _of_cause(more, cause, now)
    return Effect(
        calls=len(past),
        since=min((one.called.at for one in past), default=None),
        matched=len(matching),
        changes=tuple(reversed(changed)),
        kept=tuple(kept.most_common()),
        of_cause=verdict,
        matches_cause=verdict is not None and rule.name in verdict.rules,
    )


def _matched(policy: Policy, rule: Rule, past: Sequence[Past]) -> list[Past]:
    """The calls that the rule is for. Where nothing is counted in budgets, nothing changes for any other."""
    alone = replace(policy, rules=(rule,))
    return [one for one in past if rule.name in judge(alone, one.called, given=one.given, spent=_nothing).rules]


def _nothing(_: Spend) -> int:
    return 0


def with_rule(policy: Policy, rule: Rule) -> Policy:
    """The same rules and this one, for judging calls: it has no text, and its hash is that of the rules in force."""
    return replace(policy, rules=(*policy.rules, rule))


def _change(one: Replayed, other: Replayed) -> Change:
    return Change(one.past.called, one.verdict.action, other.verdict.action)


def _of_cause(policy: Policy, cause: Cause, now: datetime) -> Verdict:
    called = Called(cause.tool, cause.upstream, cause.arguments, cause.agent, now)
    return judge(policy, called, given=cause.workflow, spent=_nothing)
