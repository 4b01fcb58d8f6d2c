"""Held calls in a real browser: read, changed, signed and run; and upstreams whose definitions changed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from store.people import Role
from store.questions import HeldCall
from store.requests import RequestView
from tests.browser import calls
from tests.browser.call_samples import PAYMENT
from tests.browser.running_site import RunningSite
from tests.browser.test_accessibility import PHONE
from tests.browser.test_signing import authenticator, enrol
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser
OpenCard = Callable[[str], Page]


def view_of(site: RunningSite, request_id: str) -> RequestView:
    view = site.call(lambda: site.desk.view(request_id))
    assert view is not None
    return view


def arguments_of(site: RunningSite, request_id: str) -> dict[str, object]:
    question = view_of(site, request_id).card.question
    assert isinstance(question, HeldCall)
    return question.arguments


def change(page: Page) -> None:
    page.get_by_role("button", name="Change the arguments").click()


def test_a_call_is_changed_read_again_and_approved(site: RunningSite, open_card: OpenCard) -> None:
    calls.put_in_force(site)
    request_id = calls.held(site)
    page = open_card(request_id)
    change(page)
    page.get_by_label("amount").fill("2000")
    page.get_by_label("currency").select_option("CHF")
    page.get_by_label("execution_date").fill("2026-12-01")
    page.locator(".field", has=page.get_by_label("reference")).get_by_label("Leave this one out").check()
    page.get_by_role("button", name="Make a new card", exact=True).click()

    expect(page.get_by_text("Ana changed 4 arguments.")).to_be_visible()
    expect(page.locator("del", has_text="4180.5")).to_be_visible()
    expect(page.locator("ins", has_text="2000")).to_be_visible()
    expected = {**PAYMENT, "amount": 2000, "currency": "CHF", "execution_date": "2026-12-01"}
    del expected["reference"]
    assert arguments_of(site, request_id) == expected
    page.get_by_role("button", name="Approve and run").click()
    expect(page.get_by_role("heading", name="Approved: it has not run")).to_be_visible()
    assert view_of(site, request_id).may_proceed


def test_what_cannot_be_taken_is_kept_on_the_page(site: RunningSite, open_card: OpenCard) -> None:
    calls.put_in_force(site)
    request_id = calls.held(site)
    page = open_card(request_id)
    change(page)
    page.get_by_label("amount").fill("2.000,00")
    page.get_by_role("button", name="Make a new card", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("write a number")
    expect(page.get_by_label("amount")).to_have_value("2.000,00")
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.get_by_label("amount")).to_be_focused()
    assert arguments_of(site, request_id) == PAYMENT


def test_nothing_that_was_typed_and_not_sent_can_run(site: RunningSite, open_card: OpenCard) -> None:
    calls.put_in_force(site)
    request_id = calls.held(site)
    page = open_card(request_id)
    change(page)
    page.get_by_label("amount").fill("1")
    expect(page.get_by_role("button", name="Approve and run")).to_have_count(0)
    page.get_by_role("link", name="Back to the card").click()
    expect(page.locator(".arguments")).to_contain_text("4180.5")
    assert arguments_of(site, request_id) == PAYMENT


def test_a_call_is_changed_and_approved_without_scripts(site: RunningSite, windows: Windows) -> None:
    calls.put_in_force(site)
    request_id = calls.held(site)
    page = windows.open(java_script_enabled=False)
    page.goto(f"{site.origin}/requests/{request_id}")
    change(page)
    page.get_by_text("Or write all of them as JSON").click()
    page.get_by_label("Arguments, as JSON").fill(
        '{"amount": 1, "currency": "EUR", "recipient": "N", "iban": "DE02120300000000202051"}'
    )
    page.get_by_role("button", name="Make a new card of this").click()
    expect(page.locator("ins", has_text="DE02120300000000202051")).to_be_visible()
    page.get_by_role("button", name="Refuse").click()
    expect(page.get_by_role("heading", name="Refused")).to_be_visible()


def test_who_has_a_passkey_signs_the_call_that_will_run(site: RunningSite, page: Page) -> None:
    calls.put_in_force(site)
    authenticator(page)
    enrol(site, page, "This laptop")
    request_id = calls.held(site)
    page.goto(f"{site.origin}/requests/{request_id}")
    page.get_by_role("button", name="Approve and run").click()
    expect(page.get_by_role("heading", name="Approved: it has not run")).to_be_visible()
    expect(page.get_by_text("with the passkey “This laptop”")).to_be_visible()
    assert [signed.display_name for signed in view_of(site, request_id).signed_by] == ["Ana"]


def test_a_card_that_somebody_edits_takes_no_answer_and_leads_to_the_new_one(site: RunningSite, page: Page) -> None:
    calls.put_in_force(site)
    request_id = calls.held(site)
    with page.expect_response(lambda response: "/events" in response.url):
        page.goto(f"{site.origin}/requests/{request_id}")
    calls.edit(site, request_id, {**PAYMENT, "amount": 2000})
    expect(page.get_by_text("Mei changed the arguments.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve and run")).to_be_disabled()
    page.get_by_role("link", name="Show the new card").click()
    expect(page.get_by_text("Mei changed 1 argument.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve and run")).to_be_enabled()


def test_on_a_phone_refusing_is_as_near_as_running_it(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    page.goto(site.origin + calls.payment(site))
    boxes = [page.get_by_role("button", name=name).bounding_box() for name in ("Refuse", "Approve and run")]
    for box in boxes:
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= PHONE["height"]
    refuse, run = boxes
    assert refuse is not None
    assert run is not None
    assert (refuse["y"], refuse["height"], refuse["width"]) == (run["y"], run["height"], run["width"])


def test_the_buttons_of_a_long_call_come_after_all_of_it(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    page.goto(site.origin + calls.long_argument(site))
    box = page.get_by_role("button", name="Approve and run").bounding_box()
    assert box is not None
    assert box["y"] > PHONE["height"]
    expect(page.locator("pre.value", has_text="10.1.39.0/24")).to_be_visible()
    page.get_by_role("link", name="What changed since the last one like it").click()
    expect(page.locator(".difference").first).to_be_in_viewport()


def test_an_admin_reads_what_changed_in_a_definition_and_accepts_it(site: RunningSite, windows: Windows) -> None:
    page = windows.open(role=Role.ADMIN)
    calls.definitions(site)
    page.goto(site.origin)
    page.get_by_role("link", name="Look at the difference").click()
    payments = page.get_by_role("region", name="payments")
    expect(payments.get_by_role("listitem").filter(has_text="+ is").first).to_contain_text("in any currency")
    payments.get_by_role("button", name="Accept it as it is now").click()
    expect(page.get_by_role("status")).to_contain_text("Accepted.")
    expect(payments.get_by_role("button", name="Accept")).to_have_count(0)
    infra = page.get_by_role("region", name="infra")
    infra.get_by_role("button", name="Start anew").click()
    expect(infra).to_contain_text("it is being started anew")
    assert site.call(site.desk.calls.take_restarts) == ("infra",)
