"""Whom a request comes from, and over what: only the named proxy may say so, and what came in clear goes no further."""

from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from server.assurance import PEER_KEY, PROXIED_KEY
from server.config import Settings
from server.edge import Edge
from server.home import Home

pytestmark = pytest.mark.anyio

PROXY, STRANGER, HERE = "10.0.0.5", "10.0.0.9", "127.0.0.1"


async def seen(scope: Scope, receive: Receive, send: Send) -> None:
    """Behind the edge: what is left to see."""
    request = Request(scope)
    assert request.client is not None
    about = {
        "client": request.client.host,
        "scheme": request.url.scheme,
        "peer": scope[PEER_KEY][0],
        "proxied": scope[PROXIED_KEY],
    }
    await JSONResponse(about)(scope, receive, send)


def behind_proxy() -> Settings:
    return Settings(Home(Path("/h")), host="0.0.0.0", public_url="https://a.example", trusted_proxy=PROXY)


def on_loopback() -> Settings:
    return Settings(Home(Path("/h")))


def with_certificate(public_url: str | None = "https://a.example") -> Settings:
    return Settings(Home(Path("/h")), host="0.0.0.0", public_url=public_url, tls_cert=Path("/c"), tls_key=Path("/k"))


async def call(
    settings: Settings, address: str, method: str = "GET", path: str = "/x", **headers: str
) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=Edge(seen, settings), client=(address, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://server") as client:
        return await client.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})


FORWARDED = {"x_forwarded_for": "203.0.113.4", "x_forwarded_proto": "https"}


async def test_the_named_proxy_says_whom_it_speaks_for_and_its_own_address_is_kept() -> None:
    answer = await call(behind_proxy(), PROXY, **FORWARDED)

    assert answer.json() == {"client": "203.0.113.4", "scheme": "https", "peer": PROXY, "proxied": True}


async def test_a_listener_for_both_kinds_of_addresses_knows_the_proxy_in_its_ipv6_form() -> None:
    answer = await call(behind_proxy(), f"::ffff:{PROXY}", **FORWARDED)

    assert answer.json()["client"] == "203.0.113.4"


async def test_what_the_client_wrote_itself_is_not_believed_only_what_the_proxy_added() -> None:
    answer = await call(behind_proxy(), PROXY, x_forwarded_for="127.0.0.1, 203.0.113.4", x_forwarded_proto="https")

    assert answer.json()["client"] == "203.0.113.4"


async def test_another_machine_that_comes_past_the_proxy_is_turned_away() -> None:
    answer = await call(behind_proxy(), STRANGER, **FORWARDED)

    assert answer.status_code == 403
    assert "https://a.example" in answer.text


@pytest.mark.parametrize("settings", [behind_proxy(), on_loopback(), with_certificate()], ids=["proxy", "local", "tls"])
async def test_nobody_but_the_proxy_is_believed_on_this_machine_either(settings: Settings) -> None:
    answer = await call(settings, HERE, **FORWARDED)

    assert answer.json() == {"client": HERE, "scheme": "http", "peer": HERE, "proxied": False}


async def test_with_an_own_certificate_everybody_may_come() -> None:
    assert (await call(with_certificate(), STRANGER)).status_code == 200


async def test_who_reached_the_proxy_without_tls_is_led_to_the_address_with_it() -> None:
    answer = await call(behind_proxy(), PROXY, path="/a b?c=d%20e", x_forwarded_proto="http")

    assert (answer.status_code, answer.headers["location"]) == (308, "https://a.example/a%20b?c=d%20e")


async def test_what_was_posted_to_the_proxy_without_tls_is_refused() -> None:
    answer = await call(behind_proxy(), PROXY, "POST", x_forwarded_proto="http")

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("settings", "address", "strict"),
    [
        (behind_proxy(), PROXY, True),
        (with_certificate(), STRANGER, True),
        (with_certificate(None), HERE, False),
        (on_loopback(), HERE, False),
    ],
    ids=["proxy", "tls", "tls on this machine", "local"],
)
async def test_browsers_are_told_to_stay_with_tls_but_never_for_names_of_their_own_machine(
    settings: Settings, address: str, strict: bool
) -> None:
    assert ("strict-transport-security" in (await call(settings, address)).headers) is strict
