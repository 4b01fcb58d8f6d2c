"""Changing what a held call would run with: on the page, and as JSON."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest

from review_web.arguments_form import key_of
from store.audit.canonical import decode
from store.people import Role
from tests.review_web import held_calls
from tests.review_web.cards import card_hash, open_card, send, text_of, view_of
from tests.review_web.house import Browser, House
from tests.stage import see
from tests.store.calls.held import HOLD, NEVER, TWO

pytestmark = pytest.mark.anyio
CHANGED = {"amount": 20, "to": "ACME"}


@pytest.fixture
async def ana(house: House) -> AsyncIterator[Browser]:
    await held_calls.rules(house)
    yield await house.signed_in("ana")
    # Whatever happened in a test: what the log holds of it verifies.
    house.desk.log.verify()


async def arguments(house: House, request_id: str) -> dict[str, Any]:
    question: Any = (await view_of(house, request_id)).card.question
    found: dict[str, Any] = question.arguments
    return found


def form(page: str, **values: str) -> dict[str, str]:
    named = {key_of(name): text for name, text in values.items()}
    return {"card_sha256": card_hash(page), "as": "inputs", **named}


async def opened(browser: Browser, request_id: str) -> str:
    """The page for changing, after the card was read."""
    await open_card(browser, request_id)
    page = await browser.open(f"/requests/{request_id}/arguments")
    assert page.status_code == 200
    return page.text


async def post(browser: Browser, request_id: str, form: dict[str, str]) -> tuple[int, str]:
    answer = await browser.send_form(f"/requests/{request_id}/arguments", form)
    return answer.status_code, unescape(answer.text)


async def test_the_page_offers_an_input_for_each_argument_and_nothing_that_approves(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    assert f'href="/requests/{request_id}/arguments"' in await open_card(ana, request_id)
    page = await opened(ana, request_id)
    assert re.search(rf'<input id="{key_of("amount")}"[^>]* value="600"', page)
    assert "currency (not in the call; leave it empty to keep it so)" in text_of(page)
    assert "option:run" not in page
    assert 'name="action"' not in page


async def test_what_was_changed_stands_on_a_new_card_and_nobody_has_seen_it(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    page = await opened(ana, request_id)
    before = await view_of(house, request_id)
    status, _ = await post(ana, request_id, form(page, amount="20", currency='"CHF"'))
    view = await view_of(house, request_id)
    assert (status, view.edits, view.seen_by, view.outcome) == (303, 1, (), None)
    assert view.card_sha256 != before.card_sha256
    assert await arguments(house, request_id) == {"amount": 20, "to": "ACME", "currency": "CHF"}
    said = text_of(await open_card(ana, request_id))
    assert "Ana changed 2 arguments. Struck through: what the agent called it with." in said
    assert "The agent called it with 600 changed to 20" in said
    assert "added changed to CHF" in said


async def test_the_card_from_before_takes_no_answer_any_more(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    old = await open_card(ana, request_id)
    await held_calls.edit(house, request_id, CHANGED)
    status, page = await send(ana, request_id, old, action="option:run")
    assert (status, (await view_of(house, request_id)).outcome) == (409, None)
    assert "another version of the card" in page
    assert "Mei changed 1 argument." in text_of(page)


async def test_what_the_editor_sees_next_is_the_new_card_to_be_answered_anew(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    await post(ana, request_id, form(await opened(ana, request_id), amount="20"))
    status, _ = await send(ana, request_id, await open_card(ana, request_id), action="option:run")
    view = await view_of(house, request_id)
    assert (status, view.may_proceed) == (303, True)


async def test_votes_for_the_card_from_before_are_void(house: House, ana: Browser) -> None:
    await house.add("otto")
    await held_calls.mei(house)
    await held_calls.rules(house, HOLD, TWO)
    request_id = await held_calls.hold(house)
    assert (await send(ana, request_id, await open_card(ana, request_id), action="option:run"))[0] == 303
    otto = house.browser()
    await otto.sign_in("otto")
    page = await opened(otto, request_id)
    assert "answers to the card of now are void then" in text_of(page)
    assert (await post(otto, request_id, form(page, amount="700")))[0] == 303
    page = await open_card(ana, request_id)
    assert "Your answer is in" not in page
    assert "option:run" in page


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"amount": "much"}, "amount: write a number, such as 12 or 12.5"),
        ({"amount": "-1"}, "amount: "),
        ({"to": "A"}, "to: "),
        ({"amount": "600"}, "arguments: are what the card says already"),
    ],
)
async def test_what_does_not_fit_is_kept_with_what_is_wrong(
    house: House, ana: Browser, typed: dict[str, str], wrong: str
) -> None:
    request_id = await held_calls.hold(house)
    before = (await view_of(house, request_id)).card_sha256
    status, page = await post(ana, request_id, form(await opened(ana, request_id), **typed))
    assert (status, (await view_of(house, request_id)).card_sha256) == (422, before)
    assert "Nothing was changed. What you typed is kept below." in text_of(page)
    assert wrong in text_of(page)
    for name, text in typed.items():
        assert re.search(rf'<input id="{key_of(name)}"[^>]* value="{text}"', page)


async def test_arguments_can_be_written_as_json(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    page = await opened(ana, request_id)
    wrong = {"card_sha256": card_hash(page), "as": "json", "whole": '{"amount": 1, "to": "ACME", "memo": "x"}'}
    status, again = await post(ana, request_id, wrong)
    assert status == 422
    assert '"memo": "x"' in again
    assert "<details" in again
    assert (await post(ana, request_id, {**wrong, "whole": '{"amount": 1, "to": "ACME"}'}))[0] == 303
    assert await arguments(house, request_id) == {"amount": 1, "to": "ACME"}


async def test_rules_deny_what_they_deny_and_the_form_stays(house: House, ana: Browser) -> None:
    await held_calls.rules(house, HOLD, NEVER)
    request_id = await held_calls.hold(house)
    status, page = await post(ana, request_id, form(await opened(ana, request_id), to="Mallory"))
    assert status == 422
    assert "Ask the bank" in page
    assert 'value="Mallory"' in page
    assert await arguments(house, request_id) == held_calls.ARGUMENTS


async def test_who_did_not_read_the_card_changes_nothing(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    page = (await ana.open(f"/requests/{request_id}/arguments")).text
    status, again = await post(ana, request_id, form(page, amount="20"))
    assert (status, await arguments(house, request_id)) == (409, held_calls.ARGUMENTS)
    assert "go back to the card" in again
    assert re.search(rf'<input id="{key_of("amount")}"[^>]* value="20"', again)


async def test_what_was_typed_on_a_card_that_is_no_more_is_kept_and_changes_nothing(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    page = await opened(ana, request_id)
    await held_calls.edit(house, request_id, CHANGED)
    status, _ = await post(ana, request_id, form(page, amount="30"))
    assert (status, await arguments(house, request_id)) == (409, CHANGED)


async def test_an_auditor_and_who_is_not_asked_can_change_nothing(house: House, ana: Browser) -> None:
    await held_calls.mei(house)
    await held_calls.rules(house, f"{HOLD}, reviewers: [mei]")
    request_id = await held_calls.hold(house)
    card = (await view_of(house, request_id)).card_sha256
    auditor = await house.signed_in("otto", Role.AUDITOR)
    body = {"card_sha256": card, "as": "inputs", key_of("amount"): "20"}
    for browser in (ana, auditor):
        assert "Change the arguments" not in await open_card(browser, request_id)
        assert (await browser.open(f"/requests/{request_id}/arguments")).status_code == 403
        assert (await post(browser, request_id, body))[0] == 403
    assert await arguments(house, request_id) == held_calls.ARGUMENTS


async def test_what_is_closed_and_what_is_no_call_has_no_arguments_to_change(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    await send(ana, request_id, await open_card(ana, request_id), action="option:refuse")
    assert (await ana.open(f"/requests/{request_id}/arguments")).status_code == 409
    question = await house.ask()
    assert (await ana.open(f"/requests/{question}/arguments")).status_code == 404
    assert (await ana.open("/requests/req_none/arguments")).status_code == 404


async def test_strangers_and_other_sites_change_nothing(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    path = f"/requests/{request_id}/arguments"
    body = form(await opened(ana, request_id), amount="20")
    assert (await house.browser().send_form(path, body)).status_code == 303
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert (await ana.client.post(path, data=body, headers=headers)).status_code == 403
    assert await arguments(house, request_id) == held_calls.ARGUMENTS


# As JSON


async def api(browser: Browser, request_id: str, body: Any) -> tuple[int, dict[str, Any]]:
    answer = await browser.send_json(f"/api/requests/{request_id}/arguments", body)
    return answer.status_code, answer.json()


async def test_a_program_reads_all_that_the_card_shows_and_changes_it(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    read = (await ana.fetch(f"/api/requests/{request_id}")).json()
    question = read["card"]["question"]
    assert (read["kind"], question["tool"], question["arguments"]) == ("call", "payments__send", held_calls.ARGUMENTS)
    assert (read["run"], read["edits"], read["lapses_at"]) == (None, 0, None)
    status, edited = await api(ana, request_id, {"card_sha256": read["card_sha256"], "arguments": CHANGED})
    again = (await ana.fetch(f"/api/requests/{request_id}")).json()
    assert (status, edited) == (200, {"request_id": request_id, "card_sha256": again["card_sha256"]})
    question = again["card"]["question"]
    assert (question["arguments"], question["asked_arguments"]) == (CHANGED, held_calls.ARGUMENTS)
    assert (again["edits"], question["edited_by"]) == (1, "Ana")
    decided = await ana.send_json(
        f"/api/requests/{request_id}/decision", {"card_sha256": again["card_sha256"], "decision": "run"}
    )
    assert (decided.status_code, decided.json()["may_proceed"]) == (200, True)
    await held_calls.run(house, request_id, None)
    assert (await ana.fetch(f"/api/requests/{request_id}")).json()["run"]["state"] == "running"


async def test_a_program_must_have_read_the_new_card_to_decide_on_it(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    read = (await ana.fetch(f"/api/requests/{request_id}")).json()
    _, edited = await api(ana, request_id, {"card_sha256": read["card_sha256"], "arguments": CHANGED})
    decided = await ana.send_json(
        f"/api/requests/{request_id}/decision", {"card_sha256": edited["card_sha256"], "decision": "run"}
    )
    assert (decided.status_code, decided.json()["reason"]) == (409, "not_shown")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"arguments": CHANGED}, 422, "card_sha256"),
        ({"card_sha256": "0" * 64, "arguments": CHANGED}, 409, "another version of the card"),
        ({"card_sha256": None, "arguments": [1]}, 422, "arguments"),
        ({"card_sha256": "", "arguments": CHANGED, "comment": "x"}, 422, "not known here"),
    ],
)
async def test_a_body_that_is_none_changes_nothing(
    house: House, ana: Browser, body: dict[str, Any], status: int, said: str
) -> None:
    request_id = await held_calls.hold(house)
    await open_card(ana, request_id)
    answer = await ana.send_json(f"/api/requests/{request_id}/arguments", body)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert await arguments(house, request_id) == held_calls.ARGUMENTS


async def test_a_program_learns_what_is_wrong_and_that_it_read_nothing(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    card = (await view_of(house, request_id)).card_sha256
    assert (await api(ana, request_id, {"card_sha256": card, "arguments": CHANGED}))[1]["reason"] == "not_shown"
    await open_card(ana, request_id)
    status, wrong = await api(ana, request_id, {"card_sha256": card, "arguments": {"amount": "x", "to": "ACME"}})
    assert (status, [fault["field"] for fault in wrong["faults"]]) == (422, ["amount"])
    assert (await api(ana, "req_none", {"card_sha256": card, "arguments": CHANGED}))[0] == 404


async def test_a_reviewers_token_reads_a_held_call_and_changes_nothing(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    person = await house.people.find("ana")
    assert person is not None
    token = await house.people.add_reviewer_token(person.id)
    card = await see(house.desk, person, request_id)
    bearer, stranger = f"Bearer {token}", house.browser()
    read = await stranger.client.get(f"/api/requests/{request_id}", headers={"authorization": bearer})
    assert read.status_code == 200
    body = {"card_sha256": card, "arguments": CHANGED}
    answer = await stranger.send_json(f"/api/requests/{request_id}/arguments", body, authorization=bearer)
    assert (answer.status_code, answer.json()["reason"]) == (403, "token")
    assert await arguments(house, request_id) == held_calls.ARGUMENTS


async def test_each_change_is_an_entry_that_names_who_and_where(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    await post(ana, request_id, form(await opened(ana, request_id), amount="20"))
    entries = [decode(data) for _, data in await house.desk.log.entries(0, 1000)]
    (entry,) = [one for one in entries if one["type"] == "arguments_edited"]
    assert (entry["request"], entry["surface"], entry["authenticated_by"]) == (request_id, "rendered_page", "password")
