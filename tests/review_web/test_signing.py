"""Answers signed with a passkey, as the page and as a program sends them: what counts, and everything that does not."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest
from sqlalchemy import select

from store import tables
from store.audit.canonical import decode
from store.audit.signatures import SignatureCounts
from store.lifecycle import State
from store.people import Role, SignIn
from store.policy.active import Via, activate
from store.questions import AnyQuestion, AskApproval
from store.signing.kept import SignedBy
from store.signing.statement import answer_commitment, load_statement
from tests.review_web.authenticator import Authenticator
from tests.review_web.cards import FORM, SELECTION, TEXT, card_hash, open_card, send, view_of
from tests.review_web.house import Browser, House
from tests.review_web.test_passkeys import enrol, new_authenticator

pytestmark = pytest.mark.anyio

POLICY = """version: 1
rules:
  - name: signed
    tool: "ask_*"
    require: passkey
"""
APPROVAL = AskApproval(title="Deploy to production?")


@dataclass
class Signer:
    """A person with a passkey, signed in."""

    browser: Browser
    authenticator: Authenticator

    async def asked(self, request_id: str, body: dict[str, Any]) -> Any:
        return await self.browser.send_json(f"/requests/{request_id}/signature", body)

    async def assertion(self, request_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the browser makes of the options for this answer."""
        asked = await self.asked(request_id, body)
        assert asked.status_code == 200, asked.text
        credential = self.authenticator.get(asked.json()["publicKey"])
        return {"statement": asked.json()["statement"], "credential": credential}

    async def decide(self, request_id: str, body: dict[str, Any], assertion: Any = None) -> Any:
        if assertion is not None:
            body = {**body, "assertion": assertion}
        return await self.browser.send_json(f"/api/requests/{request_id}/decision", body)


async def signer(house: House, name: str) -> Signer:
    found = Signer(await house.signed_in(name), new_authenticator())
    assert (await enrol(found.browser, found.authenticator)).status_code == 201
    return found


@pytest.fixture
async def ana(house: House) -> AsyncIterator[Signer]:
    """Ana, in a house whose rule wants approvals signed."""
    yield await signer(house, "ana")
    # Whatever happened in a test: what the log holds of it verifies.
    house.desk.log.verify()


@pytest.fixture
async def governed(house: House, ana: Signer) -> House:
    await house.database.write(lambda change: activate(change, POLICY, reviewer=None, via=Via.COMMAND_LINE))
    return house


async def shown(house: House, person: Signer, question: AnyQuestion = APPROVAL) -> tuple[str, dict[str, Any]]:
    """A request that this person was shown, and the body of their approval."""
    request_id = await house.ask(question)
    view = (await person.browser.fetch(f"/api/requests/{request_id}")).json()
    return request_id, {"card_sha256": view["card_sha256"], "decision": "approve"}


async def is_open(house: House, request_id: str) -> bool:
    return (await view_of(house, request_id)).state is not State.CLOSED


async def entry_of_closing(house: House) -> dict[str, Any]:
    entries = [decode(data) for _, data in await house.desk.log.entries(0, 1000)]
    return next(entry for entry in entries if entry["type"] == "request_closed")


async def rows(house: House, table: Any) -> int:
    return len(await house.database.read(lambda connection: connection.execute(select(table)).all()))


# What counts


