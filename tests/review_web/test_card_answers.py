"""Answering a card, each way with its negative twin."""

import re
from html import unescape

import pytest

from review_web.sessions import cookie_name
from store.lifecycle import Outcome, State
from store.people import Role, SignIn
from store.questions import AskApproval
from store.runs import Runs
from tests.review_web.cards import FORM, SELECTION, TEXT, answered, open_card, send, view_of
from tests.review_web.house import House

pytestmark = pytest.mark.anyio


async def test_approving_closes_the_request_and_leads_to_the_receipt(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    status, _ = await send(browser, request_id, page, action="option:approve", comment=" Fine by me. ")
    assert status == 303
    view = await view_of(house, request_id)
    assert (view.outcome, view.may_proceed, view.comment) == (Outcome.ANSWERED, True, "Fine by me.")
    assert (view.decided_by, view.authenticated_by) == ("Ana", "password")
    receipt = await open_card(browser, request_id)
    for words in ("Approved", "Ana</bdi>, signed in with a password", "Fine by me.", "it may proceed"):
        assert words in receipt
    assert "it gets this answer when it asks again" in receipt
    assert 'name="action"' not in receipt


async def test_a_receipt_says_when_it_is_not_known_whether_the_agent_got_the_answer(house: House) -> None:
    runs = Runs(house.database)
    await runs.started(version="1", instance="one")
    browser = await house.signed_in()
    request_id = await house.ask()
    await send(browser, request_id, await open_card(browser, request_id), action="option:approve")
    ticket = await house.desk.attach(await house.agents.enrol("deploy-bot"), request_id)
    assert ticket is not None
    await house.desk.claim(ticket)
    assert "the answer is on its way" in await open_card(browser, request_id)
    await runs.started(version="1", instance="two")
    receipt = await open_card(browser, request_id)
    assert "It is not known whether the agent got this" in receipt
    assert "on its way" not in receipt


async def test_rejecting_closes_the_request_without_leave_to_proceed(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    assert (await send(browser, request_id, page, action="option:reject"))[0] == 303
    view = await view_of(house, request_id)
    assert (view.outcome, view.may_proceed) == (Outcome.ANSWERED, False)
    assert "Not approved" in await open_card(browser, request_id)


async def test_declining_needs_no_words(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(FORM)
    page = await open_card(browser, request_id)
    assert (await send(browser, request_id, page, action="decline"))[0] == 303
    assert (await view_of(house, request_id)).outcome is Outcome.DECLINED


async def test_asking_back_sends_the_comment(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    assert (await send(browser, request_id, page, action="return", comment="Which region?"))[0] == 303
    view = await view_of(house, request_id)
    assert (view.outcome, view.comment) == (Outcome.RETURNED, "Which region?")


async def test_asking_back_without_a_comment_is_sent_back_to_the_comment(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    status, again = await send(browser, request_id, page, action="return")
    assert status == 422
    assert 'id="comment-error"' in again
    assert (await view_of(house, request_id)).state is State.SHOWN


async def test_a_form_without_a_button_answers_nothing_and_keeps_the_comment(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    status, again = await send(browser, request_id, page, comment="half a thought")
    assert status == 422
    assert "half a thought" in again
    assert (await view_of(house, request_id)).state is State.SHOWN


async def test_a_card_that_was_not_opened_cannot_be_answered(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    view = await view_of(house, request_id)
    page = f'name="card_sha256" value="{view.card_sha256}"'
    status, shown = await send(browser, request_id, page, action="option:approve")
    assert status == 409
    assert "You have not been shown this card" in shown
    assert (await view_of(house, request_id)).outcome is None


async def test_an_answer_to_another_card_is_refused(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    await open_card(browser, request_id)
    page = f'name="card_sha256" value="{"0" * 64}"'
    status, shown = await send(browser, request_id, page, action="option:approve")
    assert status == 409
    assert "another version of the card" in shown
    assert (await view_of(house, request_id)).outcome is None


async def test_the_second_answer_is_told_who_was_first_and_sees_the_receipt(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    await answered(house, request_id)
    status, shown = await send(browser, request_id, page, action="option:reject")
    assert status == 409
    assert "Already answered by Mei" in shown
    assert "Mei</bdi>, signed in with a passkey" in shown
    assert (await view_of(house, request_id)).may_proceed


async def test_an_answer_after_the_deadline_is_not_taken(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(AskApproval(title="Quick?", timeout_seconds=60))
    page = await open_card(browser, request_id)
    house.clock.advance(seconds=61)
    status, shown = await send(browser, request_id, page, action="option:approve")
    assert status == 409
    assert "The time to answer is over" in shown
    assert (await view_of(house, request_id)).outcome is Outcome.EXPIRED


async def test_an_auditor_cannot_send_an_answer(house: House) -> None:
    browser = await house.signed_in("otto", Role.AUDITOR)
    request_id = await house.ask()
    page = f'name="card_sha256" value="{(await view_of(house, request_id)).card_sha256}"'
    status, _ = await send(browser, request_id, page, action="option:approve")
    assert status == 403
    assert (await view_of(house, request_id)).state is State.PENDING


async def test_a_selection_is_sent_in_the_cards_order(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(SELECTION)
    page = await open_card(browser, request_id)
    assert page.count('type="checkbox" name="selected"') == 2
    assert (await send(browser, request_id, page, action="answer", selected=["us"]))[0] == 303
    assert (await view_of(house, request_id)).answer == {"selected": ["us"]}


async def test_too_many_options_are_refused_and_stay_ticked(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(SELECTION)
    page = await open_card(browser, request_id)
    status, again = await send(browser, request_id, page, action="answer", selected=["eu", "us"])
    assert status == 422
    assert "Choose at most 1; 2 chosen" in again
    assert again.count(" checked>") == 2


async def test_a_form_is_sent_and_its_password_is_never_seen_again(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(FORM)
    page = await open_card(browser, request_id)
    status, _ = await send(
        browser, request_id, page, action="answer", field__age="41", field__note="two\r\nlines", field__pin="hunter2x"
    )
    assert status == 303
    view = await view_of(house, request_id)
    assert view.answer is not None
    assert view.answer["values"] == {"age": 41, "note": "two\nlines"}
    assert view.answer["credentials"]["pin"].startswith("cred_")
    receipt = await open_card(browser, request_id)
    assert "hunter2x" not in receipt
    assert "sealed; the agent gets a handle" in receipt


async def test_a_form_with_faults_keeps_what_was_typed_except_passwords(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(FORM)
    page = await open_card(browser, request_id)
    status, again = await send(
        browser, request_id, page, action="answer", field__age="7", field__note="keep me", field__pin="hunter2x"
    )
    assert status == 422
    assert "must be at least 18" in again
    assert 'href="#field-1"' in again
    assert 'value="7"' in again
    assert "keep me" in again
    assert "hunter2x" not in again
    assert (await view_of(house, request_id)).state is State.SHOWN


async def test_a_password_form_is_not_answered_over_an_open_network(plain_house: House) -> None:
    await plain_house.add("ana", password=None)
    ana = await plain_house.people.find("ana")
    assert ana is not None
    browser = plain_house.browser()
    from_store, _ = await plain_house.people.open_session(ana, SignIn.PASSWORD)
    browser.client.cookies.set(cookie_name(plain_house.settings), from_store)
    request_id = await plain_house.ask(FORM)
    page = await open_card(browser, request_id)
    assert "came over plain HTTP" in page
    assert 'name="action"' not in page
    hashed = f'name="card_sha256" value="{(await view_of(plain_house, request_id)).card_sha256}"'
    status, _ = await send(browser, request_id, hashed, action="answer", field__age="41", field__pin="hunter2x")
    assert status == 403
    assert (await view_of(plain_house, request_id)).outcome is None


async def test_an_untouched_draft_counts_as_unchanged(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(TEXT)
    page = await open_card(browser, request_id)
    draft = re.search(r'<textarea id="text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert draft
    sent = unescape(draft[1]).replace("\n", "\r\n")
    assert (await send(browser, request_id, page, action="answer", text=sent))[0] == 303
    assert (await view_of(house, request_id)).answer == {"text": "Hello\nworld", "edited": False}
    assert "Text, unchanged" in await open_card(browser, request_id)


async def test_an_edited_text_is_said_to_be_edited(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(TEXT)
    page = await open_card(browser, request_id)
    assert (await send(browser, request_id, page, action="answer", text="Goodbye"))[0] == 303
    receipt = await open_card(browser, request_id)
    assert "Text, edited by the reviewer" in receipt
    assert "Hello\nworld" in receipt


async def test_a_text_that_is_too_short_is_refused_and_kept(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(TEXT)
    page = await open_card(browser, request_id)
    status, again = await send(browser, request_id, page, action="answer", text="Hi")
    assert status == 422
    assert "Needs at least 3 characters; it has 2" in again
    assert ">\nHi</textarea>" in again
