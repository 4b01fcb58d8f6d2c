"""Changing what a held call would run with, before anybody approves it.

A page of its own, with nothing on it that approves: what was typed and not sent can never be mistaken for what runs.
What is sent becomes a new card; the page leads there, because nobody answers a card that they were not shown.

`GET /requests/{id}/arguments` and `POST` of its form; `POST /api/requests/{id}/arguments` takes JSON
`{card_sha256, arguments}` and answers with the new card's hash.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, assert_never

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.api import bad_answer, conflict, faults_of, no_such_request, not_shown, refuse_token
from review_web.arguments_form import (
    MOST_INPUTS,
    ArgumentInput,
    Sent,
    inputs_of,
    key_of,
    read_arguments,
    whole_text,
)
from review_web.call_card import edit_path
from review_web.card_form import Problem
from review_web.card_page import not_here
from review_web.errors import Refusal, sentence
from review_web.json_body import read_json_object
from review_web.sessions import require_deciding_role
from review_web.site_context import Site
from store.answers import Fault
from store.calls.definitions import Method
from store.calls.editing import Edited
from store.calls.schema import input_schema
from store.deciding.decisions import BadAnswer, Conflict, NeedsSignature, NotAllowed, NotFound, NotSeen
from store.deciding.decisions import Refusal as WouldNotStand
from store.lifecycle import State, Surface
from store.people import Session
from store.questions import HeldCall
from store.requests import RequestView

CARD = "card"
"""The field of a fault that is of the card, and of nothing that was typed."""
_MOST_FIELDS = 3 * MOST_INPUTS + 10


class EditBody(BaseModel):
    """What `POST /api/requests/{id}/arguments` takes: the card that was read, and all arguments as they shall be."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    card_sha256: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class EditPage:
    """Context of `card_edit.html`."""

    view: RequestView
    question: HeldCall
    action: str
    inputs: tuple[ArgumentInput, ...]
    """Empty where all of it is written as JSON only."""
    whole: str
    """All arguments as JSON."""
    as_json: bool
    """What was sent last was JSON."""
    problems: tuple[Problem, ...]


def routes(site: Site) -> list[BaseRoute]:
    """The page, its form, and the same as JSON."""

    async def show(request: Request) -> Response:
        session = require_deciding_role(request)
        view, question = await _held(site, request)
        await _require_approver(site, session, view)
        return await _page(site, request, view, question)

    async def send(request: Request) -> Response:
        session = require_deciding_role(request)
        view, question = await _held(site, request)
        form = await request.form(max_fields=_MOST_FIELDS)
        sent = _sent(form)
        read = read_arguments(question, await _schema(site, question), sent)
        if isinstance(read, tuple):
            return await _page(site, request, view, question, sent, read)
        card = str(form.get("card_sha256", ""))
        edited = await _edit(site, session, view.request_id, card, read, Surface.RENDERED_PAGE)
        match edited:
            case BadAnswer(faults):
                return await _page(site, request, view, question, sent, faults)
            case Conflict(message=message) | NotSeen(message):
                said = Fault(CARD, f"{message.rstrip('.')}; go back to the card and read it as it is now")
                return await _page(site, request, view, question, sent, (said,), HTTPStatus.CONFLICT)
            case NotAllowed(message) | NeedsSignature(message):
                raise Refusal(403, "You may not change this", sentence(message), reason="not_allowed")
            case NotFound():
                raise not_here()
            case _:
                return RedirectResponse(f"/requests/{view.request_id}", HTTPStatus.SEE_OTHER)

    async def send_json(request: Request) -> Response:
        await refuse_token(site, request)
        session = require_deciding_role(request)
        body = _body(await read_json_object(request))
        if isinstance(body, tuple):
            return bad_answer(body)
        request_id = request.path_params["request_id"]
        edited = await _edit(site, session, request_id, body.card_sha256, body.arguments, Surface.FETCHED_JSON)
        match edited:
            case BadAnswer(faults):
                return bad_answer(faults)
            case Conflict(view, message):
                return conflict(view, message)
            case NotSeen(message):
                raise not_shown(request_id, message)
            case NotAllowed(message) | NeedsSignature(message):
                raise Refusal(403, "You may not change this", sentence(message), reason="not_allowed")
            case NotFound():
                raise no_such_request()
            case Edited(view):
                return JSONResponse({"request_id": view.request_id, "card_sha256": view.card_sha256})
            case _:
                assert_never(edited)

    return [
        Route("/requests/{request_id}/arguments", show, methods=["GET"]),
        Route("/requests/{request_id}/arguments", send, methods=["POST"]),
        Route("/api/requests/{request_id}/arguments", send_json, methods=["POST"]),
    ]


