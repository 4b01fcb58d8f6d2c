"""Rules in words, the same on page, command line and card. Pure."""

import json
from collections.abc import Iterable

from store.policy.arguments import Check, Matcher, Op
from store.policy.budgets import Budget
from store.policy.demands import Condition
from store.policy.rules import RISKS, TOOLS, Action, Rule
from store.policy.until import Until

_HOUR, _MINUTE = 3600, 60
_KINDS = {
    "ask_approval": "approvals",
    "ask_selection": "selections",
    "ask_form": "forms",
    "ask_text_input": "texts",
}
_CHECKS = {
    Op.EQ: "is",
    Op.NE: "is not",
    Op.GT: "is over",
    Op.GE: "is at least",
    Op.LT: "is under",
    Op.LE: "is at most",
    Op.IN: "is one of",
    Op.NOT_IN: "is none of",
    Op.GLOB: "is like",
    Op.MATCHES: "matches",
    Op.LONGER: "is longer than",
}


def what_it_matches(rule: Rule) -> str:
    """Which questions, and which calls of upstreams, a rule is for."""
    who = listed(rule.agents) if rule.agents else "any agent"
    questions = "every question" if rule.matched_tools == TOOLS else listed(_KINDS[one] for one in rule.matched_tools)
    if rule.call_globs:
        calls = f"calls of {listed(rule.call_globs)}"
        if rule.exceptions:
            calls += f" except {listed(rule.exceptions)}"
        parts = [f"{f'{questions} and ' if rule.matched_tools else ''}{calls} by {who}"]
    else:
        parts = [f"{questions} asked by {who}"]
    if rule.workflows:
        parts.append(f"in the workflow {listed(rule.workflows)}")
    if rule.risk is not None:
        parts.append(f"at {rule.risk.value} risk" + ("" if rule.risk is RISKS[-1] else " or more"))
    if rule.arguments:
        parts.append(f"where {' and '.join(_matched(matcher) for matcher in rule.arguments)}")
    if rule.no_other_arguments:
        parts.append("with no other arguments" if rule.arguments else "without arguments")
    if rule.when is not None:
        parts.append(f"when {rule.when}")
    if rule.hours:
        parts.append(f"at {' or '.join(hours.text for hours in rule.hours)}")
    if rule.until is not None:
        parts.append(f"until {_until(rule.until)}")
    return ", ".join(parts)


def _until(until: Until) -> str:
    return f"the end of {until.text} UTC" if until.is_whole_day else f"{until.at:%Y-%m-%d at %H:%M} UTC"


def _matched(matcher: Matcher) -> str:
    return " and ".join(f"{matcher.name} {_checked(check)}" for check in matcher.checks)


def _checked(check: Check) -> str:
    if check.op is Op.EXISTS:
        return "is there" if check.value else "is not there"
    values = check.value if isinstance(check.value, tuple) else (check.value,)
    return f"{_CHECKS[check.op]} {', '.join(json.dumps(value, ensure_ascii=False) for value in values)}"


def what_it_asks(rule: Rule) -> tuple[str, ...]:
    """What a rule asks of the answer, each a short phrase; for one that denies or permits, that it does."""
    if rule.action is Action.DENY:
        return (f"denied: {rule.denial}" if rule.denial else "denied",)
    if rule.action.permits:
        does = "runs at once" if rule.action is Action.ALLOW else "runs at once, and is noticed"
        return (does, *map(what_is_allowed, rule.budgets))
    parts = _asking(rule.reviewers, rule.approvals, rule.passkey, rule.not_owner, rule.reason_required)
    if rule.timeout_seconds is not None:
        parts.append(f"open for {duration(rule.timeout_seconds)} at most")
    if rule.escalate:
        parts.append(f"after half of the time, {listed(rule.escalate)} too")
    return tuple(parts) or ("somebody must approve" if rule.call_globs else "nothing that does not hold without it",)


def what_is_allowed(budget: Budget) -> str:
    """How much a budget lets through."""
    what = f"of {budget.of}" if budget.of is not None else "call" if budget.most == "1" else "calls"
    return f"up to {budget.most} {what} a {budget.per}" + (" for each agent" if budget.each_agent else "")


def what_is_asked(condition: Condition) -> tuple[str, ...]:
    """The same of a condition on a request."""
    names = None if condition.reviewers is None else condition.groups
    parts = _asking(names, condition.approvals, condition.passkey, condition.not_owner, condition.reason_required)
    if condition.escalate_to:
        parts.append(f"after half of the time, {listed(condition.escalate_to)} too")
    return tuple(parts)


def _asking(
    names: tuple[str, ...] | None, approvals: int, passkey: bool, not_owner: bool, reason_required: bool
) -> list[str]:
    parts = []
    if names is not None:
        parts.append(f"{listed(names)} may answer")
    if approvals > 1:
        parts.append(f"{approvals} people must approve")
    if passkey:
        parts.append("signed with a passkey")
    if not_owner:
        parts.append("not approved by the agent's owner")
    if reason_required:
        parts.append("with a reason")
    return parts


def duration(seconds: int) -> str:
    """4 h, 30 min, 90 s: the largest unit in which it is whole."""
    if seconds % _HOUR == 0:
        return f"{seconds // _HOUR} h"
    return f"{seconds // _MINUTE} min" if seconds % _MINUTE == 0 else f"{seconds} s"


def listed(names: Iterable[str]) -> str:
    """a, b and c."""
    several = list(names)
    if len(several) < 2:
        return several[0] if several else "nothing"
    return f"{', '.join(several[:-1])} and {several[-1]}"
