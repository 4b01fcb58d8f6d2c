"""A card: everything a reviewer needs to decide, and the decision.

Opening a card is recorded: nobody decides what they were not shown. The form carries the hash of the card it stands
on, so an answer can only ever be to what was on the page.
"""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import assert_never
from urllib.parse import urlencode

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.answers_form import Typed, read_answer, read_comment, typed
from review_web.asked import Asked, asked
from review_web.assertions import read_assertion
from review_web.call_card import CallPart, call_part, lines_of_arguments
from review_web.card_form import AnswerForm, answer_form
from review_web.errors import Refusal, sentence
from review_web.receipt import Receipt, receipt_of
from review_web.security import passwords_are_safe
from review_web.sessions import require_deciding_role, require_reviewer
from review_web.signing import SignPanel, sign_panel
from review_web.site_context import Site
from review_web.track_record import TrackRecord, track_record
from review_web.verdicts import KIND_WORDS, RISK_WORDS, Band, band_of
from store.answers import Fault
from store.calls.definitions import Method
from store.deciding.decisions import (
    BadAnswer,
    Conflict,
    Decided,
    Decision,
    NeedsSignature,
    NotAllowed,
    NotFound,
    NotSeen,
    Voted,
)
from store.deciding.votes import Standing
from store.fields import LIST_LIMIT
from store.inbox import Neighbours
from store.lifecycle import State, Surface
from store.people import Reviewer, Role
from store.questions import AskApproval, AskForm, AskTextInput, HeldCall
from store.requests import RequestView
from store.signing.signed import FIELD as ASSERTION
from store.values import FieldType

# Above this a card's buttons come only after all of its text, and never float over it.
READ_FIRST_BYTES = 16 * 1024
READ_FIRST_LINES = 150
EVIDENCE_SHOWN = 3
# Every box of the largest form there can be, ticked.
_MOST_INPUTS = LIST_LIMIT * LIST_LIMIT + 100


@dataclass(frozen=True)
class Notice:
    """A line on top of the card about what just happened."""

    title: str
    message: str


@dataclass(frozen=True)
class CardPage:
    """Context of `card.html`."""

    view: RequestView
    band: Band
    kind_word: str
    risk_word: str | None
    description: str | None
    """Markdown of the agent's, where this kind of question has one."""
    evidence_shown: int
    """How many pieces of evidence stand unfolded."""
    read_first: bool
    """Whether the buttons wait below the whole text instead of staying in reach."""
    form: AnswerForm | None
    """None once the request is closed, and for those who may not decide."""
    closed_to_you: str | None
    """Why somebody who looks at an open card finds no buttons."""
    standing: Standing | None
    """What who reads this can do about an open card; None where it is closed."""
    sign: SignPanel | None
    """What stands beside the buttons where approving takes a passkey's signature."""
    receipt: Receipt | None
    call: CallPart | None
    """Of a held call: what it would run."""
    asked: Asked
    before: TrackRecord
    beside: Neighbours
    """What else waits for who reads this."""
    notice: Notice | None
    events: str


def routes(site: Site) -> list[BaseRoute]:
    """`GET /requests/{id}` and `POST /requests/{id}/decision`."""

    async def card(request: Request) -> Response:
        reviewer = require_reviewer(request).reviewer
        view = await _look(site, reviewer, request.path_params["request_id"])
        return site.templates.respond(request, "card.html", await card_page(site, request, reviewer, view))

    async def decision(request: Request) -> Response:
        session = require_deciding_role(request)
        request_id = request.path_params["request_id"]
        view = await site.desk.view(request_id)
        if view is None:
            raise not_here()
        if _asks_for_secrets(view) and not passwords_are_safe(request, site.settings):
            raise _unsafe_password()
        form = await request.form(max_fields=_MOST_INPUTS)
        question = view.card.question
        answer = read_answer(question, form)
        if isinstance(answer, Fault):
            return await answer_decision(site, request, view, BadAnswer((answer,)), typed(question, form))
        signed = await read_assertion(site, session, form.get(ASSERTION))
        if isinstance(signed, Fault):
            return await answer_decision(site, request, view, BadAnswer((signed,)), typed(question, form))
        decided = await site.desk.decide(
            session.reviewer,
            request_id,
            card_sha256=str(form.get("card_sha256", "")),
            answer=answer,
            comment=read_comment(form),
            surface=Surface.RENDERED_PAGE,
            authenticated_by=session.method,
            signed=signed,
            session_id=session.id,
        )
        return await answer_decision(site, request, view, decided, typed(question, form))

    return [
        Route("/requests/{request_id}", card, name="card"),
        Route("/requests/{request_id}/decision", decision, methods=["POST"], name="decision"),
    ]


