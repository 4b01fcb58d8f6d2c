"""Who is asking: the session cookie, and what a route demands of the person behind it.

The cookie holds a random secret; the store keeps its hash, so a stolen database opens no session. `HttpOnly` keeps it
from scripts, `SameSite=Strict` from calls that begin elsewhere, and `__Host-` (behind TLS) from other hosts and paths.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlsplit

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from review_web.errors import Refusal, answer_error, sentence, wants_page
from review_web.security import SAFE_METHODS
from review_web.settings import SiteSettings
from review_web.site_context import Site
from store.halts import Halts
from store.people import AccountClosed, People, Reviewer, Role, Session, SignIn
from store.people.sessions import held
from store.problems import PolicyUnreadable

# No longer than the store lets any session live; the store decides, the cookie only stops asking.
_COOKIE_LIFE = timedelta(days=7)
_CLIENT_LIMIT = 200
_SECRET = re.compile(r"[A-Za-z0-9_-]+")
HOLDER_KEY = "assent.holder"
"""Where the scope says which user of this machine a browser runs as, if that can be told. Browsers send cookies to
every port of a host: another user's program, with a page on a port of its own, must be able to do nothing with ours."""
_STRANGERS_BYTES = 64 * 1024


@dataclass(frozen=True)
class ReopenPage:
    """Context of `reopen.html`, which leads from a link on another site to the page that it names."""

    here: str
    """Path and query of the page that was asked for."""


class SignInNeeded(Exception):
    """Raised by `require_reviewer`; `answer_sign_in_needed` turns it into an answer."""


class SessionLoader:
    """Puts the `Session` that the cookie names on `request.state.session`, or None. Pure ASGI.

    A page of somebody who is signed in carries what everybody should know of: `request.state.notices`, and
    `request.state.halts`, what is held back; and for admins `request.state.unaccepted`, how many definitions of
    upstreams wait for one of them, and `request.state.proposed`, how many rules that people proposed.
    """

    def __init__(
        self,
        app: ASGIApp,
        people: People,
        settings: SiteSettings,
        halts: Halts,
        unaccepted: Callable[[], Awaitable[int]],
        proposed: Callable[[], Awaitable[int]],
    ) -> None:
        self._app = app
        self._people = people
        self._settings = settings
        self._halts = halts
        self._unaccepted = unaccepted
        self._proposed = proposed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/static/"):
            request = Request(scope)
            secret = session_secret(request, self._settings)
            session = await self._people.session(secret) if secret else None
            state = scope.setdefault("state", {})
            state["session"] = session
            if session is not None and wants_page(request):
                state["notices"] = await self._people.notices()
                state["halts"] = await self._halts.all()
                if session.reviewer.role is Role.ADMIN:
                    state["proposed"] = await self._proposed()
                    # Rules that cannot be read are told of elsewhere; no page may fail because of them.
                    with suppress(PolicyUnreadable):
                        state["unaccepted"] = await self._unaccepted()
        await self._app(scope, receive, send)


