import pytest

from store.people import Link, Role, SignIn
from tests.review_web.house import ORIGIN, House
from tests.stage import PASSWORD

pytestmark = pytest.mark.anyio


async def invited(house: House, role: Role = Role.REVIEWER) -> Link:
    await house.add("ana", Role.ADMIN)
    return await house.people.administration.invite("eve", role=role, by=None)


def filled(link: Link, **changes: str) -> dict[str, str]:
    return {
        "token": link.token,
        "display_name": "Eve Moss",
        "password": PASSWORD,
        "password_again": PASSWORD,
        **changes,
    }


async def test_the_link_makes_the_account_signs_in_and_offers_a_passkey(house: House) -> None:
    link = await invited(house, Role.AUDITOR)
    browser = house.browser()
    page = await browser.open(f"/invitation?token={link.token}")
    assert page.status_code == 200
    assert "reads everything and decides nothing" in page.text
    answer = await browser.send_form("/invitation", filled(link))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?welcome=1")
    eve = await house.people.find("eve")
    assert eve is not None
    assert (eve.display_name, eve.role) == ("Eve Moss", Role.AUDITOR)
    (session,) = await house.people.sessions(eve.id)
    assert session.method is SignIn.INVITATION
    assert "Welcome, Eve Moss" in (await browser.open("/account?welcome=1")).text


async def test_a_form_names_no_other_account_and_no_other_role(house: House) -> None:
    link = await invited(house)
    await house.browser().send_form("/invitation", filled(link, username="root", role="admin"))
    eve = await house.people.find("eve")
    assert eve is not None
    assert eve.role is Role.REVIEWER
    assert await house.people.find("root") is None


async def test_the_link_works_once_and_then_says_only_that_it_is_void(house: House) -> None:
    link = await invited(house)
    await house.browser().send_form("/invitation", filled(link))
    opened = await house.browser().open(f"/invitation?token={link.token}")
    sent = await house.browser().send_form("/invitation", filled(link, password="a thief's own password"))
    unknown = await house.browser().open("/invitation?token=invite_none")
    assert (opened.status_code, sent.status_code, unknown.status_code) == (410, 410, 410)
    assert [one.text.partition("<main")[2].partition("</main>")[0] for one in (opened, sent)] == [
        unknown.text.partition("<main")[2].partition("</main>")[0]
    ] * 2
    assert await house.people.check_password("eve", PASSWORD) is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password_again": "different"}, "The two passwords differ"),
        ({"password": "short", "password_again": "short"}, "The password has 5 characters"),
    ],
)
async def test_a_mistake_keeps_the_link_and_what_was_typed(house: House, changes: dict[str, str], said: str) -> None:
    link = await invited(house)
    answer = await house.browser().send_form("/invitation", filled(link, **changes))
    assert answer.status_code == 422
    assert said in answer.text
    assert "Eve Moss" in answer.text
    assert changes.get("password", PASSWORD) not in answer.text
    assert await house.people.invitation(link.token) == link.invitation


async def test_a_link_back_sets_a_new_password_and_keeps_name_and_role(house: House) -> None:
    await house.add("ana", Role.ADMIN)
    ben = await house.add("ben")
    link = await house.people.administration.reset(ben.id, by=None)
    page = await house.browser().open(f"/invitation?token={link.token}")
    assert "Back into your account" in page.text
    browser = house.browser()
    await browser.send_form(
        "/invitation", filled(link, password="a new walk, by far", password_again="a new walk, by far")
    )
    back = await house.people.check_password("ben", "a new walk, by far")
    assert back is not None
    assert (back.id, back.display_name, back.role) == (ben.id, ben.display_name, ben.role)
    assert (await browser.open("/")).status_code == 200


async def test_another_site_uses_no_link(house: House) -> None:
    link = await invited(house)
    answer = await house.browser().send_form("/invitation", filled(link), **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert await house.people.invitation(link.token) == link.invitation


async def test_no_password_is_taken_where_others_can_read_it(plain_house: House) -> None:
    link = await invited(plain_house)
    browser = plain_house.browser(address="10.0.0.9")
    shown = await browser.open(f"/invitation?token={link.token}")
    sent = await browser.send_form("/invitation", filled(link))
    assert (shown.status_code, sent.status_code) == (403, 403)
    assert await plain_house.people.invitation(link.token) == link.invitation


async def test_a_link_opened_from_a_mail_is_shown(house: House) -> None:
    link = await invited(house)
    page = await house.browser().open(f"/invitation?token={link.token}", site="cross-site")
    assert page.status_code == 200
    assert ORIGIN not in page.text
