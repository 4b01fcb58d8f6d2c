"""Several people for one request, through the JSON interface: who may answer, and who learns what when."""

import base64
import re
from typing import Any

import httpx2
import pytest

from store.audit.canonical import decode
from store.people import Role
from tests.review_web.house import Browser, House
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio

APPROVE = {"decision": "approve"}
TWO = "name: two, approvals: 2"


async def decide(browser: Browser, request_id: str, answer: dict[str, Any]) -> httpx2.Response:
    """Reads the card, then answers it."""
    card = (await browser.fetch(f"/api/requests/{request_id}")).json()
    return await browser.send_json(
        f"/api/requests/{request_id}/decision", {"card_sha256": card["card_sha256"], **answer}
    )


async def you(browser: Browser, request_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await browser.fetch(f"/api/requests/{request_id}")).json()["you"]
    return found


async def kinds(browser: Browser, query: str = "") -> list[str]:
    """The types of the log's entries that this browser gets."""
    found = (await browser.fetch(f"/api/audit/entries{query}")).json()["entries"]
    return [decode(base64.b64decode(row["entry"]))["type"] for row in found]


async def everything_read(browser: Browser, request_id: str) -> list[str]:
    """All that a person gets to read of a request, but for what differs with every page."""
    pages = [await browser.open(path) for path in ("/", f"/requests/{request_id}", "/history", "/history?q=fine")]
    read = ["/api/requests?state=all", f"/api/requests/{request_id}", "/api/audit/entries"]
    assert all(page.status_code == 200 for page in pages)
    return [
        *(re.sub(r'nonce="[^"]+"|nonce-[\w-]+', "", page.text) for page in pages),
        *[(await browser.fetch(path)).text for path in read],
    ]


async def test_the_first_answer_of_several_says_how_many_are_missing_and_the_last_one_the_outcome(
    house: House,
) -> None:
    ana, ben = await house.signed_in("ana"), await house.signed_in("ben")
    await in_force(house.desk, TWO)
    request_id = await house.ask()
    first = await decide(ana, request_id, APPROVE)
    assert (first.status_code, first.json()) == (
        200,
        {"request_id": request_id, "status": "voted", "still_needed": 1},
    )
    last = await decide(ben, request_id, {**APPROVE, "comment": "fine"})
    assert (last.status_code, last.json()["status"], last.json()["decided_by"]) == (200, "answered", "Ana and Ben")
    votes = (await ana.fetch(f"/api/requests/{request_id}")).json()["votes"]
    at = "2026-11-22T09:00:00.000000Z"
    said = {"said": "approved: Approve", "approves": True, "authenticated_by": "password", "at": at}
    assert votes == [{"by": "Ana", "comment": None, **said}, {"by": "Ben", "comment": "fine", **said}]


async def test_a_second_answer_of_one_person_is_a_conflict(house: House) -> None:
    ana, _ = await house.signed_in("ana"), await house.signed_in("ben")
    await in_force(house.desk, TWO)
    request_id = await house.ask()
    await decide(ana, request_id, APPROVE)
    for answer in (APPROVE, {"decision": "reject"}, {"action": "decline"}):
        again = await decide(ana, request_id, answer)
        assert (again.status_code, again.json()["reason"], again.json()["status"]) == (409, "conflict", "pending")


async def test_who_has_not_answered_reads_the_same_before_and_after_somebody_did(house: House) -> None:
    ana, ben = await house.signed_in("ana"), await house.signed_in("ben")
    await in_force(house.desk, TWO)
    request_id = await house.ask()
    for browser in (ana, ben):
        await everything_read(browser, request_id)
    before = await everything_read(ben, request_id)
    assert (await decide(ana, request_id, {**APPROVE, "comment": "fine"})).json()["status"] == "voted"
    assert await everything_read(ben, request_id) == before
    assert (await decide(ben, request_id, APPROVE)).json()["status"] == "answered"
    assert await everything_read(ben, request_id) != before


