"""The manifest and the service worker: for everybody, the same, and nothing of anybody's."""

import pytest

from review_web.manifest import MANIFEST
from tests.repository import ROOT
from tests.review_web.house import House

pytestmark = pytest.mark.anyio


async def test_the_manifest_needs_no_session_and_names_icons_that_are_there(house: House) -> None:
    browser = house.browser()
    answer = await browser.fetch("/manifest.webmanifest")
    icons = [await browser.fetch(icon["src"]) for icon in answer.json()["icons"]]

    assert answer.headers["content-type"] == "application/manifest+json"
    assert answer.json() == MANIFEST
    assert [(icon.status_code, icon.headers["content-type"]) for icon in icons] == [(200, "image/png")] * 3


async def test_the_service_worker_governs_the_whole_site_and_is_asked_for_anew_each_time(house: House) -> None:
    answer = await house.browser().fetch("/service_worker.js")

    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == (ROOT / "review_web" / "static" / "service_worker.js").read_text()


async def test_the_service_worker_keeps_no_page_and_answers_no_fetch(house: House) -> None:
    script = (await house.browser().fetch("/service_worker.js")).text

    assert "caches" not in script
    assert '"fetch"' not in script


async def test_every_page_names_the_manifest(house: House) -> None:
    assert '<link rel="manifest" href="/manifest.webmanifest">' in (await house.browser().open("/login")).text
