"""Inviting, joining, resetting, ruling: as an admin and those who come and go through it."""

import pytest
from playwright.sync_api import Page, expect

from store.people import Role
from tests.browser import staff
from tests.browser.running_site import PASSWORD, RunningSite
from tests.browser.test_accessibility import PHONE, faults
from tests.browser.test_signing_in import with_authenticator
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


def join(page: Page, link: str, *, name: str | None = None) -> None:
    """Open a link and take the account that it leads to."""
    page.goto(link)
    if name is not None:
        page.get_by_label("Your name, as others read it").fill(name)
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button").filter(has_text="the").first.click()
    expect(page.get_by_role("heading", name="Welcome,")).to_be_visible()


def add_passkey(page: Page, name: str) -> None:
    page.get_by_label("Name for a new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("strong").filter(has_text=name)).to_be_visible()


def test_who_is_invited_makes_an_account_with_two_passkeys_and_names_them(site: RunningSite, windows: Windows) -> None:
    admin = windows.open("ana", role=Role.ADMIN)
    admin.goto(f"{site.origin}/people")
    admin.get_by_label("Name to sign in with").fill("yuki")
    admin.get_by_role("button", name="Make a link").click()
    link = admin.get_by_label("The link").input_value()
    page = windows.open(None)
    with_authenticator(page)
    join(page, link, name="Yuki")
    add_passkey(page, "Laptop")
    page = windows.open("yuki", viewport=PHONE)
    with_authenticator(page)
    page.goto(f"{site.origin}/account")
    add_passkey(page, "Telephone")
    row = page.get_by_role("listitem").filter(has=page.get_by_text("Telephone"))
    row.get_by_label("Rename the passkey Telephone").click()
    row.get_by_label("New name").fill("Old phone")
    row.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_text("The passkey has its new name.")).to_be_visible()
    expect(page.get_by_role("strong").filter(has_text="Old phone")).to_be_visible()
    admin.goto(f"{site.origin}/people")
    admin.get_by_role("link", name="Yuki").click()
    expect(admin.get_by_text("a password or 2 passkeys")).to_be_visible()


def test_an_admin_confirms_with_a_passkey_and_is_back_where_they_were(site: RunningSite, windows: Windows) -> None:
    page = windows.open("ana", role=Role.ADMIN)
    with_authenticator(page)
    page.goto(f"{site.origin}/account")
    add_passkey(page, "Laptop")
    site.call(lambda: site.database.write(staff.age_sessions))
    page.goto(f"{site.origin}/people")
    expect(page.get_by_role("button", name="Make a link")).to_have_count(0)
    page.get_by_role("button", name="Confirm with a passkey").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_visible()


def test_a_reset_signs_out_at_once_tells_everybody_and_leads_back(site: RunningSite, windows: Windows) -> None:
    mei = site.reviewer("mei")
    theirs = windows.open("mei")
    admin = windows.open("ana", role=Role.ADMIN, bypass_csp=True, viewport=PHONE)
    admin.goto(f"{site.origin}/people/{mei.id}")
    admin.get_by_text("Reset: a lost device").click()
    admin.get_by_role("button", name="Reset the account").click()
    link = admin.get_by_label("The link").input_value()
    assert faults(admin) == []
    assert admin.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    theirs.goto(site.origin)
    expect(theirs.get_by_role("heading", name="Sign in")).to_be_visible()
    join(theirs, link)
    for page in (theirs, windows.open("otto")):
        page.goto(site.origin)
        expect(page.get_by_text("mei was reset")).to_be_visible()


def test_an_agent_gets_another_owner_and_is_revoked(site: RunningSite, windows: Windows) -> None:
    staff.team(site)
    page = windows.open("ana")
    page.goto(f"{site.origin}/agents")
    page.get_by_label("Change mail-bot").click()
    row = page.get_by_role("listitem").filter(has=page.get_by_text("mail-bot", exact=True))
    row.get_by_label("Owner").select_option("otto")
    row.get_by_role("button", name="Change the owner").click()
    expect(page.get_by_text("Owner: otto")).to_be_visible()
    page.get_by_label("Change mail-bot").click()
    page.get_by_role("button", name="Revoke mail-bot").click()
    expect(page.get_by_text("The agent is revoked.")).to_be_visible()


def test_what_needs_proof_is_not_offered_without_it_and_the_page_stays_accessible(
    site: RunningSite, windows: Windows
) -> None:
    path = staff.person_page(site)
    page = windows.open("ana", bypass_csp=True, viewport=PHONE)
    site.call(lambda: site.database.write(staff.age_sessions))
    for where in (path, "/people", "/agents", "/account"):
        page.goto(site.origin + where)
        expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        assert faults(page) == []
