"""How a closed request is said in one word, with the icon and colour that go with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from store.audit.events import CallEnd
from store.lifecycle import Kind, Outcome
from store.questions import APPROVE, REJECT, AskApproval, Risk
from store.requests import RequestView, RunView


class Tone(StrEnum):
    """What a colour means here; there is always a word and an icon beside it."""

    DONE = "done"
    REFUSED = "refused"
    HELD = "held"
    QUIET = "quiet"


@dataclass(frozen=True)
class Verdict:
    """How a request ended."""

    word: str
    tone: Tone
    icon: str
    choice: str | None = None
    """The label of the option that was chosen, where there is one."""
    then: str | None = None
    """What became of a call that was approved, until now."""


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
    Kind.CALL: "Held call",
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
_DID_NOT_RUN = replace(HELD_CALL, settled="this was held, and did not run")
_BETWEEN = replace(HELD_CALL, settled="exactly this may run, once")
_RUNS = replace(HELD_CALL, settled="exactly this runs now")
_RAN_WITH_ERROR = replace(HELD_CALL, settled="exactly this ran, and answered with an error")
_RAN: Mapping[CallEnd, Band] = {
    CallEnd.RETURNED: replace(HELD_CALL, settled="exactly this ran"),
    CallEnd.FAILED: replace(HELD_CALL, settled="exactly this was sent, and failed"),
    CallEnd.CANCELLED: replace(HELD_CALL, settled="exactly this was sent, and cancelled"),
    CallEnd.UNKNOWN: replace(HELD_CALL, settled="exactly this was sent; nobody knows how it ended"),
    CallEnd.RELEASED: replace(HELD_CALL, settled="exactly this was let run"),
}

RISK_WORDS: Mapping[Risk, str] = {
    Risk.LOW: "Low risk",
    Risk.MEDIUM: "Medium risk",
    Risk.HIGH: "High risk",
    Risk.CRITICAL: "Critical risk",
}


def band_of(view: RequestView, now: datetime) -> Band:
    """The line on top of a card."""
    if view.kind is not Kind.CALL:
        return QUESTION
    if view.run is not None:
        return _of_a_run(view.run)
    return _BETWEEN if may_still_run(view, now) else _DID_NOT_RUN


def _of_a_run(run: RunView) -> Band:
    if not run.sent:
        return _DID_NOT_RUN
    if run.state is None:
        return _RUNS
    return _RAN_WITH_ERROR if run.is_error else _RAN[run.state]


def may_still_run(view: RequestView, now: datetime) -> bool:
    """Whether a held call was approved, and may run once its agent comes back for it.

    An agent that has the answer already was told that it does not run; reading it again runs nothing.
    """
    collected = view.delivered_at is not None or view.on_its_way or view.delivery_unknown
    return view.lapses_at is not None and now < view.lapses_at and not collected


def verdict_of(view: RequestView) -> Verdict | None:
    """How `view` ended; None while it is open."""
    if view.outcome is None:
        return None
    if view.kind is Kind.APPROVAL and view.outcome is Outcome.ANSWERED:
        choice = _chosen_label(view)
        if view.may_proceed:
            return Verdict("Approved", Tone.DONE, "check", choice)
        return Verdict("Not approved", Tone.REFUSED, "cross", choice)
    if view.kind is Kind.CALL and view.outcome is Outcome.ANSWERED:
        return _of_run(view.run) if view.may_proceed else Verdict("Refused", Tone.REFUSED, "cross")
    return _ENDS[view.outcome]


def _of_run(run: RunView | None) -> Verdict:
    if run is None:
        return Verdict("Approved", Tone.DONE, "check", then="it has not run")
    match run.state:
        case CallEnd.CANCELLED if not run.sent:
            return Verdict("Approved", Tone.HELD, "alert", then="cancelled before it was sent")
        case _ if not run.sent:
            return Verdict("Approved", Tone.HELD, "alert", then="it could not be sent")
        case CallEnd.RETURNED if run.is_error:
            return Verdict("Approved", Tone.HELD, "alert", then="it ran, and answered with an error")
        case CallEnd.RETURNED:
            return Verdict("Approved", Tone.DONE, "check", then="it ran")
        case CallEnd.FAILED:
            return Verdict("Approved", Tone.HELD, "alert", then="it was sent, and failed")
        case CallEnd.CANCELLED:
            return Verdict("Approved", Tone.HELD, "alert", then="it was sent, and cancelled")
        case CallEnd.UNKNOWN:
            return Verdict("Approved", Tone.HELD, "alert", then="it was sent; nobody knows how it ended")
        case CallEnd.RELEASED:
            return Verdict("Approved", Tone.DONE, "check", then="it was let run")
        case _:
            return Verdict("Approved", Tone.DONE, "clock", then="it runs now")


def _chosen_label(view: RequestView) -> str | None:
    question = view.card.question
    if not isinstance(question, AskApproval) or view.answer is None:
        return None
    chosen = next((option for option in question.options if option.id == view.answer.get("decision")), None)
    # The default options say no more than the verdict does.
    return None if chosen is None or chosen in (APPROVE, REJECT) else chosen.label
