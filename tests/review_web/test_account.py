import pytest

from store.people import SignIn
from tests.review_web.house import ORIGIN, Browser, House
from tests.stage import PASSWORD

pytestmark = pytest.mark.anyio

NEW = "another walk, by the lake"
CHANGE = {"password": PASSWORD, "new_password": NEW, "new_password_again": NEW}


async def knows(house: House, password: str) -> bool:
    return await house.people.check_password("ana", password) is not None


async def other_session(house: House, username: str = "ana") -> Browser:
    browser = house.browser()
    await browser.sign_in(username)
    return browser


async def test_the_page_shows_who_one_is_and_where_one_is_signed_in(house: House) -> None:
    browser = await house.signed_in()
    page = (await browser.open("/account")).text
    assert "signing in as ana; role: reviewer" in page
    assert ", this browser" in page


async def test_the_page_of_a_stranger_is_the_sign_in_page(house: House) -> None:
    answer = await house.browser().open("/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/account")


@pytest.mark.parametrize(
    "path",
    ["/account/password", "/account/confirm", "/account/sessions/ses_1/end", "/account/passkeys/pk_1/remove"],
)
async def test_a_stranger_changes_nothing(house: House, path: str) -> None:
    await house.add("ana")
    answer = await house.browser().send_form(path, CHANGE)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    assert await knows(house, PASSWORD)


@pytest.mark.parametrize("path", ["/account/password", "/account/sessions/ses_1/end", "/account/passkeys/pk_1/remove"])
async def test_another_site_changes_nothing(house: House, path: str) -> None:
    browser = await house.signed_in()
    answer = await browser.send_form(path, CHANGE, **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert await knows(house, PASSWORD)


# The password


async def test_the_password_changes_and_every_other_session_ends(house: House) -> None:
    browser = await house.signed_in()
    other = await other_session(house)
    answer = await browser.send_form("/account/password", CHANGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=password")
    assert (await knows(house, NEW), await knows(house, PASSWORD)) == (True, False)
    assert (await browser.open("/account")).status_code == 200
    assert (await other.open("/account")).status_code == 303


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "not hers"}, "The current password is not right"),
        ({"password": ""}, "The current password is not right"),
        ({"new_password_again": "different"}, "The two new passwords differ"),
        ({"new_password": "short", "new_password_again": "short"}, "The password has 5 characters"),
    ],
)
async def test_a_change_with_a_mistake_in_it_changes_nothing(house: House, changes: dict[str, str], said: str) -> None:
    browser = await house.signed_in()
    other = await other_session(house)
    answer = await browser.send_form("/account/password", {**CHANGE, **changes})
    assert answer.status_code == 422
    assert said in answer.text
    assert await knows(house, PASSWORD)
    assert (await other.open("/account")).status_code == 200


async def test_an_open_session_cannot_be_used_to_guess_the_password(house: House) -> None:
    browser = await house.signed_in()
    for _ in range(10):
        await browser.send_form("/account/password", {**CHANGE, "password": "a guess"})
    answer = await browser.send_form("/account/password", CHANGE)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert await knows(house, PASSWORD)


async def test_who_has_no_password_sets_one_soon_after_signing_in_and_not_later(house: House) -> None:
    ana = await house.add("ana", password=None)
    secret, _ = await house.people.open_session(ana, SignIn.PASSKEY)
    browser = house.browser()
    browser.client.cookies.set("assent-7420", secret, domain="assent.localhost")
    house.clock.advance(minutes=10)
    assert (await browser.send_form("/account/password", CHANGE)).status_code == 403
    house.clock.advance(minutes=-1)
    assert (await browser.send_form("/account/password", CHANGE)).status_code == 303
    assert await knows(house, NEW)


# Proving again who one is