async def test_a_signed_approval_is_taken_and_verifies_from_the_log(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    answer = await ana.decide(request_id, body, await ana.assertion(request_id, body))
    assert (answer.status_code, answer.json()["may_proceed"]) == (200, True)
    assert governed.desk.log.verify().signatures == SignatureCounts(checked=1)
    entry = await entry_of_closing(governed)
    (passkey,) = await governed.people.passkeys(entry["reviewer"])
    assert entry["passkey"] == passkey.id
    assert (passkey.sign_count, await rows(governed, tables.signing_nonces)) == (ana.authenticator.sign_count, 0)


async def test_the_statement_names_everything_that_the_answer_is_about(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    asked = (await ana.asked(request_id, body)).json()
    statement = load_statement(asked["statement"])
    view = await view_of(governed, request_id)
    person = await governed.people.find("ana")
    assert person is not None
    assert replace(statement, answer_commitment="", nonce="", credential_id="", expires_at="") == replace(
        statement,
        log_origin=governed.database.origin,
        request_id=request_id,
        card_sha256=view.card_sha256,
        option="approve",
        approves=True,
        meaning="approved: the agent may proceed",
        answer_commitment="",
        executed_args_commitment=None,
        reviewer_id=person.id,
        credential_id="",
        policy_sha256=view.card.policy_sha256,
        nonce="",
        expires_at="",
    )
    assert view.card.policy_sha256 is not None
    assert asked["publicKey"]["userVerification"] == "required"
    assert len(asked["publicKey"]["allowCredentials"]) == 1


async def test_a_signed_approval_is_taken_from_the_cards_form(governed: House, ana: Signer) -> None:
    request_id = await governed.ask(APPROVAL)
    page = await open_card(ana.browser, request_id)
    assert f'data-signs="/requests/{request_id}/signature"' in page
    form = {"card_sha256": card_hash(page), "action": "option:approve", "comment": " ok "}
    asked = await ana.browser.send_form(f"/requests/{request_id}/signature", form, accept="application/json")
    credential = ana.authenticator.get(asked.json()["publicKey"])
    assertion = json.dumps({"statement": asked.json()["statement"], "credential": credential})
    status, _ = await send(ana.browser, request_id, page, action="option:approve", comment="ok", assertion=assertion)
    assert status == 303
    assert "with the passkey “<bdi>Laptop</bdi>”" in await open_card(ana.browser, request_id)
    assert governed.desk.log.verify().signatures == SignatureCounts(checked=1)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (SELECTION, {"selected": ["eu"]}),
        (FORM, {"values": {"age": 30, "note": "n", "pin": "12345"}}),
        (TEXT, {"text": "Hello\r\nworld, again"}),
    ],
    ids=["selection", "form with a password", "text"],
)
async def test_every_kind_of_answer_can_be_signed(
    governed: House, ana: Signer, question: AnyQuestion, answer: dict[str, Any]
) -> None:
    request_id, body = await shown(governed, ana, question)
    body = {"card_sha256": body["card_sha256"], **answer, "comment": "as agreed"}
    assert (await ana.decide(request_id, body)).status_code == 403
    assert (await ana.decide(request_id, body, await ana.assertion(request_id, body))).status_code == 200
    assert governed.desk.log.verify().signatures == SignatureCounts(checked=1)


@pytest.mark.parametrize(
    "answer", [{"decision": "reject"}, {"action": "decline"}, {"action": "return", "comment": "?"}]
)
async def test_a_refusal_needs_no_signature_and_may_have_one(
    governed: House, ana: Signer, answer: dict[str, Any]
) -> None:
    request_id, body = await shown(governed, ana)
    body = {"card_sha256": body["card_sha256"], **answer}
    assert (await ana.decide(request_id, body)).status_code == 200
    again, body = await shown(governed, ana, AskApproval(title="Another?"))
    body = {"card_sha256": body["card_sha256"], **answer}
    assert (await ana.decide(again, body, await ana.assertion(again, body))).status_code == 200
    assert governed.desk.log.verify().signatures == SignatureCounts(checked=1)


async def test_where_no_rule_wants_it_an_approval_may_be_signed_too(house: House, ana: Signer) -> None:
    request_id, body = await shown(house, ana)
    assert (await ana.decide(request_id, body, await ana.assertion(request_id, body))).status_code == 200
    assert house.desk.log.verify().signatures == SignatureCounts(checked=1)


async def test_of_several_passkeys_the_named_one_signs_and_else_the_one_used_last(governed: House, ana: Signer) -> None:
    phone = new_authenticator()
    await enrol(ana.browser, phone, name="Phone")
    request_id, body = await shown(governed, ana)
    person = await governed.people.find("ana")
    assert person is not None
    laptop_key, phone_key = await governed.people.passkeys(person.id)
    assert (await ana.asked(request_id, {**body, "passkey": phone_key.id})).json()["passkey"]["name"] == "Phone"
    await ana.decide(request_id, body, await ana.assertion(request_id, {**body, "passkey": laptop_key.id}))
    request_id, body = await shown(governed, ana, AskApproval(title="Another?"))
    governed.clock.advance(seconds=1)
    assert (await ana.asked(request_id, body)).json()["passkey"] == {"id": laptop_key.id, "name": "Laptop"}


