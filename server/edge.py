"""What a request passes first, between the socket and everything else: whom it really comes from, and over what.

- The named proxy, and nobody else, may say whom it speaks for (`X-Forwarded-For`) and over what they came
  (`X-Forwarded-Proto`).
- Where that proxy does TLS for us, whoever comes past it from another machine is refused: their tokens and passwords
  would have travelled in clear. So is who came to the proxy itself without TLS.
- Browsers are told to come by TLS only, from then on (HSTS), except under names that mean their own machine.
"""

from ipaddress import ip_network
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.addresses import is_loopback
from server.assurance import PEER_KEY, PROXIED_KEY
from server.config import Settings
from server.peer_uid import End

_YEAR = 31_536_000


class Edge:
    """Pure ASGI, the outermost layer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        public = urlsplit(settings.page_url)
        self._app = app
        self._public_url = settings.page_url
        # HSTS holds for every port of a host, and localhost is home to other people's servers.
        self._strict = public.scheme == "https" and not is_loopback(public.hostname or "")
        self._plain = not settings.speaks_tls
        self._proxies = [ip_network(part) for part in (settings.trusted_proxy or "").split(",") if part]
        self._behind_proxy = ProxyHeadersMiddleware(self._answer, settings.trusted_proxy or [])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = End.of(scope.get("client"))
        scope[PEER_KEY] = scope.get("client")
        if peer is not None and str(peer.address) != scope["client"][0]:
            # A listener for both kinds of addresses sees IPv4 ones in their IPv6 form; nothing else here knows that.
            scope["client"] = (str(peer.address), peer.port)
        headers = Headers(scope=scope)
        from_proxy = peer is not None and any(peer.address in network for network in self._proxies)
        scope[PROXIED_KEY] = from_proxy and "x-forwarded-for" in headers
        refusal = self._refusal(scope, headers, peer, from_proxy=from_proxy)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif from_proxy:
            await self._behind_proxy(scope, receive, send)  # type: ignore[arg-type]
        elif self._strict:
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers, peer: End | None, *, from_proxy: bool) -> Response | None:
        here = peer is not None and peer.address.is_loopback
        if self._plain and not from_proxy and not here:
            return PlainTextResponse(
                f"This address is for the proxy alone. Assent is at {self._public_url}.\n", status_code=403
            )
        if from_proxy and self._strict and headers.get("x-forwarded-proto", "https").strip().lower() == "http":
            if scope["method"] in ("GET", "HEAD"):
                path = quote("/" + scope["path"].lstrip("/"))
                query = scope["query_string"].decode("latin-1")
                return RedirectResponse(f"{self._public_url}{path}{'?' + query if query else ''}", status_code=308)
            return PlainTextResponse(f"This came without TLS. Assent is at {self._public_url}.\n", status_code=403)
        return None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Strict-Transport-Security"] = f"max-age={_YEAR}"
            await send(message)

        await self._app(scope, receive, strict if self._strict else send)