async def answer_decision(site: Site, request: Request, view: RequestView, decided: Decision, kept: Typed) -> Response:
    """What the reviewer sees after an answer: the receipt, or the card again with what they typed and what is wrong."""
    reviewer = require_reviewer(request).reviewer
    faults: tuple[Fault, ...] = ()
    notice = None
    match decided:
        case Decided() | Voted():
            return RedirectResponse(f"/requests/{view.request_id}", HTTPStatus.SEE_OTHER)
        case NotFound():
            raise not_here()
        case NotAllowed(message):
            raise Refusal(HTTPStatus.FORBIDDEN, "You may not decide this", sentence(message), reason="not_allowed")
        case BadAnswer():
            status, faults = HTTPStatus.UNPROCESSABLE_ENTITY, decided.faults
        case Conflict(message=message):
            status, notice = HTTPStatus.CONFLICT, Notice("Your answer was not taken", sentence(message))
        case NotSeen(message):
            status, notice = HTTPStatus.CONFLICT, Notice("Nothing was sent yet", sentence(message))
        case NeedsSignature(message):
            status, notice = HTTPStatus.CONFLICT, Notice("Nothing was sent yet", sentence(message))
        case _:
            assert_never(decided)
    page = await card_page(site, request, reviewer, await _look(site, reviewer, view.request_id))
    form = answer_form(page.view.card, kept, faults) if page.form else None
    return site.templates.respond(request, "card.html", replace(page, form=form, notice=notice), status)


async def _look(site: Site, reviewer: Reviewer, request_id: str) -> RequestView:
    """The request as this person sees it; for those who may decide, that they were shown it is recorded."""
    if reviewer.role is Role.AUDITOR:
        view = await site.desk.view(request_id)
    else:
        view = await site.desk.show(reviewer, request_id, Surface.RENDERED_PAGE)
    if view is None:
        raise not_here()
    return view


async def card_page(site: Site, request: Request, reviewer: Reviewer, view: RequestView) -> CardPage:
    """The page of `view` as `reviewer` may see it."""
    question = view.card.question
    is_open = view.state is not State.CLOSED
    standing = (await site.desk.standings(reviewer, [view])).get(view.request_id) if is_open else None
    closed_to_you = _why_no_buttons(site, request, reviewer, view, standing)
    before = await site.desk.precedents(view.request_id)
    assert before is not None, "requests are never removed"
    return CardPage(
        view=view,
        band=band_of(view, site.clock()),
        kind_word=KIND_WORDS[view.kind],
        risk_word=RISK_WORDS[view.risk] if view.risk else None,
        description=question.description if isinstance(question, AskApproval | AskForm | AskTextInput) else None,
        evidence_shown=EVIDENCE_SHOWN,
        read_first=_is_long(view),
        form=answer_form(view.card) if standing is not None and standing.may_answer and closed_to_you is None else None,
        closed_to_you=closed_to_you if is_open else None,
        standing=standing,
        sign=await sign_panel(site, reviewer, view.request_id) if standing and _signs(standing) else None,
        receipt=receipt_of(view, site.clock()),
        call=await _call(site, view),
        asked=asked(view.card, view.escalated_at),
        before=track_record(view.card, before),
        beside=await site.desk.neighbours(reviewer, view.request_id),
        notice=None,
        events=f"/events?{urlencode({'page': 'card', 'request': view.request_id, 'card': view.card_sha256})}",
    )


async def _call(site: Site, view: RequestView) -> CallPart | None:
    question = view.card.question
    if not isinstance(question, HeldCall):
        return None
    if question.is_own:
        # Comparing what strangers write takes its time, and the loop serves everybody.
        return await anyio.to_thread.run_sync(call_part, view.request_id, question, None)
    pinned = await site.desk.calls.definition(question.upstream, Method(question.method), question.name)
    return call_part(view.request_id, question, pinned)


def _why_no_buttons(
    site: Site, request: Request, reviewer: Reviewer, view: RequestView, standing: Standing | None
) -> str | None:
    if reviewer.role is Role.AUDITOR:
        return "You are signed in as an auditor. Auditors read and never decide."
    if _asks_for_secrets(view) and not passwords_are_safe(request, site.settings):
        return (
            "This form asks for a password, and this page came over plain HTTP, where others on the network could "
            f"read it. Open it at {site.settings.origin} over HTTPS to answer."
        )
    if standing is not None and not standing.may_answer and standing.my_vote is None:
        return sentence(standing.why_not or "this does not ask you")
    return None


def _signs(standing: Standing) -> bool:
    """Whether this person can approve, and signs it."""
    return standing.may_approve and standing.needs_passkey


def _asks_for_secrets(view: RequestView) -> bool:
    question = view.card.question
    return isinstance(question, AskForm) and any(f.type is FieldType.PASSWORD for f in question.fields)


def _is_long(view: RequestView) -> bool:
    question = view.card.question
    if isinstance(question, HeldCall) and lines_of_arguments(question) > READ_FIRST_LINES:
        return True
    written = question.model_dump_json(exclude_none=True)
    # Lines too: empty ones take up little and push what follows them far below the buttons.
    return len(written.encode()) > READ_FIRST_BYTES or written.count("\\n") > READ_FIRST_LINES


def not_here() -> Refusal:
    """There is no such request."""
    return Refusal(
        HTTPStatus.NOT_FOUND,
        "There is no such request",
        "Nothing that agents asked has this id.",
        "Check the address; requests that were answered are under History.",
    )


def _unsafe_password() -> Refusal:
    return Refusal(
        HTTPStatus.FORBIDDEN,
        "A password may not travel this way",
        "This page came over plain HTTP, where others on the network can read along. Nothing was stored.",
        "Open the request over HTTPS, and change the password that was just sent.",
        reason="plain_http",
    )
