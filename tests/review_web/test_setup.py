import pytest

from store.people import Role, SignIn
from tests.review_web.house import House
from tests.stage import PASSWORD

pytestmark = pytest.mark.anyio


def filled(token: str, **changes: str) -> dict[str, str]:
    form = {
        "token": token,
        "username": "ana.ruiz",
        "display_name": "Ana Ruiz",
        "password": PASSWORD,
        "password_again": PASSWORD,
    }
    return {**form, **changes}


async def test_the_link_makes_the_admin_signs_them_in_and_offers_a_passkey(house: House) -> None:
    token = await house.people.create_setup_link()
    browser = house.browser()
    page = await browser.open(f"/setup?token={token}")
    answer = await browser.send_form("/setup", filled(token))
    assert page.status_code == 200
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?welcome=1")
    (ana,) = await house.people.reviewers()
    assert (ana.username, ana.display_name, ana.role) == ("ana.ruiz", "Ana Ruiz", Role.ADMIN)
    (session,) = await house.people.sessions(ana.id)
    assert session.method is SignIn.SETUP
    assert "Add a passkey" in (await browser.open("/account?welcome=1")).text


async def test_the_link_works_once(house: House) -> None:
    token = await house.people.create_setup_link()
    await house.browser().send_form("/setup", filled(token))
    opened = await house.browser().open(f"/setup?token={token}")
    sent = await house.browser().send_form("/setup", filled(token, username="eve"))
    assert (opened.status_code, sent.status_code) == (410, 410)
    assert "already set up" in opened.text
    assert [person.username for person in await house.people.reviewers()] == ["ana.ruiz"]


async def test_the_link_is_void_after_fifteen_minutes_and_the_page_says_what_to_run(house: House) -> None:
    token = await house.people.create_setup_link()
    house.clock.advance(minutes=15)
    answer = await house.browser().send_form("/setup", filled(token))
    assert answer.status_code == 410
    assert "assent open --print" in answer.text
    assert await house.people.count() == 0


@pytest.mark.parametrize("token", ["", "setup_made_up", "é\x00"])
async def test_a_made_up_link_makes_nothing(house: House, token: str) -> None:
    await house.people.create_setup_link()
    browser = house.browser()
    assert (await browser.client.get("/setup", params={"token": token})).status_code == 410
    assert (await browser.send_form("/setup", filled(token))).status_code == 410
    assert await house.people.count() == 0


async def test_without_a_token_the_page_never_shows_one(house: House) -> None:
    token = await house.people.create_setup_link()
    answer = await house.browser().open("/setup")
    assert answer.status_code == 410
    assert token not in answer.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password_again": "something else"}, "The two passwords differ"),
        ({"password": "short", "password_again": "short"}, "The password has 5 characters"),
        ({"username": "ana ruiz"}, "is not a user name"),
        ({"username": "walking.far", "password": "walking.far", "password_again": "walking.far"}, "is the user name"),
    ],
)
async def test_a_mistake_is_named_and_what_was_typed_is_kept_but_for_passwords(
    house: House, changes: dict[str, str], said: str
) -> None:
    token = await house.people.create_setup_link()
    form = filled(token, **changes)
    answer = await house.browser().send_form("/setup", form)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="Ana Ruiz"' in answer.text
    assert f'value="{form["username"]}"' in answer.text
    assert form["password"] == form["username"] or form["password"] not in answer.text
    assert await house.people.count() == 0


async def test_after_a_mistake_the_link_still_works(house: House) -> None:
    token = await house.people.create_setup_link()
    browser = house.browser()
    await browser.send_form("/setup", filled(token, password_again="something else"))
    assert (await browser.send_form("/setup", filled(token))).status_code == 303


async def test_another_site_cannot_use_the_link(house: House) -> None:
    token = await house.people.create_setup_link()
    answer = await house.browser().send_form("/setup", filled(token), **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert await house.people.count() == 0


async def test_the_first_password_is_not_taken_over_plain_http_from_another_machine(plain_house: House) -> None:
    token = await plain_house.people.create_setup_link()
    answer = await plain_house.browser().send_form("/setup", filled(token))
    assert answer.status_code == 403
    assert await plain_house.people.count() == 0
