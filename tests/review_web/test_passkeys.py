from dataclasses import dataclass
from typing import Any

import pytest

from store.people import SignIn
from tests.review_web.authenticator import Authenticator
from tests.review_web.house import ORIGIN, Browser, House

pytestmark = pytest.mark.anyio


def new_authenticator() -> Authenticator:
    return Authenticator(ORIGIN, "assent.localhost")


@dataclass
class Enrolled:
    browser: Browser
    authenticator: Authenticator


async def enrol(browser: Browser, authenticator: Authenticator, name: str = "Laptop") -> Any:
    options = await browser.send_json("/account/passkeys/options", {})
    assert options.status_code == 200
    credential = authenticator.create(options.json()["publicKey"])
    return await browser.send_json("/account/passkeys", {"credential": credential, "name": name})


@pytest.fixture
async def ana(house: House) -> Enrolled:
    """Ana, signed in, with a passkey."""
    enrolled = Enrolled(await house.signed_in("ana"), new_authenticator())
    assert (await enrol(enrolled.browser, enrolled.authenticator)).status_code == 201
    return enrolled


async def try_sign_in(browser: Browser, authenticator: Authenticator, **body: Any) -> Any:
    options = (await browser.send_json("/login/passkey/options", {})).json()["publicKey"]
    return await browser.send_json(
        "/login/passkey/verify", {"credential": authenticator.get(options), "next": "/history", **body}
    )


async def methods(house: House) -> list[SignIn]:
    person = await house.people.find("ana")
    assert person is not None
    return [session.method for session in await house.people.sessions(person.id)]


# Adding one


async def test_a_passkey_is_added_under_the_name_it_was_given(house: House, ana: Enrolled) -> None:
    (passkey,) = await house.people.passkeys((await house.people.reviewers())[0].id)
    assert (passkey.name, passkey.credential_id, passkey.transports) == (
        "Laptop",
        ana.authenticator.credential_id,
        ("internal",),
    )
    assert "Laptop" in (await ana.browser.open("/account?done=passkey")).text


async def test_the_browser_is_asked_for_a_discoverable_verified_credential_and_not_a_known_one(ana: Enrolled) -> None:
    options = (await ana.browser.send_json("/account/passkeys/options", {})).json()["publicKey"]
    assert options["rp"] == {"name": "Assent", "id": "assent.localhost"}
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert len(options["excludeCredentials"]) == 1


async def test_a_passkey_needs_a_proof_of_the_last_ten_minutes(house: House) -> None:
    browser = await house.signed_in()
    house.clock.advance(minutes=10)
    answer = await browser.send_json("/account/passkeys/options", {})
    assert (answer.status_code, answer.json()["reason"]) == (403, "confirm_first")


async def test_a_proof_that_lapses_meanwhile_adds_nothing(house: House) -> None:
    browser = await house.signed_in()
    options = (await browser.send_json("/account/passkeys/options", {})).json()["publicKey"]
    house.clock.advance(minutes=10)
    credential = new_authenticator().create(options)
    answer = await browser.send_json("/account/passkeys", {"credential": credential})
    assert answer.status_code == 403
    assert await house.people.passkeys((await house.people.reviewers())[0].id) == []


async def test_a_stranger_adds_no_passkey(house: House) -> None:
    assert (await house.browser().send_json("/account/passkeys/options", {})).status_code == 401
    assert (await house.browser().send_json("/account/passkeys", {})).status_code == 401


async def test_an_answer_cannot_be_used_to_add_a_passkey_twice(house: House) -> None:
    browser, authenticator = await house.signed_in(), new_authenticator()
    options = (await browser.send_json("/account/passkeys/options", {})).json()["publicKey"]
    body = {"credential": authenticator.create(options), "name": "Laptop"}
    first = await browser.send_json("/account/passkeys", body)
    second = await browser.send_json("/account/passkeys", body)
    assert (first.status_code, second.status_code) == (201, 409)


async def test_one_persons_passkey_is_not_added_to_another_person(house: House, ana: Enrolled) -> None:
    ben = await house.signed_in("ben")
    assert (await enrol(ben, ana.authenticator)).status_code == 409