async def test_each_of_several_approvals_is_signed_by_its_person(house: House, ana: Signer) -> None:
    ben = await signer(house, "ben")
    rules = POLICY.replace('"ask_*"', "ask_approval") + "    approvals: 2\n"
    await house.database.write(lambda change: activate(change, rules, reviewer=None, via=Via.COMMAND_LINE))
    request_id, body = await shown(house, ana)
    await ben.browser.fetch(f"/api/requests/{request_id}")
    body["comment"] = "seen"
    first = await ana.decide(request_id, body, await ana.assertion(request_id, body))
    assert (first.status_code, first.json()["status"]) == (200, "voted")
    assert (await ben.decide(request_id, body)).status_code == 403
    assert (await view_of(house, request_id)).signed_by == ()
    house.clock.advance(seconds=1)
    assert (await ben.decide(request_id, body, await ben.assertion(request_id, body))).json()["may_proceed"] is True
    assert (await view_of(house, request_id)).signed_by == (SignedBy("Ana", "Laptop"), SignedBy("Ben", "Laptop"))
    assert house.desk.log.verify().signatures == SignatureCounts(checked=2)


async def test_a_password_leaves_no_trace_in_what_is_signed(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana, FORM)
    body = {"card_sha256": body["card_sha256"], "values": {"age": 30, "note": "n", "pin": "a secret pin"}}
    asked = (await ana.asked(request_id, body)).json()
    said = load_statement(asked["statement"])
    content = {"values": {"age": 30, "note": "n"}, "credentials": ["pin"]}
    assert said.answer_commitment == answer_commitment(said.nonce, content, None)


# What does not


async def refused(house: House, request_id: str, answer: Any, status: int = 422) -> bool:
    assert answer.status_code == status, answer.text
    return await is_open(house, request_id) and await rows(house, tables.signatures) == 0


