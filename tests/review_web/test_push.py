"""Subscribing, trying and removing a browser: each by its own person, from our own page, and nobody else."""

from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest

from review_web.settings import SiteSettings
from store.people import Role
from store.push.devices import MOST
from tests.push_station import Phone
from tests.review_web.house import LOCAL, Browser, House

pytestmark = pytest.mark.anyio
PHONE = Phone("https://push.example/send/1")
ANDROID = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36"


@pytest.fixture
def telling(house_with: Callable[[SiteSettings], House]) -> House:
    """The site of a server that sends notifications."""
    return house_with(replace(LOCAL, push_key="a key"))


async def subscribed(browser: Browser, phone: Phone = PHONE, **more: str) -> httpx2.Response:
    body = {"subscription": phone.subscription, **more}
    return await browser.send_json("/phone/devices", body, **{"user-agent": ANDROID})


async def names(house: House, username: str = "ana") -> list[str]:
    reviewer = await house.people.find(username)
    assert reviewer is not None
    return [device.name for device in await house.desk.devices.of(reviewer.id)]


async def test_a_browser_is_added_under_the_name_that_it_goes_by(telling: House) -> None:
    answer = await subscribed(await telling.signed_in())

    assert (answer.status_code, answer.json()["next"]) == (201, "/phone?done=added")
    assert await names(telling) == ["Chrome on Android"]


async def test_a_browser_that_was_given_another_address_replaces_its_own_former_one(telling: House) -> None:
    browser = await telling.signed_in()
    await subscribed(browser)
    answer = await subscribed(browser, Phone("https://push.example/send/2"), replaces=PHONE.endpoint)

    assert answer.status_code == 201
    assert await names(telling) == ["Chrome on Android"]


async def test_where_no_notifications_are_sent_nothing_is_added(house: House) -> None:
    answer = await subscribed(await house.signed_in())

    assert (answer.status_code, answer.json()["reason"]) == (409, "push_off")
    assert await names(house) == []


async def test_an_auditor_is_not_added(telling: House) -> None:
    answer = await subscribed(await telling.signed_in("ada", Role.AUDITOR))

    assert answer.status_code == 403
    assert await names(telling, "ada") == []


async def test_an_address_inside_our_own_network_is_refused(telling: House) -> None:
    answer = await subscribed(await telling.signed_in(), Phone("https://169.254.169.254/latest"))

    assert answer.status_code == 422
    assert await names(telling) == []


async def test_one_browser_too_many_is_refused(telling: House) -> None:
    browser = await telling.signed_in()
    for number in range(MOST):
        await subscribed(browser, Phone(f"https://push.example/send/{number}"))
    answer = await subscribed(browser, Phone("https://push.example/send/more"))

    assert answer.status_code == 409
    assert len(await names(telling)) == MOST


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost:9999", "sec-fetch-site": "same-site"},
    ],
)
async def test_another_site_subscribes_nobody(telling: House, headers: dict[str, str]) -> None:
    browser = await telling.signed_in()
    answer = await browser.send_json("/phone/devices", {"subscription": PHONE.subscription}, **headers)

    assert answer.status_code == 403
    assert await names(telling) == []


@pytest.mark.parametrize("path", ["/phone/devices", "/phone/devices/dev_1/remove", "/phone/devices/dev_1/test"])
async def test_nothing_is_changed_without_a_session_and_a_reading_token_is_none(telling: House, path: str) -> None:
    ana = await telling.add("ana")
    token = await telling.people.add_reviewer_token(ana.id)
    answer = await telling.browser().send_json(
        path, {"subscription": PHONE.subscription}, authorization=f"Bearer {token}"
    )

    assert answer.status_code == 401
    assert await names(telling) == []


@pytest.mark.parametrize(("action", "done"), [("remove", "removed"), ("test", "test")])
async def test_a_person_tries_and_removes_their_own_browser_and_no_other(
    telling: House, action: str, done: str
) -> None:
    ana, ben = await telling.signed_in("ana"), await telling.signed_in("ben")
    device = (await subscribed(ana)).json()["device"]
    foreign = await ben.send_form(f"/phone/devices/{device}/{action}", {})
    assert foreign.status_code == 404
    assert len(await names(telling)) == 1
    assert (await telling.desk.devices.work()).tests == ()

    own = await ana.send_form(f"/phone/devices/{device}/{action}", {})
    assert (own.status_code, own.headers["location"]) == (303, f"/phone?done={done}")
    assert len(await names(telling)) == (0 if action == "remove" else 1)
    assert len((await telling.desk.devices.work()).tests) == (0 if action == "remove" else 1)


async def test_a_browser_that_was_removed_already_is_told_so(telling: House) -> None:
    browser = await telling.signed_in()
    answer = await browser.send_form("/phone/devices/dev_none/remove", {})

    assert answer.status_code == 404
    assert "That one was removed already." in answer.text
