"""Every change to who may do what asks for proof of who sits there. The routes name them all, so none is missed."""

import re
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from store.people import Role
from tests.review_web.house import House

pytestmark = pytest.mark.anyio

# What they ask for instead is the proof itself, or takes nothing but a session away.
EXEMPT = {"/account/confirm", "/account/password", "/account/sessions/{session_id}/end", "/account/oidc/confirm"}

# What only holds back, and what only proposes, is any reviewer's, at once: it takes nobody's proof.
BY_ANY_REVIEWER = {"/stop", "/agents/{name}/pause", "/agents/{name}/stop", "/policy/propose"}


def changing(app: Starlette) -> Iterator[str]:
    """The paths of every change to accounts, agents and rules."""
    for route in app.routes:
        if not isinstance(route, Route) or "POST" not in (route.methods or ()):
            continue
        if re.match(r"/(account|people|agents|policy|resume|stop)(/|$)", route.path):
            yield route.path


def filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "x_1", path)


async def test_every_change_of_authority_asks_for_proof(house: House) -> None:
    paths = set(changing(house.app))
    assert {
        "/account/passkeys",
        "/account/passkeys/options",
        "/people/invitations",
        "/policy/activate",
        "/resume",
    } <= paths
    browser = await house.signed_in("ana", Role.ADMIN)
    house.clock.advance(minutes=10)
    answers = {path: await browser.send_json(filled(path), {}) for path in sorted(paths - EXEMPT - BY_ANY_REVIEWER)}
    assert {path: (a.status_code, a.json().get("reason")) for path, a in answers.items()} == dict.fromkeys(
        answers, (403, "confirm_first")
    )


async def test_every_change_to_others_is_an_admins(house: House) -> None:
    paths = {path for path in changing(house.app) if not path.startswith("/account")}
    await house.add("root", Role.ADMIN)
    for username, role in (("ben", Role.REVIEWER), ("ada", Role.AUDITOR)):
        browser = await house.signed_in(username, role)
        asked = sorted(paths if role is Role.AUDITOR else paths - BY_ANY_REVIEWER)
        answers = {path: await browser.send_json(filled(path), {}) for path in asked}
        assert {path: (a.status_code, a.json().get("reason")) for path, a in answers.items()} == dict.fromkeys(
            answers, (403, "role")
        )


async def test_no_change_is_a_strangers_or_an_agents(house: House) -> None:
    _, token = await house.agents.add("deploy-bot")
    for headers in ({}, {"authorization": f"Bearer {token}"}):
        for path in changing(house.app):
            answer = await house.browser().send_json(filled(path), {}, **headers)
            assert answer.status_code == 401, path


async def test_no_change_is_a_reading_tokens(house: House) -> None:
    ana = await house.add("ana", Role.ADMIN)
    token = await house.people.add_reviewer_token(ana.id)
    for path in changing(house.app):
        answer = await house.browser().send_json(filled(path), {}, authorization=f"Bearer {token}")
        assert answer.status_code == 401, path
