"""A provider of one's own: it listens, checks what it is sent, and signs with real keys. It can be made to lie."""

import asyncio
import base64
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote_plus, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from store.moments import Clock

CLIENT_ID = "assent"
SECRET = "the client's own: secret & more"
Claims = dict[str, Any]


@cache
def rsa(kid: str, *, owner: str = "the provider") -> RSAKey:
    """A key, made once a run: it takes long."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass
class Pending:
    """A code that was handed out."""

    query: dict[str, str]
    claims: Claims


@dataclass
class ProviderServer:
    """What it does can be changed between two steps; what it was sent is kept."""

    issuer: str
    clock: Clock
    key: RSAKey | ECKey = field(default_factory=lambda: rsa("first"))
    person: Claims = field(default_factory=lambda: {"sub": "248289761001", "name": "Ana Ruiz"})
    """Who is signed in there."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Over what discovery says."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Over what the ID token says; None takes a claim out."""
    header: dict[str, Any] = field(default_factory=dict)
    forge: Callable[[Claims], str] | None = None
    """Makes the ID token in place of signing it."""
    key_set: dict[str, Any] | None = None
    """In place of the public keys."""
    answers: dict[str, Callable[[], Response]] = field(default_factory=dict)
    """In place of what a path answers."""
    names_itself: bool = False
    secret: str | None = SECRET
    auth_method: str = "client_secret_basic"
    calls: list[str] = field(default_factory=list)
    codes: dict[str, Pending] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    """The query of each visit to its sign-in page."""

    def app(self) -> Starlette:
        routes = {
            "/.well-known/openid-configuration": (self._discovery, "GET"),
            "/authorize": (self._authorize, "GET"),
            "/token": (self._token, "POST"),
            "/keys": (self._keys, "GET"),
        }

        def counted(path: str, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
            async def call(request: Request) -> Response:
                self.calls.append(path)
                if path in self.answers:
                    return self.answers[path]()
                response: Response = await answer(request)
                return response

            return call

        return Starlette(routes=[Route(path, counted(path, a), methods=[m]) for path, (a, m) in routes.items()])

    def sign(self, claims: Claims, key: RSAKey | ECKey | None = None) -> str:
        key = key or self.key
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": key.kid, **self.header}, claims, key, algorithms=[algorithm])

    async def _discovery(self, request: Request) -> Response:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": [self.auth_method],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.names_itself,
        }
        return JSONResponse({**said, **self.metadata})

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.asked.append(query)
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = Pending(query, dict(self.person))
        back = {"code": code, "state": query["state"], **({"iss": self.issuer} if self.names_itself else {})}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", 302)

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        pending = self.codes.pop(form.get("code", ""), None)
        if not self._client_is_right(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        if pending is None or form.get("redirect_uri") != pending.query["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != pending.query["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(self.clock().timestamp())
        claims: Claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": pending.query["nonce"],
            **({"auth_time": now} if "max_age" in pending.query else {}),
            **pending.claims,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        id_token = self.forge(claims) if self.forge else self.sign(claims)
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "id_token": id_token})

    def _client_is_right(self, request: Request, form: dict[str, str]) -> bool:
        if self.secret is None:
            return form.get("client_id") == CLIENT_ID and "authorization" not in request.headers
        if self.auth_method == "client_secret_post":
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.secret)
        basic = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        name, _, secret = basic.partition(":")
        return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, self.secret)

    async def _keys(self, request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]} if self.key_set is None else self.key_set)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


@asynccontextmanager
async def provider_server(clock: Clock, **options: Any) -> AsyncIterator[ProviderServer]:
    """A provider on a free port, until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        provider = ProviderServer(f"http://127.0.0.1:{listener.getsockname()[1]}", clock, **options)
        server = _Server(uvicorn.Config(provider.app(), log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        task = asyncio.create_task(server._serve([listener]))
        await server.answering.wait()
        try:
            yield provider
        finally:
            server.should_exit = server.force_exit = True
            await task
