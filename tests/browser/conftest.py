"""A real Chromium against a real server. Whatever the console or the policy complains about fails the test."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.running_site import RunningSite, running_site
from tests.browser.windows import Windows
from tests.repository import ROOT


# No wider than a module: Playwright keeps an event loop running, and with it the async tests of other folders cannot.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = subprocess.run([ROOT / "scripts" / "chromium"], check=True, capture_output=True, text=True)
    with sync_playwright() as playwright:
        # Without its sandbox, because containers run as root; it opens nothing but our own pages.
        browser = playwright.chromium.launch(executable_path=found.stdout.strip(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RunningSite]:
    with running_site(tmp_path) as site:
        yield site


@pytest.fixture
def windows(chromium: Browser, site: RunningSite) -> Iterator[Windows]:
    windows = Windows(chromium, site)
    yield windows
    for context in windows.contexts:
        context.close()
    assert windows.complaints == []


@pytest.fixture
def page(windows: Windows) -> Page:
    """A window in which Ana is signed in."""
    return windows.open()


@pytest.fixture
def open_card(page: Page, site: RunningSite) -> Callable[[str], Page]:
    """Ana's window, with that request's card open."""

    def opened(request_id: str) -> Page:
        page.goto(f"{site.origin}/requests/{request_id}")
        return page

    return opened
