"""The phone page: an address as a code that signs nobody in, and where a person is told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from review_web.settings import SiteSettings
from store.people import Role
from tests.push_station import Phone
from tests.review_web.house import BEHIND_TLS, House

pytestmark = pytest.mark.anyio
KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"


@pytest.fixture
def public(house_with: Callable[[SiteSettings], House]) -> House:
    return house_with(replace(BEHIND_TLS, push_key=KEY))


async def test_under_a_public_address_the_page_shows_the_code_and_says_that_it_signs_nobody_in(public: House) -> None:
    page = await (await public.signed_in()).open("/phone")

    assert page.status_code == 200
    assert 'src="/phone/code.svg"' in page.text
    assert "https://consent.example.org" in page.text
    assert "it signs nobody in" in page.text
    assert f'data-key="{KEY}"' in page.text


async def test_on_one_machine_the_page_says_what_a_phone_would_need(house: House) -> None:
    page = await (await house.signed_in()).open("/phone")

    assert "A phone cannot open this page yet" in page.text
    assert "code.svg" not in page.text


async def test_the_code_is_an_image_of_the_address_alone_and_the_same_for_everybody(public: House) -> None:
    ana, ben = await public.signed_in("ana"), await public.signed_in("ben")
    images = [await browser.fetch("/phone/code.svg") for browser in (ana, ben)]

    assert images[0].headers["content-type"] == "image/svg+xml"
    assert images[0].content == images[1].content
    assert images[0].content.startswith(b"<svg")
    assert b"style=" not in images[0].content


@pytest.mark.parametrize("path", ["/phone", "/phone/code.svg"])
async def test_nobody_sees_it_without_signing_in(house: House, path: str) -> None:
    answer = await house.browser().open(path)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")


async def test_where_no_notifications_are_sent_the_page_says_so(house: House) -> None:
    page = await (await house.signed_in()).open("/phone")

    assert "This server sends none." in page.text
    assert "data-push data-key" not in page.text


async def test_an_auditor_is_asked_nothing_and_offered_nothing(public: House) -> None:
    page = await (await public.signed_in("ada", Role.AUDITOR)).open("/phone")

    assert "there is nothing to tell you" in page.text
    assert "data-push data-key" not in page.text


async def test_a_device_that_could_not_be_told_says_why(public: House) -> None:
    browser = await public.signed_in()
    ana = await public.people.find("ana")
    assert ana is not None
    device = await public.desk.devices.add(ana, Phone("https://push.example/1").subscription, name="Chrome on Android")
    await public.desk.devices.tried(device, "the push service answered 403")
    page = await browser.open("/phone")

    assert "Chrome on Android" in page.text
    assert "The newest message did not get there: the push service answered 403." in page.text
