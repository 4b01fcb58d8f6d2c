"""What a proposed rule would do, in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from review_web.effect_words import ChangedCall, EffectPart, effect_part
from store.policy.effects import Change, Effect
from store.policy.rules import Action, Rule
from store.policy.verdicts import Called, Verdict

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALLOW = Rule("r", tools=("pay__send",), action=Action.ALLOW)


def change(minutes: int, before: Action, after: Action) -> Change:
    return Change(Called("pay__send", "pay", {}, "bot", NOON + timedelta(minutes=minutes)), before, after)


EFFECT = Effect(
    calls=40,
    since=NOON,
    matched=9,
    changes=(
        change(3, Action.ALLOW, Action.DENY),
        change(2, Action.HOLD, Action.ALLOW),
        change(1, Action.HOLD, Action.ALLOW),
    ),
    kept=(("the rule 'large' holds it", 1),),
    of_cause=Verdict(Action.ALLOW, ("r",), ()),
    matches_cause=True,
)


def test_an_effect_is_said_with_the_looser_changes_first() -> None:
    assert effect_part(ALLOW, EFFECT) == EffectPart(
        of_cause="The call that it comes from would run at once.",
        kept_strict=False,
        calls=40,
        since=NOON,
        matched=9,
        changes=(
            "2 calls held by the rules in force would run at once",
            "1 call let run by the rules in force would be denied",
        ),
        kept=("1 call: the rule 'large' holds it",),
        examples=(
            ChangedCall("pay__send", "bot", NOON + timedelta(minutes=2), "would run at once", looser=True),
            ChangedCall("pay__send", "bot", NOON + timedelta(minutes=1), "would run at once", looser=True),
            ChangedCall("pay__send", "bot", NOON + timedelta(minutes=3), "would be denied", looser=False),
        ),
    )


def test_a_stricter_rule_that_keeps_the_call_is_named() -> None:
    kept = replace(EFFECT, of_cause=Verdict(Action.HOLD, ("large", "r"), ("the rule 'large' holds it",)))
    part = effect_part(ALLOW, kept)
    assert part.kept_strict
    assert part.of_cause.startswith(
        "The call that it comes from would be held all the same: the rule 'large' holds it. The strictest rule wins"
    )


def test_a_rule_that_is_not_for_its_own_call_and_a_call_that_is_gone_are_said() -> None:
    other = replace(EFFECT, of_cause=Verdict(Action.HOLD, (), ("no rule matches it",)), matches_cause=False)
    assert effect_part(ALLOW, other).of_cause == "It is not for the call that it comes from, which would be held."
    gone = replace(EFFECT, of_cause=None, matches_cause=False)
    assert effect_part(ALLOW, gone).of_cause == "The call that it comes from is not there any more."
