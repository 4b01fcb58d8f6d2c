"""Which calls a rule can govern at all, as far as the file alone shows it. Pure."""

from dataclasses import dataclass

from store.names import fold
from store.policy.clients import CLIENTS, own_tool
from store.policy.globs import can_begin, covers
from store.policy.rules import RISKS, Action, Policy, Rule

MOST_PAIRS = 200_000


def reaches_calls(policy: Policy, rule: Rule) -> bool:
    """Whether some call of some upstream of this file, or of some client's own tool, can have a name that the rule's
    patterns match."""
    return any(
        reaches(policy, rule, glob) and not any(covers(exception, _shown(rule, glob)) for exception in _excepted(rule))
        for glob in rule.call_globs
    )


def reaches(policy: Policy, rule: Rule, glob: str) -> bool:
    """Whether this pattern of the rule matches the name of some tool, prompt or resource of some upstream, or of some
    tool that some client may bring."""
    shown = _shown(rule, glob)
    return any(can_begin(shown, own_tool(client, "")) for client in CLIENTS) or any(
        can_begin(shown, f"{upstream.name}__")
        or can_begin(shown, f"{upstream.name}:prompts/")
        or covers(shown, f"{upstream.name}:resources")
        for upstream in policy.upstreams
    )


def shadows(policy: Policy) -> dict[str, Rule]:
    """By the names of rules that permit: a stricter rule that surely matches whatever they do, so they never count.

    Looks at so many pairs of patterns and no more: a file can have tens of thousands of patterns, and not to be told of
    a rule that never counts does no harm.
    """
    strict = [rule for rule in policy.rules if rule.action is not Action.ALLOW and not rule.is_narrowed]
    left = _Left(MOST_PAIRS)
    found: dict[str, Rule] = {}
    for rule in policy.rules:
        if rule.action.permits:
            shadow = next((other for other in strict if _shadows(other, rule, left)), None)
            if shadow is not None:
                found[rule.name] = shadow
    return found


@dataclass
class _Left:
    pairs: int

    def take(self) -> bool:
        self.pairs -= 1
        return self.pairs >= 0


def _shadows(strict: Rule, rule: Rule, left: _Left) -> bool:
    return (
        strict.action.strictness > rule.action.strictness
        and strict.risk in (None, RISKS[0])
        and set(strict.exceptions) <= set(rule.exceptions)
        and _all_covered(strict, strict.tools, rule.tools, left)
        and (not strict.agents or (bool(rule.agents) and _all_covered(strict, strict.agents, rule.agents, left)))
        and (
            not strict.workflows
            or (bool(rule.workflows) and _all_covered(strict, strict.workflows, rule.workflows, left))
        )
    )


def _all_covered(strict: Rule, wide: tuple[str, ...], narrow: tuple[str, ...], left: _Left) -> bool:
    # What permits matches to the letter, and so does what notices; what holds or denies matches look-alikes as well.
    read = str if strict.action is Action.NOTICE else fold
    return all(any(left.take() and covers(read(one), read(other)) for one in wide) for other in narrow)


def _shown(rule: Rule, glob: str) -> str:
    return glob if rule.action.permits else fold(glob)


def _excepted(rule: Rule) -> tuple[str, ...]:
    return tuple(map(fold, rule.exceptions)) if rule.action.permits else rule.exceptions
