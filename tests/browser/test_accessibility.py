"""Every page, judged by axe in light and dark; and 390 pixels wide without a sideways scroll."""

from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize

from store.answers import Chosen
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.screens import SCENES, SCHEMES, Scene
from tests.browser.windows import Windows
from tests.repository import ROOT

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = ViewportSize(width=390, height=844)
AXE = (ROOT / "tests" / "vendor" / "axe.min.js").read_text()


def faults(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("(rules) => axe.run(document, {runOnly: rules})", RULES)
    return [f"{v['id']}: {node['target']} {node['failureSummary']}" for v in found["violations"] for node in v["nodes"]]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_page_is_accessible_in_both_colours_and_fits_a_phone(
    site: RunningSite, windows: Windows, scene: Scene
) -> None:
    path = scene.prepare(site)
    # axe writes into the page, which the page's own policy rightly forbids.
    page = windows.open("ana" if scene.signed_in else None, bypass_csp=True, viewport=PHONE)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.goto(site.origin + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert faults(page) == []


def test_a_wide_card_is_accessible(site: RunningSite, windows: Windows) -> None:
    page = windows.open(bypass_csp=True)
    page.goto(f"{site.origin}/requests/{site.ask(samples.FORM)}")
    assert faults(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_card_that_was_answered_elsewhere_is_accessible(
    site: RunningSite, windows: Windows, scheme: Literal["light", "dark"]
) -> None:
    page = windows.open(bypass_csp=True, viewport=PHONE, color_scheme=scheme, reduced_motion="reduce")
    request_id = site.ask(samples.APPROVAL)
    with page.expect_response(lambda response: "/events" in response.url):
        page.goto(f"{site.origin}/requests/{request_id}")
    site.answer(request_id, Chosen("reject"))
    page.get_by_role("link", name="Show the receipt").wait_for()
    assert faults(page) == []


def test_on_a_phone_refusing_is_as_near_as_approving_without_scrolling(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    page.goto(f"{site.origin}/requests/{site.ask(samples.APPROVAL)}")
    boxes = [page.get_by_role("button", name=name).bounding_box() for name in ("Reject", "Approve", "Decline")]
    for box in boxes:
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= PHONE["height"]
    reject, approve, _ = boxes
    assert reject is not None
    assert approve is not None
    assert (reject["y"], reject["height"], reject["width"]) == (approve["y"], approve["height"], approve["width"])


def test_the_buttons_of_a_long_card_come_after_all_of_it(site: RunningSite, windows: Windows) -> None:
    page = windows.open(viewport=PHONE)
    long = samples.APPROVAL.model_copy(update={"context": "word " * 4_000})
    page.goto(f"{site.origin}/requests/{site.ask(long)}")
    assert not in_view(page, "Approve")
    page.get_by_role("button", name="Approve").scroll_into_view_if_needed()
    assert in_view(page, "Approve")


def in_view(page: Page, name: str) -> bool:
    box = page.get_by_role("button", name=name).bounding_box()
    return box is not None and 0 <= box["y"] <= PHONE["height"]
