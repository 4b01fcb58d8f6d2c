"""What stands on a card of the time before it: what changed, the track record, the rounds."""

import pytest

from store.answers import Answer, AskedBack, Chosen, Declined
from store.questions import AskApproval
from tests.review_web.cards import open_card, text_of
from tests.review_web.house import House
from tests.stage import answered

pytestmark = pytest.mark.anyio
YES, NO = Chosen("approve"), Chosen("reject")


async def was(house: House, question: AskApproval, given: Answer, comment: str | None = None) -> str:
    mei = await house.people.find("mei") or await house.add("mei")
    request_id = await house.ask(question)
    await answered(house.desk, mei, request_id, given, comment=comment)
    house.clock.advance(hours=2)
    return request_id


def release(number: str, **more: object) -> AskApproval:
    said = {"title": "Deploy?", "description": f"Release {number} on all hosts.", **more}
    return AskApproval.model_validate(said)


async def test_a_card_without_a_past_says_so_as_plainly(house: House) -> None:
    browser = await house.signed_in()
    words = text_of(await open_card(browser, await house.ask(release("1"))))
    assert "Nothing like it was approved in 90 days." in words
    assert "deploy-bot has not asked this before, in 30 days." in words


async def test_a_card_shows_what_changed_in_words_and_signs_and_not_by_colour_alone(house: House) -> None:
    browser = await house.signed_in()
    before = await was(house, release("1"), YES)
    page = await open_card(browser, await house.ask(release("2")))
    words = text_of(page)
    assert "Since the last one like it (Approved by Mei, 2 hours ago):" in words
    assert "\N{MINUS SIGN} before Release 1 on all hosts. + now Release 2 on all hosts." in words
    assert f'href="/requests/{before}"' in page
    assert "<b>2</b>" in page


async def test_a_card_that_reads_the_same_says_so(house: House) -> None:
    browser = await house.signed_in()
    await was(house, release("1"), YES)
    words = text_of(await open_card(browser, await house.ask(release("1", context="Once more."))))
    assert "Nothing. It reads the same, word for word." in words


async def test_the_track_record_is_one_line_with_the_last_refusal(house: House) -> None:
    browser = await house.signed_in()
    await was(house, release("1"), YES)
    await was(house, release("2"), NO, "Wrong region.")
    await was(house, release("3"), Declined())
    await was(house, release("4"), NO, "Wrong\nhost.")
    page = await open_card(browser, await house.ask(release("5")))
    words = text_of(page)
    assert "deploy-bot asked this 4 times in 30 days before: 1 approved, 3 refused (last: “Wrong host.”)." in words
    assert "Not approved by Mei, 6 hours ago: “Wrong region.”" in words


async def test_the_workflow_is_named_where_it_is_the_likeness(house: House) -> None:
    browser = await house.signed_in()
    await was(house, release("1", workflow="release"), YES)
    other = await house.ask(release("2", title="Deploy now?", workflow="release"))
    words = text_of(await open_card(browser, other))
    assert "asked this kind of thing in “release” 1 time in 30 days before: 1 approved." in words


async def test_earlier_rounds_stand_with_what_was_said_and_what_changed(house: House) -> None:
    browser = await house.signed_in()
    first = await was(house, release("1"), AskedBack(), "Which hosts?")
    second = await was(house, release("1", context="All four.", follows=first), AskedBack(), "When?")
    third = await house.ask(release("1", context="All four, tonight.", follows=second))
    words = text_of(await open_card(browser, third))
    assert "Round 1: Asked back by Mei, 4 hours ago: “Which hosts?”" in words
    assert "Round 2: Asked back by Mei, 2 hours ago: “When?”" in words
    assert "What it asks otherwise now: \N{MINUS SIGN} before All four. + now All four, tonight." in words
    assert f'href="/requests/{third}"' in await open_card(browser, second)


async def test_what_people_and_agents_wrote_before_never_becomes_markup(house: House) -> None:
    browser = await house.signed_in()
    await was(house, release("<b>1</b>"), YES)
    await was(house, release("<i>2</i>"), NO, "<script>alert(1)</script> \u202e")
    page = await open_card(browser, await house.ask(release("<u>3</u>")))
    for markup in ("<i>2", "<u>3", "<script>alert"):
        assert markup not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "U+202E" in page


async def test_an_open_request_is_no_news_on_another_card(house: House) -> None:
    browser = await house.signed_in()
    await house.ask(release("1"))
    words = text_of(await open_card(browser, await house.ask(release("2"))))
    assert "deploy-bot has not asked this before" in words