async def _edit(
    site: Site, session: Session, request_id: str, card_sha256: str, arguments: dict[str, Any], surface: Surface
) -> Edited | WouldNotStand:
    return await site.desk.edit(
        session.reviewer,
        request_id,
        card_sha256=card_sha256,
        arguments=arguments,
        surface=surface,
        authenticated_by=session.method,
        session_id=session.id,
    )


async def _held(site: Site, request: Request) -> tuple[RequestView, HeldCall]:
    view = await site.desk.view(request.path_params["request_id"])
    if view is None or not isinstance(view.card.question, HeldCall):
        raise not_here()
    if view.state is State.CLOSED:
        raise Refusal(
            409,
            "This was answered already",
            "What it would have run with can be changed no more. Nothing was changed.",
            "The card says how it ended.",
            reason="conflict",
        )
    return view, view.card.question


async def _require_approver(site: Site, session: Session, view: RequestView) -> None:
    standing = (await site.desk.standings(session.reviewer, [view])).get(view.request_id)
    if standing is None or not standing.may_approve:
        why = "this does not ask you" if standing is None or standing.why_not is None else standing.why_not
        raise Refusal(
            403,
            "You may not change this",
            f"Only who may approve a call may change it: {sentence(why)}",
            reason="not_allowed",
        )


async def _schema(site: Site, question: HeldCall) -> dict[str, Any]:
    """The input schema as it was accepted; nothing where there is none, or where the card is of another."""
    if question.method == Method.RESOURCE:
        return dict(input_schema(Method.RESOURCE, None))
    if question.is_own:
        return {}
    pinned = await site.desk.calls.definition(question.upstream, Method(question.method), question.name)
    accepted = None if pinned is None else pinned.accepted
    if accepted is None or accepted.sha256 != question.definition_sha256:
        return {}
    schema = input_schema(accepted.method, accepted.content)
    return schema if isinstance(schema, dict) else {}


async def _page(
    site: Site,
    request: Request,
    view: RequestView,
    question: HeldCall,
    sent: Sent | None = None,
    faults: tuple[Fault, ...] = (),
    status: int = HTTPStatus.OK,
) -> Response:
    inputs = inputs_of(question, await _schema(site, question), sent, faults)
    as_json = sent is not None and sent.as_json
    page = EditPage(
        view=view,
        question=question,
        action=edit_path(view.request_id),
        inputs=inputs,
        whole=sent.whole if sent is not None and sent.as_json else whole_text(question),
        as_json=as_json,
        problems=tuple(_problem(fault, inputs, as_json) for fault in faults),
    )
    if faults and status == HTTPStatus.OK:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    return site.templates.respond(request, "card_edit.html", page, status)


def _problem(fault: Fault, inputs: tuple[ArgumentInput, ...], as_json: bool) -> Problem:
    name = next((one.name for one in inputs if one.error is not None and one.concerns(fault)), None)
    if name is not None:
        return Problem("whole" if as_json else key_of(name), fault.field, fault.message)
    target = "whole" if as_json or not inputs else "inputs"
    if fault.field == CARD:
        return Problem(target, None, sentence(fault.message))
    return Problem(target, fault.field, fault.message)


def _sent(form: FormData) -> Sent:
    texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    return Sent(
        as_json=texts.get("as") == "json",
        whole=texts.get("whole", ""),
        values=texts,
        left_out=frozenset(value for value in form.getlist("leave-out") if isinstance(value, str)),
    )


def _body(body: dict[str, Any]) -> EditBody | tuple[Fault, ...]:
    try:
        return EditBody.model_validate(body)
    except ValidationError as problem:
        return faults_of(problem, EditBody)
