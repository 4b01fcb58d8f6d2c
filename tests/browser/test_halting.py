"""Pausing and stopping in a real browser, and what other windows see of it."""

import pytest
from playwright.sync_api import Page, expect

from store.audit.events import Halting
from store.people import Role
from tests.browser import halts, samples
from tests.browser.running_site import RunningSite
from tests.browser.test_accessibility import PHONE, faults
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


def held_back(site: RunningSite) -> list[tuple[str | None, Halting]]:
    return [(halt.agent_name, halt.how) for halt in site.call(site.desk.halts.all)]


def test_one_click_on_a_wide_page_stops_everything_and_the_page_says_so(site: RunningSite, page: Page) -> None:
    page.goto(f"{site.origin}/history")
    page.get_by_role("button", name="Stop everything").click()
    expect(page.get_by_role("alert")).to_contain_text("Everything is stopped by Ana, just now.")
    expect(page).to_have_url(f"{site.origin}/history#held-back")
    expect(page.get_by_role("button", name="Stop everything")).to_have_count(0)
    assert held_back(site) == [(None, Halting.STOPPED)]


def test_on_a_phone_it_waits_in_the_menu(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    page.goto(site.origin)
    button = page.get_by_role("button", name="Stop everything")
    expect(button).to_have_count(0)
    page.get_by_text("More", exact=True).click()
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("Everything is stopped")


def test_an_open_card_hears_of_it_and_keeps_what_was_typed(site: RunningSite, windows: Windows) -> None:
    page = windows.open(bypass_csp=True)
    request_id = site.ask(samples.APPROVAL)
    with page.expect_response(lambda response: "/events" in response.url):
        page.goto(f"{site.origin}/requests/{request_id}")
    page.get_by_label("Comment").fill("Half a thought")
    halts.hold_back(site, "deploy-bot", Halting.STOPPED)
    expect(page.locator("#live")).to_contain_text("Held back by now: deploy-bot (stopped).")
    expect(page.get_by_label("Comment")).to_have_value("Half a thought")
    assert faults(page) == []


def test_an_agent_is_paused_stopped_with_a_reason_and_let_go_on(site: RunningSite, windows: Windows) -> None:
    site.ask(samples.APPROVAL)
    page = windows.open(role=Role.ADMIN)
    page.goto(f"{site.origin}/agents")
    page.get_by_role("button", name="Pause deploy-bot").first.click()
    expect(page.get_by_role("status")).to_contain_text("deploy-bot is paused by Ana")
    page.get_by_text("With a reason").click()
    reason = page.get_by_label("Why deploy-bot is held back (optional)")
    reason.fill("It asks too much.")
    reason.press("Enter")
    assert held_back(site) == [("deploy-bot", Halting.PAUSED)]
    page.get_by_role("button", name="Stop deploy-bot").last.click()
    expect(page.get_by_role("status")).to_contain_text("deploy-bot is stopped by Ana, just now. “It asks too much.”")
    page.get_by_role("link", name="Let it go on").click()
    page.get_by_role("button", name="Let deploy-bot go on").click()
    expect(page.get_by_role("status")).to_contain_text("It goes on.")
    assert held_back(site) == []
