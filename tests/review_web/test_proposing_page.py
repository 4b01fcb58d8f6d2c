"""Proposing a rule because of a call: the page shows what it would do, and proposes that very rule or nothing."""

import re
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from store import tables
from store.answers import Chosen
from store.audit.events import CallEnd
from store.calls.calls import Admitted, Ended
from store.people import Role
from store.policy.active import active
from store.policy.proposed import Proposal
from store.policy.reading import read
from tests.review_web import held_calls
from tests.review_web.cards import text_of
from tests.review_web.conftest import HouseWith
from tests.review_web.house import LOCAL, Browser, House
from tests.stage import answered
from tests.store.calls import held

pytestmark = pytest.mark.anyio

ALLOW = "name: all, tool: payments__send, action: allow"
HOSTILE = {"amount": 1, "to": "<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}\nx"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


@pytest.fixture
def house(house_with: HouseWith, file: Path) -> House:
    return house_with(replace(LOCAL, policy_file=file))


@pytest.fixture
async def reviewer(house: House) -> Browser:
    return await house.signed_in("ben", Role.REVIEWER)


@pytest.fixture
async def admin(house: House) -> Browser:
    return await house.signed_in("ana", Role.ADMIN)


async def sent(house: House, arguments: Mapping[str, Any] = held_calls.ARGUMENTS) -> str:
    """A payment that a rule let run; the call's id."""
    if house.database.read_now(active) is None:
        await held_calls.rules(house, ALLOW)
    agent = await house.agents.enrol("billing-bot")
    admitted = await house.desk.calls.admit(agent, held.call(arguments, held_calls.TOOL), None)
    assert isinstance(admitted, Admitted), admitted
    await house.desk.calls.finish(admitted.call_id, Ended(CallEnd.RETURNED, result={"content": []}))
    return admitted.call_id


def fields(page: str) -> dict[str, Any]:
    """What the form that proposes would send."""
    form = page.partition("data-proposes>")[2].partition("</form>")[0]
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form):
        found.setdefault(name, []).append(unescape(value))
    return found


def words(page: str) -> str:
    return unescape(text_of(page))


async def waiting(house: House) -> list[Proposal]:
    return list(await house.desk.proposals.open())


async def test_what_ran_and_was_wrong_becomes_a_rule_that_is_proposed_and_not_in_force(
    house: House, reviewer: Browser
) -> None:
    call_id = await sent(house)
    before = house.database.read_now(active)
    page = await reviewer.open(f"/policy/propose?call={call_id}")
    said = words(page.text)
    assert "For calls like payments__send of billing-bot" in said
    assert "For calls of payments__send by billing-bot: somebody must approve" in said
    assert "The call that it comes from would be held." in said
    assert "1 call let run by the rules in force would be held" in said

    proposed = await reviewer.send_form("/policy/propose", fields(page.text))
    assert proposed.status_code == 303
    (one,) = await waiting(house)
    assert proposed.headers["location"] == f"/policy?proposed=1#{one.id}"
    assert (one.call_id, one.made_by) == (call_id, "Ben")
    assert one.rule == {
        "name": "hold payments__send for billing-bot",
        "tool": "payments__send",
        "agent": "billing-bot",
        "action": "hold",
    }
    assert house.database.read_now(active) == before


async def test_choices_are_shown_and_proposed_as_they_were_shown(house: House, reviewer: Browser) -> None:
    call_id = await sent(house)
    chosen = f"/policy/propose?call={call_id}&action=deny&which=chosen&field=to&agent=all&lasting=hour"
    page = await reviewer.open(chosen)
    assert 'where to is "ACME"' in words(page.text)
    house.clock.advance(minutes=20)

    assert (await reviewer.send_form("/policy/propose", fields(page.text))).status_code == 303
    (one,) = await waiting(house)
    assert one.rule == {
        "name": "deny payments__send for every agent",
        "tool": "payments__send",
        "args": {"to": "ACME"},
        "until": "2026-11-22T10:00:00Z",
        "action": "deny",
    }


@pytest.mark.parametrize(
    ("answer", "action", "which"), [("run", "notice", "with no other arguments"), ("refuse", "deny", "where amount is")]
)
async def test_an_answer_becomes_a_rule_for_the_same_call(
    house: House, reviewer: Browser, answer: str, action: str, which: str
) -> None:
    await held_calls.rules(house)
    request_id = await held_calls.hold(house)
    mei = await held_calls.mei(house)
    assert (await reviewer.open(f"/policy/propose?request={request_id}")).status_code == 404
    await answered(house.desk, mei, request_id, Chosen(answer), comment="Because.")

    page = await reviewer.open(f"/policy/propose?request={request_id}")
    assert which in words(page.text)
    assert (await reviewer.send_form("/policy/propose", fields(page.text))).status_code == 303
    (one,) = await waiting(house)
    assert (one.rule["action"], one.request_id, one.rule["args"]) == (action, request_id, held_calls.ARGUMENTS)


