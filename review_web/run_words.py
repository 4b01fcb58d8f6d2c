"""What became of a held call, in words for people. Pure."""

from dataclasses import dataclass
from datetime import datetime

from review_web.verdicts import may_still_run
from review_web.words import milliseconds, size
from store.audit.events import CallEnd
from store.lifecycle import Kind, Outcome
from store.questions import HeldCall
from store.requests import RequestView, RunView


@dataclass(frozen=True)
class WhatRan:
    """What `card_receipt.html` prints of a held call."""

    says: str
    """What happened, in a sentence or two."""
    why: str | None = None
    """Why it failed; may quote the upstream."""
    started_at: datetime | None = None
    until: datetime | None = None
    """Until when it may still run."""
    took: str | None = None
    result: str | None = None
    """What the agent receives of it, in words."""


def what_ran(view: RequestView, now: datetime) -> WhatRan | None:
    """What became of the call; None of a question, and while the request is open."""
    if view.kind is not Kind.CALL or view.outcome is None:
        return None
    client = client_of(view)
    if view.run is not None:
        return _ran(view.run, client)
    if not view.may_proceed:
        return WhatRan("Nothing ran.", result=(_REFUSED if client is None else _REFUSED_ITS_OWN).get(view.outcome))
    if may_still_run(view, now):
        waits = "The agent waits for it." if view.agent_waiting else "It runs when the agent comes back for it."
        return WhatRan(f"It has not run yet. {waits} After that time the approval lapses.", until=view.lapses_at)
    return WhatRan(
        "Nothing ran. The agent did not come back for it in time, or the rules or the tool had changed when it did. "
        "The approval counts no more; the agent has to call it again."
    )


def client_of(view: RequestView) -> str | None:
    """What people call the client whose own tool was held; None of everything else."""
    question = view.card.question
    return question.client if isinstance(question, HeldCall) else None


_REFUSED = {
    Outcome.ANSWERED: "an error result that says who refused, why, and what not to try",
    Outcome.DECLINED: "an error result that says who declined",
    Outcome.RETURNED: "an error result with the comment, and how to ask again",
    Outcome.EXPIRED: "an error result that says that nobody answered, which is not an approval",
}


_REFUSED_ITS_OWN = {
    Outcome.ANSWERED: "that it may not run, who refused, and why",
    Outcome.DECLINED: "that it may not run, and who declined",
    Outcome.RETURNED: "that it may not run, with the comment",
    Outcome.EXPIRED: "that it may not run: nobody answered, which is not an approval",
}
"""Of a tool of the client's own."""


def _ran(run: RunView, client: str | None) -> WhatRan:
    if run.state is CallEnd.RELEASED:
        knows = client or "its client"
        says = f"It was let run by {knows}, once; what came of it only {knows} knows."
        return WhatRan(says, started_at=run.started_at, result="that exactly this may run")
    took = None if run.milliseconds is None else milliseconds(run.milliseconds)
    large = "" if run.result_bytes is None else f", {size(run.result_bytes)}"
    says, result = _RUNS if run.state is None else _SAYS[run.state]
    if not run.sent:
        says = _CANCELLED_BEFORE if run.state is CallEnd.CANCELLED else _NEVER_SENT
    if run.state is CallEnd.RETURNED:
        says = "Exactly this ran, and the upstream answered with an error." if run.is_error else says
        result = f"the upstream's own {'error' if run.is_error else 'result'}{large}"
    return WhatRan(says, run.why, run.started_at, took=took, result=result)


_NEVER_SENT = "Nothing ran: it could not be sent."
_CANCELLED_BEFORE = "Nothing ran: it was cancelled before it was sent."
_RUNS = ("It runs now.", "its result, when it is done")
_SAYS = {
    CallEnd.RETURNED: ("Exactly this ran, once.", ""),
    CallEnd.FAILED: (
        "It was sent, and failed. Whether the upstream did any of it, only the upstream knows.",
        "an error result that says so",
    ),
    CallEnd.CANCELLED: (
        "It was sent, and cancelled before it was done. Whether the upstream did any of it, only the upstream knows.",
        "nothing: it was no longer there",
    ),
    CallEnd.UNKNOWN: (
        "It was sent, and the server ended before the answer came. Nobody knows whether it took effect: look where it "
        "would have. It is never sent again by itself.",
        "an error result that says that this is not known",
    ),
}
