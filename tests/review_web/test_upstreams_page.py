"""The page of upstreams: how they are doing, what changed in what they define, and accepting it."""

import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from review_web.upstreams_page import WAITING_SHOWN
from store.calls.definitions import Method, Pinned
from store.people import Role
from tests.review_web import held_calls
from tests.review_web.cards import text_of
from tests.review_web.held_calls import TOOL
from tests.review_web.house import Browser, House
from tests.store.calls.held import UPSTREAM

pytestmark = pytest.mark.anyio
CHANGED: dict[str, Any] = {**TOOL.content, "description": "Sends money, and tells <i>others</i>."}
NEW: dict[str, Any] = {"name": "refund", "description": "Takes it back.", "inputSchema": {"type": "object"}}


@pytest.fixture
async def admin(house: House) -> Browser:
    await held_calls.rules(house)
    return await house.signed_in("ana", Role.ADMIN)


async def pinned(house: House, name: str = "send") -> Pinned:
    found = await house.desk.calls.definition("payments", Method.TOOL, name)
    assert found is not None
    return found


def tokens(page: str) -> list[str]:
    """What the forms of the page name, each once."""
    return list(dict.fromkeys(re.findall(r'name="definition" value="([^"]*)"', unescape(page))))


async def test_each_upstream_says_how_it_is_doing_and_how_it_is_started(house: House, admin: Browser) -> None:
    said = text_of((await admin.open("/upstreams")).text)
    assert "payments Start anew not started yet" in said
    assert "Runs, with the rights of this server&#39;s user pay at most 1 min a call" in said
    await house.desk.calls.health("payments", UPSTREAM.launch_sha256, "down", "It ended: <b>boom</b>.")
    house.clock.advance(minutes=5)
    page = (await admin.open("/upstreams")).text
    assert "down (5 minutes ago): It ended: &lt;b&gt;boom&lt;/b&gt;." in text_of(page)


async def test_what_was_accepted_is_listed_by_the_name_that_agents_use(house: House, admin: Browser) -> None:
    page = (await admin.open("/upstreams")).text
    assert "1 accepted definition" in page
    assert "payments__send Sends money. &lt;b&gt;At once.&lt;/b&gt; accepted just now with the launch line" in text_of(
        page
    )
    assert tokens(page) == []


async def test_a_definition_that_changed_shows_its_difference_and_is_accepted_as_it_was_shown(
    house: House, admin: Browser
) -> None:
    await held_calls.listed(house, CHANGED)
    page = (await admin.open("/upstreams")).text
    said = unescape(text_of(page))
    assert "Agents are listed what was accepted; calls of it are held. This is what differs:" in said
    assert "\N{MINUS SIGN} was description: Sends money." in said
    assert "+ is description: Sends money, and tells <i>others</i>." in said
    assert "<i>" not in page
    (token,) = tokens(page)
    sent = await admin.send_form("/upstreams/accept", {"definition": token})
    assert (sent.status_code, sent.headers["location"]) == (303, "/upstreams?done=accepted")
    found = await pinned(house)
    assert (found.is_accepted, found.accepted_by) == (True, "Ana")
    page = (await admin.open("/upstreams?done=accepted")).text
    assert "Accepted. Agents are listed this from now on" in page
    assert "accepted just now by Ana" in text_of(page)


async def test_a_new_definition_is_shown_whole(house: House, admin: Browser) -> None:
    await held_calls.listed(house, TOOL.content, NEW)
    said = unescape(text_of((await admin.open("/upstreams")).text))
    assert "Agents are not listed it, and calls of it are denied, until it is accepted." in said
    assert '+ new name: refund + new description: Takes it back. + new inputSchema: {"type": "object"}' in said


async def test_several_can_be_accepted_at_once(house: House, admin: Browser) -> None:
    await held_calls.listed(house, CHANGED, NEW)
    page = (await admin.open("/upstreams")).text
    assert "Accept all 2 that are shown of payments" in page
    headers = {"accept": "text/html", "origin": admin.origin, "sec-fetch-site": "same-origin"}
    sent = await admin.client.post("/upstreams/accept", data={"definition": tokens(page)}, headers=headers)
    assert sent.status_code == 303
    assert (await pinned(house)).is_accepted
    assert (await pinned(house, "refund")).is_accepted


async def test_of_very_many_that_wait_the_first_are_shown(house: House, admin: Browser) -> None:
    many = [{**NEW, "name": f"tool{n:03}"} for n in range(WAITING_SHOWN + 5)]
    await held_calls.listed(house, TOOL.content, *many)
    page = (await admin.open("/upstreams")).text
    assert len(tokens(page)) == WAITING_SHOWN
    assert "5 more wait; they are shown here when these are accepted." in page


async def test_what_changed_again_meanwhile_is_not_accepted(house: House, admin: Browser) -> None:
    await held_calls.listed(house, CHANGED)
    (token,) = tokens((await admin.open("/upstreams")).text)
    await held_calls.listed(house, {**CHANGED, "title": "Send"})
    sent = await admin.send_form("/upstreams/accept", {"definition": token})
    assert sent.status_code == 409
    assert "Payments defines send otherwise by now" in unescape(sent.text)
    await held_calls.listed(house)
    assert (await admin.send_form("/upstreams/accept", {"definition": token})).status_code == 409
    assert not (await pinned(house)).is_accepted


