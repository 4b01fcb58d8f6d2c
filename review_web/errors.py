"""What the site answers when it cannot do what was asked: a page for people, JSON for programs, a line for the rest.

Every error says what happened, what was kept, and what to do. The true reason of a failure inside is in the log of the
process, never in the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from review_web.rendering import Templates


@dataclass(frozen=True)
class ErrorPage:
    """Context of `error.html`."""

    status: int
    title: str
    """What happened, in a few words."""
    message: str
    """What that means here."""
    hint: str | None
    """What to do about it."""


_FALLBACKS = {
    HTTPStatus.NOT_FOUND: ErrorPage(
        404,
        "Nothing is here",
        "This address leads nowhere. A request that is answered is found under History.",
        "Check the address, or start again from the inbox.",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorPage(
        405, "That cannot be done here", "This address does not take that kind of call. Nothing was changed.", None
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorPage(
        413, "That is too large", "The answer is larger than what is accepted. Nothing was changed.", "Send less text."
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: ErrorPage(
        500,
        "Something went wrong inside Assent",
        "What you did was not carried out, and every request is as it was.",
        "Try again. If it happens again, the reason is in the output of `assent serve`.",
    ),
}


class Refusal(HTTPException):
    """Raised by a route to end with an error that names what happened and what to do.

    Args:
        status: the HTTP status.
        title: what happened, in a few words without a full stop.
        message: what that means here, in whole sentences.
        hint: what to do about it.
        reason: one word for programs, given as `reason` in JSON answers.
    """

    def __init__(
        self,
        status: int,
        title: str,
        message: str,
        hint: str | None = None,
        *,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.page = ErrorPage(status, title, message, hint)
        self.reason = reason


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks. Programs get JSON under /api/, and plain text elsewhere."""
    if request.url.path.startswith(("/api/", "/.well-known/")):
        return False
    return "text/html" in request.headers.get("accept", "")


def wants_json(request: Request) -> bool:
    """Whether a program asks that reads JSON."""
    if request.url.path.startswith(("/api/", "/.well-known/")):
        return True
    return not wants_page(request) and "application/json" in request.headers.get("accept", "")


def answer_error(request: Request, templates: Templates, problem: HTTPException) -> Response:
    """The error as whoever asks can read it."""
    page = _page(problem)
    headers = dict(problem.headers or {})
    if wants_page(request):
        response: Response = templates.respond(request, "error.html", page, status_code=page.status)
        response.headers.update(headers)
        return response
    if wants_json(request):
        body = {"error": " ".join(part for part in (page.message, page.hint) if part)}
        if isinstance(problem, Refusal) and problem.reason:
            body["reason"] = problem.reason
        return JSONResponse(body, page.status, headers)
    lines = [f"{page.title}. {page.message}", *([page.hint] if page.hint else [])]
    return PlainTextResponse("\n".join(lines) + "\n", page.status, headers)


def _page(problem: HTTPException) -> ErrorPage:
    if isinstance(problem, Refusal):
        return problem.page
    status = HTTPStatus(problem.status_code)
    known = _FALLBACKS.get(status)
    said = problem.detail if problem.detail != status.phrase else None
    if known is not None:
        return ErrorPage(known.status, known.title, said or known.message, None if said else known.hint)
    return ErrorPage(int(status), status.phrase, said or "Nothing was changed.", None)


def sentence(text: str) -> str:
    """A message of the store as a sentence for a page: it is written to stand after `error: ` on a command line."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}" if text else ""


def internal_error() -> HTTPException:
    """Stands for any failure of ours; its reason stays inside."""
    return HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR)
