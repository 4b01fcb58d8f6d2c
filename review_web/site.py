"""The review site, put together: routes, the layers that every request passes, and what errors look like."""

import logging
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from review_web import (
    account,
    agents_page,
    api,
    audit_api,
    card_page,
    editing_page,
    halts_page,
    history,
    inbox,
    invitation,
    live,
    manifest,
    oidc,
    people_page,
    person_page,
    phone,
    policy_page,
    proposing_page,
    push,
    sample,
    setup,
    sign_in,
    signing,
    upstreams_page,
    watch_page,
    watch_stream,
    watched_call,
)
from review_web.attempts import SignInLimiter
from review_web.ceremonies import Ceremonies
from review_web.errors import Refusal, answer_error, internal_error, sentence
from review_web.federation import Federation
from review_web.rendering import Templates
from review_web.security import FetchGuard, HostGuard, SecurityHeaders, stamp
from review_web.sessions import SessionLoader, SignInNeeded, StrangersBodies, answer_sign_in_needed
from review_web.settings import SiteSettings
from review_web.site_context import Site
from store.agents import Agents
from store.desk import Desk
from store.people import People
from store.problems import Problem, WriteRefused

_STATIC = Path(__file__).parent / "static"
# Percent-encoding makes a form of the longest text that a question takes several times as large.
_BODY_LIMIT = 4 * 1024 * 1024


_log = logging.getLogger(__name__)


def create_site(
    desk: Desk, people: People, agents: Agents, settings: SiteSettings, federation: Federation | None = None
) -> Starlette:
    """The whole human side, to be mounted last at "": it answers every path that nothing else has answered."""
    site = Site(
        desk=desk,
        people=people,
        agents=agents,
        settings=settings,
        templates=Templates(settings.version, desk.now, lambda: desk.failing),
        limiter=SignInLimiter(),
        ceremonies=Ceremonies(),
        clock=desk.now,
        federation=federation,
    )

    def on_http_error(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)  # what it is registered for
        return answer_error(request, site.templates, problem)

    def on_store_problem(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, Problem)  # what it is registered for
        _log.error("the store refused: %s", problem.message)
        status = 503 if isinstance(problem, WriteRefused) else 500
        refusal = Refusal(
            status, "Nothing was changed", sentence(problem.message), problem.hint or None, reason="store"
        )
        return answer_error(request, site.templates, refusal)

    def on_stranger(request: Request, problem: Exception) -> Response:
        return answer_sign_in_needed(request, site)

    def on_failure(request: Request, problem: Exception) -> Response:
        # This answer is written outside of every layer below, so it is stamped here. The server logs the reason.
        response = answer_error(request, site.templates, internal_error())
        stamp(response.headers, getattr(request.state, "nonce", ""))
        return response

    return Starlette(
        routes=[
            Mount("/static", _Static(settings.version), name="static"),
            *(
                route
                for page in (
                    *(
                        sign_in,
                        setup,
                        account,
                        api,
                        audit_api,
                        inbox,
                        card_page,
                        editing_page,
                        signing,
                        history,
                        live,
                        sample,
                    ),
                    *(manifest, phone, push),
                    *(invitation, people_page, person_page, agents_page, halts_page),
                    *(policy_page, proposing_page, upstreams_page),
                    # The last of them answers what the others leave of its address.
                    *(watch_page, watch_stream, watched_call),
                    oidc,
                )
                for route in page.routes(site)
            ),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(RequestBodyLimitMiddleware, max_body_size=_BODY_LIMIT),
            Middleware(HostGuard, settings=settings),
            Middleware(FetchGuard, settings=settings, templates=site.templates),
            Middleware(
                SessionLoader,
                people=people,
                settings=settings,
                halts=desk.halts,
                unaccepted=desk.calls.unaccepted,
                proposed=desk.proposals.waiting,
            ),
            Middleware(StrangersBodies),
        ],
        exception_handlers={
            HTTPException: on_http_error,
            SignInNeeded: on_stranger,
            Problem: on_store_problem,
            Exception: on_failure,
        },
    )


class _Static(StaticFiles):
    """Our own files and the vendored ones. They are no secret, and the same for everybody.

    An address with `?v=` and this version names one content for good; otherwise the browser asks each time whether the
    file changed. So it does on a version with a local part (`0+source`), whose files change while its name does not.
    """

    def __init__(self, version: str) -> None:
        super().__init__(directory=_STATIC)
        self._lasting = None if "+" in version else f"v={version}".encode()

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        lasting = scope["query_string"] == self._lasting
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response
