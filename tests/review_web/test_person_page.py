import pytest

from store.people import Reviewer, Role
from tests.review_web.house import Browser, House
from tests.review_web.test_passkeys import enrol, new_authenticator, try_sign_in
from tests.review_web.test_people_page import link_in
from tests.stage import PASSWORD

pytestmark = pytest.mark.anyio

CHANGES = ["role", "disable", "enable", "reset", "sessions/ses_1/end"]


async def ben_of(house: House) -> Reviewer:
    return await house.add("ben")


async def as_now(house: House, person: Reviewer) -> Reviewer:
    now = await house.people.reviewer(person.id)
    assert now is not None
    return now


async def test_the_page_says_how_somebody_signs_in_where_and_for_which_agents_they_answer(house: House) -> None:
    ben = await ben_of(house)
    await house.agents.add("deploy-bot", owner="BEN")
    await house.agents.add("billing-bot", owner="cleo")
    await house.browser().sign_in("ben")
    browser = await house.signed_in("ada", Role.AUDITOR)
    page = (await browser.open(f"/people/{ben.id}")).text
    assert "a password" in page
    assert "deploy-bot" in page
    assert "billing-bot" not in page
    assert "By password" in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]


async def test_a_reviewer_sees_nobodys_sessions(house: House) -> None:
    browser = await house.signed_in("ben")
    me = await house.people.find("ben")
    assert me is not None
    assert (await browser.open(f"/people/{me.id}")).status_code == 403


async def test_nobody_has_no_page(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    assert (await browser.open("/people/usr_0")).status_code == 404
    assert (await browser.send_form("/people/usr_0/disable", {})).status_code == 404


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR])
async def test_nobody_but_an_admin_changes_anything(house: House, change: str, role: Role) -> None:
    ben = await ben_of(house)
    browser = await house.signed_in("ada", role)
    answer = await browser.send_form(f"/people/{ben.id}/{change}", {"role": "admin"})
    assert answer.status_code == 403
    assert await as_now(house, ben) == ben


@pytest.mark.parametrize("change", CHANGES)
async def test_an_admin_who_signed_in_long_ago_confirms_first(house: House, change: str) -> None:
    ben = await ben_of(house)
    browser = await house.signed_in("ana", Role.ADMIN)
    house.clock.advance(minutes=10)
    answer = await browser.send_form(f"/people/{ben.id}/{change}", {"role": "admin"})
    assert answer.status_code == 403
    assert await as_now(house, ben) == ben
    page = (await browser.open(f"/people/{ben.id}")).text
    assert "Confirm that it is you" in page
    assert "Reset the account" not in page


@pytest.mark.parametrize("change", CHANGES)
async def test_another_site_changes_nothing(house: House, change: str) -> None:
    ben = await ben_of(house)
    browser = await house.signed_in("ana", Role.ADMIN)
    answer = await browser.send_form(f"/people/{ben.id}/{change}", {"role": "admin"}, **{"sec-fetch-site": "same-site"})
    assert answer.status_code == 403
    assert await as_now(house, ben) == ben


