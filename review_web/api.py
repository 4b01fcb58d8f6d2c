"""The JSON interface for people's own programs: list, read and decide requests.

- The session cookie reads and decides. Reading one request counts as having been shown its card (`fetched_json`), and
  deciding needs that first, exactly as on the page.
- A reviewer token (`Authorization: Bearer`) reads, never counts as shown, and never decides: what lies in a file of a
  script is no proof that a person looked.
- An agent's token opens nothing here: to this interface it is an unknown token.
- Auditors read, and are never counted as shown, since they never decide.

Errors: `{"error"}` for people to read, with `reason` where a program may want to tell cases apart: `not_signed_in`,
`token` (unknown, or one that would decide), `role`, `not_allowed`, `cross_site`, `plain_http`, `conflict`, `not_shown`,
`store`, `needs_signature`. A bad answer lists `faults` instead. A decision that comes without an earlier reading is a
conflict (409, `not_shown`): it says to GET the request first.

Where several people must approve, a decision answers `{"status": "voted", "still_needed": n}` while approvals are
missing. Nobody is told of the others' answers before the request is closed: not by any field here, and not by the log.
"""

from typing import Any, Literal, assert_never

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.assertions import read_assertion
from review_web.errors import Refusal, sentence
from review_web.json_body import read_json_object
from review_web.readers import bearer_token, require_reader
from review_web.request_json import detail, outcome, status, summary
from review_web.security import passwords_are_safe
from review_web.sessions import require_deciding_role
from review_web.site_context import Site
from store.answers import Answer, AskedBack, Chosen, Declined, Fault, Filled, Selected, Written
from store.deciding.decisions import (
    BadAnswer,
    Conflict,
    Decided,
    NeedsSignature,
    NotAllowed,
    NotFound,
    NotSeen,
    Voted,
)
from store.lifecycle import Surface
from store.requests import RequestView

CLOSED_AT_ONCE = 200


