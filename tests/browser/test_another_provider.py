"""Signing in with another provider as a browser goes through it: pages, cookies and policies included."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Page, ViewportSize, expect

from review_web.federation import Federation
from review_web.settings import SiteSettings
from server.oidc.configuration import OidcSettings
from server.oidc.provider import Provider
from store.database import Database
from store.moments import utc_now
from store.people import Role
from store.people.identities import Identities
from tests.browser.running_site import RunningSite, running_site
from tests.browser.test_accessibility import faults
from tests.browser.windows import Windows
from tests.server.oidc.provider_server import CLIENT_ID, SECRET, ProviderServer, provider_server

pytestmark = pytest.mark.browser
PHONE = ViewportSize(width=390, height=844)
BUTTON = "Sign in with Example"


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(provider_server(utc_now)) as provider:
        provider.person |= {"email": "ana@example.org", "email_verified": True}
        yield provider


@pytest.fixture
def site(tmp_path: Path, provider: ProviderServer) -> Iterator[RunningSite]:
    def federated(settings: SiteSettings, database: Database) -> Federation:
        known = OidcSettings(provider.issuer, CLIENT_ID, SECRET, label="Example")
        return Federation(Provider(known, f"{settings.origin}/login/oidc/callback", utc_now), Identities(database))

    with running_site(tmp_path, federated=federated) as site:
        yield site


def linked(page: Page, site: RunningSite) -> None:
    page.goto(f"{site.origin}/account")
    page.get_by_role("button", name="Link your account there").click()
    expect(page.get_by_text("Your account there is linked")).to_be_visible()
    expect(page.get_by_text("ana@example.org")).to_be_visible()


def test_an_account_is_linked_and_signs_in_and_confirms(site: RunningSite, windows: Windows) -> None:
    linked(windows.open(), site)
    page = windows.open(None)
    page.goto(f"{site.origin}/history")
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()

    page.goto(f"{site.origin}/account")
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name="Confirm at Example").click()
    expect(page.get_by_role("button", name="Unlink ana@example.org")).to_be_visible()


def test_somebody_who_signed_out_comes_back_by_the_same_button(site: RunningSite, windows: Windows) -> None:
    page = windows.open()
    linked(page, site)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()


def test_an_invitation_is_followed_with_an_account_there(site: RunningSite, windows: Windows) -> None:
    link = site.call(lambda: site.people.administration.invite("ana", role=Role.REVIEWER, by=None))
    page = windows.open(None)
    page.goto(f"{site.origin}/invitation?token={link.token}")
    page.get_by_role("button", name="Go on with Example").click()
    expect(page.get_by_text("Welcome, Ana Ruiz")).to_be_visible()


def test_somebody_unknown_is_told_what_to_do(site: RunningSite, windows: Windows) -> None:
    site.reviewer("ben")
    page = windows.open(None)
    page.goto(site.origin)
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("heading", name="Nobody here has that account")).to_be_visible()
    expect(page.get_by_text("ask an admin for an invitation")).to_be_visible()
    windows.complaints[:] = [c for c in windows.complaints if "status of 403" not in c]


def test_the_way_works_without_scripts(site: RunningSite, windows: Windows) -> None:
    linked(windows.open(), site)
    page = windows.open(None, java_script_enabled=False)
    page.goto(site.origin)
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["/login", "/account", "/invitation"])
def test_the_pages_with_a_provider_are_accessible(
    site: RunningSite, windows: Windows, where: str, scheme: str, width: int
) -> None:
    linked(windows.open(), site)
    link = site.call(lambda: site.people.administration.invite("carla", role=Role.REVIEWER, by=None))
    page = windows.open("ana" if where == "/account" else None, bypass_csp=True, viewport={**PHONE, "width": width})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{site.origin}{where}" + (f"?token={link.token}" if where == "/invitation" else ""))
    expect(
        page.get_by_role("button", name="Example").or_(page.get_by_text("At http://127.0.0.1")).first
    ).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults(page) == []


def test_the_page_on_the_way_is_accessible_and_says_where_it_leads(
    site: RunningSite, provider: ProviderServer, windows: Windows
) -> None:
    site.reviewer()
    page = windows.open(None, bypass_csp=True, viewport=PHONE)
    page.route(f"{provider.issuer}/**", lambda route: route.fulfill(status=204))
    page.goto(site.origin)
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("link", name="Go to 127.0.0.1")).to_be_visible()
    assert faults(page) == []
