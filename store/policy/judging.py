"""What the rules say to one governed call. Pure.

The strictest matching rule wins, and every rule that holds must be satisfied. What cannot be judged is held, and denied
by rules that deny: nothing that an agent sends may turn a rule off by confusing it.
"""

from dataclasses import dataclass

from store.names import fold
from store.policy.arguments import Erred, all_hold, only_named
from store.policy.budgets import cost
from store.policy.clients import is_client
from store.policy.demands import condition_of, denied_by
from store.policy.globs import Name
from store.policy.rules import Action, Policy, Rule
from store.policy.verdicts import Called, Spend, Spent, Verdict
from store.policy.when import Facts
from store.policy.words import what_is_allowed


@dataclass(frozen=True)
class _Match:
    """A rule that matched, what it comes to for this call, and what is to be said of it."""

    rule: Rule
    action: Action
    reason: str
    spends: tuple[Spend, ...] = ()


def judge(policy: Policy, called: Called, *, given: str | None, spent: Spent) -> Verdict:
    """What `policy` says to this call of an agent that was `given` a workflow.

    `spent` is asked once for each budget that the call would take of, unless the call is denied anyway.
    """
    if policy.upstream(called.upstream) is None and not is_client(called.upstream):
        return _denied(policy, (), f"the rules in force know no upstream {called.upstream!r}.")
    matches = _matches(policy, called, given)
    if not matches:
        return _by_default(policy)
    names = tuple(match.rule.name for match in matches)
    denial = next((match for match in matches if match.action is Action.DENY), None)
    if denial is not None:
        reasons = tuple(match.reason for match in matches if match.action is Action.DENY)
        return _denied(policy, names, denied_by(denial.rule), reasons)
    counted = [_counted(match, called, spent) for match in matches]
    action = max((match.action for match in counted), key=lambda one: one.strictness)
    holding = [match.rule for match in matches if match.rule.action is Action.HOLD]
    times = [rule.timeout_seconds for rule in holding if rule.timeout_seconds is not None]
    return Verdict(
        action=action,
        rules=names,
        reasons=() if action is Action.ALLOW else tuple(one.reason for one in counted if one.action is action),
        conditions=tuple(condition_of(policy, rule) for rule in holding),
        timeout_seconds=min(times, default=None),
        spends=tuple(spend for match in counted for spend in match.spends) if action.permits else (),
        policy_sha256=policy.sha256,
    )


def _by_default(policy: Policy) -> Verdict:
    if policy.default is Action.DENY:
        return _denied(policy, (), "no rule allows this, and what no rule matches is denied.", ("no rule matches it",))
    return Verdict(Action.HOLD, (), ("no rule matches it",), policy_sha256=policy.sha256)


def _denied(policy: Policy, rules: tuple[str, ...], sentence: str, reasons: tuple[str, ...] = ()) -> Verdict:
    return Verdict(Action.DENY, rules, reasons or (sentence.rstrip("."),), denied=sentence, policy_sha256=policy.sha256)


def _matches(policy: Policy, called: Called, given: str | None) -> list[_Match]:
    agent, workflow = Name.of(called.agent), None if given is None else Name.of(given)
    facts = Facts(called.tool, called.upstream, called.arguments, called.agent, given or "", called.at)
    found = []
    for rule in policy.rules_for(called.tool):
        if not rule.is_for(agent, workflow):
            continue
        answer = _is_met(rule, facts)
        if answer is not False:
            found.append(_match(rule, answer))
    return found


def _is_met(rule: Rule, facts: Facts) -> bool | Erred:
    """Whether all that it looks at beside names is as it says. A clear no is a no, whatever else errs."""
    if rule.until is not None and rule.until.is_over(facts.now):
        return False
    if rule.hours and not any(hours.include(facts.now) for hours in rule.hours):
        return False
    if rule.no_other_arguments and not only_named(rule.arguments, facts.args):
        return False
    answer = all_hold(rule.arguments, facts.args) if rule.arguments else True
    if answer is False or rule.when is None:
        return answer
    true = facts.satisfy(rule.when)
    return true if true is False or answer is True else answer


def _match(rule: Rule, answer: Erred | bool) -> _Match:
    if isinstance(answer, Erred):
        action = rule.action if rule.action is Action.DENY else Action.HOLD
        return _Match(rule, action, f"the rule {rule.name!r} could not be judged: {answer.why}")
    says = {
        Action.HOLD: "holds it",
        Action.DENY: "denies it",
        Action.NOTICE: "has it watched",
        Action.ALLOW: "allows it",
    }
    return _Match(rule, rule.action, f"the rule {rule.name!r} {says[rule.action]}")


def _counted(match: _Match, called: Called, spent: Spent) -> _Match:
    """The same, with what it takes of the rule's budgets; held, where that is more than there is."""
    if not match.action.permits:
        return match
    spends = []
    for index, budget in enumerate(match.rule.budgets):
        takes = cost(budget, called.arguments)
        if isinstance(takes, Erred):
            return _match(match.rule, takes)
        spend = Spend(
            rule_key=f"{fold(match.rule.name)}#{index}",
            agent=called.agent if budget.each_agent else None,
            window_seconds=budget.window_seconds,
            micros=takes,
            most_micros=budget.most_micros,
        )
        if spent(spend) + takes > budget.most_micros:
            says = f"the rule {match.rule.name!r} allows {what_is_allowed(budget)}, and this would be more"
            return _Match(match.rule, Action.HOLD, says)
        spends.append(spend)
    return _Match(match.rule, match.action, match.reason, tuple(spends))
