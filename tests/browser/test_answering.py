"""All four kinds, answered by hand in a real browser; and the ways in which an answer must not happen."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from store.lifecycle import Outcome, State
from store.questions import AskApproval
from store.requests import RequestView
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser
OpenCard = Callable[[str], Page]


def view_of(site: RunningSite, request_id: str) -> RequestView:
    view = site.call(lambda: site.desk.view(request_id))
    assert view is not None
    return view


def test_an_approval_is_approved_and_settles_into_a_receipt(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.APPROVAL)
    page = open_card(request_id)
    page.get_by_label("Comment").fill("Go, and tell me when it is done.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="Approved")).to_be_visible()
    expect(page.get_by_text("Ana, signed in with a password")).to_be_visible()
    view = view_of(site, request_id)
    assert (view.outcome, view.may_proceed) == (Outcome.ANSWERED, True)
    assert view.comment == "Go, and tell me when it is done."


def test_an_approval_is_rejected(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.APPROVAL)
    page = open_card(request_id)
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", name="Not approved")).to_be_visible()
    assert not view_of(site, request_id).may_proceed


def test_asking_back_without_words_says_what_is_missing(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.APPROVAL)
    page = open_card(request_id)
    page.get_by_role("button", name="Ask back").click()
    expect(page.locator("#comment-error")).to_be_visible()
    page.get_by_label("Comment").fill("Which hosts?")
    page.get_by_role("button", name="Ask back").click()
    expect(page.get_by_role("heading", name="Asked back")).to_be_visible()
    assert view_of(site, request_id).outcome is Outcome.RETURNED


def test_several_options_are_selected(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.SELECTION)
    page = open_card(request_id)
    page.get_by_text("Everybody who ordered on Tuesday").click()
    page.get_by_text("Only those whose orders failed").click()
    page.get_by_role("button", name="Send selection").click()
    expect(page.get_by_role("heading", name="Answered")).to_be_visible()
    assert view_of(site, request_id).answer == {"selected": ["affected", "region"]}


def test_a_form_with_every_type_of_field_is_filled_in(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.FORM)
    page = open_card(request_id)
    page.get_by_label("Database name").fill("reports")
    page.get_by_label("Purpose").fill("Two\nlines")
    page.get_by_label("Disk, GiB").fill("250")
    page.get_by_label("Monthly budget, EUR").fill("99.5")
    page.get_by_text("16 cores, 64 GiB").click()
    page.get_by_label("Region").select_option("region-3")
    page.get_by_label("Finance").check()
    page.get_by_label("support").check()
    page.get_by_label("Nightly backups").uncheck()
    page.get_by_label("First day").fill("2026-12-01")
    page.get_by_label("Maintenance at").fill("04:15")
    page.get_by_label("Cut-over").fill("2026-12-02T05:30")
    page.get_by_label("Contact").fill("ana@example.com")
    page.get_by_label("Ticket").fill("https://tickets.example.com/17")
    page.get_by_label("Administrator password").fill("correct horse")
    page.get_by_role("button", name="Send form").click()
    expect(page.get_by_role("heading", name="Answered")).to_be_visible()
    expect(page.get_by_text("correct horse")).to_have_count(0)
    answer = view_of(site, request_id).answer
    assert answer is not None
    assert answer["values"] == {
        "name": "reports",
        "purpose": "Two\nlines",
        "disk": 250,
        "budget": 99.5,
        "size": "large",
        "region": "region-3",
        "readers": ["finance", "support"],
        "backups": False,
        "start": "2026-12-01",
        "window": "04:15",
        "cutover": "2026-12-02T05:30",
        "contact": "ana@example.com",
        "ticket": "https://tickets.example.com/17",
    }
    assert list(answer["credentials"]) == ["secret"]


def test_a_fault_is_told_at_its_field_and_only_the_password_is_typed_again(
    site: RunningSite, open_card: OpenCard
) -> None:
    request_id = site.ask(samples.FORM)
    page = open_card(request_id)
    page.get_by_label("Database name").fill("Reports2")
    page.get_by_text("16 cores, 64 GiB").click()
    page.get_by_label("Contact").fill("ana@example.com")
    page.get_by_label("Administrator password").fill("correct horse")
    page.get_by_role("button", name="Send form").click()
    expect(page.get_by_role("alert")).to_contain_text("Database name: must match the pattern")
    expect(page.get_by_label("Database name")).to_have_value("Reports2")
    expect(page.get_by_label("Contact")).to_have_value("ana@example.com")
    expect(page.get_by_label("Administrator password")).to_have_value("")
    assert view_of(site, request_id).state is State.SHOWN


def test_a_text_is_edited_and_said_to_be(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.TEXT)
    page = open_card(request_id)
    box = page.get_by_label("The agent's draft, yours to change")
    expect(box).to_have_value(samples.TEXT.prefill)
    expect(page.get_by_text("Unchanged so far.")).to_be_visible()
    box.press_sequentially("Today: ")
    expect(page.get_by_text("Edited.")).to_be_visible()
    page.get_by_role("button", name="Send text").click()
    expect(page.get_by_text("Text, edited by the reviewer")).to_be_visible()
    answer = view_of(site, request_id).answer
    assert answer is not None
    assert answer["edited"]


def test_a_text_that_was_only_read_counts_as_unchanged(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.TEXT)
    page = open_card(request_id)
    page.get_by_role("button", name="Send text").click()
    expect(page.get_by_text("Text, unchanged")).to_be_visible()
    assert view_of(site, request_id).answer == {"text": samples.TEXT.prefill, "edited": False}


@pytest.mark.parametrize("label", ["Database name", "Disk, GiB", "Contact", "Administrator password"])
def test_enter_in_a_field_sends_nothing(site: RunningSite, open_card: OpenCard, label: str) -> None:
    request_id = site.ask(samples.FORM)
    page = open_card(request_id)
    page.get_by_label(label).press("Enter")
    page.get_by_label("Comment").press("Enter")
    expect(page.get_by_role("button", name="Send form")).to_be_enabled()
    assert view_of(site, request_id).state is State.SHOWN


def test_keys_pressed_on_a_fresh_card_approve_nothing(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.APPROVAL)
    page = open_card(request_id)
    for key in ("Enter", "Space", "y", "a", "j", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Approve")).not_to_be_focused()
    assert view_of(site, request_id).state is State.SHOWN


def test_a_double_click_sends_one_answer(site: RunningSite, open_card: OpenCard) -> None:
    request_id = site.ask(samples.APPROVAL)
    page = open_card(request_id)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_label("Comment").fill("Tests are green.")
    page.get_by_role("button", name="Approve").dblclick(no_wait_after=True)
    expect(page.get_by_role("heading", name="Approved")).to_be_visible()
    assert len(sent) == 1


def test_what_a_hostile_agent_wrote_stays_text(site: RunningSite, open_card: OpenCard) -> None:
    page = open_card(site.ask(samples.HOSTILE))
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    expect(page.get_by_text("U+202E")).to_be_visible()
    expect(page.get_by_text("mixes Cyrillic + Latin").first).to_be_visible()
    expect(page.locator("article img")).to_have_count(0)
    expect(page.get_by_role("button", name="Approve")).to_have_count(1)
    expect(page.get_by_text("(evil.example)")).to_be_visible()


def test_everything_works_without_scripts(site: RunningSite, windows: Windows) -> None:
    page = windows.open(java_script_enabled=False)
    request_id = site.ask(AskApproval(title="Without scripts?"))
    page.goto(site.origin)
    page.get_by_role("link", name="Without scripts?").click()
    page.get_by_label("Comment").fill("Fine.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="Approved")).to_be_visible()
    assert view_of(site, request_id).comment == "Fine."
