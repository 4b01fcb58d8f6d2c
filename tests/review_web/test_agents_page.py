import pytest

from store.agents import Agent
from store.people import Role
from tests.review_web.house import House

pytestmark = pytest.mark.anyio


async def bot_of(house: House, owner: str | None = "ana") -> Agent:
    agent, _ = await house.agents.add("deploy-bot", owner=owner)
    return agent


async def listed(house: House) -> Agent:
    (agent,) = await house.agents.list()
    return agent


async def test_everybody_sees_who_answers_for_which_agent(house: House) -> None:
    browser = await house.signed_in("ben")
    await house.agents.add("deploy-bot", owner="BEN")
    await house.agents.add("billing-bot", owner="Cleo")
    await house.agents.add("mail-bot")
    page = (await browser.open("/agents")).text
    assert "Owner: <bdi>ben</bdi>;" in page
    assert "Owner: <bdi>Cleo</bdi>, who has no account here" in page
    assert "No owner" in page
    assert "Change the owner" not in page


async def test_an_admin_gives_an_agent_another_owner(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    await house.add("ben")
    await bot_of(house)
    answer = await browser.send_form("/agents/deploy-bot/owner", {"owner": "Ben"})
    assert answer.headers["location"] == "/agents?done=owner"
    assert (await listed(house)).owner == "ben"


async def test_an_owner_without_an_account_is_refused(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    before = await bot_of(house)
    for path, owner in (("/agents/deploy-bot/owner", "nobody"), ("/agents/no-bot/owner", "ana")):
        assert (await browser.send_form(path, {"owner": owner})).status_code == 409
    assert await listed(house) == before


@pytest.mark.parametrize("change", ["owner", "revoke"])
@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR])
async def test_nobody_but_an_admin_changes_anything(house: House, change: str, role: Role) -> None:
    browser = await house.signed_in("ben", role)
    before = await bot_of(house)
    assert (await browser.send_form(f"/agents/deploy-bot/{change}", {"owner": "ben"})).status_code == 403
    assert await listed(house) == before


@pytest.mark.parametrize("change", ["owner", "revoke"])
async def test_an_admin_who_signed_in_long_ago_confirms_first(house: House, change: str) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    before = await bot_of(house, None)
    house.clock.advance(minutes=10)
    assert (await browser.send_form(f"/agents/deploy-bot/{change}", {"owner": "ana"})).status_code == 403
    assert await listed(house) == before
    page = (await browser.open("/agents")).text
    assert "Confirm that it is you" in page
    assert "Change the owner" not in page


@pytest.mark.parametrize("change", ["owner", "revoke"])
async def test_another_site_changes_nothing(house: House, change: str) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    before = await bot_of(house, None)
    answer = await browser.send_form(
        f"/agents/deploy-bot/{change}", {"owner": "ana"}, **{"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403
    assert await listed(house) == before


async def test_an_agent_is_revoked_once_and_its_token_opens_nothing(house: House) -> None:
    browser = await house.signed_in("ana", Role.ADMIN)
    _, token = await house.agents.add("deploy-bot")
    first = await browser.send_form("/agents/deploy-bot/revoke", {})
    second = await browser.send_form("/agents/deploy-bot/revoke", {})
    assert (first.headers["location"], second.status_code) == ("/agents?done=revoked", 404)
    assert await house.agents.authenticate(token) is None
    page = (await browser.open("/agents")).text
    assert "Change the owner" not in page
    assert "revoked <time" in page