async def test_a_stricter_rule_that_keeps_holding_is_named(house: House, reviewer: Browser) -> None:
    await held_calls.rules(house)
    request_id = await held_calls.hold(house)
    await answered(house.desk, await held_calls.mei(house), request_id, Chosen("run"))

    said = words((await reviewer.open(f"/policy/propose?request={request_id}&action=allow")).text)
    assert "would be held all the same: the rule 'payments' holds it. The strictest rule wins" in said


async def test_choices_that_no_rule_can_say_are_explained(house: House, reviewer: Browser) -> None:
    call_id = await sent(house)
    page = await reviewer.open(f"/policy/propose?call={call_id}&action=allow&which=chosen")
    assert "No argument is chosen. Choose at least one that must be the same." in words(page.text)
    assert "data-proposes" not in page.text


async def test_another_rule_than_was_shown_is_not_proposed(house: House, reviewer: Browser) -> None:
    call_id = await sent(house)
    shown = fields((await reviewer.open(f"/policy/propose?call={call_id}")).text)
    change = update(tables.calls).values(agent_name="other-bot")
    house.database.write_now(lambda transaction: transaction.connection.execute(change))

    forms: list[dict[str, Any]] = [shown, {**shown, "shown": ""}, {**shown, "action": "allow"}, {"call": call_id}]
    for form in forms:
        refused = await reviewer.send_form("/policy/propose", form)
        assert refused.status_code == 409
        assert "This is not the rule that you were shown." in words(refused.text)
    assert await waiting(house) == []


async def test_a_call_that_there_is_not_is_not_found(house: House, reviewer: Browser) -> None:
    for query in ("", "?call=call_x", "?request=req_x", f"?request={await house.ask()}"):
        assert (await reviewer.open(f"/policy/propose{query}")).status_code == 404
    assert (await reviewer.send_form("/policy/propose", {"call": "call_x"})).status_code == 404


async def test_auditors_and_strangers_propose_nothing(house: House, reviewer: Browser) -> None:
    call_id = await sent(house)
    shown = fields((await reviewer.open(f"/policy/propose?call={call_id}")).text)
    auditor = await house.signed_in("ada", Role.AUDITOR)
    assert (await auditor.open(f"/policy/propose?call={call_id}")).status_code == 403
    assert (await auditor.send_form("/policy/propose", shown)).status_code == 403
    assert (await house.browser().send_form("/policy/propose", shown)).status_code == 303
    elsewhere = {"origin": "http://localhost:1", "sec-fetch-site": "cross-site"}
    assert (await reviewer.send_form("/policy/propose", shown, **elsewhere)).status_code == 403
    assert await waiting(house) == []


async def test_what_an_agent_wrote_is_shown_and_never_obeyed(house: House, reviewer: Browser, admin: Browser) -> None:
    call_id = await sent(house, HOSTILE)
    page = await reviewer.open(f"/policy/propose?call={call_id}&action=allow&which=exact")
    assert (await reviewer.send_form("/policy/propose", fields(page.text))).status_code == 303
    for shown in (page.text, (await admin.open("/policy")).text):
        assert "<script>alert" not in shown
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown
    (one,) = await waiting(house)
    assert one.rule["args"]["to"] == {"matches": r"<script>alert\(1\)</script>\x{202E}\nx"}


async def proposed(house: House, reviewer: Browser, choices: str = "&action=deny") -> Proposal:
    page = await reviewer.open(f"/policy/propose?call={await sent(house)}{choices}")
    assert (await reviewer.send_form("/policy/propose", fields(page.text))).status_code == 303
    return (await waiting(house))[-1]