async def test_a_role_changes(house: House) -> None:
    ben = await ben_of(house)
    browser = await house.signed_in("ana", Role.ADMIN)
    answer = await browser.send_form(f"/people/{ben.id}/role", {"role": "auditor"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/people/{ben.id}?done=role")
    assert (await as_now(house, ben)).role is Role.AUDITOR


async def test_a_role_that_is_none_changes_nothing(house: House) -> None:
    ben = await ben_of(house)
    browser = await house.signed_in("ana", Role.ADMIN)
    assert (await browser.send_form(f"/people/{ben.id}/role", {"role": "owner"})).status_code == 422
    assert await as_now(house, ben) == ben


@pytest.mark.parametrize(("change", "form"), [("role", {"role": "reviewer"}), ("disable", {})])
async def test_the_last_admin_stays_one(house: House, change: str, form: dict[str, str]) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    ana = await house.people.find("ana")
    assert ana is not None
    answer = await browser.send_form(f"/people/{ana.id}/{change}", form)
    assert answer.status_code == 409
    assert "Ana is the last admin" in answer.text or "ana is the last admin" in answer.text
    assert await as_now(house, ana) == ana


async def test_a_session_of_somebody_else_is_ended(house: House) -> None:
    ben = await ben_of(house)
    theirs = house.browser()
    await theirs.sign_in("ben")
    (session,) = await house.people.sessions(ben.id)
    browser = await house.signed_in("ana", Role.ADMIN)
    path = f"/people/{ben.id}/sessions/{session.id}/end"
    first, second = await browser.send_form(path, {}), await browser.send_form(path, {})
    assert (first.headers["location"], second.status_code) == (f"/people/{ben.id}?done=ended", 404)
    assert (await theirs.open("/")).status_code == 303


async def test_a_disabled_person_is_signed_out_and_cannot_sign_in_until_enabled(house: House) -> None:
    ben = await ben_of(house)
    theirs = house.browser()
    await theirs.sign_in("ben")
    browser = await house.signed_in("ana", Role.ADMIN)
    answer = await browser.send_form(f"/people/{ben.id}/disable", {})
    assert answer.headers["location"] == f"/people/{ben.id}?done=disabled"
    assert (await theirs.open("/")).status_code == 303
    assert (await theirs.sign_in("ben")).status_code == 401
    assert "Enable the account" in (await browser.open(f"/people/{ben.id}")).text
    await browser.send_form(f"/people/{ben.id}/enable", {})
    assert (await theirs.sign_in("ben")).status_code == 303


@pytest.mark.parametrize(("change", "status"), [("disable", 403), ("reset", 401)])
async def test_a_passkey_of_an_account_that_was_closed_signs_nobody_in(house: House, change: str, status: int) -> None:
    theirs, authenticator = await house.signed_in("ben"), new_authenticator()
    await enrol(theirs, authenticator)
    ben = await house.people.find("ben")
    assert ben is not None
    browser = await house.signed_in("ana", Role.ADMIN)
    await browser.send_form(f"/people/{ben.id}/{change}", {})
    assert (await try_sign_in(house.browser(), authenticator)).status_code == status
    assert await house.people.sessions(ben.id) == []


async def test_a_reset_shows_the_link_that_leads_back(house: House) -> None:
    ben = await ben_of(house)
    theirs = house.browser()
    await theirs.sign_in("ben")
    browser = await house.signed_in("ana", Role.ADMIN)
    link = link_in(await browser.send_form(f"/people/{ben.id}/reset", {}))
    assert (await theirs.open("/")).status_code == 303
    assert (await theirs.sign_in("ben")).status_code == 401
    assert "Back into your account" in (await theirs.open(link)).text
    assert "nothing yet" in (await browser.open(f"/people/{ben.id}")).text


async def test_an_admin_does_not_reset_themself(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    ana = await house.people.find("ana")
    assert ana is not None
    answer = await browser.send_form(f"/people/{ana.id}/reset", {})
    assert answer.status_code == 409
    assert "assent user reset NAME" in answer.text
    assert await house.people.check_password("ana", PASSWORD) == ana


async def test_two_admins_who_go_for_each_other_leave_one(house: House) -> None:
    browsers: list[Browser] = [await house.signed_in(name, Role.ADMIN) for name in ("ana", "root")]
    ana, root = await house.people.find("ana"), await house.people.find("root")
    assert ana is not None
    assert root is not None
    await browsers[0].send_form(f"/people/{root.id}/role", {"role": "reviewer"})
    answer = await browsers[1].send_form(f"/people/{ana.id}/role", {"role": "reviewer"})
    assert answer.status_code == 403
    assert (await as_now(house, ana)).role is Role.ADMIN
