import html
import re

import httpx2
import pytest

from store.people import Origin, Role
from tests.review_web.house import ORIGIN, House

pytestmark = pytest.mark.anyio

INVITE = {"username": "eve", "role": "reviewer"}


def link_in(answer: httpx2.Response) -> str:
    """The link that the page shows."""
    found = re.search(r'value="([^"]+/invitation\?token=[^"]+)"', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])


async def test_everybody_sees_who_has_which_role_and_only_admins_and_auditors_more(house: House) -> None:
    await house.add("root", Role.ADMIN)
    await house.people.administration.invite("eve", role=Role.REVIEWER, by=None)
    for username, role in (("ben", Role.REVIEWER), ("ada", Role.AUDITOR), ("ana", Role.ADMIN)):
        page = (await (await house.signed_in(username, role)).open("/people")).text
        assert "root · admin: answers what agents ask, and says who else may" in page
        assert ("Invitations" in page) is (role is not Role.REVIEWER)
        assert ("/people/usr_" in page) is (role is not Role.REVIEWER)
        assert ("Invite somebody" in page) is (role is Role.ADMIN)


async def test_an_invitation_is_shown_once_and_leads_to_an_account(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    answer = await browser.send_form("/people/invitations", INVITE)
    link = link_in(answer)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert link.startswith(f"{ORIGIN}/invitation?token=invite_")
    assert (await house.browser().open(link.removeprefix(ORIGIN))).status_code == 200
    listed = (await browser.open("/people")).text
    assert "just now</time> by Ana" in listed
    assert link.partition("=")[2] not in listed


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR])
async def test_nobody_but_an_admin_invites(house: House, role: Role) -> None:
    await house.add("root", Role.ADMIN)
    browser = await house.signed_in("ben", role)
    answer = await browser.send_form("/people/invitations", {**INVITE, "role": "admin"})
    assert answer.status_code == 403
    assert await house.people.administration.open_invitations() == []


@pytest.mark.parametrize("path", ["/people/invitations", "/people/invitations/{id}/withdraw"])
async def test_an_admin_who_signed_in_long_ago_confirms_first(house: House, path: str) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    link = await house.people.administration.invite("cleo", role=Role.REVIEWER, by=None)
    house.clock.advance(minutes=10)
    answer = await browser.send_form(path.format(id=link.invitation.id), INVITE)
    assert answer.status_code == 403
    assert await house.people.administration.open_invitations() == [link.invitation]
    page = (await browser.open("/people")).text
    assert "Confirm that it is you" in page
    assert "Invite somebody" not in page


async def test_confirming_leads_back_to_the_page_that_asked_for_it(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    house.clock.advance(minutes=10)
    answer = await browser.send_form(
        "/account/confirm", {"password": "correct horse battery staple", "next": "/people"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    assert "Invite somebody" in (await browser.open("/people")).text


async def test_confirming_never_leads_to_another_site(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    answer = await browser.send_form(
        "/account/confirm", {"password": "correct horse battery staple", "next": "//evil.example/people"}
    )
    assert answer.headers["location"] == "/account?done=confirmed"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"username": "ANA"}, "There is an account named ANA already"),
        ({"username": "two words"}, "is not a user name"),
        ({"role": "owner"}, "Choose admin, reviewer or auditor"),
    ],
)
async def test_a_mistake_makes_no_link(house: House, form: dict[str, str], said: str) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    answer = await browser.send_form("/people/invitations", {**INVITE, **form})
    assert answer.status_code == 422
    assert said in html.unescape(answer.text)
    assert await house.people.administration.open_invitations() == []


async def test_a_link_is_withdrawn_once(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    link = await house.people.administration.invite("eve", role=Role.REVIEWER, by=None)
    path = f"/people/invitations/{link.invitation.id}/withdraw"
    first, second = await browser.send_form(path, {}), await browser.send_form(path, {})
    assert (first.headers["location"], second.status_code) == ("/people?done=withdrawn", 404)
    assert await house.people.invitation(link.token) is None


@pytest.mark.parametrize("path", ["/people/invitations", "/people/invitations/inv_1/withdraw"])
async def test_another_site_invites_nobody(house: House, path: str) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    answer = await browser.send_form(path, INVITE, **{"sec-fetch-site": "same-site"})
    assert answer.status_code == 403
    assert await house.people.administration.open_invitations() == []


async def test_a_stranger_is_led_to_the_sign_in_page(house: House) -> None:
    for path in ("/people", "/agents", "/people/usr_1"):
        answer = await house.browser().open(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")


# What everybody is told


async def test_what_was_done_on_the_command_line_stands_on_everybodys_pages_for_a_day(house: House) -> None:
    await house.add("ana", Role.ADMIN)
    browser = await house.signed_in("ben")
    await house.people.add_reviewer("mallory", role=Role.ADMIN, origin=Origin.COMMAND)
    for path in ("/", "/history", "/account"):
        assert "<strong>mallory</strong> was made on the command line" in (await browser.open(path)).text
    house.clock.advance(hours=11)
    assert "mallory" in (await browser.open("/")).text
    house.clock.advance(hours=11)
    assert "mallory" in (await browser.open("/")).text
    house.clock.advance(hours=2)
    assert "mallory" not in (await browser.open("/")).text


async def test_a_reset_stands_on_everybodys_pages_and_not_on_a_strangers(house: House) -> None:
    ana = await house.add("ana", Role.ADMIN)
    browser = await house.signed_in("ben")
    await house.people.administration.reset(ana.id, by=None)
    assert "<strong>ana</strong> was reset" in (await browser.open("/")).text
    assert "was reset" not in (await house.browser().open("/login")).text
