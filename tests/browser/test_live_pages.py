"""Pages that are open while the world goes on."""

import pytest
from playwright.sync_api import Page, expect

from store.answers import Chosen
from store.questions import AskApproval
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


def listening(page: Page, path: str, origin: str) -> None:
    """Open a page, and wait until it hears the server."""
    with page.expect_response(lambda response: "/events" in response.url):
        page.goto(origin + path)


def test_a_new_request_appears_as_a_line_and_moves_nothing(site: RunningSite, page: Page) -> None:
    site.ask(samples.APPROVAL)
    listening(page, "/", site.origin)
    site.ask(AskApproval(title="Restart the cache?", timeout_seconds=60))
    expect(page.get_by_role("link", name="1 new request: show")).to_be_visible()
    expect(page.get_by_role("link", name="Restart the cache?")).to_have_count(0)
    page.get_by_role("link", name="1 new request: show").click()
    expect(page.get_by_role("link", name="Restart the cache?")).to_be_visible()


def test_a_row_that_was_answered_elsewhere_says_by_whom(site: RunningSite, page: Page) -> None:
    request_id = site.ask(samples.APPROVAL)
    listening(page, "/", site.origin)
    site.answer(request_id, Chosen("approve"), username="mei")
    expect(page.locator(f'[data-request="{request_id}"]')).to_contain_text("Approved by Mei")


def test_an_open_card_that_was_answered_elsewhere_says_so_and_takes_no_more_answers(
    site: RunningSite, page: Page
) -> None:
    request_id = site.ask(samples.APPROVAL)
    listening(page, f"/requests/{request_id}", site.origin)
    page.get_by_label("Comment").fill("half a sentence")
    site.answer(request_id, Chosen("reject"), username="mei")
    expect(page.get_by_text("Not approved by Mei.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    expect(page.get_by_label("Comment")).to_have_value("half a sentence")
    page.get_by_role("link", name="Show the receipt").click()
    expect(page.get_by_role("heading", name="Not approved")).to_be_visible()


def test_an_answer_that_crosses_another_gets_the_receipt_of_the_first(site: RunningSite, windows: Windows) -> None:
    page = windows.open(java_script_enabled=False)
    request_id = site.ask(samples.APPROVAL)
    page.goto(f"{site.origin}/requests/{request_id}")
    site.answer(request_id, Chosen("reject"), username="mei")
    page.get_by_label("Comment").fill("Tests are green.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Already answered by Mei.")).to_be_visible()
    expect(page.get_by_role("heading", name="Not approved")).to_be_visible()


def test_an_open_page_says_that_its_session_ended(site: RunningSite, page: Page) -> None:
    request_id = site.ask(samples.APPROVAL)
    listening(page, f"/requests/{request_id}", site.origin)
    ana = site.reviewer()

    async def end_all() -> None:
        for session in await site.people.sessions(ana.id):
            await site.people.end_session(ana.id, session.id)

    site.call(end_all)
    expect(page.get_by_text("You were signed out.")).to_be_visible()


def scripted(page: Page) -> None:
    """Return once the page's own script runs: it is what shows this button, and what listens to keys."""
    expect(page.get_by_role("button", name="Keyboard")).to_be_visible()


def test_the_keyboard_moves_through_the_rows_and_opens_one(site: RunningSite, page: Page) -> None:
    for number in range(3):
        site.ask(AskApproval(title=f"Question {number}", timeout_seconds=600 + number))
    page.goto(site.origin)
    scripted(page)
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(page.get_by_role("link", name="Question 1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Question 1")).to_be_visible()
    scripted(page)
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    scripted(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_times_are_told_in_the_readers_own_zone(site: RunningSite, windows: Windows) -> None:
    page = windows.open(timezone_id="Asia/Kolkata", locale="en-GB")
    request_id = site.ask(AskApproval(title="When?", timeout_seconds=3_600))
    view = site.call(lambda: site.desk.view(request_id))
    assert view is not None
    page.goto(f"{site.origin}/requests/{request_id}")
    local = page.evaluate(
        "(t) => new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit'}).format(new Date(t))",
        view.expires_at.isoformat(),
    )
    expect(page.locator(".facts time[data-time=clock]")).to_have_text(local)


def test_the_id_of_a_request_can_be_copied(site: RunningSite, windows: Windows) -> None:
    page = windows.open(permissions=["clipboard-read", "clipboard-write"])
    request_id = site.ask(samples.APPROVAL)
    page.goto(f"{site.origin}/requests/{request_id}")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == request_id
