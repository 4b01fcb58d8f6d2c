"""A provider is believed only if everything it says holds together; it is asked as the specification says."""

import base64
import hashlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey
from starlette.responses import JSONResponse, RedirectResponse, Response

from server.oidc.configuration import OidcSettings
from server.oidc.fetching import LIMIT, Fetching
from server.oidc.provider import Provider
from store.people.identities import ForeignIdentity, ProviderProblem
from tests.server.oidc.provider_server import CLIENT_ID, SECRET, ProviderServer, rsa
from tests.stage import FakeClock

pytestmark = pytest.mark.anyio
BACK = "http://assent.localhost:7420/login/oidc/callback"
ANOTHER = rsa("first", owner="eve")
"""A key that is not the provider's, under the name of one that is."""


def settings(server: ProviderServer, **more: Any) -> OidcSettings:
    return OidcSettings.of({"issuer": server.issuer, "client_id": CLIENT_ID, "client_secret": SECRET, **more}, Path())


def asking(server: ProviderServer, clock: FakeClock, **more: Any) -> Provider:
    return Provider(settings(server, **more), BACK, clock, Fetching(seconds=5))


@dataclass
class Back:
    """What the browser comes back with."""

    state: str
    code: str
    iss: str | None


async def visit(where: str) -> Back:
    """What a browser does that is sent to the provider's page, up to the way back."""
    async with httpx2.AsyncClient(trust_env=False) as browser:
        answer = await browser.get(where)
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    return Back(back["state"][0], back["code"][0], back.get("iss", [None])[0])


async def signed_in(
    provider: Provider, clock: FakeClock, *, anew: bool = False, nonce: str = "n" * 43, verifier: str = "v" * 64
) -> ForeignIdentity:
    """A whole sign-in."""
    asked_at = clock() if anew else None
    where = await provider.sign_in_page(state="s", nonce="n" * 43, verifier="v" * 64, anew=anew)
    back = await visit(where)
    return await provider.identity(
        code=back.code, came_from=back.iss, nonce=nonce, verifier=verifier, asked_anew_at=asked_at
    )


async def test_an_honest_provider_says_who_it_is(server: ProviderServer, clock: FakeClock) -> None:
    server.person |= {"email": "ana@example.org", "email_verified": True, "roles": ["admin"]}

    who = await signed_in(asking(server, clock), clock)

    assert who == ForeignIdentity(
        issuer=server.issuer, subject="248289761001", email="ana@example.org", email_verified=True, name="Ana Ruiz"
    )


async def test_the_browser_is_sent_with_all_that_binds_the_answer(server: ProviderServer, clock: FakeClock) -> None:
    where = await asking(server, clock).sign_in_page(state="S", nonce="N", verifier="v" * 64, anew=False)

    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 64).digest()).rstrip(b"=").decode()
    assert where.startswith(f"{server.issuer}/authorize?")
    assert parse_qs(urlsplit(where).query) == {
        "response_type": ["code"],
        "client_id": [CLIENT_ID],
        "redirect_uri": [BACK],
        "scope": ["openid email profile"],
        "state": ["S"],
        "nonce": ["N"],
        "code_challenge": [challenge],
        "code_challenge_method": ["S256"],
    }


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"auth_method": "client_secret_basic"}, {}),
        ({"auth_method": "client_secret_post"}, {}),
        ({"auth_method": "none", "secret": None}, {"client_secret": None}),
    ],
)
async def test_the_client_shows_its_secret_as_the_provider_takes_it(
    server: ProviderServer, clock: FakeClock, options: dict[str, Any], more: dict[str, Any]
) -> None:
    for name, value in options.items():
        setattr(server, name, value)
    written = {"issuer": server.issuer, "client_id": CLIENT_ID, "client_secret": SECRET, **more}
    known = OidcSettings.of({name: value for name, value in written.items() if value is not None}, Path())

    who = await signed_in(Provider(known, BACK, clock), clock)

    assert who.subject == "248289761001"


async def test_a_wrong_secret_signs_nobody_in(server: ProviderServer, clock: FakeClock) -> None:
    with pytest.raises(ProviderProblem, match="invalid_client"):
        await signed_in(asking(server, clock, client_secret="guess"), clock)