class DecisionBody(BaseModel):
    """What `POST /api/requests/{id}/decision` takes: the card that was read, and exactly one way to answer it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    card_sha256: str
    action: Literal["decline", "return"] | None = None
    decision: str | None = None
    selected: list[str] | None = None
    values: dict[str, Any] | None = None
    text: str | None = None
    comment: str | None = None
    assertion: dict[str, Any] | None = None
    """`{statement, credential}`: what `POST /requests/{id}/signature` handed out, and what the browser made of it."""

    def answers(self) -> list[Answer]:
        """Every answer that the body gives; a good one gives one."""
        found: list[Answer] = []
        if self.action is not None:
            found.append(Declined() if self.action == "decline" else AskedBack())
        if self.decision is not None:
            found.append(Chosen(self.decision))
        if self.selected is not None:
            found.append(Selected(tuple(self.selected)))
        if self.values is not None:
            found.append(Filled(self.values))
        if self.text is not None:
            found.append(Written(self.text))
        return found


def routes(site: Site) -> list[BaseRoute]:
    """`/api/requests`, `/api/requests/{id}` and its decision."""

    async def listing(request: Request) -> Response:
        reviewer, _ = await require_reader(site, request)
        state = request.query_params.get("state", "open")
        if state not in ("open", "all"):
            raise Refusal(422, "No such state", f"`state` is open or all, not {state!r}.")
        before = request.query_params.get("before")
        # Closed ones are read a page at a time; the open ones stand on the first page only.
        views = [] if state == "all" and before else await site.desk.inbox()
        further = None
        if state == "all":
            closed = await site.desk.history(before=before, limit=CLOSED_AT_ONCE)
            further = closed[-1].request_id if len(closed) == CLOSED_AT_ONCE else None
            views = [*views, *closed]
        standings = await site.desk.standings(reviewer, views)
        rows = [summary(view, standings.get(view.request_id)) for view in views]
        return JSONResponse({"requests": rows, "before": further})

    async def reading(request: Request) -> Response:
        reviewer, looks = await require_reader(site, request)
        request_id = request.path_params["request_id"]
        # A HEAD shows nobody anything.
        if looks and reviewer.may_decide and request.method == "GET":
            view = await site.desk.show(reviewer, request_id, Surface.FETCHED_JSON)
        else:
            view = await site.desk.view(request_id)
        if view is None:
            raise no_such_request()
        standings = await site.desk.standings(reviewer, [view])
        return JSONResponse(detail(view, standings.get(view.request_id)))

    return [
        Route("/api/requests", listing, methods=["GET"]),
        Route("/api/requests/{request_id}", reading, methods=["GET"]),
        Route("/api/requests/{request_id}/decision", _deciding(site), methods=["POST"]),
    ]


def _deciding(site: Site) -> Any:
    async def deciding(request: Request) -> Response:
        await refuse_token(site, request)
        session = require_deciding_role(request)
        body = parse_decision(await read_json_object(request))
        if isinstance(body, tuple):
            return bad_answer(body)
        answer = only_answer(body)
        if isinstance(answer, Fault):
            return bad_answer((answer,))
        if isinstance(answer, Filled) and not passwords_are_safe(request, site.settings):
            raise Refusal(
                403,
                "Not over this connection",
                "Form values may hold passwords, and are not taken over plain HTTP from another machine.",
                "Send them over HTTPS, and change a password that was just sent.",
                reason="plain_http",
            )
        signed = await read_assertion(site, session, body.assertion)
        if isinstance(signed, Fault):
            return bad_answer((signed,))
        decided = await site.desk.decide(
            session.reviewer,
            request.path_params["request_id"],
            card_sha256=body.card_sha256,
            answer=answer,
            comment=(body.comment or "").strip() or None,
            surface=Surface.FETCHED_JSON,
            authenticated_by=session.method,
            signed=signed,
            session_id=session.id,
        )
        match decided:
            case Decided(view):
                return JSONResponse(outcome(view))
            case Voted(view, still_needed):
                return JSONResponse({"request_id": view.request_id, "status": "voted", "still_needed": still_needed})
            case NeedsSignature(message):
                hint = f"POST the answer to /requests/{request.path_params['request_id']}/signature for what to sign."
                raise Refusal(403, "This takes a passkey", sentence(message), hint, reason="needs_signature")
            case BadAnswer(faults):
                return bad_answer(faults)
            case Conflict(view, message):
                return conflict(view, message)
            case NotSeen(message):
                raise not_shown(request.path_params["request_id"], message)
            case NotAllowed(message):
                raise Refusal(403, "You may not decide this", sentence(message), reason="not_allowed")
            case NotFound():
                raise no_such_request()
            case _:
                assert_never(decided)

    return deciding


async def refuse_token(site: Site, request: Request) -> None:
    """Let through who comes with a session; whoever comes with a token is told that tokens only read.

    Raises:
        Refusal
    """
    if bearer_token(request) is not None:
        await require_reader(site, request)
        raise Refusal(
            403,
            "Tokens only read",
            "A reviewer token reads and never decides. Nothing was changed.",
            "Sign in at /login and send the session cookie.",
            reason="token",
        )


def not_shown(request_id: str, message: str) -> Refusal:
    """409, with what to do first."""
    hint = f"GET /api/requests/{request_id} first, and decide on what it returns."
    return Refusal(409, "Not shown yet", sentence(message), hint, reason="not_shown")


def conflict(view: RequestView, message: str) -> Response:
    """409, with how the request stands."""
    body = {
        "error": f"{sentence(message)} Nothing was changed.",
        "reason": "conflict",
        "request_id": view.request_id,
        "status": status(view),
    }
    return JSONResponse(body, 409)


def parse_decision(body: dict[str, Any]) -> DecisionBody | tuple[Fault, ...]:
    """The body, or every fault in its form."""
    try:
        return DecisionBody.model_validate(body)
    except ValidationError as problem:
        return faults_of(problem, DecisionBody)


def faults_of(problem: ValidationError, body: type[BaseModel]) -> tuple[Fault, ...]:
    """What is wrong with the form of a body."""
    known = ", ".join(body.model_fields)
    errors = problem.errors(include_input=False)
    return tuple(_fault(error["loc"], error["type"], error["msg"], known) for error in errors)


def _fault(where: tuple[int | str, ...], kind: str, message: str, known: str) -> Fault:
    # No faults but ours may quote what was sent: it can hold a password.
    name = ".".join(str(part) for part in where)
    if kind == "extra_forbidden":
        return Fault(name, f"is not known here; this call takes {known}")
    return Fault(name, "is required" if kind == "missing" else message)


def only_answer(body: DecisionBody) -> Answer | Fault:
    """The one answer that the body gives."""
    answers = body.answers()
    if len(answers) == 1:
        return answers[0]
    return Fault("answer", f"give exactly one of decision, selected, values, text and action; {len(answers)} given")


def bad_answer(faults: tuple[Fault, ...]) -> Response:
    """422, with what is wrong."""
    return JSONResponse(
        {
            "error": "The answer does not fit the question. Nothing was changed.",
            "faults": [{"field": fault.field, "message": fault.message} for fault in faults],
        },
        422,
    )


def no_such_request() -> Refusal:
    """404, with where to look."""
    return Refusal(404, "No such request", "There is no request of this id.", "GET /api/requests lists what is open.")
