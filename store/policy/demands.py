"""What the rules ask of one request. Pure.

Every matching rule must be satisfied, so each becomes a condition of its own; the shortest time wins, and one denial
denies. Without a policy everybody may answer, and one answer does.
"""

from dataclasses import dataclass, replace

from store.policy.rules import APPROVING_TOOL, Action, Asked, Policy, Rule
from store.questions import Risk

__all__ = ["BUILT_IN", "Asked", "Condition", "Demands", "condition_of", "demands", "demands_of", "denied_by"]

BUILT_IN = "high risk needs a reason"
"""The condition that holds without any rule; no rule of a file may have this name."""
_NEEDS_REASON = frozenset({Risk.HIGH, Risk.CRITICAL})


@dataclass(frozen=True)
class Condition:
    """One rule's demand. User names are folded (`reviewers.username_key`) and sorted."""

    rule: str
    reviewers: tuple[str, ...] | None
    """Who may answer for this rule; None: everybody who may decide."""
    groups: tuple[str, ...]
    """Who is asked as the rule names them, for display."""
    approvals: int
    """How many different persons of `reviewers` must approve."""
    passkey: bool
    """Their answer must be signed with a passkey."""
    not_owner: bool
    """The agent's owner cannot approve."""
    reason_required: bool
    """An answer with which the agent may proceed needs a comment."""
    escalate_to: tuple[str, ...] = ()
    """Who may answer for this rule as well, once half of the time is gone. For no other rule: what one rule widens must
    not widen another."""

    def asks(self, username_key: str, *, escalated: bool) -> bool:
        """Whether this person's answer counts for this rule."""
        if self.reviewers is None or username_key in self.reviewers:
            return True
        return escalated and username_key in self.escalate_to


@dataclass(frozen=True)
class Demands:
    """All that the rules in force ask of one request."""

    conditions: tuple[Condition, ...]
    """In the file's order; every one must be satisfied. Empty: anybody's one answer does."""
    timeout_seconds: int | None
    """The longest that the request may stay open; None: as long as the agent asked."""
    escalate_to: tuple[str, ...]
    """Everybody that some condition escalates to, for telling them. Whom their answer counts for: `Condition.asks`."""
    denied: str | None
    """Why the agent may not ask this at all: a sentence that names the rule."""
    policy_sha256: str | None


def demands(policy: Policy | None, asked: Asked) -> Demands:
    """What `policy` asks of that question; None is no policy at all."""
    matching = [] if policy is None else [rule for rule in policy.rules if rule.matches(asked)]
    conditions = [condition_of(policy, rule) for rule in matching if policy is not None and rule.action is Action.HOLD]
    if asked.tool == APPROVING_TOOL and asked.risk in _NEEDS_REASON:
        conditions.append(_built_in())
    times = [rule.timeout_seconds for rule in matching if rule.timeout_seconds is not None]
    denial = next((rule for rule in matching if rule.action is Action.DENY), None)
    return Demands(
        conditions=tuple(conditions),
        timeout_seconds=min(times, default=None),
        escalate_to=tuple(sorted({name for condition in conditions for name in condition.escalate_to})),
        denied=None if denial is None else denied_by(denial),
        policy_sha256=None if policy is None else policy.sha256,
    )


def denied_by(rule: Rule) -> str:
    """What an agent is told by whom this rule denies something."""
    return f"the rule {rule.name!r} denies this. {rule.denial}".strip()


def demands_of(policy: Policy | None, asked: Asked, *, given: str | None) -> Demands:
    """What `policy` asks of that question of an agent that was `given` a workflow.

    A claimed workflow may bring further rules, and never takes away those of the agent's own.
    """
    workflows = dict.fromkeys((given, asked.workflow or given))
    found = [demands(policy, replace(asked, workflow=workflow)) for workflow in workflows]
    return Demands(
        conditions=tuple(dict.fromkeys(condition for one in found for condition in one.conditions)),
        timeout_seconds=min((one.timeout_seconds for one in found if one.timeout_seconds is not None), default=None),
        escalate_to=tuple(sorted({name for one in found for name in one.escalate_to})),
        denied=next((one.denied for one in found if one.denied is not None), None),
        policy_sha256=found[0].policy_sha256,
    )


def condition_of(policy: Policy, rule: Rule) -> Condition:
    """What a rule that holds asks of an answer."""
    return Condition(
        rule=rule.name,
        reviewers=None if rule.reviewers is None else policy.people(rule.reviewers),
        groups=rule.reviewers or (),
        approvals=rule.approvals,
        passkey=rule.passkey,
        not_owner=rule.not_owner,
        reason_required=rule.reason_required,
        escalate_to=policy.people(rule.escalate),
    )


def _built_in() -> Condition:
    return Condition(BUILT_IN, None, (), 1, passkey=False, not_owner=False, reason_required=True)
