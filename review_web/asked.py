"""Whom a request asks, what their answers need, and what the rules have to do with it, in words. Pure."""

from dataclasses import dataclass
from datetime import datetime

from review_web.words import count
from store.card import Card
from store.lifecycle import VOTED_KINDS
from store.policy.demands import BUILT_IN, Condition


@dataclass(frozen=True)
class Demand:
    """One rule's demand."""

    rule: str | None
    """The name of a rule of the file; None for what holds without any."""
    said: str


@dataclass(frozen=True)
class Asked:
    """What `card_asked.html` prints."""

    who: str
    needed: str | None
    """None where one answer is enough."""
    demands: tuple[Demand, ...]
    escalates_at: datetime | None
    """When further people are asked; None where nobody is, or where they were asked already."""
    escalated_at: datetime | None
    escalates_to: str


def asked(card: Card, escalated_at: datetime | None) -> Asked:
    """Whom `card` asks, in words."""
    return Asked(
        who=_who(card),
        needed=_needed(card),
        demands=tuple(Demand(None if c.rule == BUILT_IN else c.rule, _demand(card, c)) for c in card.conditions),
        escalates_at=None if escalated_at else card.escalates_at,
        escalated_at=escalated_at,
        escalates_to=_names(card.escalates_to),
    )


def _who(card: Card) -> str:
    people = [condition.reviewers for condition in card.conditions if condition.reviewers is not None]
    if not people:
        return "everybody who may answer"
    return _names(sorted({name for names in people for name in names})) or "nobody that is known here"


def _needed(card: Card) -> str | None:
    if not card.needs_several:
        return None
    several = f"{count(card.answers_needed, 'approval')} by different people" if card.answers_needed > 1 else ""
    by_rules = "" if several else "an approval for every rule"
    return f"{several or by_rules}; one refusal ends it"


def _demand(card: Card, condition: Condition) -> str:
    """A rule's demand as a sentence without its full stop."""
    if condition.rule == BUILT_IN:
        return "High risk is approved with a reason only"
    answer = "approval" if card.kind in VOTED_KINDS else "answer"
    who = f" from {_names(condition.groups)}" if condition.groups else ""
    also = (
        "signed with a passkey" if condition.passkey else "",
        "not by the agent's owner" if condition.not_owner else "",
        "with a reason" if condition.reason_required else "",
    )
    return ", ".join((count(condition.approvals, answer) + who, *filter(None, also)))


def _names(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