async def test_a_key_of_another_kind_is_taken_too(server: ProviderServer, clock: FakeClock) -> None:
    server.key = ECKey.generate_key("P-256", {"kid": "curve"})

    assert (await signed_in(asking(server, clock), clock)).subject == "248289761001"


async def test_a_sign_in_that_was_asked_anew_is_fresh_only_if_the_provider_says_so(
    server: ProviderServer, clock: FakeClock
) -> None:
    provider = asking(server, clock)

    anew = await signed_in(provider, clock, anew=True)
    assert (server.asked[-1]["prompt"], server.asked[-1]["max_age"], anew.fresh) == ("login", "0", True)
    assert not (await signed_in(provider, clock)).fresh
    server.claims = {"auth_time": int(clock().timestamp()) - 61}
    assert not (await signed_in(provider, clock, anew=True)).fresh


@pytest.mark.parametrize("odd", [None, True, []])
async def test_a_provider_that_does_not_say_when_it_asked_is_not_taken_to_have_asked(
    server: ProviderServer, clock: FakeClock, odd: Any
) -> None:
    server.claims = {"auth_time": odd}

    assert not (await signed_in(asking(server, clock), clock, anew=True)).fresh


async def test_a_token_is_taken_until_a_minute_after_its_end(server: ProviderServer, clock: FakeClock) -> None:
    ended = int(clock().timestamp())
    server.claims = {"exp": ended - 59}
    assert (await signed_in(asking(server, clock), clock)).subject == "248289761001"
    server.claims = {"exp": ended - 60}

    with pytest.raises(ProviderProblem, match="exp"):
        await signed_in(asking(server, clock), clock)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"iss": ["https://evil.example"]}, "iss"),
        ({"aud": "another-client"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["another-client"]}, "aud"),
        ({"aud": [CLIENT_ID, "another-client"]}, "azp"),
        ({"aud": [CLIENT_ID, "another-client"], "azp": "another-client"}, "azp"),
        ({"azp": "another-client"}, "azp"),
        ({"nonce": "of another sign-in"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["n" * 43]}, "nonce"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"iat": 4_000_000_000}, "in the future"),
        ({"iat": None}, "iat"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "x" * 256}, "255"),
        ({"sub": "a\nb"}, "ASCII"),
        ({"sub": "ünï"}, "ASCII"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    server: ProviderServer, clock: FakeClock, claims: dict[str, Any], why: str
) -> None:
    server.claims = claims

    with pytest.raises(ProviderProblem, match="refused") as refused:
        await signed_in(asking(server, clock), clock)

    assert why in refused.value.message


async def test_a_token_may_be_for_others_too_if_it_was_made_for_us(server: ProviderServer, clock: FakeClock) -> None:
    server.claims = {"aud": [CLIENT_ID, "another-client"], "azp": CLIENT_ID}

    assert (await signed_in(asking(server, clock), clock)).subject == "248289761001"


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _by_the_public_key(server: ProviderServer) -> Callable[[dict[str, Any]], str]:
    """The classic confusion: HMAC, with the public key for a secret."""
    public = OctKey.import_key(json.dumps(server.key.as_dict(private=False)))
    return lambda claims: jwt.encode({"alg": "HS256", "kid": "first"}, claims, public)


FORGERIES: dict[str, Callable[[ProviderServer], Callable[[dict[str, Any]], str]]] = {
    "no signature": lambda _: lambda claims: f"{_encoded({'alg': 'none'})}.{_encoded(claims)}.",
    "no signature, said in capitals": lambda _: lambda claims: f"{_encoded({'alg': 'NONE'})}.{_encoded(claims)}.",
    "no signature under a real algorithm": lambda _: (
        lambda claims: f"{_encoded({'alg': 'RS256', 'kid': 'first'})}.{_encoded(claims)}."
    ),
    "the public key as a secret": _by_the_public_key,
    "the client's secret as a key": lambda _: (
        lambda claims: jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    ),
    "a key of somebody else": lambda server: lambda claims: server.sign(claims, ANOTHER),
    "a key that the token brings along": lambda _: (
        lambda claims: jwt.encode(
            {"alg": "RS256", "kid": "first", "jwk": ANOTHER.as_dict(private=False)}, claims, ANOTHER
        )
    ),
    "claims changed after signing": lambda server: lambda claims: _changed(server.sign(claims)),
    "a list for a header": lambda _: lambda claims: f"{base64.urlsafe_b64encode(b'[1]').decode()}.{_encoded(claims)}.x",
    "what is no token": lambda _: lambda claims: "a.b",
    "letters of another alphabet": lambda _: lambda claims: "ä.ö.ü",
    "an empty token": lambda _: lambda claims: "",
    "claims that are a list": lambda server: lambda claims: _list(server),
}