@pytest.mark.parametrize(
    "authenticator",
    [
        Authenticator("http://evil.example", "assent.localhost"),
        Authenticator(ORIGIN, "evil.example"),
        Authenticator(ORIGIN, "assent.localhost", verifies_user=False),
    ],
    ids=["another origin", "another relying party", "no user verification"],
)
async def test_a_passkey_of_elsewhere_or_of_nobody_is_not_added(house: House, authenticator: Authenticator) -> None:
    browser = await house.signed_in()
    assert (await enrol(browser, authenticator)).status_code == 422


@pytest.mark.parametrize("credential", [None, "text", {}, {"id": 1}, {"response": {"clientDataJSON": "%%%"}}])
async def test_a_malformed_answer_adds_nothing(house: House, credential: Any) -> None:
    browser = await house.signed_in()
    await browser.send_json("/account/passkeys/options", {})
    assert (await browser.send_json("/account/passkeys", {"credential": credential})).status_code == 422


async def test_a_passkey_without_a_name_gets_one(house: House) -> None:
    browser = await house.signed_in()
    await enrol(browser, new_authenticator(), name="  \n ")
    (passkey,) = await house.people.passkeys((await house.people.reviewers())[0].id)
    assert passkey.name == "Passkey"


# Signing in with it


async def test_a_passkey_signs_in_without_a_name(house: House, ana: Enrolled) -> None:
    await ana.browser.send_form("/logout", {})
    answer = await try_sign_in(ana.browser, ana.authenticator)
    assert (answer.status_code, answer.json()) == (200, {"next": "/history"})
    assert await methods(house) == [SignIn.PASSKEY]
    (passkey,) = await house.people.passkeys((await house.people.reviewers())[0].id)
    assert (passkey.sign_count, passkey.last_used_at) == (1, house.clock.now)


async def test_a_passkey_leads_to_no_other_site(house: House, ana: Enrolled) -> None:
    answer = await try_sign_in(house.browser(), ana.authenticator, next="https://evil.example/")
    assert answer.json() == {"next": "/"}


async def refused(house: House, answer: Any) -> bool:
    return answer.status_code in (401, 409) and await methods(house) == [SignIn.PASSWORD]


async def test_an_answer_signs_in_once(house: House, ana: Enrolled) -> None:
    browser = house.browser()
    options = (await browser.send_json("/login/passkey/options", {})).json()["publicKey"]
    body = {"credential": ana.authenticator.get(options)}
    assert (await browser.send_json("/login/passkey/verify", body)).status_code == 200
    await browser.send_form("/logout", {})
    assert await refused(house, await browser.send_json("/login/passkey/verify", body))


async def test_an_answer_signs_in_only_the_browser_that_asked(house: House, ana: Enrolled) -> None:
    options = (await house.browser().send_json("/login/passkey/options", {})).json()["publicKey"]
    body = {"credential": ana.authenticator.get(options)}
    other = house.browser()
    await other.send_json("/login/passkey/options", {})
    assert await refused(house, await other.send_json("/login/passkey/verify", body))


async def test_an_answer_after_five_minutes_is_too_late(house: House, ana: Enrolled) -> None:
    browser = house.browser()
    options = (await browser.send_json("/login/passkey/options", {})).json()["publicKey"]
    house.clock.advance(minutes=5)
    body = {"credential": ana.authenticator.get(options)}
    assert await refused(house, await browser.send_json("/login/passkey/verify", body))


async def test_a_challenge_for_adding_a_passkey_signs_nobody_in(house: House, ana: Enrolled) -> None:
    options = (await ana.browser.send_json("/account/passkeys/options", {})).json()["publicKey"]
    body = {"credential": ana.authenticator.get(options)}
    assert await refused(house, await ana.browser.send_json("/login/passkey/verify", body))


async def test_an_unknown_passkey_signs_nobody_in(house: House, ana: Enrolled) -> None:
    stranger = new_authenticator()
    stranger.user_handle = ana.authenticator.user_handle
    assert await refused(house, await try_sign_in(house.browser(), stranger))


