from datetime import timedelta
from typing import Any

import httpx2
import pytest

from store.fields import Choice, FormField
from store.lifecycle import State
from store.people import Role, SignIn
from store.questions import AskApproval, AskForm, AskSelection, AskTextInput, Mode, Risk
from store.values import FieldType
from tests.review_web.house import ORIGIN, Browser, House

pytestmark = pytest.mark.anyio

APPROVE = {"decision": "approve"}


async def reader(house: House, role: Role = Role.REVIEWER) -> dict[str, str]:
    """The header of a reviewer token."""
    person = await house.add("tokens", role)
    return {"authorization": f"Bearer {await house.people.add_reviewer_token(person.id)}"}


async def state_of(house: House, request_id: str) -> State:
    view = await house.desk.view(request_id)
    assert view is not None
    return view.state


async def decide(browser: Browser, request_id: str, answer: dict[str, Any]) -> httpx2.Response:
    """Reads the card, then answers it."""
    card = (await browser.fetch(f"/api/requests/{request_id}")).json()
    return await browser.send_json(
        f"/api/requests/{request_id}/decision", {"card_sha256": card["card_sha256"], **answer}
    )


# Listing


async def test_the_list_holds_what_is_open(house: House) -> None:
    browser = await house.signed_in()
    question = AskApproval(title="Deploy?", risk=Risk.HIGH, workflow="release")
    request_id = await house.ask(question)
    assert (await browser.fetch("/api/requests")).json() == {
        "requests": [
            {
                "request_id": request_id,
                "kind": "approval",
                "title": "Deploy?",
                "agent": "deploy-bot",
                "owner": None,
                "risk": "high",
                "workflow": "release",
                "follows": None,
                "state": "pending",
                "outcome": None,
                "opened_at": "2026-11-22T09:00:00.000000Z",
                "expires_at": "2026-11-23T09:00:00.000000Z",
                "closed_at": None,
                "agent_waiting": False,
                "asked": [],
                "answers_needed": 1,
                "escalated_at": None,
                "may_answer": True,
            }
        ],
        "before": None,
    }


async def test_the_list_of_all_holds_what_is_closed_too(house: House) -> None:
    browser = await house.signed_in()
    closed = await house.ask()
    await decide(browser, closed, APPROVE)
    opened = await house.ask(AskApproval(title="And this?"))
    every = (await browser.fetch("/api/requests?state=all")).json()["requests"]
    still_open = (await browser.fetch("/api/requests?state=open")).json()["requests"]
    assert [(row["request_id"], row["outcome"]) for row in every] == [(opened, None), (closed, "answered")]
    assert [row["request_id"] for row in still_open] == [opened]


async def test_a_state_that_does_not_exist_is_named(house: House) -> None:
    answer = await (await house.signed_in()).fetch("/api/requests?state=closed")
    assert (answer.status_code, answer.json()["error"]) == (422, "`state` is open or all, not 'closed'.")


async def test_listing_shows_nobody_anything(house: House) -> None:
    request_id = await house.ask()
    await (await house.signed_in()).fetch("/api/requests?state=all")
    assert await state_of(house, request_id) is State.PENDING


@pytest.mark.parametrize("path", ["/api/requests", "/api/requests/req_1"])
async def test_a_stranger_reads_nothing(house: House, path: str) -> None:
    answer = await house.browser().fetch(path)
    assert (answer.status_code, answer.json()["reason"]) == (401, "not_signed_in")
    assert answer.headers["www-authenticate"].startswith("Bearer")


# Reading