async def test_confirming_with_the_password_starts_a_new_session_in_place_of_the_old(house: House) -> None:
    browser = await house.signed_in()
    house.clock.advance(minutes=11)
    assert "Confirm that it is you" in (await browser.open("/account")).text
    (before,) = [cookie.value for cookie in browser.client.cookies.jar]
    answer = await browser.send_form("/account/confirm", {"password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=confirmed")
    assert before is not None
    assert await house.people.session(before) is None
    assert "Confirm that it is you" not in (await browser.open("/account")).text


async def test_confirming_with_another_password_confirms_nothing(house: House) -> None:
    browser = await house.signed_in()
    house.clock.advance(minutes=11)
    answer = await browser.send_form("/account/confirm", {"password": "not hers"})
    assert answer.status_code == 422
    assert "Confirm that it is you" in (await browser.open("/account")).text


# Sessions


async def session_of_other(house: House, username: str) -> str:
    person = await house.people.find(username)
    assert person is not None
    return (await house.people.sessions(person.id))[0].id


async def test_a_session_elsewhere_can_be_ended(house: House) -> None:
    browser = await house.signed_in()
    house.clock.advance(seconds=1)
    other = await other_session(house)
    answer = await browser.send_form(f"/account/sessions/{await session_of_other(house, 'ana')}/end", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=ended")
    assert (await other.open("/account")).status_code == 303
    assert (await browser.open("/account")).status_code == 200


async def test_ending_this_session_signs_out(house: House) -> None:
    browser = await house.signed_in()
    answer = await browser.send_form(f"/account/sessions/{await session_of_other(house, 'ana')}/end", {})
    assert answer.headers["location"] == "/login"
    assert (await browser.open("/account")).status_code == 303


async def test_another_persons_session_cannot_be_ended(house: House) -> None:
    browser = await house.signed_in()
    ben = await house.signed_in("ben")
    answer = await browser.send_form(f"/account/sessions/{await session_of_other(house, 'ben')}/end", {})
    assert answer.status_code == 404
    assert (await ben.open("/account")).status_code == 200


async def test_a_session_that_ended_already_is_said_to_have(house: House) -> None:
    browser = await house.signed_in()
    answer = await browser.send_form("/account/sessions/ses_gone/end", {})
    assert answer.status_code == 404
    assert "had ended already" in answer.text


async def test_what_a_browser_calls_itself_is_only_text(house: House) -> None:
    await house.add("ana")
    other = house.browser()
    await other.send_form(
        "/login", {"username": "ana", "password": PASSWORD}, **{"user-agent": "<script>alert(1)</script>"}
    )
    browser = await other_session(house)
    page = (await browser.open("/account")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


async def test_a_notice_says_what_was_done_and_only_what_the_site_can_say(house: House) -> None:
    browser = await house.signed_in()
    assert "The password is changed" in (await browser.open("/account?done=password")).text
    assert "evil words" not in (await browser.open("/account?done=evil%20words")).text


async def test_a_passkey_button_names_no_foreign_address(house: House) -> None:
    page = (await (await house.signed_in()).open("/account")).text
    assert 'data-passkey="add"' in page
    assert ORIGIN not in page


# Passkeys


async def passkey_of(house: House, username: str, name: str = "Laptop") -> str:
    person = await house.people.find(username)
    assert person is not None
    passkey = await house.people.add_passkey(
        person.id, credential_id=name.encode(), public_key=b"k", sign_count=0, name=name, transports=()
    )
    return passkey.id


async def names_of(house: House, username: str) -> list[str]:
    person = await house.people.find(username)
    assert person is not None
    return [passkey.name for passkey in await house.people.passkeys(person.id)]


async def test_a_person_has_several_passkeys_and_names_each(house: House) -> None:
    browser = await house.signed_in()
    laptop, phone = await passkey_of(house, "ana"), await passkey_of(house, "ana", "Phone")
    answer = await browser.send_form(f"/account/passkeys/{phone}/rename", {"name": " Old   phone "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=renamed")
    assert await names_of(house, "ana") == ["Laptop", "Old phone"]
    await browser.send_form(f"/account/passkeys/{laptop}/remove", {})
    assert await names_of(house, "ana") == ["Old phone"]


async def test_a_name_that_is_none_or_anothers_passkey_changes_no_name(house: House) -> None:
    browser = await house.signed_in()
    await house.signed_in("ben")
    mine, bens = await passkey_of(house, "ana"), await passkey_of(house, "ben", "Bens")
    assert (await browser.send_form(f"/account/passkeys/{mine}/rename", {"name": "  "})).status_code == 422
    assert (await browser.send_form(f"/account/passkeys/{bens}/rename", {"name": "Mine"})).status_code == 404
    assert (await names_of(house, "ana"), await names_of(house, "ben")) == (["Laptop"], ["Bens"])
