"""Quick, and still safe: reasons, ready words, keys, and pages on which nothing moves under a finger."""

import pytest
from playwright.sync_api import Locator, Page, expect

from store.answers import Chosen
from store.lifecycle import State
from store.questions import AskApproval
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.test_accessibility import PHONE
from tests.browser.test_answering import OpenCard, view_of
from tests.browser.test_live_pages import listening, scripted
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


def test_high_risk_is_not_approved_without_a_reason_and_is_with_one(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.APPROVAL)
    page = open_card(request_id)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_label("Comment")).to_be_focused()
    assert view_of(site, request_id).state is State.SHOWN
    page.keyboard.type("The tests are green.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="Approved")).to_be_visible()


def test_high_risk_is_refused_without_a_reason(site: RunningSite, open_card: OpenCard) -> None:
    page = open_card(site.ask(samples.CRITICAL))
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", name="Not approved")).to_be_visible()


def test_ready_words_fill_the_comment_and_send_nothing(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.APPROVAL)
    page = open_card(request_id)
    comment = page.get_by_label("Comment")
    page.get_by_role("button", name="Not now.").click()
    expect(comment).to_have_value("Not now.")
    page.get_by_role("button", name="Too risky.").click()
    expect(comment).to_have_value("Too risky.")
    comment.fill("Ask Mei.")
    page.get_by_role("button", name="Not now.").click()
    expect(comment).to_have_value("Ask Mei.\nNot now.")
    assert view_of(site, request_id).state is State.SHOWN


def test_keys_lead_from_card_to_card_and_decide_nothing(site: RunningSite, open_card: OpenCard) -> None:
    ids = [site.ask(AskApproval(title=f"Question {number}", timeout_seconds=600 + number)) for number in range(3)]
    page = open_card(ids[0])
    scripted(page)
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="Question 1")).to_be_visible()
    scripted(page)
    page.keyboard.press("Enter")
    page.keyboard.press("k")
    expect(page.get_by_role("heading", name="Question 0")).to_be_visible()
    assert {view_of(site, one).outcome for one in ids} == {None}


def test_ten_requests_are_answered_in_a_row_from_receipt_to_card(site: RunningSite, windows: Windows) -> None:
    ids = [site.ask(AskApproval(title=f"Question {number}", timeout_seconds=600 + number)) for number in range(10)]
    page = windows.open(viewport=PHONE)
    page.goto(f"{site.origin}/requests/{ids[0]}")
    for number in range(10):
        expect(page.get_by_role("heading", name=f"Question {number}")).to_be_visible()
        page.get_by_role("button", name="Approve" if number % 2 else "Reject").click()
        expect(page.get_by_role("heading", name="Approved" if number % 2 else "Not approved")).to_be_visible()
        if number < 9:
            page.get_by_role("button", name=f"Next: Question {number + 1}").click()
    expect(page.get_by_role("button", name="Next:")).to_have_count(0)
    assert [view_of(site, one).may_proceed for one in ids] == [number % 2 == 1 for number in range(10)]


def test_news_in_the_inbox_move_no_row(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    first = site.ask(samples.APPROVAL)
    last = site.ask(samples.TEXT)
    listening(page, "/", site.origin)
    before = [where(page, one) for one in (first, last)]
    site.ask(samples.SELECTION)
    expect(page.get_by_role("link", name="1 new request: show")).to_be_visible()
    site.answer(first, Chosen("reject"))
    expect(page.locator(f'[data-request="{first}"]')).to_contain_text("Not approved by Mei")
    assert [where(page, one) for one in (first, last)] == before


def test_news_on_a_card_move_nothing_of_it(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    request_id = site.ask(samples.APPROVAL)
    listening(page, f"/requests/{request_id}", site.origin)
    heading = page.get_by_role("heading", level=1)
    before = heading.bounding_box()
    site.answer(request_id, Chosen("reject"))
    expect(page.get_by_text("Not approved by Mei.")).to_be_in_viewport()
    assert heading.bounding_box() == before


def test_two_people_approve_and_the_first_waits_for_the_second(site: RunningSite, windows: Windows) -> None:
    for name in ("ana", "mei", "otto"):
        site.reviewer(name)
    site.put_in_force(samples.FINANCE_RULES)
    request_id = site.ask(samples.PAYMENT, agent="billing-bot")
    ana, mei = windows.open("ana"), windows.open("mei")
    for page, says in ((ana, "Your answer is in"), (mei, "Ana and Mei")):
        page.goto(f"{site.origin}/requests/{request_id}")
        expect(page.get_by_text("Your answer is in")).to_have_count(0)
        page.get_by_label("Comment").fill("Invoice and order agree.")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text(says).first).to_be_visible()
    assert view_of(site, request_id).may_proceed


def test_evidence_that_was_opened_shows_as_opened(site: RunningSite, open_card: OpenCard) -> None:
    page = open_card(site.ask(samples.APPROVAL))
    scripted(page)
    page.context.route("https://ci.example.com/**", lambda route: route.fulfill(body="the run"))
    link = page.get_by_role("link", name="https://ci.example.com/runs/9412")
    item = page.get_by_role("listitem").filter(has=link)
    expect(item.get_by_text("opened")).to_be_hidden()
    with page.expect_popup():
        link.click()
    expect(item.get_by_text("opened")).to_be_visible()


def test_the_menu_opens_by_key_and_closes_with_escape(site: RunningSite, page: Page) -> None:
    page.goto(site.origin)
    scripted(page)
    page.get_by_text("More", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Account")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Account")).to_be_hidden()
    expect(page.get_by_text("More", exact=True)).to_be_focused()


def where(page: Page, request_id: str) -> object:
    """The place of a row on the screen."""
    return page.locator(f'[data-request="{request_id}"]').bounding_box()


def test_on_a_phone_the_buttons_leave_most_of_the_screen_and_stay_as_large_as_a_thumb(
    site: RunningSite, windows: Windows
) -> None:
    page = windows.open(viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{site.origin}/requests/{site.ask(samples.APPROVAL)}")
    floating = page.locator(".answer .actions")
    assert height(floating) <= 150
    buttons = floating.get_by_role("button")
    assert [height(button) >= 44 for button in buttons.all()] == [True] * 4
    expect(page.get_by_role("button", name="Ask back")).to_have_accessible_description(
        "the agent receives: your comment"
    )
    expect(floating).to_contain_text("Under each button: what the agent receives")


def test_on_a_phone_a_row_says_everything_in_four_lines_and_elsewhere_says_its_kind_once(
    site: RunningSite, windows: Windows
) -> None:
    site.ask(samples.APPROVAL)
    phone, desk = windows.open(viewport=PHONE), windows.open()
    for page in (phone, desk):
        page.goto(site.origin)
        expect(page.get_by_text("Approval", exact=True).filter(visible=True)).to_have_count(1)
    assert 44 <= height(phone.locator(".row")) <= 110


def test_who_answered_first_is_led_on_to_what_waits_next(site: RunningSite, windows: Windows) -> None:
    for name in ("ana", "mei", "otto"):
        site.reviewer(name)
    site.put_in_force(samples.FINANCE_RULES)
    request_id = site.ask(samples.PAYMENT, agent="billing-bot")
    site.ask(samples.TEXT)
    page = windows.open("ana")
    page.goto(f"{site.origin}/requests/{request_id}")
    page.get_by_label("Comment").fill("Invoice and order agree.")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name=f"Next: {samples.TEXT.headline}").click()
    expect(page.get_by_role("heading", name=samples.TEXT.headline)).to_be_visible()


def height(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["height"]
