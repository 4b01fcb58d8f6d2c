"""The card of a held call, from the call to what came of it."""

from html import unescape
from typing import Any

import pytest

from review_web.arguments_form import key_of
from store.answers import Answer, AskedBack, Chosen, Declined
from store.asking import COLLECT_AT_LEAST
from store.audit.events import CallEnd
from store.calls.calls import Ended, GovernedCall
from store.calls.definitions import Method
from tests.review_web import held_calls
from tests.review_web.cards import card_hash, open_card, send, text_of, view_of
from tests.review_web.house import Browser, House
from tests.stage import answered
from tests.store.calls.held import HOLD, TWO

pytestmark = pytest.mark.anyio
RUN, REFUSE = Chosen("run"), Chosen("refuse")
RETURNED = Ended(CallEnd.RETURNED, result={"content": [{"type": "text", "text": "x" * 2_000}], "isError": False})


@pytest.fixture
async def ana(house: House) -> Browser:
    await held_calls.rules(house)
    return await house.signed_in("ana")


async def decided(house: House, given: Answer, comment: str | None = None) -> str:
    request_id = await held_calls.hold(house)
    await answered(house.desk, await held_calls.mei(house), request_id, given, comment=comment)
    return request_id


async def words(browser: Browser, request_id: str) -> str:
    return text_of(await open_card(browser, request_id))


async def test_a_held_call_says_what_will_run_with_what_by_whom_and_why_it_is_held(house: House, ana: Browser) -> None:
    page = await open_card(ana, await held_calls.hold(house))
    said = text_of(page)
    assert "HELD CALL: exactly this will run" in said
    assert "payments · send" in said
    assert "amount 600 to ACME" in said
    assert "Called by billing-bot, just now Rules know it as payments__send Why it is held the rule" in said
    assert "Approve and run" in said
    assert "exactly this runs, once; the agent receives: its result" in said
    assert 'value="option:run"' in page
    assert 'value="option:refuse"' in page
    # Facts first; what others say of them comes after.
    assert said.index("amount 600") < said.index("Why it is held") < said.index("payments says of this tool")


async def test_what_the_upstream_says_is_shown_as_its_words_and_runs_nothing(house: House, ana: Browser) -> None:
    page = await open_card(ana, await held_calls.hold(house))
    assert "&lt;b&gt;At once.&lt;/b&gt;" in page
    assert "Accepted as it stands here. Whether it does what it says, Assent cannot check." in text_of(page)


async def test_arguments_can_hide_nothing_and_bring_no_markup(house: House, ana: Browser) -> None:
    page = await open_card(
        ana, await held_calls.hold(house, {"amount": 1, "to": "p\u0430ypal\u202e<script>x</script>"})
    )
    assert "<script>x" not in page
    assert "mixes Cyrillic + Latin" in page
    assert "U+202E" in page