async def test_reading_gives_all_that_the_card_shows_and_counts_as_shown(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    read = (await browser.fetch(f"/api/requests/{request_id}")).json()
    view = await house.desk.view(request_id)
    assert view is not None
    assert read["card"] == view.card.content()
    assert read["card_sha256"] == view.card.sha256
    assert (read["state"], read["seen_by"], read["decided"]) == ("shown", ["Ana"], None)
    assert view.state is State.SHOWN


async def test_a_head_shows_nobody_anything(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    assert (await browser.client.head(f"/api/requests/{request_id}")).status_code == 200
    assert await state_of(house, request_id) is State.PENDING


async def test_a_token_reads_and_never_counts_as_shown(house: House) -> None:
    request_id = await house.ask()
    headers = await reader(house)
    client = house.browser().client
    listed = await client.get("/api/requests", headers=headers)
    read = await client.get(f"/api/requests/{request_id}", headers=headers)
    assert (listed.status_code, read.status_code) == (200, 200)
    assert await state_of(house, request_id) is State.PENDING


async def test_an_auditor_reads_and_never_counts_as_shown(house: House) -> None:
    request_id = await house.ask()
    browser = await house.signed_in("theo", Role.AUDITOR)
    assert (await browser.fetch(f"/api/requests/{request_id}")).status_code == 200
    assert await state_of(house, request_id) is State.PENDING


async def test_an_agents_token_opens_nothing(house: House) -> None:
    request_id = await house.ask()
    _, token = await house.agent_token()
    for path in ("/api/requests", f"/api/requests/{request_id}", "/", f"/requests/{request_id}"):
        answer = await house.browser().client.get(path, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


@pytest.mark.parametrize("header", ["Bearer made-up", "Bearer ", "Basic YW5hOnB3", "nonsense"])
async def test_another_token_opens_nothing_not_even_beside_a_session(house: House, header: str) -> None:
    browser = await house.signed_in()
    answer = await browser.client.get("/api/requests", headers={"authorization": header})
    assert (answer.status_code, answer.json()["reason"]) == (401, "token")


async def test_an_unknown_request_is_not_found(house: House) -> None:
    browser = await house.signed_in()
    assert (await browser.fetch("/api/requests/req_none")).status_code == 404
    assert (
        await browser.send_json("/api/requests/req_none/decision", {"card_sha256": "0", **APPROVE})
    ).status_code == 404


# Deciding


async def test_a_decision_gives_the_outcome(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    answer = await decide(browser, request_id, {**APPROVE, "comment": " Go ahead. "})
    expected = {
        "request_id": request_id,
        "status": "answered",
        "may_proceed": True,
        "decision": "approve",
        "approved": True,
        "comment": "Go ahead.",
        "decided_by": "Ana",
        "decided_at": "2026-11-22T09:00:00.000000Z",
    }
    assert (answer.status_code, answer.json()) == (200, expected)
    assert (await browser.fetch(f"/api/requests/{request_id}")).json()["decided"] == expected


SELECTION = AskSelection(
    prompt="Where?", options=(Choice(id="eu", label="EU"), Choice(id="us", label="US")), mode=Mode.MULTIPLE
)
FORM = AskForm(
    title="Details",
    fields=(FormField(name="count", type=FieldType.INTEGER), FormField(name="key", type=FieldType.PASSWORD)),
)
TEXT = AskTextInput(title="Say it", prefill="Hello", max_length=20)


@pytest.mark.parametrize(
    ("question", "answer", "result"),
    [
        (
            AskApproval(title="?"),
            {"decision": "reject"},
            {"status": "answered", "may_proceed": False, "approved": False},
        ),
        (SELECTION, {"selected": ["us", "eu"]}, {"status": "answered", "may_proceed": True, "selected": ["eu", "us"]}),
        (TEXT, {"text": "Hello"}, {"status": "answered", "text": "Hello", "edited": False}),
        (TEXT, {"action": "decline"}, {"status": "declined", "may_proceed": False}),
        (
            TEXT,
            {"action": "return", "comment": "Why?"},
            {"status": "returned", "may_proceed": False, "comment": "Why?"},
        ),
    ],
)
async def test_each_kind_of_answer_is_taken(
    house: House, question: AskApproval | AskSelection | AskTextInput, answer: dict[str, Any], result: dict[str, Any]
) -> None:
    decided = await decide(await house.signed_in(), await house.ask(question), answer)
    assert decided.status_code == 200
    assert result.items() <= decided.json().items()


async def test_a_password_comes_back_as_a_handle_only(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(FORM)
    answer = await decide(browser, request_id, {"values": {"count": 3, "key": "s3cret-value"}})
    again = await browser.fetch(f"/api/requests/{request_id}")
    assert answer.json()["values"] == {"count": 3}
    assert set(answer.json()["credentials"]) == {"key"}
    assert "s3cret-value" not in answer.text + again.text


@pytest.mark.parametrize(
    ("question", "answer", "field"),
    [
        (AskApproval(title="?"), {"decision": "maybe"}, "decision"),
        (AskApproval(title="?"), {"text": "yes"}, "answer"),
        (AskApproval(title="?"), {}, "answer"),
        (AskApproval(title="?"), {"decision": "approve", "action": "decline"}, "answer"),
        (AskApproval(title="?"), {"decision": "approve", "surprise": 1}, "surprise"),
        (AskApproval(title="?"), {"decision": 1}, "decision"),
        (AskApproval(title="?"), {"action": "approve"}, "action"),
        (AskApproval(title="?"), {"action": "return"}, "comment"),
        (SELECTION, {"selected": ["mars"]}, "selected"),
        (SELECTION, {"selected": "eu"}, "selected"),
        (FORM, {"values": {"count": "three"}}, "count"),
        (FORM, {"values": {"other": 1}}, "other"),
        (TEXT, {"text": "x" * 21}, "text"),
    ],
)
async def test_a_bad_answer_names_the_field_and_changes_nothing(
    house: House, question: AskApproval | AskSelection | AskForm | AskTextInput, answer: dict[str, Any], field: str
) -> None:
    request_id = await house.ask(question)
    refused = await decide(await house.signed_in(), request_id, answer)
    assert refused.status_code == 422
    assert [fault["field"] for fault in refused.json()["faults"]] == [field]
    assert await state_of(house, request_id) is State.SHOWN


async def test_a_bad_answer_never_comes_back_with_what_was_typed(house: House) -> None:
    refused = await decide(
        await house.signed_in(), await house.ask(FORM), {"values": {"key": ["s3cret-value"], "count": "s3cret-value"}}
    )
    assert refused.status_code == 422
    assert "s3cret-value" not in refused.text


async def test_a_decision_must_name_the_card(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    refused = await browser.send_json(f"/api/requests/{request_id}/decision", APPROVE)
    assert (refused.status_code, refused.json()["faults"]) == (
        422,
        [{"field": "card_sha256", "message": "is required"}],
    )


async def test_nobody_decides_what_they_were_not_shown(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    view = await house.desk.view(request_id)
    assert view is not None
    refused = await browser.send_json(
        f"/api/requests/{request_id}/decision", {"card_sha256": view.card_sha256, **APPROVE}
    )
    assert (refused.status_code, refused.json()["reason"]) == (409, "not_shown")
    assert f"GET /api/requests/{request_id}" in refused.json()["error"]
    assert await state_of(house, request_id) is State.PENDING


async def test_another_card_is_a_conflict(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    refused = await decide(browser, request_id, {**APPROVE, "card_sha256": "0" * 64})
    assert (refused.status_code, refused.json()["reason"]) == (409, "conflict")
    assert await state_of(house, request_id) is State.SHOWN


async def test_the_second_answer_is_a_conflict_that_says_who_was_first(house: House) -> None:
    request_id = await house.ask()
    ana, ben = await house.signed_in("ana"), await house.signed_in("ben")
    card = (await ben.fetch(f"/api/requests/{request_id}")).json()["card_sha256"]
    await decide(ana, request_id, APPROVE)
    refused = await ben.send_json(f"/api/requests/{request_id}/decision", {"card_sha256": card, "decision": "reject"})
    assert refused.status_code == 409
    assert refused.json() == {
        "error": "Already answered by Ana. Nothing was changed.",
        "reason": "conflict",
        "request_id": request_id,
        "status": "answered",
    }
    view = await house.desk.view(request_id)
    assert view is not None
    assert view.answer == {"decision": "approve", "approved": True}


async def test_an_answer_after_the_deadline_is_a_conflict(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(AskApproval(title="?", timeout_seconds=60))
    card = (await browser.fetch(f"/api/requests/{request_id}")).json()["card_sha256"]
    house.clock.now += timedelta(seconds=60)
    refused = await browser.send_json(f"/api/requests/{request_id}/decision", {"card_sha256": card, **APPROVE})
    assert (refused.status_code, refused.json()["status"]) == (409, "expired")


async def test_an_auditor_decides_nothing(house: House) -> None:
    request_id = await house.ask()
    refused = await decide(await house.signed_in("theo", Role.AUDITOR), request_id, APPROVE)
    assert (refused.status_code, refused.json()["reason"]) == (403, "role")
    assert await state_of(house, request_id) is State.PENDING


async def test_a_token_decides_nothing_not_even_beside_a_session(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    card = (await browser.fetch(f"/api/requests/{request_id}")).json()["card_sha256"]
    refused = await browser.send_json(
        f"/api/requests/{request_id}/decision", {"card_sha256": card, **APPROVE}, **await reader(house)
    )
    assert (refused.status_code, refused.json()["reason"]) == (403, "token")
    assert await state_of(house, request_id) is State.SHOWN


async def test_a_stranger_decides_nothing(house: House) -> None:
    request_id = await house.ask()
    refused = await house.browser().send_json(f"/api/requests/{request_id}/decision", {"card_sha256": "0", **APPROVE})
    assert refused.status_code == 401


async def test_a_script_with_the_cookie_and_our_origin_decides(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    card = (await browser.client.get(f"/api/requests/{request_id}")).json()["card_sha256"]
    path, body = f"/api/requests/{request_id}/decision", {"card_sha256": card, **APPROVE}
    without = await browser.client.post(path, json=body)
    foreign = await browser.client.post(path, json=body, headers={"origin": "http://127.0.0.1:3000"})
    ours = await browser.client.post(path, json=body, headers={"origin": ORIGIN})
    assert (without.status_code, foreign.status_code, ours.status_code) == (403, 403, 200)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"card_sha256": "a", "card_sha256": "b"}', "application/json", 400),
        (b'{"card_sha256": NaN}', "application/json", 400),
        (b'{"card_sha256": "\\ud800"}', "application/json", 400),
        (b'{"card_sha256": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"card_sha256": "' + b"x" * 1024 * 1024 + b'"}', "application/json", 413),
        (b"decision=approve", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
    ],
)
async def test_a_body_that_is_not_one_json_object_is_refused(
    house: House, content: bytes, kind: str, status: int
) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    answer = await browser.client.post(
        f"/api/requests/{request_id}/decision", content=content, headers={"origin": ORIGIN, "content-type": kind}
    )
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_form_values_are_not_taken_over_plain_http_from_another_machine(plain_house: House) -> None:
    ana = await plain_house.add("ana")
    secret, _ = await plain_house.people.open_session(ana, SignIn.PASSWORD)
    browser = plain_house.browser()
    browser.client.cookies.set("assent-7420", secret, domain="10.0.0.5")
    request_id = await plain_house.ask(FORM)
    refused = await decide(browser, request_id, {"values": {"key": "s3cret-value"}})
    declined = await decide(browser, request_id, {"action": "decline"})
    assert (refused.status_code, declined.status_code) == (403, 200)
