"""Every address of the site, also those of tomorrow: who is nobody here changes nothing by calling it."""

import re
from collections.abc import AsyncIterator

import pytest
from starlette.routing import Route

from review_web.federation import Federation
from review_web.site import create_site
from server.oidc.configuration import OidcSettings
from server.oidc.provider import Provider
from store.agents import Agents
from store.database import Database
from store.desk import Desk
from store.moments import utc_now
from store.people import People, Reviewer
from store.people.identities import Identities
from tests.hostile.deciding import asked, shown
from tests.hostile.world import World, open_world
from tests.review_web.house import LOCAL

pytestmark = pytest.mark.anyio

# Who is not signed in may open these. Each has tests of its own, and none shows anything of a request.
PUBLIC = {
    "/login", "/login/passkey/options", "/login/passkey/verify", "/logout", "/setup", "/invitation",
    "/login/oidc", "/login/oidc/callback", "/manifest.webmanifest", "/service_worker.js",
}  # fmt: skip


@pytest.fixture
def federation(database: Database) -> Federation:
    """A provider that nobody ever gets to here."""
    known = OidcSettings("https://login.example.org", "assent")
    return Federation(Provider(known, "https://assent.example.org", utc_now), Identities(database))


@pytest.fixture
async def world(
    database: Database, desk: Desk, agents: Agents, people: People, federation: Federation
) -> AsyncIterator[World]:
    async with open_world(database, desk, agents, people, federation) as world:
        yield world


@pytest.fixture
def routes(desk: Desk, people: People, agents: Agents, federation: Federation) -> list[Route]:
    """Every route that there is."""
    site = create_site(desk, people, agents, LOCAL, federation)
    return [route for route in site.routes if isinstance(route, Route)]


def address(route: Route, request_id: str) -> str:
    """The route's path with something in every gap."""
    return re.sub(r"\{request_id\}", request_id, route.path).replace("{index}", "0").replace("{", "").replace("}", "")


def test_every_public_address_is_still_there(routes: list[Route]) -> None:
    assert {route.path for route in routes} >= PUBLIC


@pytest.mark.parametrize("who", ["stranger", "agent", "agent's token as a cookie", "reading token"])
async def test_whoever_has_no_session_opens_and_changes_nothing(
    world: World, token: str, ana: Reviewer, people: People, routes: list[Route], who: str
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ana") as browser:
        await shown(browser, request_id)
    reading = await people.add_reviewer_token(ana.id)
    headers = {
        "stranger": {},
        "agent": {"authorization": f"Bearer {token}"},
        "agent's token as a cookie": {"cookie": f"assent-{world.url.rpartition(':')[2]}={token}"},
        "reading token": {"authorization": f"Bearer {reading}"},
    }[who]
    before = await world.rows()
    async with world.browser() as nobody:
        for route in routes:
            if route.path in PUBLIC:
                continue
            path = address(route, request_id)
            for method in sorted((route.methods or set()) - {"HEAD"}):
                answer = (
                    await nobody.client.get(path, headers={**headers, "accept": "application/json"})
                    if method == "GET"
                    else await nobody.send_json(path, {"decision": "approve"}, **headers)
                )
                reads = who == "reading token" and method == "GET" and path.startswith("/api/")
                assert answer.status_code in ((200,) if reads else (401, 403)), (method, path, answer.text[:200])
    after = await world.rows()
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    # Reading a card with a token counts as being shown it, which the log says.
    assert changed <= ({"shows", "log_entries", "log_nodes", "disclosures"} if who == "reading token" else set())


async def test_an_auditor_changes_nothing_but_what_is_their_own(
    world: World, token: str, ana: Reviewer, auditor: Reviewer, routes: list[Route]
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ada") as browser:
        await shown(browser, request_id)
        before = await world.rows()
        for route in routes:
            if (
                route.path in PUBLIC
                or route.path.startswith(("/account", "/phone"))
                or "POST" not in (route.methods or ())
            ):
                continue
            answer = await browser.send_form(address(route, request_id), {"action": "option:approve"})
            assert answer.status_code in (403, 404), (route.path, answer.status_code)
        assert await world.rows() == before
