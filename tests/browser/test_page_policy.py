"""What the browser itself refuses, should markup of an agent's ever get onto a page."""

import pytest
from playwright.sync_api import expect

from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser

_AS_MARKUP = "() => { document.body.innerHTML = '<img src=x onerror=alert(1)>'; }"
_WITHOUT_NONCE = """() => {
  const button = document.createElement("button");
  button.id = "planted";
  button.setAttribute("hx-post", "/logout");
  document.body.append(button);
  htmx.process(button);
}"""


def test_a_script_cannot_turn_text_into_markup(site: RunningSite, windows: Windows) -> None:
    page = windows.open()
    page.goto(f"{site.origin}/requests/{site.ask(samples.APPROVAL)}")
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate(_AS_MARKUP)
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    assert any("require-trusted-types-for" in complaint for complaint in windows.complaints)
    windows.complaints.clear()


def test_an_htmx_attribute_without_the_pages_nonce_does_nothing(site: RunningSite, windows: Windows) -> None:
    page = windows.open()
    page.goto(site.origin)
    page.evaluate(_WITHOUT_NONCE)
    assert page.locator("#planted").get_attribute("hx-post") is None
    assert any("hx-csp" in complaint for complaint in windows.complaints)
    windows.complaints.clear()


def test_nothing_is_loaded_from_anywhere_else(site: RunningSite, windows: Windows) -> None:
    page = windows.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.origin}/requests/{site.ask(samples.HOSTILE)}")
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    assert asked
    assert all(url.startswith((f"{site.origin}/", "data:")) for url in asked)
