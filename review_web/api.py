"""The JSON interface for people's own programs: list, read and decide requests.

- The session cookie reads and decides. Reading one request counts as having been shown its card (`fetched_json`), and
  deciding needs that first, exactly as on the page.
- A reviewer token (`Authorization: Bearer`) reads, never counts as shown, and never decides: what lies in a file of a
  script is no proof that a person looked.
- An agent's token opens nothing here: to this interface it is an unknown token.
- Auditors read, and are never counted as shown, since they never decide.

Errors: `{"error"}` for people to read, with `reason` where a program may want to tell cases apart: `not_signed_in`,
`token` (unknown, or one that would decide), `role`, `not_allowed`, `cross_site`, `plain_http`, `conflict`, `not_shown`,
`store`. A bad answer lists `faults` instead. A decision that comes without an earlier reading is a conflict (409,
`not_shown`): it says to GET the request first.
"""

from typing import Any, Literal, assert_never

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal, sentence
from review_web.json_body import read_json_object
from review_web.readers import bearer_token, require_reader
from review_web.security import passwords_are_safe
from review_web.sessions import require_deciding_role
from review_web.site_context import Site
from store.answers import Answer, AskedBack, Chosen, Declined, Fault, Filled, Selected, Written
from store.deciding import BadAnswer, Conflict, Decided, NotAllowed, NotFound, NotSeen
from store.lifecycle import DECISIONS, State, Surface
from store.moments import to_text
from store.requests import Consequence, RequestView

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
        await require_reader(site, request)
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
        return JSONResponse({"requests": [summary(view) for view in views], "before": further})

    async def reading(request: Request) -> Response:
        reviewer, looks = await require_reader(site, request)
        request_id = request.path_params["request_id"]
        # A HEAD shows nobody anything.
        if looks and reviewer.may_decide and request.method == "GET":
            view = await site.desk.show(reviewer, request_id, Surface.FETCHED_JSON)
        else:
            view = await site.desk.view(request_id)
        if view is None:
            raise _not_found()
        return JSONResponse(detail(view))

    return [
        Route("/api/requests", listing, methods=["GET"]),
        Route("/api/requests/{request_id}", reading, methods=["GET"]),
        Route("/api/requests/{request_id}/decision", _deciding(site), methods=["POST"]),
    ]


def _deciding(site: Site) -> Any:
    async def deciding(request: Request) -> Response:
        if bearer_token(request) is not None:
            await require_reader(site, request)
            raise Refusal(
                403,
                "Tokens only read",
                "A reviewer token reads and never decides. Nothing was changed.",
                "Sign in at /login and send the session cookie.",
                reason="token",
            )
        session = require_deciding_role(request)
        body = _parse(await read_json_object(request))
        if isinstance(body, tuple):
            return _bad_answer(body)
        answer = _only_answer(body)
        if isinstance(answer, Fault):
            return _bad_answer((answer,))
        if isinstance(answer, Filled) and not passwords_are_safe(request, site.settings):
            raise Refusal(
                403,
                "Not over this connection",
                "Form values may hold passwords, and are not taken over plain HTTP from another machine.",
                "Send them over HTTPS, and change a password that was just sent.",
                reason="plain_http",
            )
        decided = await site.desk.decide(
            session.reviewer,
            request.path_params["request_id"],
            card_sha256=body.card_sha256,
            answer=answer,
            comment=(body.comment or "").strip() or None,
            surface=Surface.FETCHED_JSON,
            authenticated_by=session.method,
        )
        match decided:
            case Decided(view):
                return JSONResponse(outcome(view))
            case BadAnswer(faults):
                return _bad_answer(faults)
            case Conflict(view, message):
                return _conflict(view, message)
            case NotSeen(message):
                hint = f"GET /api/requests/{request.path_params['request_id']} first, and decide on what it returns."
                raise Refusal(409, "Not shown yet", sentence(message), hint, reason="not_shown")
            case NotAllowed(message):
                raise Refusal(403, "You may not decide this", sentence(message), reason="not_allowed")
            case NotFound():
                raise _not_found()
            case _:
                assert_never(decided)

    return deciding


def _conflict(view: RequestView, message: str) -> Response:
    body = {
        "error": f"{sentence(message)} Nothing was changed.",
        "reason": "conflict",
        "request_id": view.request_id,
        "status": _status(view),
    }
    return JSONResponse(body, 409)


def summary(view: RequestView) -> dict[str, Any]:
    """A request as a row of the list."""
    return {
        "request_id": view.request_id,
        "kind": view.kind.value,
        "title": view.title,
        "agent": view.agent,
        "owner": view.owner,
        "risk": view.risk.value if view.risk else None,
        "workflow": view.workflow,
        "follows": view.follows,
        "state": view.state.value,
        "outcome": view.outcome.value if view.outcome else None,
        "opened_at": to_text(view.opened_at),
        "expires_at": to_text(view.expires_at),
        "closed_at": to_text(view.closed_at) if view.closed_at else None,
        "agent_waiting": view.agent_waiting,
    }


def detail(view: RequestView) -> dict[str, Any]:
    """Everything that the card page shows of a request; `card` is what `card_sha256` is the hash of."""
    return {
        **summary(view),
        "card_sha256": view.card_sha256,
        "card": view.card.content(),
        "seen_by": list(view.seen_by),
        "delivered_at": to_text(view.delivered_at) if view.delivered_at else None,
        "consequences": [_consequence(consequence) for consequence in view.consequences],
        "decided": outcome(view) if view.state is State.CLOSED else None,
    }


def outcome(view: RequestView) -> dict[str, Any]:
    """How a request stands, in the fields that the agent gets. Passwords are handles in it, never values."""
    decided = view.outcome in DECISIONS
    return {
        "request_id": view.request_id,
        "status": _status(view),
        "may_proceed": view.may_proceed,
        **(view.answer or {}),
        "comment": view.comment,
        "decided_by": view.decided_by,
        "decided_at": to_text(view.closed_at) if decided and view.closed_at else None,
    }


def _status(view: RequestView) -> str:
    return view.outcome.value if view.outcome else "pending"


def _consequence(consequence: Consequence) -> dict[str, Any]:
    return {"at": to_text(consequence.at), "result": consequence.result, "details": consequence.details}


def _parse(body: dict[str, Any]) -> DecisionBody | tuple[Fault, ...]:
    try:
        return DecisionBody.model_validate(body)
    except ValidationError as problem:
        return tuple(_fault(error["loc"], error["type"], error["msg"]) for error in problem.errors(include_input=False))


def _fault(where: tuple[int | str, ...], kind: str, message: str) -> Fault:
    # No faults but ours may quote what was sent: it can hold a password.
    name = ".".join(str(part) for part in where)
    if kind == "extra_forbidden":
        known = ", ".join(DecisionBody.model_fields)
        return Fault(name, f"is not known here; this call takes {known}")
    return Fault(name, "is required" if kind == "missing" else message)


def _only_answer(body: DecisionBody) -> Answer | Fault:
    answers = body.answers()
    if len(answers) == 1:
        return answers[0]
    return Fault("answer", f"give exactly one of decision, selected, values, text and action; {len(answers)} given")


def _bad_answer(faults: tuple[Fault, ...]) -> Response:
    return JSONResponse(
        {
            "error": "The answer does not fit the question. Nothing was changed.",
            "faults": [{"field": fault.field, "message": fault.message} for fault in faults],
        },
        422,
    )


def _not_found() -> Refusal:
    return Refusal(404, "No such request", "There is no request of this id.", "GET /api/requests lists what is open.")
