"""Whether the right people answered a request, and enough of them: what its card's rules ask, against the entries.

Pure; a part of the story that `store.audit.meaning` tells (SPEC.md, section 8). Where a card or a user name was not
disclosed, what depends on it is not checked. A server may count fewer people than these entries show; it never may
count more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from store.audit.disclosed import json_object
from store.audit.standing import MeaningProblem, require
from store.card import load_condition
from store.lifecycle import VOTED_KINDS
from store.names import fold
from store.policy.demands import Condition

Entry = Mapping[str, Any]


def _everybody(_: str) -> bool:
    return True


@dataclass(frozen=True)
class Ballot:
    """One person's answer to an open request. `name` and `option` are None where they were not disclosed."""

    reviewer: str
    name: str | None
    option: str | None
    approves: bool
    has_reason: bool
    has_signature: bool


def ballot_of(entry: Entry, texts: Mapping[str, str], names: Mapping[str, str], *, approves: bool) -> Ballot:
    """The answer that an entry tells of; `names` are the folded user names that were disclosed, by account."""
    answer = json_object(texts.get("answer_ref"))
    option = None if answer is None else answer.get("decision")
    return Ballot(
        entry["reviewer"],
        names.get(entry["reviewer"]),
        option if isinstance(option, str) else None,
        approves,
        has_reason="comment_ref" in entry,
        has_signature="signature" in entry,
    )


@dataclass
class Quorum:
    """The answers to one open request so far, and what its card asks of them; None: its card was not disclosed."""

    request: str
    kind: str
    conditions: tuple[Condition, ...] | None
    owner: str | None
    """The agent's, as the card names it."""
    escalates_at: str | None
    escalated: bool = False
    owner_now: str | None = None
    """The agent's, by what entries say since."""
    ballots: dict[str, Ballot] = field(default_factory=dict)

    def escalate(self, entry: Entry) -> None:
        """Whom the conditions escalate to counts from here on."""
        require(not self.escalated, f"{self.request} was escalated before")
        if self.conditions is not None:
            told = self.escalates_at
            require(told is not None and entry["at"] >= told, f"{self.request} escalates before its time")
        self.escalated = True

    def edited(self, reviewer: str, name: str | None, card: Mapping[str, Any] | None) -> "Quorum":
        """What counts from here on, where this person made another card of a held call: no answer from before does.

        What has escalated stays so, if the new card says the same of when.
        """
        editor = Ballot(reviewer, name, None, approves=True, has_reason=True, has_signature=True)
        self.check(editor)
        after = quorum_of(self.request, self.kind, card)
        after.owner_now = self.owner_now
        after.escalated = self.escalated and (card is None or after.escalates_at == self.escalates_at)
        return after

    def vote(self, ballot: Ballot) -> None:
        """One of several approvals."""
        require(self.kind in VOTED_KINDS, f"{self.request} is no approval, and somebody votes on it")
        self.check(ballot)
        self.ballots[ballot.reviewer] = ballot

    def check(self, ballot: Ballot) -> None:
        """That this person may give this answer, and gives no second one."""
        require(ballot.reviewer not in self.ballots, f"{ballot.reviewer} answers {self.request} twice")
        if self.conditions is None:
            return
        counting = [one for one in self.conditions if self._counts(one, ballot)]
        require(self._is_asked(counting), f"{ballot.reviewer} answers {self.request}, which does not ask this person")
        if not ballot.approves:
            return
        require(not self._is_barred(ballot), f"an owner approves {self.request}")
        reasoned = ballot.has_reason or not any(one.reason_required for one in self.conditions)
        require(reasoned, f"{self.request} is approved without the reason that its card asks for")
        signed = ballot.has_signature or not any(
            one.passkey and self._counts(one, ballot, unknown=False) for one in counting
        )
        require(signed, f"{self.request} is approved without the signature that its card asks for")

    def close(self, ballot: Ballot, still_counts: Callable[[str], bool] = _everybody) -> None:
        """The last answer, after `check`; for an approval, that it and those before it are enough. `still_counts` says
        of an account whether, by now, its answer counts where several must approve."""
        if not ballot.approves or self.conditions is None:
            return
        same = [ballot, *(one for one in self.ballots.values() if _alike(one, ballot))]
        if self._needs_several():
            same = [one for one in same if still_counts(one.reviewer) and not self._is_barred(one)]
        for condition in self.conditions:
            # When they answered, the rule may not have asked them yet, and so for no signature.
            counting = [one for one in same if one.has_signature or not condition.passkey]
            enough = sum(self._counts(condition, one) for one in counting) >= condition.approvals
            require(enough, f"{self.request} is approved, and not by enough people for its rule {condition.rule!r}")

    def _is_barred(self, ballot: Ballot) -> bool:
        """An owner's, where owners cannot approve."""
        assert self.conditions is not None
        owns = ballot.name is not None and ballot.name in (self.owner, self.owner_now)
        return owns and any(one.not_owner for one in self.conditions)

    def _needs_several(self) -> bool:
        assert self.conditions is not None
        asking = [one for one in self.conditions if one.reviewers is not None]
        return self.kind in VOTED_KINDS and (len(asking) > 1 or any(one.approvals > 1 for one in self.conditions))

    def _is_asked(self, counting: list[Condition]) -> bool:
        assert self.conditions is not None
        if self.kind not in VOTED_KINDS:
            return len(counting) == len(self.conditions)
        narrow = [one for one in self.conditions if one.reviewers is not None or one.approvals > 1]
        return not narrow or any(one in counting for one in narrow)

    def _counts(self, condition: Condition, ballot: Ballot, *, unknown: bool = True) -> bool:
        if ballot.name is None:
            return unknown
        return condition.asks(ballot.name, escalated=self.escalated)


def quorum_of(request: str, kind: str, card: Mapping[str, Any] | None) -> Quorum:
    """What this card asks.

    Raises:
        MeaningProblem: it asks nothing that makes sense.
    """
    if card is None:
        return Quorum(request, kind, None, None, None)
    try:
        conditions = tuple(load_condition(one) for one in card.get("conditions", ()))
        owner = card.get("owner")
        return Quorum(request, kind, conditions, None if owner is None else fold(owner), card.get("escalates_at"))
    except (AttributeError, KeyError, TypeError) as problem:
        raise MeaningProblem(f"the card of {request} has rules that make no sense") from problem


def _alike(one: Ballot, other: Ballot) -> bool:
    return one.option is None or other.option is None or one.option == other.option
