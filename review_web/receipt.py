"""What a closed card says of itself: who answered, what the agent received, and what came of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from review_web.run_words import WhatRan, what_ran
from review_web.verdicts import Verdict, verdict_of
from review_web.words import duration
from store.lifecycle import Outcome
from store.questions import AskForm, AskSelection, AskTextInput
from store.requests import Consequence, RequestView
from store.signing.kept import SignedBy

_CREDENTIAL = "sealed; the agent gets a handle, never the value"


@dataclass(frozen=True)
class Received:
    """One line of what the agent received."""

    name: str
    value: str
    long: bool = False
    """A text that is printed as a block."""


@dataclass(frozen=True)
class CameOfIt:
    """What the agent says came of the answer."""

    result: str
    details: str | None
    after: str
    """How long after the agent had the answer, in words."""


@dataclass(frozen=True)
class OneAnswer:
    """One person's answer where several were needed."""

    name: str
    said: str
    authenticated_by: str
    comment: str | None
    at: datetime


@dataclass(frozen=True)
class Receipt:
    """The end of a card's story."""

    verdict: Verdict
    decided_by: str | None
    closed_at: datetime | None
    authenticated_by: str | None
    comment: str | None
    came_of_it: tuple[CameOfIt, ...]
    signed_by: tuple[SignedBy, ...]
    """Who signed their answer with a passkey."""
    votes: tuple[OneAnswer, ...]
    """Everybody's answer, where several were needed."""
    received: tuple[Received, ...]
    delivery: str
    """Whether the agent has the answer, in words."""
    delivered_at: datetime | None
    ran: WhatRan | None
    """Of a held call: what became of it."""


_SIGNED_IN_WITH = {
    "password": "signed in with a password",
    "passkey": "signed in with a passkey",
    "setup": "signed in by the setup link",
    "oidc": "signed in with their organisation's account",
    "oidc_fresh": "signed in with their organisation's account",
    "invitation": "signed in by an invitation",
}


def receipt_of(view: RequestView, now: datetime) -> Receipt | None:
    """The receipt of `view`; None while it is open."""
    verdict = verdict_of(view)
    if verdict is None:
        return None
    ran = what_ran(view, now)
    return Receipt(
        verdict=verdict,
        decided_by=view.decided_by,
        closed_at=view.closed_at,
        authenticated_by=_signed_in_with(view.authenticated_by) if view.authenticated_by else None,
        comment=view.comment,
        came_of_it=tuple(_came_of_it(view, consequence) for consequence in view.consequences),
        signed_by=view.signed_by,
        votes=tuple(
            OneAnswer(vote.display_name, vote.said, _signed_in_with(vote.authenticated_by), vote.comment, vote.at)
            for vote in view.votes
        ),
        received=_received(view, ran),
        delivery=_delivery(view),
        delivered_at=view.delivered_at,
        ran=ran,
    )


def _signed_in_with(method: str) -> str:
    return _SIGNED_IN_WITH.get(method, method)


def _came_of_it(view: RequestView, consequence: Consequence) -> CameOfIt:
    had = view.delivered_at or view.closed_at or consequence.at
    after = f"{duration(consequence.at - had)} after it had the answer"
    return CameOfIt(consequence.result, consequence.details, after)


def _received(view: RequestView, ran: WhatRan | None) -> tuple[Received, ...]:
    if ran is None:
        return (_status(view), *_answer_lines(view))
    return () if ran.result is None else (Received("Result", ran.result),)


def _status(view: RequestView) -> Received:
    proceed = "it may proceed" if view.may_proceed else "it may not proceed"
    return Received("Outcome", f"{view.outcome}; {proceed}")


def _answer_lines(view: RequestView) -> tuple[Received, ...]:
    answer = view.answer or {}
    question = view.card.question
    match question:
        case AskSelection():
            labels = {option.id: option.label for option in question.options}
            chosen = [labels.get(i, i) for i in answer.get("selected") or ()]
            return (Received("Selected", ", ".join(chosen) or "nothing"),) if "selected" in answer else ()
        case AskForm():
            return _form_lines(question, answer)
        case AskTextInput():
            return _text_lines(answer)
        case _:
            return (Received("Decision", str(answer["decision"])),) if "decision" in answer else ()


def _form_lines(question: AskForm, answer: Any) -> tuple[Received, ...]:
    values, credentials = answer.get("values") or {}, answer.get("credentials") or {}
    lines = []
    for field in question.fields:
        if field.name in credentials:
            lines.append(Received(field.label, _CREDENTIAL))
        elif field.name in values:
            said = _value_words(field.options, values[field.name])
            lines.append(Received(field.label, said, long="\n" in said))
    return tuple(lines)


def _text_lines(answer: Any) -> tuple[Received, ...]:
    if "text" not in answer:
        return ()
    edited = "Text, edited by the reviewer" if answer.get("edited") else "Text, unchanged"
    return (Received(edited, str(answer["text"]), long=True),)


def _value_words(options: Any, value: Any) -> str:
    labels = {option.id: option.label for option in options}
    if value is None or value == []:
        return "left empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(labels.get(item, item)) for item in value)
    return str(labels.get(value, value))


def _delivery(view: RequestView) -> str:
    if view.delivered_at is not None:
        return "The agent has this answer."
    if view.outcome is Outcome.WITHDRAWN:
        return "The agent withdrew the request, so nothing was delivered."
    if view.delivery_unknown:
        return "It is not known whether the agent got this: the server ended while it was handing the answer over."
    if view.agent_waiting or view.on_its_way:
        return "The agent is waiting; the answer is on its way."
    if view.outcome is Outcome.EXPIRED:
        return "The agent is not waiting right now; it learns of the expiry when it asks again."
    return "The agent is not waiting right now; it gets this answer when it asks again."
