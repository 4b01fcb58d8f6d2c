"""The site as an app with notifications: a real service worker in a real Chromium.

Only the maker's own push service is missing. The page is given a subscription to ours, and what the server sends
to it is handed to the worker as the browser would.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Browser, Page, expect

from server.push.sender import Pace, Sender
from server.push.service import PushService
from server.push.web_push import CURVE, PushKey
from store.answers import Chosen
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows
from tests.push_station import Phone, Station, station
from tests.repository import ROOT
from tests.stage import approval

pytestmark = pytest.mark.browser
SERVICE = PushService(PushKey(ec.generate_private_key(CURVE)), None, reachable=lambda _: True)

# What stands for the push service inside the page. The worker and its notifications are the browser's own.
_SUBSCRIBES = """
const given = %s;
const fake = {endpoint: given.endpoint, options: {}, toJSON: () => given, unsubscribe: async () => {
  localStorage.removeItem("subscribed");
  return true;
}};
PushManager.prototype.subscribe = async (options) => {
  if (!options.userVisibleOnly || options.applicationServerKey.length !== 65) throw new Error("no browser takes that");
  localStorage.setItem("subscribed", "yes");
  return fake;
};
PushManager.prototype.getSubscription = async () => (localStorage.getItem("subscribed") ? fake : null);
"""

# A tap as the worker hears of it; windows open for real people only, so the address is noted instead.
_TAP = """async () => {
  const [notification] = await registration.getNotifications();
  const tap = new NotificationEvent("notificationclick", {notification});
  const work = [];
  tap.waitUntil = (promise) => work.push(promise);
  let address = null;
  clients.openWindow = async (url) => { address = url; };
  dispatchEvent(tap);
  await Promise.all(work);
  return address;
}"""
_PUSHED = """async (data) => {
  const pushed = new PushEvent("push", {data});
  const work = [];
  pushed.waitUntil = (promise) => work.push(promise);
  dispatchEvent(pushed);
  await Promise.all(work);
}"""
_MOVED = """async ([before, now]) => {
  const moved = new ExtendableEvent("pushsubscriptionchange");
  const work = [];
  moved.waitUntil = (promise) => work.push(promise);
  moved.oldSubscription = {endpoint: before};
  moved.newSubscription = {toJSON: () => now};
  dispatchEvent(moved);
  await Promise.all(work);
}"""
_UNTIL = """async (count) => {
  const registration = await navigator.serviceWorker.ready;
  // No frame is waited for: a page that nobody sees may get none.
  while ((await registration.getNotifications()).length !== count);
}"""


class Worker:
    """The service worker of a page, to which messages are handed as the browser would."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        workers = page.context.service_workers
        self._worker = workers[0] if workers else page.context.wait_for_event("serviceworker")

    def hand(self, data: str) -> None:
        """Return once the worker has done with it."""
        self._worker.evaluate(_PUSHED, data)

    def notifications(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate(
            "navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((all) => "
            "all.map((n) => ({title: n.title, body: n.body, tag: n.tag, path: n.data.path, silent: n.silent})))"
        )
        return found

    def tapped(self) -> str:
        """The address that a tap on the one notification opens."""
        address: str = self._worker.evaluate(_TAP)
        return address

    def until(self, count: int) -> list[dict[str, Any]]:
        """The notifications, once there are so many."""
        self.page.evaluate(_UNTIL, count)
        return self.notifications()


@pytest.fixture
def push(monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    monkeypatch.setattr("store.push.devices._require_public_https", lambda endpoint: None)
    with station() as found:
        yield found


def opened(windows: Windows, site: RunningSite, phone: Phone | None = None) -> Page:
    page = windows.open(permissions=["notifications"])
    if phone is not None:
        page.add_init_script(_SUBSCRIBES % json.dumps(phone.subscription))
    page.goto(f"{site.origin}/phone")
    return page


@contextmanager
def sending(site: RunningSite) -> Iterator[None]:
    """The server's own sender at work."""
    running = site.portal.start_task_soon(Sender(site.desk, SERVICE, Pace(pause=0.0)).run)
    try:
        yield
    finally:
        running.cancel()


def test_a_question_is_told_in_the_browser_that_was_added_and_a_tap_opens_its_card(
    site: RunningSite, windows: Windows, push: Station
) -> None:
    question = approval("Deploy 1.4?")
    phone = push.phone()
    page = opened(windows, site, phone)
    page.get_by_role("button", name="Tell me in this browser").click()
    expect(page.get_by_text("You are told of new requests in this browser.")).to_be_visible()
    expect(page.locator("[data-here]")).to_be_visible()
    worker = Worker(page)
    with sending(site):
        request_id = site.ask(question)
        worker.hand(json.dumps(phone.read(push.next().body)))
    (told,) = worker.until(1)

    assert told["body"].startswith("Deploy 1.4?\nUntil ")
    assert told == {
        "title": "deploy-bot asks",
        "body": told["body"],
        "tag": request_id,
        "path": f"/requests/{request_id}",
        "silent": False,
    }
    assert worker.tapped() == f"{site.origin}/requests/{request_id}"
    assert worker.until(0) == []


def test_a_tap_opens_a_page_of_this_site_whatever_the_message_says(site: RunningSite, windows: Windows) -> None:
    worker = Worker(opened(windows, site))
    worker.hand(json.dumps({"tag": "x", "title": "a", "body": "b", "path": "https://evil.example/login?next=//x"}))
    worker.until(1)

    assert worker.tapped() == f"{site.origin}/login"


def test_what_was_answered_elsewhere_is_said_in_its_place_quietly_and_goes_with_the_next_message(
    site: RunningSite, windows: Windows, push: Station
) -> None:
    phone = push.phone()
    page = opened(windows, site, phone)
    page.get_by_role("button", name="Tell me in this browser").click()
    expect(page.locator("[data-here]")).to_be_visible()
    worker = Worker(page)
    with sending(site):
        request_id = site.ask(samples.APPROVAL)
        worker.hand(json.dumps(phone.read(push.next().body)))
        worker.until(1)
        site.answer(request_id, Chosen("approve"))
        ended = phone.read(push.next().body)
    # The window is in sight, so nothing has to stay there in its stead.
    worker.hand(json.dumps(ended))
    assert worker.until(0) == []
    assert (ended["kind"], ended["body"]) == ("over", "It was answered.")


@pytest.mark.parametrize("data", ["", "no json", "[]", '{"title": 7}', '{"tag": "x"}'])
def test_a_message_that_cannot_be_read_still_says_that_something_waits(
    site: RunningSite, windows: Windows, data: str
) -> None:
    worker = Worker(opened(windows, site))
    worker.hand(data)

    (told,) = worker.until(1)
    assert (told["title"], told["body"], told["path"]) == ("Assent", "Something waits for you.", "/")


def test_the_same_request_is_one_notification_however_often_it_is_told(site: RunningSite, windows: Windows) -> None:
    worker = Worker(opened(windows, site))
    said = {"kind": "asked", "tag": "req_1", "title": "a", "body": "b", "path": "/requests/req_1"}
    worker.hand(json.dumps(said))
    worker.until(1)
    worker.hand(json.dumps({**said, "tag": "req_2"}))
    worker.hand(json.dumps({**said, "title": "again"}))

    assert sorted(one["tag"] for one in worker.until(2)) == ["req_1", "req_2"]


def test_a_browser_that_gets_another_address_says_so_and_stays_one_browser(
    site: RunningSite, windows: Windows, push: Station
) -> None:
    before, now = push.phone("before"), push.phone("now")
    page = opened(windows, site, before)
    page.get_by_role("button", name="Tell me in this browser").click()
    expect(page.locator("[data-here]")).to_be_visible()
    (worker,) = page.context.service_workers
    worker.evaluate(_MOVED, [before.endpoint, now.subscription])

    ana = site.reviewer()
    devices = site.call(lambda: site.desk.devices.of(ana.id))
    assert [device.digest for device in devices] == [hashlib.sha256(now.endpoint.encode()).hexdigest()]


def test_removing_this_browser_ends_its_subscription_too(site: RunningSite, windows: Windows, push: Station) -> None:
    page = opened(windows, site, push.phone())
    page.get_by_role("button", name="Tell me in this browser").click()
    expect(page.locator("[data-here]")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("You are told nothing there any more.")).to_be_visible()

    assert page.evaluate("localStorage.getItem('subscribed')") is None
    expect(page.get_by_role("button", name="Tell me in this browser")).to_be_visible()


def test_the_test_button_has_a_message_sent_to_that_browser(site: RunningSite, windows: Windows, push: Station) -> None:
    phone = push.phone()
    page = opened(windows, site, phone)
    page.get_by_role("button", name="Tell me in this browser").click()
    expect(page.locator("[data-here]")).to_be_visible()
    worker = Worker(page)
    with sending(site):
        page.get_by_role("button", name="Test").click()
        expect(page.get_by_text("A message on trial is on its way.")).to_be_visible()
        worker.hand(json.dumps(phone.read(push.next().body)))

    assert [one["title"] for one in worker.until(1)] == ["Assent reaches you here"]


def test_a_browser_whose_person_said_no_is_told_where_to_change_it(site: RunningSite, windows: Windows) -> None:
    page = windows.open()
    page.add_init_script("Object.defineProperty(Notification, 'permission', {get: () => 'denied'})")
    page.goto(f"{site.origin}/phone")

    expect(page.get_by_text("You told this browser to show no notifications")).to_be_visible()
    expect(page.get_by_role("button", name="Tell me in this browser")).to_be_hidden()


def test_chromium_finds_nothing_that_keeps_it_from_installing_the_site(
    chromium: Browser, site: RunningSite, tmp_path: Path
) -> None:
    # A window of its own kind: those that forget everything at their end install nothing.
    path = subprocess.run([ROOT / "scripts" / "chromium"], check=True, capture_output=True, text=True).stdout.strip()
    name, secret = site.cookie(site.reviewer())
    context = chromium.browser_type.launch_persistent_context(
        str(tmp_path / "profile"), executable_path=path, args=["--no-sandbox"]
    )
    try:
        context.add_cookies([{"name": name, "value": secret, "url": site.origin}])
        page = context.new_page()
        page.goto(f"{site.origin}/phone")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        session = context.new_cdp_session(page)
        manifest = session.send("Page.getAppManifest")
        assert (manifest["url"], manifest["errors"]) == (f"{site.origin}/manifest.webmanifest", [])
        assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
        page.reload()
        assert page.evaluate("navigator.serviceWorker.controller.scriptURL") == f"{site.origin}/service_worker.js"
        expect(page.get_by_role("button", name="Install it here")).to_be_visible()
    finally:
        context.close()


def test_an_address_of_the_open_internet_alone_is_what_a_browser_may_name(site: RunningSite, windows: Windows) -> None:
    page = opened(windows, site, Phone("https://10.0.0.1/push"))
    page.get_by_role("button", name="Tell me in this browser").click()

    expect(page.get_by_text("not a public name")).to_be_visible()
    ana = site.reviewer()
    assert site.call(lambda: site.desk.devices.of(ana.id)) == []
