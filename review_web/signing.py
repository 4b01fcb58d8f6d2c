"""Handing out what a person signs with a passkey (store/signing/SPEC.md).

`POST /requests/{id}/signature` takes exactly what the decision takes, as the card's form or as JSON, and decides
nothing: it answers with the statement and the options for `navigator.credentials.get`. The browser's answer comes back
with the decision, as `assertion`. What counts is settled in the transaction of the decision, by `store.signing`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.answers_form import read_answer, read_comment
from review_web.api import DecisionBody, bad_answer, only_answer, parse_decision
from review_web.errors import Refusal, sentence
from review_web.json_body import read_json_object
from review_web.passkeys import relying_party, signing_options
from review_web.security import passwords_are_safe
from review_web.sessions import require_deciding_role
from review_web.site_context import Site
from store.answers import Answer, Fault, Filled
from store.deciding.decisions import BadAnswer, Conflict, NeedsSignature, NotAllowed, NotFound, NotSeen, Statement
from store.deciding.decisions import Refusal as WouldNotStand
from store.fields import LIST_LIMIT
from store.lifecycle import Surface
from store.people import Passkey, Reviewer
from store.questions import AnyQuestion
from store.signing.nonces import LIFETIME, Signer
from store.signing.statement import challenge

_MOST_INPUTS = LIST_LIMIT * LIST_LIMIT + 100


@dataclass(frozen=True)
class SignPanel:
    """What `card_sign.html` prints: what a person who may approve is told about signing."""

    path: str
    passkeys: tuple[Passkey, ...]
    """Theirs, the one that they used last first."""
    possible: bool
    """Browsers offer passkeys under this address."""


async def sign_panel(site: Site, reviewer: Reviewer, request_id: str) -> SignPanel:
    """For a card that this person's approval must be signed on (`Standing.needs_passkey`)."""
    passkeys = sorted(await site.people.passkeys(reviewer.id), key=_last_used, reverse=True)
    return SignPanel(f"/requests/{request_id}/signature", tuple(passkeys), site.settings.relying_party is not None)


def routes(site: Site) -> list[BaseRoute]:
    """`POST /requests/{id}/signature`."""

    async def signature(request: Request) -> Response:
        session = require_deciding_role(request)
        view = await site.desk.view(request.path_params["request_id"])
        if view is None:
            raise _not_found()
        asked = await _asked(request, view.card.question)
        if isinstance(asked, tuple):
            return bad_answer(asked)
        if isinstance(asked.answer, Filled) and not passwords_are_safe(request, site.settings):
            raise Refusal(403, "Not over this connection", "Form values are not taken over plain HTTP.")
        passkey = await _passkey(site, session.reviewer, asked.passkey)
        party = relying_party(site.settings)
        said = Statement(
            session.reviewer,
            asked.card_sha256,
            asked.answer,
            asked.comment,
            asked.surface,
            session.method,
            session_id=session.id,
        )
        signer = Signer(session.id, passkey, site.settings.origin, party)
        handed_out = await site.desk.hand_out_statement(view.request_id, said, signer)
        if not isinstance(handed_out, str):
            return _would_not_stand(handed_out)
        options = signing_options(challenge(handed_out), LIFETIME, site.settings, passkey)
        named = {"id": passkey.id, "name": passkey.name}
        return JSONResponse({"publicKey": options, "statement": handed_out, "passkey": named})

    return [Route("/requests/{request_id}/signature", signature, methods=["POST"])]


@dataclass(frozen=True)
class _Asked:
    card_sha256: str
    answer: Answer
    comment: str | None
    surface: Surface
    passkey: str | None


async def _asked(request: Request, question: AnyQuestion) -> _Asked | tuple[Fault, ...]:
    if request.headers.get("content-type", "").startswith("application/json"):
        return _asked_in_json(await read_json_object(request))
    form = await request.form(max_fields=_MOST_INPUTS)
    answer = read_answer(question, form)
    if isinstance(answer, Fault):
        return (answer,)
    return _Asked(
        _text(form, "card_sha256") or "", answer, read_comment(form), Surface.RENDERED_PAGE, _text(form, "passkey")
    )


def _asked_in_json(members: dict[str, Any]) -> _Asked | tuple[Fault, ...]:
    passkey = members.pop("passkey", None)
    if not isinstance(passkey, str | None):
        return (Fault("passkey", "is the id of a passkey, as text"),)
    body = parse_decision(members)
    if not isinstance(body, DecisionBody):
        return body
    answer = only_answer(body)
    if isinstance(answer, Fault):
        return (answer,)
    return _Asked(body.card_sha256, answer, (body.comment or "").strip() or None, Surface.FETCHED_JSON, passkey)


async def _passkey(site: Site, reviewer: Reviewer, wanted: str | None) -> Passkey:
    """The passkey to sign with: the one that was named, else the one that was used last."""
    passkeys = {passkey.id: passkey for passkey in await site.people.passkeys(reviewer.id)}
    if not passkeys:
        raise Refusal(
            409,
            "You have no passkey yet",
            "This answer is signed with a passkey, and none is registered for you. Nothing was sent.",
            "Add one on your account page, then answer.",
            reason="no_passkey",
        )
    if wanted is None:
        return max(passkeys.values(), key=_last_used)
    if wanted not in passkeys:
        raise Refusal(422, "No such passkey", "You have no passkey of this id. Nothing was sent.", reason="no_passkey")
    return passkeys[wanted]


def _last_used(passkey: Passkey) -> datetime:
    return passkey.last_used_at or passkey.created_at


def _would_not_stand(refusal: WouldNotStand) -> Response:
    match refusal:
        case BadAnswer(faults):
            return bad_answer(faults)
        case Conflict(message=message):
            raise Refusal(409, "Your answer would not be taken", sentence(message), reason="conflict")
        case NotSeen(message) | NeedsSignature(message):
            raise Refusal(409, "Nothing was sent yet", sentence(message), reason="not_shown")
        case NotAllowed(message):
            raise Refusal(403, "You may not decide this", sentence(message), reason="not_allowed")
        case NotFound():
            raise _not_found()
        case _:
            assert_never(refusal)


def _not_found() -> Refusal:
    return Refusal(404, "There is no such request", "Nothing that agents asked has this id.")


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and value else None
