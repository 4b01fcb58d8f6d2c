"""Tools of a client's own in a real browser: read, changed and let run."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import own_calls
from tests.browser.running_site import RunningSite
from tests.browser.test_accessibility import PHONE
from tests.browser.test_held_calls import arguments_of, view_of
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser
OpenCard = Callable[[str], Page]


def test_a_command_is_changed_read_again_and_approved(site: RunningSite, open_card: OpenCard) -> None:
    request_id = own_calls.held(site, "Bash", own_calls.SCRIPT)
    page = open_card(request_id)
    assert page.locator(".code-lines .text").all_inner_texts() == str(own_calls.SCRIPT["command"]).split("\n")
    page.get_by_role("button", name="Change the arguments").click()
    page.get_by_label("command").fill("cd deploy\n\nmake check\n")
    page.get_by_role("button", name="Make a new card", exact=True).click()

    expect(page.get_by_text("Ana changed 1 argument.")).to_be_visible()
    assert page.locator(".code-lines .text").all_inner_texts() == ["cd deploy", "", "make check", ""]
    expect(page.locator(".rewritten")).to_contain_text("scp shop.tar.gz")
    assert arguments_of(site, request_id) == {**own_calls.SCRIPT, "command": "cd deploy\n\nmake check\n"}
    page.get_by_role("button", name="Approve and run").click()
    expect(page.get_by_role("heading", name="Approved: it has not run")).to_be_visible()
    assert view_of(site, request_id).may_proceed


def test_a_command_that_was_not_touched_comes_back_as_it_was(site: RunningSite, open_card: OpenCard) -> None:
    request_id = own_calls.held(site, "Bash", own_calls.SCRIPT)
    page = open_card(request_id)
    page.get_by_role("button", name="Change the arguments").click()
    page.get_by_label("run_in_background").select_option("false")
    page.get_by_role("button", name="Make a new card", exact=True).click()
    expect(page.get_by_text("Ana changed 1 argument.")).to_be_visible()
    assert arguments_of(site, request_id) == {**own_calls.SCRIPT, "run_in_background": False}


def test_every_line_of_a_diff_says_whether_it_goes_or_comes(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    page.goto(f"{site.origin}/requests/{own_calls.held(site, 'Edit', own_calls.EDIT)}")
    for line in page.locator(".diff .before, .diff .now").all():
        mark, text = line.locator(".which").bounding_box(), line.locator(".text").bounding_box()
        assert mark is not None
        assert text is not None
        assert abs(mark["y"] - text["y"]) < 2
    assert page.locator(".diff .which").all_inner_texts() != []


def test_lines_that_only_the_page_breaks_stand_further_in(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    page.goto(f"{site.origin}/requests/{own_calls.held(site, 'Bash', own_calls.COMMAND)}")
    lefts = page.evaluate(
        """() => {
          const range = document.createRange();
          range.selectNodeContents(document.querySelector(".code-lines .text"));
          return [...range.getClientRects()].map((box) => Math.round(box.left));
        }"""
    )
    assert len(lefts) > 1
    assert min(lefts[1:]) > lefts[0]