async def test_a_known_id_with_another_key_signs_nobody_in(house: House, ana: Enrolled) -> None:
    forged = new_authenticator()
    forged.credential_id, forged.user_handle = ana.authenticator.credential_id, ana.authenticator.user_handle
    assert await refused(house, await try_sign_in(house.browser(), forged))


async def test_a_removed_passkey_signs_nobody_in(house: House, ana: Enrolled) -> None:
    (passkey,) = await house.people.passkeys((await house.people.reviewers())[0].id)
    answer = await ana.browser.send_form(f"/account/passkeys/{passkey.id}/remove", {})
    assert answer.headers["location"] == "/account?done=removed"
    assert await refused(house, await try_sign_in(house.browser(), ana.authenticator))


async def test_a_copied_passkey_is_noticed_by_its_counter(house: House, ana: Enrolled) -> None:
    await try_sign_in(house.browser(), ana.authenticator)
    ana.authenticator.sign_count -= 1
    assert (await try_sign_in(house.browser(), ana.authenticator)).status_code == 401


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("origin", "http://evil.example"),
        ("relying_party", "evil.example"),
        ("verifies_user", False),
        ("user_handle", b"usr_somebody_else"),
    ],
)
async def test_a_passkey_used_in_another_way_signs_nobody_in(
    house: House, ana: Enrolled, what: str, value: object
) -> None:
    setattr(ana.authenticator, what, value)
    assert await refused(house, await try_sign_in(house.browser(), ana.authenticator))


@pytest.mark.parametrize("credential", [None, [], {}, {"rawId": ""}, {"rawId": 7}, {"rawId": "%%%"}])
async def test_a_malformed_answer_signs_nobody_in(house: House, credential: Any) -> None:
    browser = house.browser()
    await browser.send_json("/login/passkey/options", {})
    answer = await browser.send_json("/login/passkey/verify", {"credential": credential})
    assert (answer.status_code, answer.json()["reason"]) == (401, "passkey")


async def test_failed_passkeys_are_counted_by_address(house: House, ana: Enrolled) -> None:
    browser = house.browser(address="192.0.2.1")
    for _ in range(60):
        await browser.send_json("/login/passkey/verify", {})
    answer = await try_sign_in(browser, ana.authenticator)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_where_browsers_offer_no_passkeys_the_site_offers_none(plain_house: House) -> None:
    browser = plain_house.browser()
    assert (await browser.send_json("/login/passkey/options", {})).status_code == 409
    assert "data-passkey" not in (await browser.open("/login")).text


# Proving again who one is, and removing


async def test_a_passkey_proves_again_who_one_is(house: House, ana: Enrolled) -> None:
    house.clock.advance(minutes=11)
    assert (await ana.browser.send_json("/account/passkeys/options", {})).status_code == 403
    await try_sign_in(ana.browser, ana.authenticator, next="/account?done=confirmed")
    assert (await ana.browser.send_json("/account/passkeys/options", {})).status_code == 200
    assert await methods(house) == [SignIn.PASSKEY]


async def removal(house: House, browser: Browser) -> tuple[int, int]:
    """The status of removing ana's first passkey, and how many are left."""
    ana = await house.people.find("ana")
    assert ana is not None
    (passkey, *_) = await house.people.passkeys(ana.id)
    answer = await browser.send_form(f"/account/passkeys/{passkey.id}/remove", {})
    return answer.status_code, len(await house.people.passkeys(ana.id))


async def test_removing_a_passkey_needs_a_proof_of_the_last_ten_minutes(house: House, ana: Enrolled) -> None:
    house.clock.advance(minutes=10)
    assert await removal(house, ana.browser) == (403, 1)


async def test_another_persons_passkey_cannot_be_removed(house: House, ana: Enrolled) -> None:
    assert await removal(house, await house.signed_in("ben")) == (404, 1)


async def test_the_only_way_in_cannot_be_removed(house: House) -> None:
    person = await house.add("ana", password=None)
    secret, _ = await house.people.open_session(person, SignIn.PASSKEY)
    browser = house.browser()
    browser.client.cookies.set("assent-7420", secret, domain="assent.localhost")
    await enrol(browser, new_authenticator())
    assert await removal(house, browser) == (409, 1)
    await enrol(browser, new_authenticator())
    assert await removal(house, browser) == (303, 1)
