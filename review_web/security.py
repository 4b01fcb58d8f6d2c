"""What every request must pass before a page sees it, and what every answer carries.

Three pure ASGI layers, from the outside in:

- `SecurityHeaders`: makes the page's nonce, and puts the headers below on whatever is answered.
- `HostGuard`: answers only under addresses that are ours, and leads people to the canonical one.
- `FetchGuard`: refuses what another site made the browser do.
"""

import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review_web.errors import Refusal, answer_error
from review_web.rendering import Templates
from review_web.settings import SiteSettings, is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Text from agents stands on these pages. If some of it ever got past the escaping, the browser would still load no
# script, style, frame or address of its making. `trusted-types htmx` names the one policy that htmx's hx-csp extension
# creates, so nothing else can turn a text into markup or script; without `allow-duplicates` nobody can create it twice.
# `service-worker` is that of push.js, which gives one fixed address of ours whatever it is handed.
_POLICY = (
    "default-src 'none'",
    "script-src 'self' 'nonce-{nonce}'",
    "style-src 'self'",
    "img-src 'self' data:",  # Pico draws its arrows and ticks with data: images
    "connect-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types htmx service-worker",
)

_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    # Nothing leaves for other sites. Not `no-referrer`: with it browsers send `Origin: null` on the site's own forms,
    # and on plain HTTP, where there is no Sec-Fetch-Site either, no form could be told from a forged one.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "publickey-credentials-get=(self), publickey-credentials-create=(self), "
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()"
    ),
}


def stamp(headers: MutableHeaders, nonce: str) -> None:
    """Puts the headers of every answer on this one. What a route set for itself stays, except the policy."""
    headers["Content-Security-Policy"] = "; ".join(_POLICY).format(nonce=nonce)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    # Pages show what is to be decided now; neither a shared cache nor the back button may show what was.
    headers.setdefault("Cache-Control", "no-store")


class SecurityHeaders:
    """Gives every request a nonce (`request.state.nonce`) and every answer the headers of `stamp`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(18)
        # Every page is rendered with these two, an error page of the outer layers too.
        scope.setdefault("state", {}).update(nonce=nonce, session=None)

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                stamp(MutableHeaders(scope=message), nonce)
            await send(message)

        await self._app(scope, receive, stamped)


class HostGuard:
    """An exact list of addresses, on every route.

    A page of an attacker can point its own name at 127.0.0.1 (DNS rebinding) and is then same-origin with what it
    finds there; only the Host header tells. Names are compared whole, with the port, never by prefix or suffix.
    """

    def __init__(self, app: ASGIApp, settings: SiteSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hosts = Headers(scope=scope).getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        response: Response
        if not host:
            response = PlainTextResponse("The call names no single host, so it is not answered.\n", 400)
        elif host not in self._settings.hosts:
            response = PlainTextResponse(
                "Assent does not answer under this address.\n"
                f"People reach it at {self._settings.origin}. To use another one, set public_url "
                "(`assent serve --public-url URL`, or ASSENT_PUBLIC_URL).\n",
                421,
            )
        elif self._belongs_elsewhere(Request(scope), host):
            response = RedirectResponse(self._canonical(scope), 307)
        else:
            await self._app(scope, receive, send)
            return
        await response(scope, receive, send)

    def _belongs_elsewhere(self, request: Request, host: str) -> bool:
        """Whether a person opens a page under another of our names: their session and passkeys live under one only."""
        if self._settings.canonical_host is None or host == self._settings.canonical_host:
            return False
        if request.method not in ("GET", "HEAD") or "text/html" not in request.headers.get("accept", ""):
            return False
        if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
            return False
        # An agent's client that probes for authorization servers must find nothing, not a page.
        return not request.url.path.startswith(("/api/", "/static/", "/.well-known/"))

    def _canonical(self, scope: Scope) -> str:
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).split(b"?")[0]
        query = scope["query_string"]
        # One slash in front whatever was sent, or the rest could turn the host into something else.
        target = b"/" + path.lstrip(b"/") + (b"?" + query if query else b"")
        scheme = urlsplit(self._settings.origin).scheme
        return f"{scheme}://{self._settings.canonical_host}{target.decode('latin-1')}"


class FetchGuard:
    """Refuses what another site made the browser send.

    Writing (CSRF): the browser itself says where a call comes from. `Sec-Fetch-Site` is on every call over HTTPS and
    to localhost, and cannot be set by scripts; only `same-origin` may write. Where it is missing (plain HTTP) or `none`
    (the person typed the address), the `Origin` header must be exactly ours; a call with neither is refused, so a
    script that wants to write says which site it speaks to. Only signing in is open to a script that says nothing: it
    has no session yet that another site could abuse. SameSite=Strict cookies alone would not do: another server
    on the same host name is the same site, whatever its port.

    Reading: opening a card counts as having been shown it, so no other site may open one where nobody looks, in
    an image, a frame or a fetch; and a browser that loads pages ahead (prefetch, prerender) is told to come back when
    somebody looks. A top-level visit from anywhere is fine: that is what links in a mail are.
    """

    def __init__(self, app: ASGIApp, settings: SiteSettings, templates: Templates) -> None:
        self._app = app
        self._settings = settings
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = self._read(request) if request.method in SAFE_METHODS else self._write(request)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        await answer_error(request, self._templates, refusal)(scope, receive, send)

    def _write(self, request: Request) -> Refusal | None:
        site = request.headers.get("sec-fetch-site", "none")
        if site == "same-origin" or (site == "none" and self._origin_is_ours(request)):
            return None
        if request.url.path == "/login" and not _is_a_browsers(request):
            return None
        return Refusal(
            403,
            "This did not come from the review site",
            "The call came from another site, or does not say where it comes from. Nothing was changed.",
            f"Open the page again and repeat it there. A script sends the header `Origin: {self._settings.origin}`.",
            reason="cross_site",
        )

    def _read(self, request: Request) -> Refusal | None:
        headers = request.headers
        if "prefetch" in headers.get("sec-purpose", headers.get("purpose", "")):
            return Refusal(503, "Not ahead of time", "Pages are not loaded before somebody looks at them.")
        visit = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        ours = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        if (ours or visit) and ("origin" not in headers or self._origin_is_ours(request)):
            return None
        return Refusal(
            403,
            "Another site asked for this",
            "Another site tried to read from the review site in your browser. It was shown nothing.",
            reason="cross_site",
        )

    def _origin_is_ours(self, request: Request) -> bool:
        # Under the public address the scheme is the public one, even where a proxy ends TLS before us.
        host = request.headers.get("host", "").lower()
        ours = self._settings.origin if host == self._settings.public_host else f"{request.url.scheme}://{host}"
        return request.headers.getlist("origin") == [ours]


def _is_a_browsers(request: Request) -> bool:
    """Whether a browser may have been made to send this. Each one says where a post comes from in one of these."""
    return any(name in request.headers for name in ("origin", "sec-fetch-site", "cookie"))


def passwords_are_safe(request: Request, settings: SiteSettings) -> bool:
    """Whether a password typed on this page stays between the browser and us: TLS, this machine, or as configured."""
    if settings.password_over_plain_http_ok or request.url.scheme == "https":
        return True
    host = request.headers.get("host", "").lower()
    if host == settings.public_host and settings.origin.startswith("https://"):
        return True
    return is_loopback(urlsplit(f"//{host}").hostname or "")
