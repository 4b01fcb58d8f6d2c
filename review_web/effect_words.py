"""What a proposed rule would do, in words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from review_web.replay_words import WOULD
from review_web.words import count
from store.policy.effects import Effect
from store.policy.rules import Action, Rule

EXAMPLES = 10
_BY_NOW: Mapping[Action, str] = {
    Action.ALLOW: "let run by the rules in force",
    Action.NOTICE: "let run and noticed by the rules in force",
    Action.HOLD: "held by the rules in force",
    Action.DENY: "denied by the rules in force",
}


@dataclass(frozen=True)
class ChangedCall:
    """One recorded call with which something else would be done."""

    tool: str
    agent: str
    at: datetime
    said: str
    looser: bool
    """Less would stand in its way."""


@dataclass(frozen=True)
class EffectPart:
    """What `effect.html` prints."""

    of_cause: str
    """What would become of the call that it comes from."""
    kept_strict: bool
    """Something stricter keeps that call from what the rule says."""
    calls: int
    since: datetime | None
    matched: int
    changes: tuple[str, ...]
    """How many calls go from what to what."""
    kept: tuple[str, ...]
    """Which stay as they are, although it is for them, and why."""
    examples: tuple[ChangedCall, ...]
    """The newest that change, those first with which less would stand in the way."""


def effect_part(rule: Rule, effect: Effect) -> EffectPart:
    """`effect` of `rule` in words."""
    changed = sorted(effect.changes, key=lambda one: (one.is_looser, one.called.at), reverse=True)
    return EffectPart(
        of_cause=_of_cause(rule, effect),
        kept_strict=_is_kept(rule, effect),
        calls=effect.calls,
        since=effect.since,
        matched=effect.matched,
        changes=tuple(
            f"{count(number, 'call')} {_BY_NOW[before]} {WOULD[after]}" for before, after, number in effect.counts
        ),
        kept=tuple(f"{count(number, 'call')}: {why}" for why, number in effect.kept),
        examples=tuple(
            ChangedCall(one.called.tool, one.called.agent, one.called.at, WOULD[one.after], one.is_looser)
            for one in changed[:EXAMPLES]
        ),
    )


def _is_kept(rule: Rule, effect: Effect) -> bool:
    return (
        effect.of_cause is not None
        and effect.matches_cause
        and effect.of_cause.action.strictness > rule.action.strictness
    )


def _of_cause(rule: Rule, effect: Effect) -> str:
    verdict = effect.of_cause
    if verdict is None:
        return "The call that it comes from is not there any more."
    would = WOULD[verdict.action]
    if not effect.matches_cause:
        return f"It is not for the call that it comes from, which {would}."
    if _is_kept(rule, effect):
        why = "; ".join(verdict.reasons)
        return (
            f"The call that it comes from {would} all the same: {why}. The strictest rule wins, and no proposal "
            "loosens one that is in force: an admin changes that one in the file."
        )
    return f"The call that it comes from {would}."
