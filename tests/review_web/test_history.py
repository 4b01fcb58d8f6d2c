import re

import pytest

from review_web.history import PAGE
from store.answers import Answer, AskedBack, Chosen, Declined
from store.deciding.decisions import Decided
from store.lifecycle import Surface
from store.questions import AskApproval
from tests.review_web.house import House

pytestmark = pytest.mark.anyio


async def closed(house: House, title: str, answer: Answer, *, agent: str = "deploy-bot") -> str:
    ana = await house.people.find("ana")
    assert ana is not None
    request_id = await house.ask(AskApproval(title=title), agent=agent)
    view = await house.desk.show(ana, request_id, Surface.RENDERED_PAGE)
    assert view is not None
    decision = await house.desk.decide(
        ana,
        request_id,
        card_sha256=view.card_sha256,
        answer=answer,
        comment="as agreed",
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )
    assert isinstance(decision, Decided)
    house.clock.advance(seconds=90)
    return request_id


def titles(page: str) -> list[str]:
    return re.findall(r'<span class="row-title"><bdi>(.*?)</bdi>', page)


def verdicts(page: str) -> list[str]:
    return [words.strip() for words in re.findall(r'<span class="verdict \w+">.*?</svg>(.*?)</span>', page)]


async def test_a_stranger_sees_no_history(house: House) -> None:
    assert (await house.browser().open("/history")).status_code == 303


async def test_an_empty_history_says_so(house: House) -> None:
    browser = await house.signed_in()
    assert "Nothing was closed yet." in (await browser.open("/history")).text


async def test_the_newest_stands_first_each_with_its_outcome_in_words(house: House) -> None:
    browser = await house.signed_in()
    await closed(house, "Yes", Chosen("approve"))
    await closed(house, "No", Chosen("reject"))
    await closed(house, "Not mine", Declined())
    await closed(house, "Say more", AskedBack())
    page = (await browser.open("/history")).text
    assert titles(page) == ["Say more", "Not mine", "No", "Yes"]
    assert verdicts(page) == ["Asked back", "Declined", "Not approved", "Approved"]


async def test_what_is_open_is_not_in_the_history(house: House) -> None:
    browser = await house.signed_in()
    await house.ask()
    assert titles((await browser.open("/history")).text) == []


async def test_expired_and_withdrawn_requests_are_told_apart(house: House) -> None:
    browser = await house.signed_in()
    await house.ask(AskApproval(title="Late", timeout_seconds=60))
    house.clock.advance(minutes=2)
    await house.desk.expire_due()
    house.clock.advance(minutes=2)
    agent = await house.agents.enrol("deploy-bot")
    await house.desk.withdraw(agent, await house.ask(AskApproval(title="Gone")))
    assert verdicts((await browser.open("/history")).text) == ["Withdrawn by the agent", "Expired"]


async def test_the_search_finds_titles_agents_and_ids(house: House) -> None:
    browser = await house.signed_in()
    first = await closed(house, "Deploy shop", Chosen("approve"))
    await closed(house, "Send mail", Chosen("approve"), agent="mail-bot")
    assert titles((await browser.open("/history?q=shop")).text) == ["Deploy shop"]
    assert titles((await browser.open("/history?q=mail-bot")).text) == ["Send mail"]
    assert titles((await browser.open(f"/history?q={first}")).text) == ["Deploy shop"]


async def test_a_search_that_finds_nothing_says_so_and_is_kept(house: House) -> None:
    browser = await house.signed_in()
    page = (await browser.open("/history?q=%3Cb%3Enothing")).text
    assert "Nothing matches “&lt;b&gt;nothing”." in page
    assert 'value="&lt;b&gt;nothing"' in page


async def test_older_rows_are_a_page_away_and_keep_the_search(house: House) -> None:
    browser = await house.signed_in()
    for number in range(PAGE + 2):
        await closed(house, f"Step {number}", Chosen("approve"))
    page = (await browser.open("/history?q=step")).text
    assert len(titles(page)) == PAGE
    older = re.search(r'<a href="(/history\?q=step&amp;before=[^"]+)" rel="next">', page)
    assert older
    rest = (await browser.open(older[1].replace("&amp;", "&"))).text
    assert titles(rest) == ["Step 1", "Step 0"]
    assert 'rel="next"' not in rest
    assert "Newest" in rest