async def test_approving_takes_the_very_card_and_names_the_decision(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    status, _ = await send(ana, request_id, await open_card(ana, request_id), action="option:run")
    view = await view_of(house, request_id)
    assert (status, view.may_proceed, view.answer) == (303, True, {"decision": "run", "approved": True})


async def test_refusing_runs_nothing_and_the_receipt_says_so(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    page = await open_card(ana, request_id)
    status, _ = await send(ana, request_id, page, action="option:refuse", comment="Not this one.")
    assert status == 303
    said = await words(ana, request_id)
    assert "Refused" in said
    assert "What ran Nothing ran." in said
    assert "an error result that says who refused, why, and what not to try" in said
    assert "HELD CALL: this was held, and did not run" in said
    assert "Change the arguments" not in said


async def test_an_option_that_there_is_not_answers_nothing(house: House, ana: Browser) -> None:
    request_id = await held_calls.hold(house)
    status, _ = await send(ana, request_id, await open_card(ana, request_id), action="option:approve")
    assert (status, (await view_of(house, request_id)).outcome) == (422, None)


async def test_a_call_differs_from_the_last_one_that_was_approved(house: House, ana: Browser) -> None:
    assert "No call of this tool by billing-bot was approved in 90 days." in await words(
        ana, await held_calls.hold(house, {"amount": 1, "to": "First"})
    )
    await decided(house, RUN)
    house.clock.advance(minutes=1)
    said = await words(ana, await held_calls.hold(house, {"amount": 600, "to": "Nordwind"}))
    assert "\N{MINUS SIGN} before to: ACME + now to: Nordwind" in said
    assert "billing-bot asked for a call of this tool 1 time in 30 days before: 1 approved" in said


async def test_only_the_very_same_call_is_called_the_same(house: House, ana: Browser) -> None:
    request_id = await decided(house, RUN)
    await held_calls.run(house, request_id, RETURNED)
    house.clock.advance(minutes=1)
    other = await held_calls.hold(house, {"amount": 600, "to": "ACME\n\n"})
    assert "Nothing: the same call" not in await words(ana, other)
    await answered(house.desk, await held_calls.mei(house), other, RUN)
    again = await held_calls.hold(house, {"to": "ACME\n", "amount": 600})
    assert "They differ in empty lines, or in how lines end, and in nothing else." in await words(ana, again)


@pytest.mark.parametrize(
    ("ended", "head", "said", "band"),
    [
        (None, "Approved: it runs now", "It runs now.", "exactly this runs now"),
        (RETURNED, "Approved: it ran", "Exactly this ran, once.", "exactly this ran "),
        (
            Ended(CallEnd.RETURNED, is_error=True, result={"content": [], "isError": True}),
            "Approved: it ran, and answered with an error",
            "the upstream answered with an error",
            "exactly this ran, and answered with an error",
        ),
        (
            Ended(CallEnd.FAILED, why="payments <b>hung</b>."),
            "Approved: it was sent, and failed",
            "payments <b>hung</b>.",
            "exactly this was sent, and failed",
        ),
        (
            Ended(CallEnd.CANCELLED),
            "Approved: it was sent, and cancelled",
            "only the upstream knows",
            "exactly this was sent, and cancelled",
        ),
        (
            Ended(CallEnd.UNKNOWN),
            "Approved: it was sent; nobody knows how it ended",
            "It is never sent again by itself.",
            "exactly this was sent; nobody knows how it ended",
        ),
        (
            Ended(CallEnd.FAILED, why="payments is down.", sent=False),
            "Approved: it could not be sent",
            "Nothing ran: it could not be sent. payments is down.",
            "this was held, and did not run",
        ),
        (
            Ended(CallEnd.CANCELLED, why="its caller went away.", sent=False),
            "Approved: cancelled before it was sent",
            "Nothing ran: it was cancelled before it was sent. its caller went away.",
            "this was held, and did not run",
        ),
    ],
)
async def test_the_receipt_and_the_band_say_what_came_of_it(
    house: House, ana: Browser, ended: Ended | None, head: str, said: str, band: str
) -> None:
    request_id = await decided(house, RUN)
    await held_calls.run(house, request_id, ended)
    page = await open_card(ana, request_id)
    assert head in text_of(page)
    assert said in unescape(text_of(page))
    assert "<b>hung</b>" not in page
    assert f"HELD CALL: {band}" in text_of(page)


async def test_how_large_the_result_is_and_how_long_it_took_is_told_and_never_the_result(
    house: House, ana: Browser
) -> None:
    request_id = await decided(house, RUN)
    await held_calls.run(house, request_id, RETURNED)
    page = await open_card(ana, request_id)
    assert "the upstream's own result, 2.0 KiB" in unescape(text_of(page))
    assert "for 0 milliseconds" in text_of(page)
    assert "xxxx" not in page


async def test_an_approval_waits_for_its_agent_and_lapses(house: House, ana: Browser) -> None:
    request_id = await decided(house, RUN)
    said = await words(ana, request_id)
    assert "Approved: it has not run" in said
    assert "It runs when the agent comes back for it. After that time the approval lapses." in said
    assert "HELD CALL: exactly this may run, once" in said
    house.clock.now = (await view_of(house, request_id)).expires_at + COLLECT_AT_LEAST
    later = house.browser()
    await later.sign_in("ana")
    said = await words(later, request_id)
    assert "Nothing ran. The agent did not come back for it in time" in said
    assert "HELD CALL: this was held, and did not run" in said


@pytest.mark.parametrize(
    ("given", "receives"), [(Declined(), "who declined"), (AskedBack(), "with the comment, and how to ask again")]
)
async def test_what_was_declined_or_asked_back_ran_nothing(
    house: House, ana: Browser, given: Answer, receives: str
) -> None:
    said = await words(ana, await decided(house, given, "Which invoice?"))
    assert "What ran Nothing ran." in said
    assert receives in said


async def test_the_history_says_what_became_of_it(house: House, ana: Browser) -> None:
    request_id = await decided(house, RUN)
    await held_calls.run(house, request_id, RETURNED)
    said = text_of((await ana.open("/history")).text)
    assert "Held call payments · send" in said
    assert "Approved it ran by Mei" in said


async def test_a_call_for_several_people_says_how_many(house: House, ana: Browser) -> None:
    await held_calls.mei(house)
    await held_calls.rules(house, TWO)
    said = await words(ana, await held_calls.hold(house))
    assert "2 approvals by different people; one refusal ends it" in said
    assert "2 approvals" in said


async def test_a_definition_that_changed_is_named_with_the_way_to_its_difference(house: House, ana: Browser) -> None:
    changed: dict[str, Any] = {**held_calls.TOOL.content, "description": "Sends money, and a copy to the office."}
    await held_calls.rules(house, HOLD)
    await held_calls.listed(house, changed)
    page = await open_card(ana, await held_calls.hold(house))
    assert "It says otherwise by now than when it was accepted." in text_of(page)
    assert 'href="/upstreams#definition-' in page
    assert "a copy to the office" not in page


async def test_reading_a_resource_is_a_call_with_an_address(house: House, ana: Browser) -> None:
    reading = GovernedCall("payments", Method.RESOURCE, "", "payments:resources", None, {"uri": "file:///etc/passwd"})
    request_id = await held_calls.hold_call(house, reading)
    said = await words(ana, request_id)
    assert "payments · read a resource" in said
    assert "uri file:///etc/passwd" in said
    assert "Rules know it as payments:resources" in said
    page = (await ana.open(f"/requests/{request_id}/arguments")).text
    assert "A text; needed, says payments." in text_of(page)
    form = {"card_sha256": card_hash(page), "as": "inputs", key_of("uri"): "file:///etc/hosts"}
    assert (await ana.send_form(f"/requests/{request_id}/arguments", form)).status_code == 303
    assert "file:///etc/passwd changed to file:///etc/hosts" in await words(ana, request_id)