async def test_an_approval_without_the_signature_is_not_taken(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    answer = await ana.decide(request_id, body)
    assert answer.json()["reason"] == "needs_signature"
    assert await refused(governed, request_id, answer, 403)
    page = await open_card(ana.browser, request_id)
    status, text = await send(ana.browser, request_id, page, action="option:approve")
    assert (status, "signature" in text) == (409, True)
    assert await is_open(governed, request_id)


async def test_a_signature_is_used_once(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, body)
    assert (await ana.decide(request_id, body, assertion)).status_code == 200
    again, other = await shown(governed, ana, AskApproval(title="Another?"))
    assert (await ana.decide(again, other, assertion)).status_code == 422
    assert await is_open(governed, again)


async def test_of_the_same_signed_answer_sent_twice_at_once_one_stands(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, body)
    said: list[int] = []

    async def send_it() -> None:
        said.append((await ana.decide(request_id, body, assertion)).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(send_it)
    assert sorted(said) == [200, 409, 409]
    assert await rows(governed, tables.signatures) == 1


async def test_a_refused_signature_uses_nothing_up(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, body)
    assert (await ana.decide(request_id, {**body, "comment": "another"}, assertion)).status_code == 422
    assert (await ana.decide(request_id, body, assertion)).status_code == 200


async def test_a_signature_counts_for_ten_minutes(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, body)
    governed.clock.advance(minutes=10)
    answer = await ana.decide(request_id, body, assertion)
    assert "more than ten minutes ago" in answer.json()["faults"][0]["message"]
    assert await refused(governed, request_id, answer)


async def test_asking_again_makes_the_statement_before_void(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, body)
    await ana.asked(request_id, body)
    assert await refused(governed, request_id, await ana.decide(request_id, body, assertion))


async def test_a_signature_under_a_refusal_approves_nothing(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, {**body, "decision": "reject"})
    answer = await ana.decide(request_id, body, assertion)
    assert "for another answer" in answer.json()["faults"][0]["message"]
    assert await refused(governed, request_id, answer)


async def test_a_comment_that_was_not_signed_is_not_taken(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, {**body, "comment": "only the first"})
    answer = await ana.decide(request_id, {**body, "comment": "all of them"}, assertion)
    assert await refused(governed, request_id, answer)


async def test_a_signature_for_another_request_is_not_taken(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    other_id, other = await shown(governed, ana, AskApproval(title="Another?"))
    assertion = await ana.assertion(request_id, body)
    await ana.asked(other_id, other)
    assert await refused(governed, other_id, await ana.decide(other_id, other, assertion))


async def test_a_signature_counts_in_the_session_that_asked_for_it_only(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, body)
    elsewhere = Signer(governed.browser(), ana.authenticator)
    assert (await elsewhere.browser.sign_in("ana")).status_code == 303
    assert await refused(governed, request_id, await elsewhere.decide(request_id, body, assertion))


async def test_one_persons_signature_is_not_anothers(governed: House, ana: Signer) -> None:
    ben = await signer(governed, "ben")
    request_id, body = await shown(governed, ana)
    await ben.browser.fetch(f"/api/requests/{request_id}")
    assertion = await ana.assertion(request_id, body)
    await ben.asked(request_id, body)
    assert await refused(governed, request_id, await ben.decide(request_id, body, assertion))


async def test_another_key_of_the_same_id_signs_nothing(governed: House, ana: Signer) -> None:
    forged = new_authenticator()
    forged.credential_id = ana.authenticator.credential_id
    request_id, body = await shown(governed, ana)
    assertion = await Signer(ana.browser, forged).assertion(request_id, body)
    assert await refused(governed, request_id, await ana.decide(request_id, body, assertion))


@pytest.mark.parametrize(
    ("what", "value"),
    [("origin", "http://evil.example"), ("relying_party", "evil.example"), ("verifies_user", False)],
)
async def test_a_signature_from_elsewhere_or_of_nobody_is_not_taken(
    governed: House, ana: Signer, what: str, value: object
) -> None:
    setattr(ana.authenticator, what, value)
    request_id, body = await shown(governed, ana)
    answer = await ana.decide(request_id, body, await ana.assertion(request_id, body))
    assert "could not be checked" in answer.json()["faults"][0]["message"]
    assert await refused(governed, request_id, answer)


async def test_a_copied_passkey_is_noticed_by_its_counter(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    await ana.decide(request_id, body, await ana.assertion(request_id, body))
    ana.authenticator.sign_count -= 1
    again, body = await shown(governed, ana, AskApproval(title="Another?"))
    assert (await ana.decide(again, body, await ana.assertion(again, body))).status_code == 422
    assert await is_open(governed, again)


async def test_a_passkey_that_was_removed_meanwhile_signs_nothing(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    assertion = await ana.assertion(request_id, body)
    person = await governed.people.find("ana")
    assert person is not None
    (passkey,) = await governed.people.passkeys(person.id)
    await governed.people.remove_passkey(person.id, passkey.id)
    assert await refused(governed, request_id, await ana.decide(request_id, body, assertion))


@pytest.mark.parametrize(
    "assertion",
    [
        {},
        {"statement": "x"},
        {"statement": 7, "credential": {}},
        {"statement": "{}", "credential": {"rawId": "%%%", "response": {}}},
        {"statement": "{}", "credential": {"rawId": "AAAA", "response": {"clientDataJSON": 1}}},
        {"statement": "{}", "credential": []},
    ],
    ids=str,
)
async def test_a_malformed_signature_is_not_taken(governed: House, ana: Signer, assertion: Any) -> None:
    request_id, body = await shown(governed, ana)
    assert await refused(governed, request_id, await ana.decide(request_id, body, assertion))
    page = await open_card(ana.browser, request_id)
    status, _ = await send(ana.browser, request_id, page, action="option:approve", assertion=json.dumps(assertion))
    assert status == 422
    assert await is_open(governed, request_id)


# Who may ask for a statement, and for what


async def test_nothing_is_handed_out_for_an_answer_that_would_not_stand(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    unseen = await governed.ask(AskApproval(title="Unseen?"))
    hash_of_unseen = (await view_of(governed, unseen)).card_sha256
    said = [
        (await ana.asked(request_id, {**body, "decision": "maybe"})).status_code,
        (await ana.asked(request_id, {**body, "card_sha256": "0" * 64})).status_code,
        (await ana.asked(request_id, {**body, "text": "two answers"})).status_code,
        (await ana.asked(request_id, {**body, "passkey": "pk_other"})).status_code,
        (await ana.asked(request_id, {**body, "passkey": 7})).status_code,
        (await ana.asked(unseen, {**body, "card_sha256": hash_of_unseen})).status_code,
        (await ana.asked("req_none", body)).status_code,
    ]
    assert said == [422, 409, 422, 422, 422, 409, 404]
    assert await rows(governed, tables.signing_nonces) == 0


async def test_whom_the_rules_do_not_ask_gets_no_statement(house: House, ana: Signer) -> None:
    await house.add("ben")
    rules = POLICY + "    reviewers: [ben]\n"
    await house.database.write(lambda change: activate(change, rules, reviewer=None, via=Via.COMMAND_LINE))
    request_id, body = await shown(house, ana)
    answer = await ana.asked(request_id, body)
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_allowed")


async def test_asking_for_a_statement_decides_nothing(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    before = len(await governed.desk.log.entries(0, 1000))
    await ana.asked(request_id, body)
    assert await is_open(governed, request_id)
    assert len(await governed.desk.log.entries(0, 1000)) == before


async def test_strangers_and_auditors_and_tokens_get_no_statement(governed: House, ana: Signer) -> None:
    request_id, body = await shown(governed, ana)
    _, token = await governed.agent_token("another-bot")
    path = f"/requests/{request_id}/signature"
    stranger = governed.browser()
    assert (await stranger.send_json(path, body)).status_code == 401
    assert (await stranger.send_json(path, body, authorization=f"Bearer {token}")).status_code == 401
    auditor = await governed.signed_in("eve", Role.AUDITOR)
    assert (await auditor.send_json(path, body)).status_code == 403
    for site in ("cross-site", "same-site"):
        assert (await ana.browser.send_json(path, body, **{"sec-fetch-site": site})).status_code == 403
    assert await rows(governed, tables.signing_nonces) == 0


async def test_whoever_has_no_passkey_is_told_where_to_get_one(governed: House) -> None:
    ben = Signer(await governed.signed_in("ben"), new_authenticator())
    request_id, body = await shown(governed, ben)
    answer = await ben.asked(request_id, body)
    assert (answer.status_code, answer.json()["reason"]) == (409, "no_passkey")
    page = await open_card(ben.browser, request_id)
    assert '<a href="/account" target="_blank">Add one on your account page</a>' in page
    assert "decide.js" not in page


async def test_where_browsers_offer_no_passkeys_the_card_says_what_to_do(plain_house: House) -> None:
    await plain_house.database.write(lambda change: activate(change, POLICY, reviewer=None, via=Via.COMMAND_LINE))
    person = await plain_house.add("ana")
    secret, _ = await plain_house.people.open_session(person, SignIn.PASSWORD)
    browser = plain_house.browser()
    browser.client.cookies.set("assent-7420", secret, domain="10.0.0.5")
    page = await open_card(browser, await plain_house.ask(APPROVAL))
    assert "browsers offer no passkeys under this address" in page
    assert "decide.js" not in page


async def test_whoever_may_only_refuse_is_asked_for_no_signature(house: House, ana: Signer) -> None:
    rules = POLICY + "    not_owner: true\n"
    await house.database.write(lambda change: activate(change, rules, reviewer=None, via=Via.COMMAND_LINE))
    agent, _ = await house.agents.add("anas-bot", owner="ana")
    request_id = (await house.desk.ask(agent, APPROVAL)).request_id
    page = await open_card(ana.browser, request_id)
    assert "data-signs" not in page
    status, _ = await send(ana.browser, request_id, page, action="option:reject")
    assert status == 303


async def test_a_card_that_wants_no_signature_says_nothing_of_one(house: House, ana: Signer) -> None:
    page = await open_card(ana.browser, await house.ask(APPROVAL))
    assert "data-signs" not in page
    assert "decide.js" not in page
