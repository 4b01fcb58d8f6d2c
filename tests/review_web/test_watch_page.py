"""The feed, the calls one by one, and the page of one call, as browsers get them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from review_web.rule_anchor import rule_anchor
from store.audit.events import CallEnd, Halting
from store.calls.calls import Admitted, Ended, GovernedCall, Stated
from store.calls.definitions import Method
from store.calls.feed import Let, Wanted
from store.deciding.governing import Denied
from store.people import Role
from tests.review_web import held_calls
from tests.review_web.house import House
from tests.store.calls import held

pytestmark = pytest.mark.anyio

ALLOW = "name: pay freely, tool: payments__send, action: allow"
NOTICE = "name: watch payments, tool: payments__send, action: notice"
NEVER = "name: never, tool: payments__send, action: deny, args: {to: Mallory}, reason: Ask the bank"
RETURNED = Ended(CallEnd.RETURNED, result={"content": [{"type": "text", "text": "<b>paid</b>"}], "isError": False})


async def pay(
    house: House,
    arguments: Mapping[str, Any] = held_calls.ARGUMENTS,
    *,
    agent: str = "billing-bot",
    ended: Ended | None = RETURNED,
    stated: Stated | None = None,
) -> str:
    """A payment that is let through; its id."""
    wanted = replace(held.call(arguments, held_calls.TOOL), stated=stated)
    found = await house.desk.calls.admit(await house.agents.enrol(agent), wanted, None)
    assert isinstance(found, Admitted), found
    if ended is not None:
        await house.desk.calls.finish(found.call_id, ended)
    return found.call_id


async def deny(house: House) -> str:
    """A payment that is denied; its id."""
    wanted = held.call({"amount": 1, "to": "Mallory"}, held_calls.TOOL)
    found = await house.desk.calls.admit(await house.agents.enrol("billing-bot"), wanted, None)
    assert isinstance(found, Denied), found
    [item] = (await house.desk.watching.one_by_one(Wanted(let=Let.DENIED))).items
    return item.id


async def test_only_who_is_signed_in_watches(house: House) -> None:
    for path in ("/watch", "/watch/calls", "/watch/events", "/watch/call_x"):
        assert (await house.browser().open(path)).headers["location"].startswith("/login")


async def test_many_calls_are_one_line_with_what_let_them_and_what_came_of_them(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW)
    for number in range(7):
        await pay(house, {"amount": number, "to": "ACME"})
        house.clock.advance(seconds=1)
    page = (await browser.open("/watch")).text
    assert page.count('class="row watch-line"') == 1
    for words in ("7 calls", "payments__send", "Allowed", "billing-bot", "all returned", "rule “pay freely”"):
        assert words in page
    assert "amount: 6 · to: ACME" in page


async def test_filters_are_in_the_address_and_in_the_form(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW)
    await pay(house)
    await pay(house, agent="other-bot")
    page = (await browser.open("/watch?agent=other-bot&tool=payments__*&let=allowed")).text
    assert page.count('class="row watch-line"') == 1
    assert "Only: <bdi>agent other-bot, tool payments__*, allowed</bdi>" in page
    assert '<option value="other-bot" selected>' in page
    assert "after=" in page
    for query in ("agent=nobody", "tool=files__*", "let=denied", "workflow=release"):
        assert "No such call came in the last hour" in (await browser.open(f"/watch?{query}")).text
    assert (await browser.open("/watch?let=nonsense")).text.count('class="row watch-line"') == 2


async def test_hostile_text_is_shown_as_what_it_is(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW)
    call_id = await pay(
        house,
        {"amount": 1, "to": "<script>x</script>\u202eEMCA"},
        ended=replace(RETURNED, result={"content": [{"type": "text", "text": "<img src=x>\u202e"}]}),
        stated=Stated("<script>y</script> *really*", {"cwd": "<i>\u202e"}),
    )
    for path in ("/watch", "/watch/calls", f"/watch/{call_id}"):
        page = (await browser.open(path)).text
        assert "&lt;script&gt;x&lt;/script&gt;" in page
        assert "<script>x" not in page
        assert "<script>y" not in page
        assert "<img src=x>" not in page
        assert "\u202e" not in page
    await browser.open("/watch?agent=%3Cscript%3E&tool=%22%3E%3Cscript%3E&workflow=%00")
    page = (await browser.open("/watch?tool=%22%3E%3Cscript%3Ez")).text
    assert "<script>z" not in page


async def test_a_line_opens_into_its_calls_and_each_has_its_page(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW)
    mine = {await pay(house) for _ in range(3)}
    await pay(house, agent="other-bot")
    [line] = [one for one in (await house.desk.watching.look()).lines if one.count == 3]
    page = (await browser.open("/watch?agent=billing-bot")).text
    href = page.split(f'id="{line.id}"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    opened = (await browser.open(href)).text
    assert all(f'href="/watch/{call_id}"' in opened for call_id in mine)
    assert opened.count('class="row watch-line"') == 3


async def test_calls_one_by_one_are_paged(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW)
    for number in range(55):
        await pay(house, {"amount": number, "to": "ACME"})
        house.clock.advance(seconds=1)
    first = (await browser.open("/watch/calls?tool=payments__*")).text
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert older.startswith("/watch/calls?tool=payments__%2A&before=")
    second = (await browser.open(older)).text
    assert (first.count("watch-line"), second.count("watch-line")) == (50, 5)
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    "query", ["before=yesterday", "before=2026-11-22T09:00:00~x", "minute=now", "minute=2026-11-22"]
)
async def test_an_address_that_no_page_wrote_is_refused(house: House, query: str) -> None:
    browser = await house.signed_in()
    assert (await browser.open(f"/watch/calls?{query}")).status_code == 400


async def test_a_call_shows_every_argument_its_rule_its_result_and_what_the_agent_stated(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, NOTICE)
    call_id = await pay(house, stated=Stated("The invoice is due.", {"cwd": "/srv/app", "session_id": "s-1"}))
    page = (await browser.open(f"/watch/{call_id}")).text
    for words in (
        "<strong>NOTICED:</strong>",
        "payments · send",
        "<bdi>amount</bdi>",
        "ACME",
        f'<a href="/policy#{rule_anchor("watch payments")}"><bdi>watch payments</bdi></a>',
        "It ran, and returned.",
        "&lt;b&gt;paid&lt;/b&gt;",
        "The invoice is due.",
        "/srv/app",
        "Self-reported",
        f'href="/policy/propose?call={call_id}"',
        'formaction="/agents/billing-bot/pause"',
    ):
        assert words in page, words
    found = await house.desk.watching.call(call_id)
    assert found is not None
    assert f"{found.log_index} and {found.ended_index}" in page


async def test_a_denied_call_says_why_and_that_nothing_ran(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW, NEVER)
    page = (await browser.open(f"/watch/{await deny(house)}")).text
    for words in ("<strong>DENIED:</strong>", "It was turned away.", "Ask the bank", "Mallory"):
        assert words in page, words


async def test_a_call_that_was_held_leads_to_its_card(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house)
    request_id = await held_calls.hold(house)
    page = (await browser.open("/watch")).text
    assert "waiting for an answer" in page
    line = (await house.desk.watching.look()).lines[0]
    assert line.newest.id == request_id
    assert f'href="/requests/{request_id}"' in (await browser.open("/watch/calls")).text


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (None, "It runs now."),
        (replace(RETURNED, is_error=True), "It ran, and the upstream answered with an error."),
        (Ended(CallEnd.FAILED, is_error=True, why="it is gone"), "It failed. Whether any of it took effect"),
        (Ended(CallEnd.CANCELLED, is_error=True, sent=False), "Nothing ran: it was never sent."),
        (Ended(CallEnd.CANCELLED, is_error=True), "It was cancelled."),
        (Ended(CallEnd.UNKNOWN, is_error=True), "The server ended before the answer came."),
    ],
)
async def test_what_came_of_a_call_is_said_as_far_as_it_is_known(house: House, ended: Ended | None, words: str) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW)
    assert words in (await browser.open(f"/watch/{await pay(house, ended=ended)}")).text


async def test_a_tool_of_a_clients_own_is_shown_as_what_it_is(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, "name: look around, tool: 'claude_code:Bash', action: allow")
    wanted = GovernedCall("claude_code", Method.OWN, "Bash", "claude_code:Bash", None, {"command": "ls -l | wc"})
    found = await house.desk.calls.admit(await house.agents.enrol("coder"), wanted, None)
    assert isinstance(found, Admitted), found
    page = (await browser.open(f"/watch/{found.call_id}")).text
    for words in ("Claude Code · Bash", "ls -l | wc", "Its client was told that it may run."):
        assert words in page, words
    assert "your approval" not in page


async def test_nobody_finds_a_call_that_there_is_not(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house)
    request_id = await held_calls.hold(house)
    for call_id in ("call_unknown", request_id, "%00"):
        answer = await browser.open(f"/watch/{call_id}")
        assert answer.status_code == 404, call_id


async def test_an_auditor_watches_and_has_no_buttons(house: House) -> None:
    browser = await house.signed_in("ada", Role.AUDITOR)
    await held_calls.rules(house, ALLOW)
    call_id = await pay(house)
    for path in ("/watch", f"/watch/{call_id}"):
        page = (await browser.open(path)).text
        assert "payments" in page
        assert "/agents/billing-bot/" not in page
        assert "/policy/propose" not in page


async def test_who_is_paused_or_stopped_is_marked_beside_their_lines(house: House) -> None:
    browser = await house.signed_in()
    await held_calls.rules(house, ALLOW)
    await pay(house)
    assert 'formaction="/agents/billing-bot/pause"' in (await browser.open("/watch")).text
    await house.desk.halts.hold_back("billing-bot", Halting.PAUSED, by=None)
    paused = (await browser.open("/watch")).text
    assert "Paused</span>" in paused
    assert 'formaction="/agents/billing-bot/pause"' not in paused
    assert 'action="/agents/billing-bot/stop"' in paused
    await house.desk.halts.hold_back("billing-bot", Halting.STOPPED, by=None)
    stopped = (await browser.open("/watch")).text
    assert "Stopped</span>" in stopped
    assert 'action="/agents/billing-bot/stop"' not in stopped
