"""What is wrong or doubtful about a policy that can be read. Pure.

What refuses would make a rule that nobody can satisfy, or that never governs anything: either looks like protection and
is none. The rest are warnings: the rule works, and perhaps not as it was meant.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from itertools import combinations

from store.names import fold
from store.policy.call_findings import of_calls, of_matching, of_rules_over, of_shadows, of_upstreams
from store.policy.finding import Finding, Known
from store.policy.finding import place_in as _place
from store.policy.reach import reaches_calls
from store.policy.rules import APPROVING_TOOL, RISKS, Action, Path, Policy, Rule

__all__ = ["Finding", "Known", "findings"]


def findings(policy: Policy, known: Known | None, now: datetime | None = None) -> list[Finding]:
    """Everything found, in the order of the file; without `known`, only what the file alone shows, and without `now`
    not which rules are over."""
    found = [*of_upstreams(policy), *_of_groups(policy, known), *of_rules_over(policy, now)]
    for index, rule in enumerate(policy.rules):
        found += of_matching(policy, rule, ("rules", index))
        found += of_calls(policy, rule, ("rules", index))
        found += _of_claims(policy, rule, ("rules", index), known)
        if rule.action is Action.HOLD:
            found += _of_asking(policy, rule, ("rules", index), known)
    found += of_rules_together(policy)
    return sorted(found, key=lambda one: (one.place.line, one.place.column))


@lru_cache(maxsize=4)
def of_rules_together(policy: Policy) -> tuple[Finding, ...]:
    """What only shows where rules are compared with each other; the file alone shows it. Each two of them are, which
    takes seconds for a thousand rules, so it is remembered: whoever activates inside a transaction finds it done."""
    return (*of_shadows(policy), *_of_pairs(policy))


def _of_groups(policy: Policy, known: Known | None) -> Iterator[Finding]:
    if known is None:
        return
    for group in policy.groups:
        for index, name in enumerate(group.members):
            path: Path = ("groups", group.name, index)
            yield from _of_name(policy, known, name, path, f"the group {group.name!r} names {name!r}")
        if fold(group.name) in known.deciding | known.others:
            where = _place(policy, ("groups", group.name))
            yield Finding(f"there is a group and a person {group.name!r}: rules mean the group", where, refuses=False)


def _of_name(policy: Policy, known: Known, name: str, path: Path, says: str) -> Iterator[Finding]:
    if fold(name) in known.others:
        yield Finding(f"{says}, who decides nothing: an auditor, or disabled", _place(policy, path), refuses=False)
    elif fold(name) not in known.deciding:
        yield Finding(f"{says}, and there is no such person", _place(policy, path), refuses=True)


def _of_claims(policy: Policy, rule: Rule, path: Path, known: Known | None) -> Iterator[Finding]:
    asking = bool(rule.matched_tools)
    leaning = asking and rule.risk not in (None, RISKS[0]) and not rule.agents and not rule.workflows
    if leaning and not _has_floor(policy, rule):
        yield Finding(
            f"the rule {rule.name!r} leans on the risk alone, which agents claim themselves: who claims less gets past",
            _place(policy, (*path, "risk")),
            refuses=False,
        )
    if known is not None and rule.workflows and not rule.agents and not any(map(rule.is_for_workflow, known.workflows)):
        says = "leans on a workflow that no agent was given: who names none gets past"
        yield Finding(
            f"the rule {rule.name!r} {says if asking else 'is for no workflow that an agent was given'}",
            _place(policy, (*path, "workflow")),
            refuses=False,
        )
    if known is not None and rule.agents and not any(rule.is_for_agent(agent) for agent in known.agents):
        where = _place(policy, (*path, "agent"))
        yield Finding(f"the rule {rule.name!r} is for no agent that there is", where, refuses=False)


def _has_floor(policy: Policy, rule: Rule) -> bool:
    """Whether another rule governs the same tools of everybody, whatever risk is claimed."""
    return any(
        not (other.agents or other.workflows or other.risk)
        and set(rule.matched_tools) <= set(other.matched_tools)
        and not _asks_nothing(other)
        for other in policy.rules
    )


def _of_asking(policy: Policy, rule: Rule, path: Path, known: Known | None) -> Iterator[Finding]:
    if rule.approvals > 1 and set(rule.matched_tools) - {APPROVING_TOOL}:
        message = f"the rule {rule.name!r} wants several approvals, and only {APPROVING_TOOL} has them"
        hint = f"give it tool: {APPROVING_TOOL}"
        yield Finding(f"{message}; {hint}", _place(policy, (*path, "approvals")), refuses=True)
    if rule.matched_tools and _asks_nothing(rule) and not reaches_calls(policy, rule):
        yield Finding(
            f"the rule {rule.name!r} asks for nothing that holds without it", _place(policy, path), refuses=False
        )
    if rule.escalate and rule.reviewers is None:
        message = f"the rule {rule.name!r} escalates, and everybody may answer already"
        yield Finding(message, _place(policy, (*path, "escalate")), refuses=False)
    if known is not None:
        yield from _of_people(policy, rule, path, known)


def _of_people(policy: Policy, rule: Rule, path: Path, known: Known) -> Iterator[Finding]:
    groups = {fold(group.name) for group in policy.groups}
    for field, names in (("reviewers", rule.reviewers or ()), ("escalate", rule.escalate)):
        for index, name in enumerate(names):
            if fold(name) not in groups:
                says = f"the rule {rule.name!r} names {name!r}"
                yield from _of_name(policy, known, name, (*path, field, index), says)
    asked = known.deciding if rule.reviewers is None else known.deciding.intersection(policy.people(rule.reviewers))
    where = _place(policy, (*path, "approvals"), (*path, "reviewers"), path)
    if len(asked) < rule.approvals and (rule.reviewers is not None or rule.approvals > 1):
        yield Finding(
            f"the rule {rule.name!r} wants {_count(rule.approvals, 'approval')}, "
            f"and {_count(len(asked), 'person', 'people')} may give them",
            where,
            refuses=True,
        )
    elif rule.passkey and len(asked & known.with_passkey) < rule.approvals:
        holders = len(asked & known.with_passkey)
        have = f"{holders} of its people has one" if holders == 1 else f"{holders or 'none'} of its people have one"
        yield Finding(
            f"the rule {rule.name!r} requires passkeys, and {have}",
            _place(policy, (*path, "require")),
            refuses=False,
        )


def _of_pairs(policy: Policy) -> Iterator[Finding]:
    """Rules that ask different people for what one person answers alone: what both match cannot be asked."""
    asking = [
        (rule, index, {*policy.people(rule.reviewers), *policy.people(rule.escalate)})
        for index, rule in enumerate(policy.rules)
        if rule.action is Action.HOLD and rule.reviewers is not None
    ]
    told: set[int] = set()
    for (one, _, first), (other, index, second) in combinations(asking, 2):
        if index in told:
            continue
        alone = (set(one.matched_tools) & set(other.matched_tools)) - {APPROVING_TOOL}
        # Only where they surely meet: whether two globs have a name in common is left to the question itself.
        meet = any(not (rule.agents or rule.workflows) for rule in (one, other))
        if alone and meet and not first & second:
            message = f"the rules {one.name!r} and {other.name!r} ask different people"
            where = _place(policy, ("rules", index, "reviewers"))
            # Once a rule: hundreds of rules that all differ would be a hundred thousand of the same.
            told.add(index)
            yield Finding(f"{message}: of what both match, only an approval can be asked", where, refuses=False)


def _asks_nothing(rule: Rule) -> bool:
    plain = Rule(rule.name, rule.tools, rule.exceptions, rule.agents, rule.workflows, rule.risk, escalate=rule.escalate)
    return rule == plain


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
