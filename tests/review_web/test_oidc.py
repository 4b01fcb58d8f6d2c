"""Signing in with another provider, from our page to theirs and back, and everything that must not work on the way."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from starlette.responses import JSONResponse

from review_web.federation import Federation
from review_web.settings import SiteSettings
from review_web.site import create_site
from server.oidc.configuration import OidcSettings
from server.oidc.fetching import Fetching
from server.oidc.provider import Provider
from store.agents import Agents
from store.database import Database
from store.desk import Desk
from store.people import People, Role, SignIn
from store.people.identities import Identities
from tests.review_web.house import BEHIND_TLS, LOCAL, Browser, House
from tests.server.oidc.provider_server import CLIENT_ID, SECRET, ProviderServer, provider_server
from tests.stage import PASSWORD, FakeClock

pytestmark = pytest.mark.anyio
CALLBACK = "/login/oidc/callback"


@dataclass
class Joint:
    """Our site, and the provider that it knows."""

    house: House
    server: ProviderServer
    identities: Identities

    async def leave(self, browser: Browser, path: str = "/login/oidc", **form: str) -> str:
        """Press the button; the provider's address that the page leads to."""
        page = await browser.send_form(path, form)
        assert page.status_code == 200, page.text
        return where_to(page)

    async def visit(self, where: str) -> str:
        """Be at the provider's page; our address that it leads back to, without the host."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.get(where)
        back = answer.headers["location"]
        assert back.startswith(f"{self.house.settings.origin}{CALLBACK}?")
        return back.removeprefix(self.house.settings.origin)

    async def come_back(self, browser: Browser, back: str) -> httpx2.Response:
        return await browser.open(back, site="cross-site")

    async def sign_in(self, browser: Browser, path: str = "/login/oidc", **form: str) -> httpx2.Response:
        """The whole way."""
        return await self.come_back(browser, await self.visit(await self.leave(browser, path, **form)))

    async def linked(self, username: str = "ana", role: Role = Role.REVIEWER) -> Browser:
        """A browser of somebody with a password, whose account there is linked."""
        browser = await self.house.signed_in(username, role)
        assert (await self.sign_in(browser, "/account/oidc/link")).status_code == 200
        return browser

    async def signed_in_as(self, browser: Browser) -> str | None:
        """Whose page the browser sees."""
        page = await browser.open("/account")
        return page.text.partition("signing in as ")[2].partition(";")[0] if page.status_code == 200 else None


def where_to(page: httpx2.Response) -> str:
    """Where the page leads by itself."""
    return unescape(page.text.partition('content="0;url=')[2].partition('"')[0])


Joining = Callable[..., Any]


@pytest.fixture
def joint_with(database: Database, people: People, agents: Agents, desk: Desk, clock: FakeClock) -> Callable[..., Any]:
    @asynccontextmanager
    async def open_joint(settings: SiteSettings = LOCAL, **more: Any) -> AsyncIterator[Joint]:
        async with provider_server(clock) as server:
            written = {"issuer": server.issuer, "client_id": CLIENT_ID, "client_secret": SECRET, "label": "Example"}
            known = OidcSettings.of({**written, **more}, Path())
            provider = Provider(known, settings.origin + CALLBACK, clock, Fetching(seconds=5))
            identities = Identities(database)
            app = create_site(desk, people, agents, settings, Federation(provider, identities))
            house = House(app, database, people, agents, desk, settings, clock)
            yield Joint(house, server, identities)
            for client in house.clients:
                await client.aclose()

    return open_joint


@pytest.fixture
async def joint(joint_with: Joining) -> AsyncIterator[Joint]:
    async with joint_with() as joint:
        yield joint


AUTO = {"auto_create": True, "allowed_domains": ["example.org"]}
MAIL = {"email": "ana@example.org", "email_verified": True}


async def test_without_a_provider_there_is_no_button_and_no_way(house: House) -> None:
    await house.add("ana")
    browser = house.browser()

    assert "Sign in with" not in (await browser.open("/login")).text.replace("Sign in with a passkey", "")
    assert (await browser.send_form("/login/oidc", {})).status_code == 404
    assert (await browser.open(f"{CALLBACK}?code=a&state=b")).status_code == 404


async def test_whoever_linked_their_account_signs_in_with_it(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    assert "Sign in with Example" in (await browser.open("/login")).text

    back = await joint.sign_in(browser, next="/history")

    assert where_to(back) == "/history"
    assert await joint.signed_in_as(browser) == "ana"
    ana = await joint.house.people.find("ana")
    assert ana is not None
    assert {one.method for one in await joint.house.people.sessions(ana.id)} == {SignIn.PASSWORD, SignIn.OIDC}


async def test_the_cookies_are_bound_to_the_site_and_no_script_reads_them(joint_with: Joining) -> None:
    async with joint_with(BEHIND_TLS) as joint:
        browser = await joint.house.signed_in()
        away = await browser.send_form("/account/oidc/link", {})
        back = await joint.come_back(browser, await joint.visit(where_to(away)))

    (left,) = away.headers.get_list("set-cookie")
    assert left.startswith("__Host-assent-away=")
    assert {part.strip() for part in left.lower().split(";")[1:]} == {
        "httponly", "max-age=600", "path=/", "samesite=lax", "secure",
    }  # fmt: skip
    assert [one.partition("=")[0] for one in back.headers.get_list("set-cookie")] == ["__Host-assent-away"]
    assert "max-age=0" in back.headers["set-cookie"].lower()


async def test_a_new_session_is_made_and_the_cookie_is_strict(joint: Joint) -> None:
    await joint.linked()
    back = await joint.sign_in(joint.house.browser())

    session, _away = back.headers.get_list("set-cookie")
    assert session.startswith("assent-7420=ses_")
    assert "samesite=strict" in session.lower()
    assert "httponly" in session.lower()


async def test_an_unknown_account_signs_nobody_in_and_makes_nobody(joint: Joint) -> None:
    await joint.house.add("ana@example.org", Role.ADMIN)
    joint.server.person |= MAIL
    browser = joint.house.browser()

    back = await joint.sign_in(browser)

    assert back.status_code == 403
    assert "Nobody here has that account" in back.text
    assert await joint.signed_in_as(browser) is None
    assert len(await joint.house.people.reviewers()) == 1


async def test_auto_create_makes_a_reviewer_of_an_allowed_domain_and_never_an_admin(joint_with: Joining) -> None:
    async with joint_with(**AUTO) as joint:
        await joint.house.add("root", Role.ADMIN)
        joint.server.person |= {**MAIL, "role": "admin", "roles": ["admin"], "groups": ["admin"], "is_admin": True}
        browser = joint.house.browser()

        back = await joint.sign_in(browser)
        again = await joint.sign_in(joint.house.browser())

        assert (back.status_code, again.status_code) == (200, 200)
        made = await joint.house.people.find("ana@example.org")
        assert made is not None
        assert (made.role, made.display_name, made.has_password) == (Role.REVIEWER, "Ana Ruiz", False)
        assert len(await joint.house.people.reviewers()) == 2


@pytest.mark.parametrize(
    "person",
    [
        {"email": "ana@example.org", "email_verified": False},
        {"email": "ana@example.org", "email_verified": "true"},
        {"email": "ana@example.org"},
        {"email": "ana@evil.example", "email_verified": True},
        {"email": "ana@example.org.evil.example", "email_verified": True},
        {"email": "ana@sub.example.org", "email_verified": True},
        {"email": "ana@example.org@evil.example", "email_verified": True},
        {"email": ["ana@example.org"], "email_verified": True},
        {"email": "ana@example.org\n", "email_verified": True},
        {"email_verified": True},
    ],
)
async def test_auto_create_makes_nobody_else(joint_with: Joining, person: dict[str, Any]) -> None:
    async with joint_with(**AUTO) as joint:
        joint.server.person |= person

        back = await joint.sign_in(joint.house.browser())

        assert back.status_code == 403
        assert await joint.house.people.reviewers() == []


async def test_auto_create_takes_over_no_account_of_the_same_name(joint_with: Joining) -> None:
    async with joint_with(**AUTO) as joint:
        await joint.house.add("Ana@Example.org", Role.ADMIN)
        joint.server.person |= MAIL
        browser = joint.house.browser()

        back = await joint.sign_in(browser)

        assert back.status_code == 403
        assert "There is an account named ana@example.org already" in back.text
        assert await joint.signed_in_as(browser) is None


async def test_a_disabled_account_stays_out(joint_with: Joining) -> None:
    async with joint_with(**AUTO) as joint:
        joint.server.person |= MAIL
        await joint.sign_in(joint.house.browser())
        made = await joint.house.people.find("ana@example.org")
        assert made is not None
        await joint.house.people.administration.disable(made.id, by=None)

        assert (await joint.sign_in(joint.house.browser())).status_code == 403


async def test_an_invitation_can_be_followed_with_an_account_there(joint: Joint) -> None:
    link = await joint.house.people.administration.invite("carla", role=Role.AUDITOR, by=None)
    browser = joint.house.browser()

    back = await joint.sign_in(browser, invitation=link.token)

    assert back.status_code == 200
    assert await joint.signed_in_as(browser) == "carla"
    assert (await joint.sign_in(joint.house.browser())).status_code == 200
    assert (await joint.house.browser().send_form("/login/oidc", {"invitation": link.token})).status_code == 410


async def test_an_invitation_withdrawn_on_the_way_makes_nobody(joint: Joint) -> None:
    link = await joint.house.people.administration.invite("carla", role=Role.ADMIN, by=None)
    browser = joint.house.browser()
    back = await joint.visit(await joint.leave(browser, invitation=link.token))
    await joint.house.people.administration.withdraw(link.invitation.id, by=None)

    assert (await joint.come_back(browser, back)).status_code == 409
    assert await joint.house.people.reviewers() == []


# Attacks on the way back


async def test_a_way_back_counts_only_in_the_browser_that_left(joint: Joint) -> None:
    await joint.linked("eve")
    attacker, victim = joint.house.browser(), joint.house.browser()
    back = await joint.visit(await joint.leave(attacker))

    stolen = await joint.come_back(victim, back)
    await joint.leave(victim)
    mixed = await joint.come_back(victim, back)

    assert (stolen.status_code, mixed.status_code) == (409, 409)
    assert await joint.signed_in_as(victim) is None
    assert "/token" not in joint.server.calls[joint.server.calls.index("/keys") + 1 :]


async def test_a_way_back_counts_once(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    back = await joint.visit(await joint.leave(browser))
    cookies = dict(browser.client.cookies)
    assert (await joint.come_back(browser, back)).status_code == 200
    thief = joint.house.browser()
    thief.client.cookies.update(cookies)

    assert (await joint.come_back(thief, back)).status_code == 409
    assert await joint.signed_in_as(thief) is None


async def test_a_way_back_counts_for_ten_minutes(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    back = await joint.visit(await joint.leave(browser))
    joint.house.clock.advance(minutes=10)

    assert (await joint.come_back(browser, back)).status_code == 409


async def test_the_code_of_another_sign_in_is_worth_nothing(joint: Joint) -> None:
    await joint.linked()
    victim, attacker = joint.house.browser(), joint.house.browser()
    stolen = parse_qs(urlsplit(await joint.visit(await joint.leave(victim))).query)["code"][0]
    own = parse_qs(urlsplit(await joint.visit(await joint.leave(attacker))).query)

    back = await joint.come_back(attacker, f"{CALLBACK}?{urlencode({'code': stolen, 'state': own['state'][0]})}")

    assert back.status_code == 502
    assert await joint.signed_in_as(attacker) is None


@pytest.mark.parametrize("query", ["", "code=x", "state=x", "state=x&code=y", "error=access_denied", "state=&code="])
async def test_a_way_back_without_a_departure_is_refused(joint: Joint, query: str) -> None:
    back = await joint.come_back(joint.house.browser(), f"{CALLBACK}?{query}")

    assert back.status_code == 409
    assert "This sign-in did not begin here" in back.text


@pytest.mark.parametrize("query", ["", "&error=access_denied&code=x", "&code=a&code=b", "&code=", "&error=<script>"])
async def test_a_refusal_of_the_provider_signs_nobody_in(joint: Joint, query: str) -> None:
    browser = joint.house.browser()
    state = parse_qs(urlsplit(await joint.leave(browser)).query)["state"][0]

    back = await joint.come_back(browser, f"{CALLBACK}?state={state}{query}")

    assert back.status_code == 403
    assert "Example signed nobody in" in back.text
    assert "<script>" not in back.text


async def test_a_code_of_another_provider_is_not_handed_on(joint: Joint) -> None:
    browser = joint.house.browser()
    back = await joint.visit(await joint.leave(browser))

    answer = await joint.come_back(browser, f"{back}&iss=https%3A%2F%2Fevil.example")

    assert answer.status_code == 502
    assert "/token" not in joint.server.calls


async def test_the_reason_that_a_provider_is_not_believed_stays_inside(joint: Joint) -> None:
    await joint.linked()
    joint.server.claims = {"iss": "https://evil.example"}

    back = await joint.sign_in(joint.house.browser())

    assert back.status_code == 502
    assert "evil.example" not in back.text
    assert "could not sign you in" in back.text


async def test_a_provider_that_is_down_says_so_and_the_page_stays(joint: Joint) -> None:
    joint.server.answers["/.well-known/openid-configuration"] = lambda: JSONResponse({}, 503)

    answer = await joint.house.browser().send_form("/login/oidc", {})

    assert answer.status_code == 502
    assert "Example could not sign you in" in answer.text


@pytest.mark.parametrize(
    "where", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/login"]
)
async def test_the_way_back_leads_to_a_page_of_ours_only(joint: Joint, where: str) -> None:
    await joint.linked()

    assert where_to(await joint.sign_in(joint.house.browser(), next=where)) == "/"


@pytest.mark.parametrize("path", ["/login/oidc", "/account/oidc/link", "/account/oidc/confirm"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://assent.localhost:3000", "sec-fetch-site": "same-site"},
        {},
    ],
)
async def test_no_other_site_sends_people_on_their_way(joint: Joint, path: str, headers: dict[str, str]) -> None:
    browser = await joint.house.signed_in()

    assert (await browser.client.post(path, headers=headers)).status_code == 403
    assert joint.server.calls == []


async def test_no_other_site_reads_what_comes_back(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    back = await joint.visit(await joint.leave(browser))

    framed = await browser.open(back, site="cross-site", **{"sec-fetch-dest": "iframe"})

    assert framed.status_code == 403
    assert (await joint.come_back(browser, back)).status_code == 200


async def test_guessing_at_the_way_back_is_slowed_down(joint: Joint) -> None:
    joint.server.answers["/token"] = lambda: JSONResponse({"error": "invalid_grant"}, 400)
    browser = joint.house.browser()
    answers = [(await joint.sign_in(browser)).status_code for _ in range(60)]

    assert set(answers) == {502}
    assert (await browser.send_form("/login/oidc", {})).status_code == 429


# Linking, and proving once more


async def test_linking_needs_proof_and_a_session(joint: Joint) -> None:
    browser = await joint.house.signed_in()
    joint.house.clock.advance(minutes=10)

    old = await browser.send_form("/account/oidc/link", {})
    stranger = await joint.house.browser().send_form("/account/oidc/link", {})

    assert old.status_code == 403
    assert "Confirm first" in old.text
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/login?next=/")


async def test_linking_ends_with_the_session_that_asked_for_it(joint: Joint) -> None:
    browser = await joint.house.signed_in()
    back = await joint.visit(await joint.leave(browser, "/account/oidc/link"))
    await browser.send_form("/logout", {})

    assert (await joint.come_back(browser, back)).status_code == 403
    ana = await joint.house.people.find("ana")
    assert ana is not None
    assert await joint.identities.of(ana.id) == []


async def test_an_account_there_belongs_to_one_person_here(joint: Joint) -> None:
    await joint.linked()
    ben = await joint.house.signed_in("ben")

    answer = await joint.sign_in(ben, "/account/oidc/link")

    assert answer.status_code == 409
    assert "signs somebody else in here" in answer.text


async def test_linked_accounts_are_listed_and_unlinked_by_their_person_after_proof(joint: Joint) -> None:
    joint.server.person |= MAIL
    browser = await joint.linked()
    ana = await joint.house.people.find("ana")
    assert ana is not None
    (linked,) = await joint.identities.of(ana.id)
    assert "ana@example.org" in (await browser.open("/account?done=linked")).text
    ben = await joint.house.signed_in("ben")

    assert (await ben.send_form(f"/account/oidc/{linked.id}/unlink", {})).status_code == 404
    joint.house.clock.advance(minutes=10)
    assert (await browser.send_form(f"/account/oidc/{linked.id}/unlink", {})).status_code == 403
    await browser.send_form("/account/confirm", {"password": PASSWORD})
    done = await browser.send_form(f"/account/oidc/{linked.id}/unlink", {})
    assert (done.status_code, done.headers["location"]) == (303, "/account?done=unlinked")
    assert (await joint.sign_in(joint.house.browser())).status_code == 403


async def test_the_only_way_in_stays(joint_with: Joining) -> None:
    async with joint_with(**AUTO) as joint:
        joint.server.person |= MAIL
        browser = joint.house.browser()
        await joint.sign_in(browser)
        await joint.sign_in(browser, "/account/oidc/confirm", next="/account")
        made = await joint.house.people.find("ana@example.org")
        assert made is not None
        (linked,) = await joint.identities.of(made.id)

        answer = await browser.send_form(f"/account/oidc/{linked.id}/unlink", {})

        assert answer.status_code == 409
        assert "only way into this account" in answer.text


async def test_a_sign_in_that_may_have_asked_nobody_proves_nothing(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    await joint.sign_in(browser)

    assert "Confirm that it is you" in (await browser.open("/account")).text
    assert (await browser.send_json("/account/passkeys/options", {})).status_code == 403


async def test_asked_anew_at_the_provider_is_proof(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    await joint.sign_in(browser)

    back = await joint.sign_in(browser, "/account/oidc/confirm", next="/account")

    assert where_to(back) == "/account"
    assert "Confirm that it is you" not in (await browser.open("/account")).text
    assert (await browser.send_json("/account/passkeys/options", {})).status_code == 200
    ana = await joint.house.people.find("ana")
    assert ana is not None
    methods = [session.method for session in await joint.house.people.sessions(ana.id)]
    assert sorted(methods) == [SignIn.OIDC_FRESH, SignIn.PASSWORD]


async def test_a_provider_that_asked_nobody_anew_confirms_nothing(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    await joint.sign_in(browser)
    joint.server.claims = {"auth_time": int(joint.house.clock().timestamp()) - 600}

    back = await joint.sign_in(browser, "/account/oidc/confirm", next="/account")

    assert back.status_code == 403
    assert "Confirm that it is you" in (await browser.open("/account")).text


async def test_somebody_else_there_confirms_nothing(joint: Joint) -> None:
    await joint.linked()
    browser = joint.house.browser()
    await joint.sign_in(browser)
    joint.server.person = {"sub": "somebody else"}

    assert (await joint.sign_in(browser, "/account/oidc/confirm", next="/account")).status_code == 403
    assert "Confirm that it is you" in (await browser.open("/account")).text
