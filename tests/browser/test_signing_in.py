"""Setting up, passwords and passkeys, as people go through them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.running_site import PASSWORD, RunningSite
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


def with_authenticator(page: Page) -> None:
    """A passkey device of Chromium's own, which says yes to everything."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def test_the_setup_link_makes_the_first_account(site: RunningSite, windows: Windows) -> None:
    token = site.call(site.people.create_setup_link)
    page = windows.open(None)
    page.goto(f"{site.origin}/setup?token={token}")
    page.get_by_label("Name to sign in with").fill("ana")
    page.get_by_label("Your name, as others read it").fill("Ana")
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("Welcome, Ana")).to_be_visible()
    page.goto(site.origin)
    expect(page.get_by_role("heading", name="Nothing waits for you.")).to_be_visible()


def test_a_password_signs_in_and_leads_back_to_the_card(site: RunningSite, windows: Windows) -> None:
    site.reviewer()
    page = windows.open(None)
    page.goto(f"{site.origin}/history")
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_wrong_password_is_refused(site: RunningSite, windows: Windows) -> None:
    site.reviewer()
    page = windows.open(None)
    page.goto(site.origin)
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill("something else")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="ame")).to_be_visible()
    windows.complaints[:] = [c for c in windows.complaints if "status of 401" not in c]


def test_a_passkey_is_enrolled_and_signs_in(site: RunningSite, page: Page) -> None:
    with_authenticator(page)
    page.goto(f"{site.origin}/account")
    page.get_by_label("Name for a new passkey").fill("This laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("This laptop")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