async def test_of_several_it_is_said_how_many_were_accepted_before_one_had_changed(
    house: House, admin: Browser
) -> None:
    await held_calls.listed(house, CHANGED, NEW)
    shown = sorted(tokens((await admin.open("/upstreams")).text))
    await held_calls.listed(house, {**CHANGED, "title": "Send"}, NEW)
    headers = {"accept": "text/html", "origin": admin.origin, "sec-fetch-site": "same-origin"}
    both = sorted(shown, key=lambda token: not token.endswith("refund"))
    sent = await admin.client.post("/upstreams/accept", data={"definition": both}, headers=headers)
    assert sent.status_code == 409
    assert "1 of these was accepted before that." in sent.text
    assert (await pinned(house, "refund")).is_accepted
    assert not (await pinned(house)).is_accepted


@pytest.mark.parametrize("token", ["", "payments", f"payments resource {'0' * 64} x", f"payments tool {'0' * 63} send"])
async def test_a_form_that_is_not_the_pages_accepts_nothing(house: House, admin: Browser, token: str) -> None:
    await held_calls.listed(house, CHANGED)
    assert (await admin.send_form("/upstreams/accept", {"definition": token})).status_code == 409
    assert (await admin.send_form("/upstreams/accept", {})).status_code == 409
    assert not (await pinned(house)).is_accepted


async def test_who_signed_in_long_ago_confirms_first(house: House, admin: Browser) -> None:
    await held_calls.listed(house, CHANGED)
    (token,) = tokens((await admin.open("/upstreams")).text)
    house.clock.advance(minutes=10)
    page = (await admin.open("/upstreams")).text
    assert "Confirm that it is you" in page
    assert tokens(page) == []
    assert (await admin.send_form("/upstreams/accept", {"definition": token})).status_code == 403
    assert not (await pinned(house)).is_accepted


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR])
async def test_others_read_the_difference_and_change_nothing(house: House, admin: Browser, role: Role) -> None:
    await held_calls.listed(house, CHANGED)
    (token,) = tokens((await admin.open("/upstreams")).text)
    other = await house.signed_in("ben", role)
    page = (await other.open("/upstreams")).text
    assert "This is what differs:" in page
    assert tokens(page) == []
    assert "Start anew" not in page
    assert (await other.send_form("/upstreams/accept", {"definition": token})).status_code == 403
    assert (await other.send_form("/upstreams/restart", {"name": "payments"})).status_code == 403
    assert await house.desk.calls.take_restarts() == ()
    assert not (await pinned(house)).is_accepted


async def test_an_admin_has_one_started_anew(house: House, admin: Browser) -> None:
    sent = await admin.send_form("/upstreams/restart", {"name": "payments"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/upstreams?done=restart")
    assert "it is being started anew" in (await admin.open("/upstreams")).text
    assert await house.desk.calls.take_restarts() == ("payments",)


async def test_what_is_no_upstream_is_not_started(house: House, admin: Browser) -> None:
    sent = await admin.send_form("/upstreams/restart", {"name": "<b>mail</b>"})
    assert sent.status_code == 409
    assert "Nothing was started anew" in sent.text
    assert "<b>mail" not in sent.text
    assert await house.desk.calls.take_restarts() == ()


async def test_what_it_lists_no_more_is_named(house: House, admin: Browser) -> None:
    await held_calls.listed(house, NEW)
    assert "Not listed any more: payments__send." in text_of((await admin.open("/upstreams")).text)


async def test_every_page_tells_an_admin_that_a_definition_waits_and_others_nothing(
    house: House, admin: Browser
) -> None:
    ben = await house.signed_in("ben")
    said = "1 definition of upstreams changed or came, and calls of it are held or denied."
    assert said not in (await admin.open("/")).text
    await held_calls.listed(house, CHANGED)
    assert said in text_of((await admin.open("/")).text)
    assert said not in text_of((await admin.open("/upstreams")).text)
    assert said not in text_of((await ben.open("/")).text)


async def test_without_upstreams_the_page_says_how_to_have_some(house: House) -> None:
    admin = await house.signed_in("ana", Role.ADMIN)
    page = (await admin.open("/upstreams")).text
    assert "No server stands behind Assent" in page
    assert "assent adopt .mcp.json" in page


async def test_rules_that_nobody_can_read_are_told_and_every_page_still_opens(house: House, admin: Browser) -> None:
    await house.database.write(lambda change: change.connection.execute(text("UPDATE policies SET text = 'x'")))
    assert "No call can run:" in (await admin.open("/upstreams")).text
    assert (await admin.open("/")).status_code == 200


async def test_strangers_see_nothing(house: House, admin: Browser) -> None:
    stranger = house.browser()
    assert (await stranger.open("/upstreams")).status_code == 303
    assert (await stranger.send_form("/upstreams/restart", {"name": "payments"})).status_code == 303
