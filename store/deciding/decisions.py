"""What a reviewer says to a card, and everything that can come of it: types only."""

from dataclasses import dataclass
from typing import Any

from store.answers import Answer, Fault
from store.card import Card
from store.deciding.eligibility import Circumstances, Person
from store.lifecycle import Outcome, Surface
from store.people.accounts import Reviewer
from store.requests import RequestView
from store.signing.signed import SignedDecision
from store.text import says_something


@dataclass(frozen=True)
class Decided:
    """The decision stands."""

    view: RequestView


@dataclass(frozen=True)
class Voted:
    """The answer is in, and the request stays open: `still_needed` more persons must answer the same, at least."""

    view: RequestView
    still_needed: int


@dataclass(frozen=True)
class Conflict:
    """Somebody or something was quicker, or the card is another one. Nothing was written."""

    view: RequestView
    message: str


@dataclass(frozen=True)
class BadAnswer:
    """The answer does not fit the question. Nothing was written."""

    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class NotSeen:
    """This reviewer was not shown this card. Nothing was written."""

    message: str = "you have not been shown this card; open it, read it, then answer"


@dataclass(frozen=True)
class NotAllowed:
    """This person may not decide, or not this way. Nothing was written."""

    message: str = "an auditor reads everything and decides nothing"


@dataclass(frozen=True)
class NeedsSignature:
    """A rule wants this answer signed with a passkey, and it came without. Nothing was written."""

    message: str = "by its rules, this request is approved with a passkey's signature only"


@dataclass(frozen=True)
class NotFound:
    """There is no such request."""


@dataclass(frozen=True)
class Taken:
    """The answer was written. `still_needed` more persons must answer the same before it stands; at 0 it does."""

    still_needed: int


Refusal = Conflict | BadAnswer | NotSeen | NotAllowed | NeedsSignature | NotFound
Decision = Decided | Voted | Refusal


@dataclass(frozen=True)
class Statement:
    """What a reviewer says: which card, which answer, how they were authenticated, and where they saw it."""

    reviewer: Reviewer
    card_sha256: str
    answer: Answer
    comment: str | None
    surface: Surface
    authenticated_by: str
    signed: SignedDecision | None = None
    session_id: str | None = None
    """The session that it was said in: it counts only if that has not ended meanwhile. None where there is none."""

    @property
    def words(self) -> str | None:
        """The comment as it is kept; None where there is nothing to read."""
        comment = (self.comment or "").strip()
        return comment if says_something(comment) else None


@dataclass(frozen=True)
class Ready:
    """A statement that would stand; where `needs_signature`, with a signature only."""

    row: Any
    card: Card
    answer: Answer
    person: Person
    circumstances: Circumstances
    outcome: Outcome
    may_proceed: bool
    needs_signature: bool
    by_rule: bool
    """Some rule wants the signature; otherwise it is because a call is held, and this person has a passkey."""
