from dataclasses import replace

import pytest

from review_web.settings import SiteSettings, is_loopback
from tests.review_web.house import LOCAL


def at(url: str) -> SiteSettings:
    return replace(LOCAL, public_url=url)


@pytest.mark.parametrize(
    ("url", "party"),
    [
        ("http://assent.localhost:7420", "assent.localhost"),
        ("http://localhost:7420", "localhost"),
        ("https://consent.example.org", "consent.example.org"),
        ("https://consent.example.org:8443/", "consent.example.org"),
    ],
)
def test_passkeys_are_bound_to_the_public_host(url: str, party: str) -> None:
    assert at(url).relying_party == party


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:7420", "https://10.0.0.5", "https://[::1]:7420", "http://example.org"]
)
def test_no_passkeys_where_browsers_offer_none(url: str) -> None:
    assert at(url).relying_party is None


def test_the_origin_is_what_browsers_send() -> None:
    assert at("HTTPS://Consent.Example.org:8443/x/").origin == "https://consent.example.org:8443"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "assent.localhost"])
def test_loopback_means_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.5", "example.org", "localhost.example.org", "notlocalhost", ""])
def test_anything_else_may_be_another_machine(host: str) -> None:
    assert not is_loopback(host)