class StrangersBodies:
    """Takes no more from who is not signed in than a sign-in needs: reading a large form costs a second. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limited = RequestBodyLimitMiddleware(app, max_body_size=_STRANGERS_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope.get("state", {}).get("session") is not None
        await (self._app if known else self._limited)(scope, receive, send)


def session_of(request: Request) -> Session | None:
    """Who is signed in, if anybody."""
    session: Session | None = request.state.session
    return session


def require_reviewer(request: Request) -> Session:
    """The session of whoever is signed in, in any role.

    Raises:
        SignInNeeded: nobody is.
    """
    session = session_of(request)
    if session is None:
        raise SignInNeeded
    return session


def require_deciding_role(request: Request, to: str = "decide this request") -> Session:
    """The session of a reviewer who may decide; `to` is what they are about to do, for an auditor to read.

    Raises:
        SignInNeeded: nobody is signed in.
        Refusal: an auditor is, who reads and never decides.
    """
    session = require_reviewer(request)
    if session.reviewer.role is Role.AUDITOR:
        raise Refusal(
            403,
            "Auditors read and never decide",
            f"{session.reviewer.display_name} is signed in as an auditor. Nothing was changed.",
            f"Ask a reviewer to {to}.",
            reason="role",
        )
    return session


async def start_session(
    site: Site, request: Request, response: Response, reviewer: Reviewer, method: SignIn
) -> Session:
    """Signs `reviewer` in on `response`. A session that the browser had before ends: a secret is never carried over.

    Raises:
        Refusal: the account is disabled, or was reset since `reviewer` was read.
    """
    await _forget(site, request)
    client = request.headers.get("user-agent", "")[:_CLIENT_LIMIT]
    try:
        holder = request.scope.get(HOLDER_KEY)
        secret, session = await site.people.open_session(reviewer, method, client=client, holder=holder)
    except AccountClosed as problem:
        raise Refusal(403, "Nobody was signed in", sentence(problem.message), problem.hint, reason="closed") from None
    response.set_cookie(
        cookie_name(site.settings),
        secret,
        max_age=int(_COOKIE_LIFE.total_seconds()),
        path="/",
        secure=site.settings.secure_cookies,
        httponly=True,
        samesite="strict",
    )
    return session


async def end_session(site: Site, request: Request, response: Response) -> None:
    """Signs out: the session is void in the store, whatever the browser does with its cookie."""
    await _forget(site, request)
    response.delete_cookie(
        cookie_name(site.settings), path="/", secure=site.settings.secure_cookies, httponly=True, samesite="strict"
    )


async def _forget(site: Site, request: Request) -> None:
    secret = session_secret(request, site.settings)
    if secret:
        await site.people.end_session_by_secret(secret)


def cookie_name(settings: SiteSettings) -> str:
    """The session cookie's name. Cookies ignore ports, so without `__Host-` the port is in the name."""
    return "__Host-assent" if settings.secure_cookies else f"assent-{urlsplit(settings.origin).port or 80}"


def session_secret(request: Request, settings: SiteSettings) -> str | None:
    """What the session cookie holds, if the browser sent one, in the hands of whoever sent it."""
    secret = request.cookies.get(cookie_name(settings), "")
    # Nothing in a cookie may pass for the holder that is joined to it.
    return held(secret, request.scope.get(HOLDER_KEY)) if _SECRET.fullmatch(secret) else None


def local_path(text: str | None) -> str:
    """`text` if it is a path on this site, else the inbox: a sign-in never leads people to somebody else's page.

    Browsers read a backslash as a slash and drop tabs and line ends, so anything but plain visible characters is out.
    """
    if not text or not text.startswith("/") or text.startswith(("//", "/login", "/logout", "/setup", "/api/")):
        return "/"
    if "\\" in text or any(not "!" <= character <= "~" for character in text):
        return "/"
    return text


def answer_sign_in_needed(request: Request, site: Site) -> Response:
    """Leads a person to the sign-in page and back to where they were going; tells a program 401."""
    if not wants_page(request):
        unknown = Refusal(
            401,
            "Nobody is signed in",
            "This call carries no session that is still open.",
            "Sign in at /login; a reviewer token (`Authorization: Bearer`) is enough for reading the JSON interface.",
            reason="not_signed_in",
            headers={"WWW-Authenticate": 'Bearer realm="assent"'},
        )
        return answer_error(request, site.templates, unknown)
    login = f"/login?next={quote(_where_to(request), safe='/')}"
    if request.headers.get("hx-request"):
        # htmx would put the sign-in page inside the one that is open; this header makes it leave instead.
        return Response(status_code=401, headers={"HX-Redirect": login})
    if _came_from_elsewhere(request):
        return site.templates.respond(request, "reopen.html", ReopenPage(_here(request)))
    return RedirectResponse(login, 303)


def _here(request: Request) -> str:
    query = request.url.query
    return local_path(quote(request.url.path) + (f"?{query}" if query else ""))


def _where_to(request: Request) -> str:
    if request.method in SAFE_METHODS:
        return _here(request)
    # A form was sent after the session had ended: back to the page that it stood on, whose address a GET can open.
    page = urlsplit(request.headers.get("referer", ""))
    return local_path(page.path + (f"?{page.query}" if page.query else ""))


def _came_from_elsewhere(request: Request) -> bool:
    # A link in a mail or a chat opens the page without the SameSite=Strict cookie, so a person who is signed in looks
    # like a stranger. The page asks for itself once more; that visit is our own, and carries the cookie.
    return request.method == "GET" and request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
