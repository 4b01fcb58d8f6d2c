"""Who may answer a card, who may approve, and when enough have. Pure.

Invariants:

- A condition that asks certain people is met by those people only; one that asks nobody in particular widens no other.
- What several people approve, each of them approved by the same button, and each counts once.
- Whoever may answer can always stop: only an answer with which the agent may proceed is ever kept from a person.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.card import Card
from store.lifecycle import VOTED_KINDS, Kind
from store.names import fold
from store.policy.demands import Condition

RESET_BAR = timedelta(hours=24)
"""How long an account that was reset counts for nothing where several people must approve: whoever can reset accounts
must not be several people."""


@dataclass(frozen=True)
class Person:
    """An account as it stands now."""

    id: str
    username_key: str
    display_name: str
    may_decide: bool
    """Of a deciding role, and not disabled."""
    reset_at: datetime | None
    has_passkey: bool = False


@dataclass(frozen=True)
class Circumstances:
    """What a card does not say, because it can change while the card is open."""

    now: datetime
    escalated: bool
    owners: frozenset[str]
    """Folded: the agent's owner as the card names it, and as it is now."""


def owners_of(*names: str | None) -> frozenset[str]:
    """The owners of an agent, folded."""
    return frozenset(fold(name) for name in names if name is not None)


def why_not_answer(card: Card, person: Person, circumstances: Circumstances) -> str | None:
    """Why this person may not answer this card at all, in one plain line; None if they may."""
    if not person.may_decide:
        return "an auditor reads everything and decides nothing"
    asked = [one for one in card.conditions if _counts(one, person, circumstances)]
    if card.kind not in VOTED_KINDS:
        # One person answers alone, so every rule must ask that person.
        refusing = next((one for one in card.conditions if one not in asked), None)
        return None if refusing is None else _not_asked(card, (refusing,))
    narrow = [one for one in card.conditions if one.reviewers is not None or one.approvals > 1]
    if not narrow or any(one in asked for one in narrow):
        return None
    return _not_asked(card, narrow)


def why_not_approve(card: Card, person: Person, circumstances: Circumstances) -> str | None:
    """Why the agent may not proceed on this person's word; None if it may, alone or with others."""
    why = why_not_answer(card, person, circumstances)
    if why is not None:
        return why
    owned = next((one for one in card.conditions if one.not_owner), None)
    if owned is not None and person.username_key in circumstances.owners:
        return f"this agent is yours, and by the rule {owned.rule!r} its owner cannot approve; you can refuse"
    if card.needs_several and was_reset(person, circumstances.now):
        return (
            "your account was reset less than 24 hours ago, and does not count yet where several people must approve; "
            "you can refuse"
        )
    return None


def was_reset(person: Person, now: datetime) -> bool:
    """Whether the account was reset too recently to count among several."""
    # A reset that lies ahead is one whose clock was set back since: it counts as recent.
    return person.reset_at is not None and now < person.reset_at + RESET_BAR


def needs_passkey(card: Card, person: Person, circumstances: Circumstances) -> bool:
    """Whether this person's approval must be signed: some rule that it counts for says so, or a call is held and they
    have a passkey to sign with."""
    if card.kind is Kind.CALL and person.has_passkey:
        return True
    return any(one.passkey and _counts(one, person, circumstances) for one in card.conditions)


def still_needed(
    card: Card, approving: Collection[Person], circumstances: Circumstances, *, signed: Collection[str] = ()
) -> int:
    """How many more persons must press the same button, at least; 0 when these are enough.

    `approving` are different persons who pressed it and may still approve; `signed` the ids of those whose answer was
    signed. Nobody else's counts for a rule that wants a passkey: it may not have asked them yet when they answered.
    """

    def counts(one: Condition, person: Person) -> bool:
        return _counts(one, person, circumstances) and (not one.passkey or person.id in signed)

    missing = [one.approvals - sum(counts(one, person) for person in approving) for one in card.conditions]
    return max(*missing, 1 - len(approving), 0)


def is_asked(card: Card, person: Person, circumstances: Circumstances) -> bool:
    """Whether this request is for this person by name or group, and not just for everybody."""
    return any(one.reviewers is not None and _counts(one, person, circumstances) for one in card.conditions)


def asked_names(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """Who is asked, as the rules name them; empty: everybody who may decide."""
    return tuple(dict.fromkeys(name for one in conditions for name in one.groups))


def _counts(condition: Condition, person: Person, circumstances: Circumstances) -> bool:
    return condition.asks(person.username_key, escalated=circumstances.escalated)


def _not_asked(card: Card, conditions: Iterable[Condition]) -> str:
    names = asked_names(conditions)
    return f"this asks {_listed(names)}, and you are not among them" if names else "this does not ask you"


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
