"""How a closed request is said in one word, with the icon and colour that go with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from store.lifecycle import Kind, Outcome
from store.questions import APPROVE, REJECT, AskApproval, Risk
from store.requests import RequestView


class Tone(StrEnum):
    """What a colour means here; there is always a word and an icon beside it."""

    DONE = "done"
    REFUSED = "refused"
    HELD = "held"
    QUIET = "quiet"


@dataclass(frozen=True)
class Verdict:
    """How a request ended. `choice` is the label of the option that was chosen, where there is one."""

    word: str
    tone: Tone
    icon: str
    choice: str | None = None


_ENDS: Mapping[Outcome, Verdict] = {
    Outcome.ANSWERED: Verdict("Answered", Tone.DONE, "check"),
    Outcome.DECLINED: Verdict("Declined", Tone.REFUSED, "cross"),
    Outcome.RETURNED: Verdict("Asked back", Tone.HELD, "return"),
    Outcome.EXPIRED: Verdict("Expired", Tone.QUIET, "clock"),
    Outcome.WITHDRAWN: Verdict("Withdrawn by the agent", Tone.QUIET, "withdrawn"),
}

KIND_WORDS: Mapping[Kind, str] = {
    Kind.APPROVAL: "Approval",
    Kind.SELECTION: "Selection",
    Kind.FORM: "Form",
    Kind.TEXT_INPUT: "Text",
}


@dataclass(frozen=True)
class Band:
    """What a card is, in the line on top of it."""

    word: str
    says: str
    settled: str
    """What it says once nothing can be answered any more."""
    style: str


QUESTION = Band("QUESTION", "answering runs nothing", "this is what was asked", "question")
HELD_CALL = Band("HELD CALL", "exactly this will run", "this is what was held", "held-call")
BANDS: Mapping[Kind, Band] = dict.fromkeys(Kind, QUESTION)

RISK_WORDS: Mapping[Risk, str] = {
    Risk.LOW: "Low risk",
    Risk.MEDIUM: "Medium risk",
    Risk.HIGH: "High risk",
    Risk.CRITICAL: "Critical risk",
}


def verdict_of(view: RequestView) -> Verdict | None:
    """How `view` ended; None while it is open."""
    if view.outcome is None:
        return None
    if view.kind is Kind.APPROVAL and view.outcome is Outcome.ANSWERED:
        choice = _chosen_label(view)
        if view.may_proceed:
            return Verdict("Approved", Tone.DONE, "check", choice)
        return Verdict("Not approved", Tone.REFUSED, "cross", choice)
    return _ENDS[view.outcome]


def _chosen_label(view: RequestView) -> str | None:
    question = view.card.question
    if not isinstance(question, AskApproval) or view.answer is None:
        return None
    chosen = next((option for option in question.options if option.id == view.answer.get("decision")), None)
    # The default options say no more than the verdict does.
    return None if chosen is None or chosen in (APPROVE, REJECT) else chosen.label