async def test_the_log_is_given_up_to_what_several_must_approve_and_whole_to_auditors(house: House) -> None:
    ana, ben = await house.signed_in("ana", Role.ADMIN), await house.signed_in("ben")
    auditor = await house.signed_in("ada", Role.AUDITOR)
    await in_force(house.desk, f"{TWO}, agent: deploy-bot")
    request_id = await house.ask()
    before = await kinds(ben)
    await decide(ana, request_id, APPROVE)
    await house.ask(agent="billing-bot")
    everything = await kinds(auditor)
    hidden = everything.index("request_opened")
    assert everything[hidden:] == ["request_opened", "request_shown", "request_voted", "agent_added", "request_opened"]
    assert before == everything[:hidden]
    for browser in (ana, ben):
        assert await kinds(browser) == everything[:hidden]
        assert await kinds(browser, f"?start={hidden}") == []
        assert await kinds(browser, f"?start={hidden + 1}") == []
        assert await kinds(browser, f"?start={hidden - 1}&limit=9") == everything[hidden - 1 : hidden]
    await decide(ben, request_id, {"decision": "reject"})
    assert await kinds(ben) == await kinds(auditor)


async def test_the_list_says_of_each_request_whether_it_is_yours_to_answer(house: House) -> None:
    ana, ben = await house.signed_in("ana"), await house.signed_in("ben")
    auditor = await house.signed_in("ada", Role.AUDITOR)
    await in_force(house.desk, "name: ours, agent: billing-bot, reviewers: [ben]")
    everybodys, bens = await house.ask(), await house.ask(agent="billing-bot")

    async def listed(browser: Browser) -> dict[str, tuple[bool, list[str]]]:
        rows = (await browser.fetch("/api/requests?state=open")).json()["requests"]
        return {row["request_id"]: (row["may_answer"], row["asked"]) for row in rows}

    assert await listed(ana) == {everybodys: (True, []), bens: (False, ["ben"])}
    assert await listed(ben) == {everybodys: (True, []), bens: (True, ["ben"])}
    assert await listed(auditor) == {everybodys: (False, []), bens: (False, ["ben"])}


async def test_who_is_not_asked_reads_the_request_and_is_told_why_they_cannot_answer(house: House) -> None:
    ana, _ = await house.signed_in("ana"), await house.signed_in("ben")
    await in_force(house.desk, "name: ours, reviewers: [ben]")
    request_id = await house.ask()
    refused = await decide(ana, request_id, APPROVE)
    assert (refused.status_code, refused.json()["reason"]) == (403, "not_allowed")
    assert refused.json()["error"] == "This asks ben, and you are not among them."
    assert await you(ana, request_id) == {
        "may_answer": False,
        "may_approve": False,
        "why_not": "this asks ben, and you are not among them",
        "needs_passkey": False,
        "reason_required": False,
        "answered": None,
    }


async def test_who_answered_reads_their_own_answer(house: House) -> None:
    ana, _ = await house.signed_in("ana"), await house.signed_in("ben")
    await in_force(house.desk, TWO)
    request_id = await house.ask()
    await decide(ana, request_id, APPROVE)
    mine = await you(ana, request_id)
    assert (mine["may_answer"], mine["answered"]) == (
        False,
        {"said": "approved: Approve", "at": "2026-11-22T09:00:00.000000Z", "still_needed": 1},
    )


async def test_an_approval_without_the_passkey_that_a_rule_wants_is_refused(house: House) -> None:
    ana = await house.signed_in("ana")
    await in_force(house.desk, "name: signed, require: passkey")
    request_id = await house.ask()
    refused = await decide(ana, request_id, APPROVE)
    assert (refused.status_code, refused.json()["reason"]) == (403, "needs_signature")
    assert (await you(ana, request_id))["needs_passkey"]
    assert (await decide(ana, request_id, {"decision": "reject"})).json()["status"] == "answered"


async def test_a_missing_reason_is_a_fault_of_the_comment(house: House) -> None:
    ana = await house.signed_in("ana")
    await in_force(house.desk, "name: say why, reason: required")
    request_id = await house.ask()
    refused = await decide(ana, request_id, APPROVE)
    assert (refused.status_code, [fault["field"] for fault in refused.json()["faults"]]) == (422, ["comment"])