def _changed(token: str) -> str:
    header, claims, signature = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    return f"{header}.{_encoded({**read, 'sub': 'eve'})}.{signature}"


def _list(server: ProviderServer) -> str:
    return jws.serialize_compact({"alg": "RS256", "kid": "first"}, b"[]", server.key)


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_token_that_the_provider_did_not_sign_is_refused(
    server: ProviderServer, clock: FakeClock, forgery: str
) -> None:
    server.forge = FORGERIES[forgery](server)

    with pytest.raises(ProviderProblem):
        await signed_in(asking(server, clock), clock)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": []},
        {"keys": "none"},
        {"keys": [None, 1, "x"]},
        {"keys": [{"kty": "oct", "kid": "first", "k": "c2VjcmV0"}]},
        {"keys": [{"kty": "RSA", "kid": "first", "n": "AQAB", "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "kid": "first"}]},
        {"keys": [{**ANOTHER.as_dict(private=False), "use": "enc"}]},
        {"keys": [ANOTHER.as_dict(private=False), rsa("first", owner="eve again").as_dict(private=False)]},
    ],
)
async def test_a_key_set_without_the_one_key_that_is_named_signs_nobody_in(
    server: ProviderServer, clock: FakeClock, keys: dict[str, Any]
) -> None:
    server.key_set = keys

    with pytest.raises(ProviderProblem):
        await signed_in(asking(server, clock), clock)


async def test_a_new_key_is_fetched_once_it_is_named_and_not_more_than_once_a_minute(
    server: ProviderServer, clock: FakeClock
) -> None:
    provider = asking(server, clock)
    await signed_in(provider, clock)
    server.key = rsa("second")
    with pytest.raises(ProviderProblem, match="names no single key"):
        await signed_in(provider, clock)
    assert server.calls.count("/keys") == 1
    clock.advance(minutes=1)

    assert (await signed_in(provider, clock)).subject == "248289761001"
    assert server.calls.count("/keys") == 2


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://evil.example"}, "calls itself"),
        ({"issuer": None}, "calls itself"),
        ({"token_endpoint": "http://evil.example/token"}, "no safe token_endpoint"),
        ({"token_endpoint": "https://user:pass@evil.example/token"}, "no safe token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "no safe jwks_uri"),
        ({"jwks_uri": None}, "no safe jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "no safe authorization_endpoint"),
        ({"authorization_endpoint": "https://evil.example/\na"}, "no safe authorization_endpoint"),
        ({"authorization_endpoint": ["https://evil.example"]}, "no safe authorization_endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
    ],
)
async def test_a_provider_that_describes_itself_wrongly_is_not_asked(
    server: ProviderServer, clock: FakeClock, metadata: dict[str, Any], why: str
) -> None:
    server.metadata = metadata

    with pytest.raises(ProviderProblem, match=why):
        await asking(server, clock).sign_in_page(state="s", nonce="n", verifier="v" * 64, anew=False)

    assert server.calls == ["/.well-known/openid-configuration"]


async def test_an_issuer_is_the_same_only_to_the_letter(server: ProviderServer, clock: FakeClock) -> None:
    provider = Provider(OidcSettings(server.issuer + "/", CLIENT_ID, SECRET), BACK, clock)

    with pytest.raises(ProviderProblem, match="to the letter"):
        await provider.sign_in_page(state="s", nonce="n", verifier="v" * 64, anew=False)


async def test_a_code_of_another_sign_in_is_worth_nothing_here(server: ProviderServer, clock: FakeClock) -> None:
    provider = asking(server, clock)

    with pytest.raises(ProviderProblem, match="invalid_grant"):
        await signed_in(provider, clock, verifier="w" * 64)
    with pytest.raises(ProviderProblem, match="nonce"):
        await signed_in(provider, clock, nonce="m" * 43)


async def test_a_code_is_redeemed_once(server: ProviderServer, clock: FakeClock) -> None:
    provider = asking(server, clock)
    back = await visit(await provider.sign_in_page(state="s", nonce="n" * 43, verifier="v" * 64, anew=False))
    told = {"came_from": back.iss, "nonce": "n" * 43, "verifier": "v" * 64, "asked_anew_at": None}
    await provider.identity(code=back.code, **told)  # type: ignore[arg-type]

    with pytest.raises(ProviderProblem, match="invalid_grant"):
        await provider.identity(code=back.code, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names_itself", "came_from"), [(False, "https://evil.example"), (True, "https://evil.example"), (True, None)]
)
async def test_a_code_from_another_provider_is_never_handed_to_this_one(
    server: ProviderServer, clock: FakeClock, names_itself: bool, came_from: str | None
) -> None:
    server.names_itself = names_itself
    provider = asking(server, clock)
    back = await visit(await provider.sign_in_page(state="s", nonce="n" * 43, verifier="v" * 64, anew=False))

    with pytest.raises(ProviderProblem, match="the browser comes from"):
        await provider.identity(
            code=back.code, came_from=came_from, nonce="n" * 43, verifier="v" * 64, asked_anew_at=None
        )

    assert "/token" not in server.calls


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda: RedirectResponse("http://127.0.0.1:1/", 302), "answered 302"),
        (lambda: Response("no", media_type="text/html"), "not with JSON"),
        (lambda: Response(b"[" * 9000, media_type="application/json"), "not with JSON"),
        (lambda: Response(b'{"id_token": "a", "id_token": "b"}', media_type="application/json"), "twice"),
        (lambda: JSONResponse([]), "answered 200"),
        (lambda: JSONResponse({}), "gave no ID token"),
        (lambda: JSONResponse({"id_token": 7}), "gave no ID token"),
        (lambda: Response(b" " * (LIMIT + 1)), "more than 256 KiB"),
    ],
)
async def test_an_odd_answer_of_the_provider_signs_nobody_in(
    server: ProviderServer, clock: FakeClock, answer: Callable[[], Response], why: str
) -> None:
    server.answers["/token"] = answer

    with pytest.raises(ProviderProblem, match=why):
        await signed_in(asking(server, clock), clock)


