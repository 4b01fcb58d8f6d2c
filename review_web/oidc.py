"""Signing in with another provider: leaving for it, and coming back.

Leaving is a POST of our own pages, so no other site sends people on their way. The answer is a page and not a redirect:
the policy lets forms lead nowhere but here. Coming back is a link that anybody could have made, so it counts only with
the cookie of the browser that left (`review_web.federation`); whoever is signed in already is looked up anew, because
their own cookie does not come along.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.attempts import TooMany
from review_web.errors import Refusal, sentence
from review_web.federation import LIFETIME, Departure, Errand, Federation
from review_web.proof import require_proof
from review_web.sessions import HOLDER_KEY, ReopenPage, cookie_name, local_path, require_reviewer, start_session
from review_web.sign_in import count_attempt, too_many
from review_web.site_context import Site
from store.people import Reviewer, Session, SignIn
from store.people.identities import ForeignIdentity, ProviderProblem
from store.problems import PeopleProblem

_log = logging.getLogger(__name__)
_CODE_LIMIT = 4096


@dataclass(frozen=True)
class DeparturePage:
    """Context of `oidc_departure.html`, which leads to the provider's own page."""

    label: str
    host: str
    """Whose page it is that comes next."""
    where: str


def routes(site: Site) -> list[BaseRoute]:
    """Nothing without a provider."""
    federation = site.federation
    if federation is None:
        return []

    async def sign_in(request: Request) -> Response:
        form = await request.form()
        where = local_path(_text(form, "next"))
        token = _text(form, "invitation")
        if not token:
            return await _leave(site, request, Departure(Errand.SIGN_IN, site.clock(), where))
        if await site.people.invitation(token) is None:
            raise Refusal(
                410, "This link is void", "It was used, withdrawn or is too old.", "Ask an admin for another."
            )
        return await _leave(site, request, Departure(Errand.JOIN, site.clock(), "/account?welcome=1", invitation=token))

    async def confirm(request: Request) -> Response:
        session = require_reviewer(request)
        where = local_path(_text(await request.form(), "next"))
        return await _leave(site, request, _of_session(site, Errand.CONFIRM, session, where))

    async def link(request: Request) -> Response:
        session = require_proof(site, request)
        return await _leave(site, request, _of_session(site, Errand.LINK, session, "/account?done=linked"))

    async def unlink(request: Request) -> Response:
        session = require_proof(site, request)
        try:
            found = await federation.identities.unlink(request.path_params["identity_id"], at=session)
        except PeopleProblem as problem:
            raise Refusal(409, "Nothing was changed", sentence(problem.message), problem.hint) from None
        if not found:
            raise Refusal(404, "That was unlinked already", "It signs nobody in any more.")
        return RedirectResponse("/account?done=unlinked", 303)

    async def come_back(request: Request) -> Response:
        departure = _departure(site, federation, request)
        who = await _whom(site, federation, request, departure)
        reviewer, method = await _ARRIVALS[departure.errand](site, federation, departure, who)
        # Our own page asks for the next one: a redirect from here would still count as the provider's, and come
        # without the cookie that this answer sets.
        response = site.templates.respond(request, "reopen.html", ReopenPage(departure.next))
        if method is not None:
            await start_session(site, request, response, reviewer, method)
        response.delete_cookie(_cookie(site), path="/", secure=site.settings.secure_cookies, httponly=True)
        return response

    return [
        Route("/login/oidc", sign_in, methods=["POST"]),
        Route("/login/oidc/callback", come_back, methods=["GET"]),
        Route("/account/oidc/confirm", confirm, methods=["POST"]),
        Route("/account/oidc/link", link, methods=["POST"]),
        Route("/account/oidc/{identity_id}/unlink", unlink, methods=["POST"]),
    ]


def _of_session(site: Site, errand: Errand, session: Session, where: str) -> Departure:
    return Departure(errand, site.clock(), where, reviewer_id=session.reviewer.id, session_id=session.id)


async def _leave(site: Site, request: Request, departure: Departure) -> Response:
    assert site.federation is not None  # routes() made none otherwise
    provider = site.federation.provider
    attempt = count_attempt(request, site, account=None)
    if isinstance(attempt, TooMany):
        raise too_many(attempt)
    try:
        where = await provider.sign_in_page(
            state=departure.state,
            nonce=departure.nonce,
            verifier=departure.verifier,
            anew=departure.asked_anew_at is not None,
        )
    except ProviderProblem as problem:
        _refuse(site.federation, problem)
    site.limiter.succeeded(attempt)
    site.federation.departures.add(replace(departure, holder=request.scope.get(HOLDER_KEY)))
    page = DeparturePage(provider.label, urlsplit(where).hostname or "", where)
    response = site.templates.respond(request, "oidc_departure.html", page)
    response.set_cookie(
        _cookie(site),
        departure.ticket,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=site.settings.secure_cookies,
        httponly=True,
        # Not strict: the way back begins on the provider's page. A post from there would still not carry it.
        samesite="lax",
    )
    return response


