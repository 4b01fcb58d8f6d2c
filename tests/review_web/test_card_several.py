"""A card that rules govern: whom it asks, what an answer needs, and what who has answered sees."""

import pytest

from review_web.asked import Asked, Demand, asked
from store.answers import Chosen
from store.policy.demands import BUILT_IN
from store.questions import AskApproval, Risk
from tests.review_web.cards import open_card, send, text_of, view_of
from tests.review_web.house import House
from tests.stage import answer
from tests.store.rules import NOON, card, condition, in_force

pytestmark = pytest.mark.anyio
TWO = "name: two of us, reviewers: [ana, mei], approvals: 2"


async def test_a_card_without_rules_asks_everybody_for_one_answer(house: House) -> None:
    browser = await house.signed_in()
    words = text_of(await open_card(browser, await house.ask()))
    assert "Asked everybody who may answer; one answer is enough Seen by Ana" in words


async def test_a_first_vote_is_in_and_the_card_takes_no_second_from_the_same_person(house: House) -> None:
    browser = await house.signed_in()
    await house.add("mei")
    await in_force(house.desk, TWO)
    request_id = await house.ask()
    page = await open_card(browser, request_id)
    assert "2 approvals by different people; one refusal ends it" in text_of(page)
    assert (await send(browser, request_id, page, action="option:approve"))[0] == 303
    voted = await open_card(browser, request_id)
    assert "1 more person must answer the same before the agent hears of it." in text_of(voted)
    assert 'name="action"' not in voted
    status, again = await send(browser, request_id, page, action="option:reject")
    assert status == 409
    assert "Your answer is in already" in again


async def test_the_second_voter_learns_nothing_of_the_first_vote(house: House) -> None:
    browser = await house.signed_in()
    mei = await house.add("mei")
    await in_force(house.desk, TWO)
    request_id = await house.ask()
    untouched = text_of(await open_card(browser, request_id))
    inbox = text_of((await browser.open("/")).text)
    await answer(house.desk, mei, request_id, Chosen("approve"), comment="I looked.")
    # That Mei has seen it is told of everybody who looks; that she has answered is not.
    seen = text_of(await open_card(browser, request_id)).replace("Seen by Ana, Mei", "Seen by Ana")
    assert seen == untouched
    assert text_of((await browser.open("/")).text).replace("seen by Ana, Mei", "seen by Ana") == inbox


async def test_the_receipt_names_everybody_who_answered(house: House) -> None:
    browser = await house.signed_in()
    mei = await house.add("mei")
    await in_force(house.desk, TWO)
    request_id = await house.ask()
    await answer(house.desk, mei, request_id, Chosen("approve"), comment="I looked.")
    await send(browser, request_id, await open_card(browser, request_id), action="option:approve", comment="So did I.")
    words = text_of(await open_card(browser, request_id))
    assert "By Mei and Ana" in words
    assert "Mei: approved (“Approve”), signed in with a password" in words
    assert "So did I." in words


async def test_who_is_not_asked_reads_the_card_and_finds_no_buttons(house: House) -> None:
    browser = await house.signed_in()
    await house.add("mei")
    await in_force(house.desk, "name: meis, reviewers: [mei]")
    page = await open_card(browser, await house.ask())
    assert "This asks mei, and you are not among them." in text_of(page)
    assert 'name="action"' not in page


async def test_an_owner_is_offered_refusals_only(house: House) -> None:
    browser = await house.signed_in()
    await house.add("mei")
    await house.agents.add("own-bot", owner="ana")
    await in_force(house.desk, "name: not your own, not_owner: true")
    page = await open_card(browser, await house.ask(agent="own-bot"))
    assert "You cannot approve this: this agent is yours" in text_of(page)
    assert 'value="option:approve"' not in page
    assert 'value="option:reject"' in page


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
async def test_high_risk_is_approved_with_a_reason_only_and_refused_without(house: House, risk: Risk) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(AskApproval(title="Drop it?", risk=risk))
    page = await open_card(browser, request_id)
    assert "needed to approve: say why" in page
    status, refused = await send(browser, request_id, page, action="option:approve", comment="  ")
    assert status == 422
    assert 'id="comment-error"' in refused
    assert (await view_of(house, request_id)).outcome is None
    assert (await send(browser, request_id, page, action="option:reject"))[0] == 303


async def test_lower_risk_needs_no_reason(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask(AskApproval(title="Rename it?", risk=Risk.MEDIUM))
    page = await open_card(browser, request_id)
    assert "(optional)" in page
    assert (await send(browser, request_id, page, action="option:approve"))[0] == 303


async def test_a_receipt_leads_on_to_the_next_request(house: House) -> None:
    browser = await house.signed_in()
    request_id, other = await house.ask(), await house.ask(AskApproval(title="And this?"))
    await send(browser, request_id, await open_card(browser, request_id), action="option:reject")
    receipt = await open_card(browser, request_id)
    assert f'href="/requests/{other}" role="button"' in receipt
    assert "Next: And this?" in text_of(receipt)


def test_every_demand_of_a_rule_is_said_in_words() -> None:
    rule = condition("pay", ("ana", "mei"), approvals=2, passkey=True, not_owner=True, reason_required=True)
    always = condition(BUILT_IN, reason_required=True)
    found = asked(card(rule, always, condition("also", ("zoe",), escalate_to=("otto",)), escalates_at=NOON), None)
    assert found == Asked(
        who="ana, mei, zoe",
        needed="2 approvals by different people; one refusal ends it",
        demands=(
            Demand("pay", "2 approvals from ana, mei, signed with a passkey, not by the agent's owner, with a reason"),
            Demand(None, "High risk is approved with a reason only"),
            Demand("also", "1 approval from zoe"),
        ),
        escalates_at=NOON,
        escalated_at=None,
        escalates_to="otto",
    )


def test_two_rules_that_ask_different_people_need_an_approval_each() -> None:
    found = asked(card(condition("a", ("ana",)), condition("b", ("mei",))), NOON)
    assert (found.needed, found.escalated_at) == ("an approval for every rule; one refusal ends it", NOON)
