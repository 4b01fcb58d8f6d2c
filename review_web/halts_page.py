"""Holding agents back from any page: one click that asks for nothing, and letting go again, which asks for proof.

`POST /agents/{name}/pause`, `POST /agents/{name}/stop` and `POST /stop`, each with an optional `why`, by whoever may
decide; `POST /agents/{name}/resume` and `POST /resume` by an admin who proved within ten minutes who they are. Each
leads back to the page that it was sent from, where the banner of every page says what is held back.
"""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal, sentence
from review_web.people_page import not_allowed, text_of
from review_web.proof import require_proven_admin
from review_web.sessions import local_path, require_deciding_role
from review_web.site_context import Site
from store.audit.events import Halting
from store.problems import AgentProblem, PeopleProblem

_HOLD = {Halting.PAUSED: "pause", Halting.STOPPED: "stop"}
BANNER = "held-back"
"""Where a page says what is held back."""


def routes(site: Site) -> list[BaseRoute]:
    """What holds agents back, and what lets them go on."""

    async def pause(request: Request) -> Response:
        return await _hold_back(site, request, request.path_params["name"], Halting.PAUSED)

    async def stop(request: Request) -> Response:
        return await _hold_back(site, request, request.path_params["name"], Halting.STOPPED)

    async def stop_everything(request: Request) -> Response:
        return await _hold_back(site, request, None, Halting.STOPPED)

    async def resume(request: Request) -> Response:
        return await _resume(site, request, request.path_params["name"])

    async def resume_everything(request: Request) -> Response:
        return await _resume(site, request, None)

    return [
        Route("/stop", stop_everything, methods=["POST"]),
        Route("/resume", resume_everything, methods=["POST"]),
        Route("/agents/{name}/pause", pause, methods=["POST"]),
        Route("/agents/{name}/stop", stop, methods=["POST"]),
        Route("/agents/{name}/resume", resume, methods=["POST"]),
    ]


async def _hold_back(site: Site, request: Request, agent: str | None, how: Halting) -> Response:
    session = require_deciding_role(request, to=f"{_HOLD[how]} {agent or 'everything'}")
    why = text_of(await request.form(), "why")
    try:
        await site.desk.halts.hold_back(agent, how, by=session, why=why or None)
    except PeopleProblem as problem:
        raise not_allowed(problem) from None
    except AgentProblem as problem:
        raise _not_held_back(problem) from None
    return RedirectResponse(f"{_sent_from(request)}#{BANNER}", 303)


async def _resume(site: Site, request: Request, agent: str | None) -> Response:
    session = require_proven_admin(site, request)
    try:
        went_on = await site.desk.halts.resume(agent, by=session)
    except PeopleProblem as problem:
        raise not_allowed(problem) from None
    except AgentProblem as problem:
        raise Refusal(409, "Nothing was changed", sentence(problem.message), problem.hint, reason="agent") from None
    return RedirectResponse(f"/agents?done={'resumed' if went_on else 'unheld'}", 303)


def _not_held_back(problem: AgentProblem) -> Refusal:
    return Refusal(
        409,
        "Nothing was stopped",
        f"{sentence(problem.message)} Nothing was changed.",
        problem.hint or None,
        reason="agent",
    )


def _sent_from(request: Request) -> str:
    """Path and query of the page that the form stood on, if it was one that can be opened again."""
    page = urlsplit(request.headers.get("referer", ""))
    path = local_path(page.path + (f"?{page.query}" if page.query else ""))
    # What a form led to (an error under the address of the form itself) cannot be opened by its address.
    return "/agents" if path in ("/stop", "/resume") or path.endswith(("/pause", "/stop", "/resume")) else path