async def test_a_provider_that_does_not_answer_is_given_up(clock: FakeClock) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        known = OidcSettings(f"http://127.0.0.1:{silent.getsockname()[1]}", CLIENT_ID)
        provider = Provider(known, BACK, clock, Fetching(seconds=0.05))

        with pytest.raises(ProviderProblem, match="did not answer"):
            await provider.sign_in_page(state="s", nonce="n", verifier="v" * 64, anew=False)


async def test_a_provider_that_fails_is_not_called_again_at_once(server: ProviderServer, clock: FakeClock) -> None:
    server.answers["/.well-known/openid-configuration"] = lambda: JSONResponse({}, 500)
    provider = asking(server, clock)
    for _ in range(3):
        with pytest.raises(ProviderProblem, match="answered 500"):
            await provider.sign_in_page(state="s", nonce="n", verifier="v" * 64, anew=False)
    assert len(server.calls) == 1
    server.answers.clear()
    clock.advance(seconds=5)

    assert await provider.sign_in_page(state="s", nonce="n", verifier="v" * 64, anew=False)


async def test_what_it_says_of_itself_is_kept_for_an_hour(server: ProviderServer, clock: FakeClock) -> None:
    provider = asking(server, clock)
    for minutes in (0, 59, 1):
        clock.advance(minutes=minutes)
        await provider.sign_in_page(state="s", nonce="n", verifier="v" * 64, anew=False)

    assert server.calls == ["/.well-known/openid-configuration"] * 2