def buttons(page: str) -> dict[str, str]:
    """What the form of the first proposal would send."""
    form = page.partition('action="/policy/proposals/')[2].partition("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


async def test_an_admin_sees_what_waits_on_every_page_and_puts_it_in_force(
    house: House, reviewer: Browser, admin: Browser, file: Path
) -> None:
    one = await proposed(house, reviewer)
    file.write_text(held.policy(ALLOW))
    assert "1 proposed rule waits to be put in force or aside." in words((await admin.open("/")).text)
    assert "proposed rule waits" not in words((await reviewer.open("/")).text)
    page = await admin.open("/policy")
    said = words(page.text)
    assert "deny payments__send for billing-bot Proposed by Ben just now, because of this call." in said
    assert f'href="/watch/{one.call_id}"' in page.text
    assert "1 call let run by the rules in force would be denied" in said

    done = await admin.send_form(f"/policy/proposals/{one.id}/accept", buttons(page.text))
    assert (done.status_code, done.headers["location"]) == (303, "/policy?accepted=same")
    now = house.database.read_now(active)
    assert now is not None
    assert [rule.name for rule in now.rules] == ["all", "deny payments__send for billing-bot"]
    assert read(file.read_text()) == now
    after = words((await admin.open("/policy?accepted=same")).text)
    assert "These rules are in force" in after
    assert "The file has the rule, too." in after
    assert "Proposed because of calls" not in after


async def test_an_admin_puts_it_aside(house: House, reviewer: Browser, admin: Browser) -> None:
    one = await proposed(house, reviewer)
    done = await admin.send_form(f"/policy/proposals/{one.id}/aside", buttons((await admin.open("/policy")).text))
    assert (done.status_code, done.headers["location"]) == (303, "/policy?aside=1")
    assert await waiting(house) == []
    assert "was put aside. Nothing has changed." in words((await admin.open("/policy?aside=1")).text)
    again = await admin.send_form(f"/policy/proposals/{one.id}/aside", {})
    assert again.status_code == 409
    assert "It was put aside already, by Ana." in words(again.text)


@pytest.mark.parametrize("sent_form", [{}, {"shown": "x", "instead_of": "0"}, {"shown": "x", "instead_of": "y"}])
async def test_a_form_that_is_not_the_pages_puts_nothing_in_force(
    house: House, reviewer: Browser, admin: Browser, sent_form: dict[str, str]
) -> None:
    one = await proposed(house, reviewer)
    before = house.database.read_now(active)
    assert (await admin.send_form(f"/policy/proposals/{one.id}/accept", sent_form)).status_code == 409
    assert (
        await admin.send_form("/policy/proposals/rule_x/accept", {"shown": "x", "instead_of": "0"})
    ).status_code == 409
    assert house.database.read_now(active) == before
    assert len(await waiting(house)) == 1


async def test_reviewers_see_what_waits_and_neither_they_nor_who_signed_in_long_ago_put_it_in_force(
    house: House, reviewer: Browser, admin: Browser
) -> None:
    one = await proposed(house, reviewer)
    form = buttons((await admin.open("/policy")).text)
    page = await reviewer.open("/policy")
    assert "An admin puts them in force, or aside." in words(page.text)
    assert "/policy/proposals/" not in page.text
    house.clock.advance(minutes=10)
    page = await admin.open("/policy")
    assert "Confirm that it is you" in page.text
    assert "/policy/proposals/" not in page.text
    for browser in (reviewer, admin, house.browser()):
        for does in ("accept", "aside"):
            answer = await browser.send_form(f"/policy/proposals/{one.id}/{does}", form)
            assert answer.status_code in (303, 403)
            assert answer.headers.get("location", "/login").startswith("/login")
    assert len(await waiting(house)) == 1


async def test_what_is_over_is_said_and_can_only_be_put_aside(house: House, reviewer: Browser, admin: Browser) -> None:
    await proposed(house, reviewer, "&lasting=hour")
    house.clock.advance(minutes=61)
    browser = house.browser()
    await browser.sign_in("ana")
    page = await browser.open("/policy")
    assert "It is over by now, and would match nothing." in words(page.text)
    assert "Put aside" in page.text
    assert ">Put in force<" not in page.text


async def test_a_rule_that_cannot_be_read_any_more_is_said(house: House, reviewer: Browser, admin: Browser) -> None:
    await proposed(house, reviewer)
    spoil = update(tables.proposals).values(rule={"name": "<b>x", "no": 1})
    house.database.write_now(lambda transaction: transaction.connection.execute(spoil))
    page = await admin.open("/policy")
    assert "It cannot be read any more. Put it aside." in words(page.text)
    assert ">Put in force<" not in page.text
    assert "<b>x" not in page.text


async def test_of_many_the_oldest_are_shown(house: House, reviewer: Browser, admin: Browser) -> None:
    one = await proposed(house, reviewer)

    def more(change: Any) -> None:
        row = dict(change.connection.execute(select(tables.proposals)).one()._mapping)
        for number in range(21):
            rule = {**one.rule, "name": f"no {number}"}
            change.connection.execute(tables.proposals.insert().values({**row, "id": f"rule_{number}", "rule": rule}))

    house.database.write_now(more)
    said = words((await admin.open("/policy")).text)
    assert "2 more wait; they are shown here when these are done with." in said
