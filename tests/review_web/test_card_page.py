"""The card: what stands on it, for whom, and what of it is a record."""

import re

import pytest

from review_web.card_page import READ_FIRST_BYTES
from store.fields import Choice, FormField
from store.lifecycle import State
from store.people import Role
from store.questions import AnyQuestion, AskApproval, AskForm, AskSelection, AskTextInput, Evidence, Risk
from store.values import FieldType
from tests.review_web.cards import FORM, answered, card_hash, open_card, send, text_of, view_of
from tests.review_web.house import House

pytestmark = pytest.mark.anyio


async def test_opening_a_card_records_that_this_reviewer_was_shown_it(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    view = await view_of(house, request_id)
    assert view.state is State.SHOWN
    assert view.seen_by == ("Ana",)
    assert card_hash(page) == view.card_sha256


async def test_an_auditor_sees_the_card_without_buttons_and_leaves_no_record(house: House) -> None:
    browser = await house.signed_in("otto", Role.AUDITOR)
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    assert "Auditors read and never decide" in page
    assert 'name="action"' not in page
    assert (await view_of(house, request_id)).state is State.PENDING


async def test_a_stranger_is_led_to_the_sign_in_page_and_sees_nothing(house: House) -> None:
    request_id = await house.ask()
    page = await house.browser().open(f"/requests/{request_id}")
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login?next=/requests/")
    assert (await view_of(house, request_id)).state is State.PENDING


async def test_an_unknown_request_is_not_found(house: House) -> None:
    browser = await house.signed_in()
    page = await browser.open("/requests/req_unknown")
    assert page.status_code == 404
    assert "There is no such request" in page.text


async def test_the_card_says_what_it_is_and_what_each_button_does(house: House) -> None:
    browser = await house.signed_in()
    page = await open_card(browser, await house.ask())
    assert "<strong>QUESTION:</strong> answering runs nothing" in page
    assert "Approve the agent receives: approved" in text_of(page)
    assert "Reject the agent receives: not approved" in text_of(page)
    assert "Ask back" in page
    assert "Decline" in page


async def test_refusing_stands_before_approving_and_nothing_is_focused(house: House) -> None:
    browser = await house.signed_in()
    page = await open_card(browser, await house.ask())
    order = [page.index(f'value="{value}"') for value in ("return", "decline", "option:reject", "option:approve")]
    assert order == sorted(order)
    assert "autofocus" not in page


async def test_the_first_submit_button_of_the_form_is_one_that_does_nothing(house: House) -> None:
    browser = await house.signed_in()
    page = await open_card(browser, await house.ask(FORM))
    form = page[page.index('class="answer"') :]
    first = re.search(r"<button[^>]*>", form)
    assert first
    assert first[0] == '<button type="submit" disabled hidden>'


async def test_every_field_says_who_reads_it(house: House) -> None:
    browser = await house.signed_in()
    page = await open_card(browser, await house.ask(FORM))
    assert page.count("The agent will read this.") == 2
    assert page.count("Sealed; the agent gets a handle, never the value.") == 1
    assert re.search(r'<input type="password"[^>]*autocomplete="new-password"', page)


async def test_an_agent_can_write_nothing_that_becomes_markup(house: House) -> None:
    evil = "<script>alert(1)</script>\u202e"
    browser = await house.signed_in()
    questions: tuple[AnyQuestion, ...] = (
        AskApproval(
            title=evil,
            description=evil,
            context=evil,
            reasoning=evil,
            workflow=evil,
            evidence=(Evidence(label=evil, text=evil),),
        ),
        AskSelection(prompt=evil, options=(Choice(id="a", label=evil, description=evil),)),
        AskForm(title=evil, fields=(FormField(name="f", label=evil, help=evil, pattern="<script>.*"),)),
        AskTextInput(title=evil, description=evil, prefill=evil),
    )
    for question in questions:
        page = await open_card(browser, await house.ask(question, agent="deploy-bot"))
        assert "<script>alert" not in page
        assert "U+202E" in page


async def test_what_the_agent_claims_is_marked_as_its_claim_and_comes_after_the_facts(house: House) -> None:
    browser = await house.signed_in()
    question = AskApproval(title="Go?", description="This runs.", context="Because.", risk=Risk.LOW)
    page = await open_card(browser, await house.ask(question))
    assert "low risk, says the agent" in page
    assert "The agent's own words. Assent has not checked them." in page
    assert page.index("This runs.") < page.index("Asked by") < page.index("Because.")


async def test_evidence_beyond_three_is_folded_and_addresses_are_shown_with_their_host(house: House) -> None:
    browser = await house.signed_in()
    items = tuple(Evidence(label=f"Item {n}", url=f"https://host-{n}.example/run") for n in range(5))
    page = await open_card(browser, await house.ask(AskApproval(title="Go?", evidence=items)))
    assert "<summary>2 more</summary>" in page
    assert page.index("Item 2") < page.index("<details>") < page.index("Item 3")
    assert "(host-4.example)</span>" in page
    assert "<img" not in page


async def test_the_buttons_of_a_long_card_never_float_over_it(house: House) -> None:
    browser = await house.signed_in()
    long = await open_card(browser, await house.ask(AskApproval(title="Go?", description="x" * (READ_FIRST_BYTES + 1))))
    short = await open_card(browser, await house.ask(AskApproval(title="Stop?")))
    assert 'class="actions at-the-end"' in long
    assert long.index("x" * READ_FIRST_BYTES) < long.index('class="actions')
    assert 'class="actions"' in short


async def test_the_card_says_whether_the_agent_is_waiting(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    assert "is not waiting right now; it gets your answer when it asks again" in await open_card(browser, request_id)
    with house.desk.on_the_line(request_id):
        assert "is waiting for this answer" in await open_card(browser, request_id)


async def test_the_receipt_tells_what_came_of_it(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    await answered(house, request_id)
    agent = await house.agents.enrol("deploy-bot")
    await house.desk.report_consequence(agent, request_id, "done", "All four hosts run 2.14.0.")
    receipt = await open_card(browser, request_id)
    assert "<dt>What came of it</dt><dd><strong><bdi>done</bdi></strong>, says the agent, 0 seconds after" in receipt
    assert "All four hosts run 2.14.0." in receipt


async def test_a_refused_form_still_shows_what_it_asked_for(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(FORM)
    page = await open_card(browser, request_id)
    await send(browser, request_id, page, action="decline")
    receipt = await open_card(browser, request_id)
    assert "Declined" in receipt
    assert "It asked for" in receipt
    assert "PIN" in receipt


@pytest.mark.parametrize("value", ["1", "1.5", "2026-11-22", "x"])
async def test_defaults_stand_in_their_fields(house: House, value: str) -> None:
    types = {"1": FieldType.INTEGER, "1.5": FieldType.NUMBER, "2026-11-22": FieldType.DATE, "x": FieldType.TEXT}
    default: object = {"1": 1, "1.5": 1.5}.get(value, value)
    field = FormField(name="f", type=types[value], default=default)
    browser = await house.signed_in()
    page = await open_card(browser, await house.ask(AskForm(title="T", fields=(field,))))
    assert f'name="field:f" value="{value}"' in page


async def test_a_question_that_was_answered_before_says_so_in_assents_own_words(house: House) -> None:
    browser = await house.signed_in()
    agent = await house.agents.enrol("deploy-bot")
    first = await house.desk.ask(agent, AskApproval(title="Again?"))
    await answered(house, first.request_id)
    await house.desk.claim(first)
    await house.desk.settle(first, delivered=True)
    house.clock.advance(minutes=5)
    second = await house.ask(AskApproval(title="Again?"))
    assert second != first.request_id
    view = await view_of(house, second)
    assert view.card.notices
    assert '<p class="remark">' in await open_card(browser, second)