def _departure(site: Site, federation: Federation, request: Request) -> Departure:
    """Who left from this browser with the state that it comes back with.

    Raises:
        Refusal: nobody did, or too long ago, or came back before.
    """
    state, ticket = _single(request, "state") or "", request.cookies.get(_cookie(site), "")
    found = federation.departures.take(state, ticket, request.scope.get(HOLDER_KEY), site.clock())
    if found is None:
        raise Refusal(
            409,
            "This sign-in did not begin here",
            "It began in another browser, more than ten minutes ago, or was finished already. Nobody was signed in.",
            "Start again from the sign-in page.",
            reason="state",
        )
    return found


async def _whom(site: Site, federation: Federation, request: Request, departure: Departure) -> ForeignIdentity:
    """Whom the provider signed in, all of it checked.

    Raises:
        Refusal: nobody, or what it says is not to be believed.
    """
    code = _single(request, "code")
    if "error" in request.query_params or not code or len(code) > _CODE_LIMIT:
        label = federation.provider.label
        raise Refusal(
            403, f"{label} signed nobody in", "Nobody was signed in here either.", "Try again, or sign in another way."
        )
    attempt = count_attempt(request, site, account=None)
    if isinstance(attempt, TooMany):
        raise too_many(attempt)
    try:
        who = await federation.provider.identity(
            code=code,
            came_from=request.query_params.get("iss"),
            nonce=departure.nonce,
            verifier=departure.verifier,
            asked_anew_at=departure.asked_anew_at,
        )
    except ProviderProblem as problem:
        _refuse(federation, problem)
    site.limiter.succeeded(attempt)
    return who


_Arrival = tuple[Reviewer, SignIn | None]
"""Who is signed in, and how; without a method their session stays as it is."""


async def _signed_in(site: Site, federation: Federation, departure: Departure, who: ForeignIdentity) -> _Arrival:
    reviewer = await federation.identities.reviewer(who)
    if reviewer is None and federation.provider.may_join(who):
        try:
            reviewer = await federation.identities.make_reviewer(who)
        except PeopleProblem as problem:
            # An account of that name is not theirs because the name is: it may be linked, from inside.
            raise _unknown(federation, sentence(problem.message)) from None
    if reviewer is None:
        raise _unknown(federation, "No account here is linked to yours there.")
    return reviewer, SignIn.OIDC


async def _confirmed(site: Site, federation: Federation, departure: Departure, who: ForeignIdentity) -> _Arrival:
    session = await _still_there(site, departure)
    reviewer = await federation.identities.reviewer(who)
    if reviewer is None or reviewer.id != session.reviewer.id:
        raise _not_confirmed(f"{federation.provider.label} signed in somebody else than {session.reviewer.username}.")
    if not who.fresh:
        raise _not_confirmed(f"{federation.provider.label} does not say that it asked you just now.")
    await site.people.end_session(reviewer.id, session.id)
    return reviewer, SignIn.OIDC_FRESH


async def _linked(site: Site, federation: Federation, departure: Departure, who: ForeignIdentity) -> _Arrival:
    session = await _still_there(site, departure)
    try:
        await federation.identities.link(who, at=session)
    except PeopleProblem as problem:
        raise Refusal(409, "Nothing was linked", sentence(problem.message), problem.hint) from None
    return session.reviewer, None


async def _joined(site: Site, federation: Federation, departure: Departure, who: ForeignIdentity) -> _Arrival:
    try:
        reviewer = await federation.identities.use_invitation(departure.invitation or "", who)
    except PeopleProblem as problem:
        raise Refusal(409, "Nothing was made", sentence(problem.message), problem.hint) from None
    return reviewer, SignIn.INVITATION


_ARRIVALS: Mapping[Errand, Callable[[Site, Federation, Departure, ForeignIdentity], Awaitable[_Arrival]]] = {
    Errand.SIGN_IN: _signed_in,
    Errand.CONFIRM: _confirmed,
    Errand.LINK: _linked,
    Errand.JOIN: _joined,
}


async def _still_there(site: Site, departure: Departure) -> Session:
    """The session that they left from.

    Raises:
        Refusal: it ended meanwhile.
    """
    for session in await site.people.sessions(departure.reviewer_id or ""):
        if session.id == departure.session_id:
            return session
    raise _not_confirmed("The session that you left from has ended.")


def _not_confirmed(why: str) -> Refusal:
    return Refusal(
        403, "That was not confirmed", f"{why} Nothing was changed.", "Sign in again, or use a passkey or password."
    )


def _unknown(federation: Federation, why: str) -> Refusal:
    return Refusal(
        403,
        "Nobody here has that account",
        f"{federation.provider.label} signed you in, and Assent did not. {why}",
        "Sign in another way and link it on your account page, or ask an admin for an invitation.",
        reason="not_linked",
    )


def _refuse(federation: Federation, problem: ProviderProblem) -> NoReturn:
    # What exactly was wrong helps whoever tries things out; the person learns where to look.
    _log.warning("the provider is not believed: %s", problem.message)
    raise Refusal(
        502,
        f"{federation.provider.label} could not sign you in",
        "Its answer did not come, or was not to be believed. Nobody was signed in.",
        "Try again, or sign in another way. The reason is in the output of `assent serve`.",
        reason="provider",
    ) from None


def _cookie(site: Site) -> str:
    return f"{cookie_name(site.settings)}-away"


def _single(request: Request, name: str) -> str | None:
    """A parameter that is there once."""
    values = request.query_params.getlist(name)
    return values[0] if len(values) == 1 else None


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
