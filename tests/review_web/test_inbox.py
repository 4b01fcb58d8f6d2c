import re

import pytest

from review_web.inbox import groups_of
from store.answers import Chosen
from store.deciding.decisions import Decided
from store.fields import Choice
from store.inbox import WINDOW
from store.lifecycle import Surface
from store.people import Role
from store.questions import AskApproval, AskSelection, Risk
from tests.review_web.house import House
from tests.stage import answer
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio


def titles(page: str) -> list[str]:
    return re.findall(r'<span class="row-title"><bdi>(.*?)</bdi>', page)


async def test_the_inbox_of_a_stranger_is_the_sign_in_page(house: House) -> None:
    await house.ask()
    page = await house.browser().open("/")
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login")


async def test_the_next_to_expire_stands_first(house: House) -> None:
    browser = await house.signed_in()
    await house.ask(AskApproval(title="Later", timeout_seconds=900))
    await house.ask(AskApproval(title="Sooner", timeout_seconds=300))
    assert titles((await browser.open("/")).text) == ["Sooner", "Later"]


async def test_what_is_critical_stands_on_top_whatever_its_deadline(house: House) -> None:
    browser = await house.signed_in()
    await house.ask(AskApproval(title="Sooner", timeout_seconds=300))
    await house.ask(AskApproval(title="Grave", timeout_seconds=900, risk=Risk.CRITICAL))
    page = (await browser.open("/")).text
    assert titles(page) == ["Grave", "Sooner"]
    assert page.index("Critical</h2>") < page.index("Grave")


async def test_a_row_says_kind_agent_age_time_left_risk_and_who_has_seen_it(house: House) -> None:
    browser = await house.signed_in()
    question = AskSelection(
        prompt="Which?", options=(Choice(id="a"), Choice(id="b")), risk=Risk.HIGH, timeout_seconds=3600
    )
    request_id = await house.ask(question, agent="mail-bot")
    house.clock.advance(minutes=5)
    page = (await browser.open("/")).text
    for words in ("Selection", "mail-bot", "5 minutes ago", "55 minutes", "High risk", "not seen yet"):
        assert words in page
    await browser.open(f"/requests/{request_id}")
    assert "seen by Ana" in (await browser.open("/")).text


async def test_opening_the_inbox_shows_no_card(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    await browser.open("/")
    view = await house.desk.view(request_id)
    assert view is not None
    assert view.seen_by == ()


async def test_one_workflow_alone_has_no_heading_and_two_have(house: House) -> None:
    browser = await house.signed_in()
    await house.ask(AskApproval(title="One", workflow="release"))
    assert "group-heading" not in (await browser.open("/")).text
    await house.ask(AskApproval(title="Two", workflow="support"))
    page = (await browser.open("/")).text
    assert page.count("group-heading") == 2
    await house.ask(AskApproval(title="Three"))
    assert "Without a workflow" in (await browser.open("/")).text


def test_no_rows_make_no_group() -> None:
    assert groups_of([]) == ()


async def test_an_empty_inbox_teaches_how_to_begin(house: House) -> None:
    browser = await house.signed_in()
    page = (await browser.open("/")).text
    assert "Nothing waits for you." in page
    assert "No agent has asked anything yet." in page
    assert "assent client claude-code" in page


async def test_an_empty_inbox_says_when_the_last_request_was_closed(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    ana = await house.people.find("ana")
    assert ana is not None
    view = await house.desk.show(ana, request_id, Surface.RENDERED_PAGE)
    assert view is not None
    decided = await house.desk.decide(
        ana,
        request_id,
        card_sha256=view.card_sha256,
        answer=Chosen("approve"),
        comment=None,
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )
    assert isinstance(decided, Decided)
    house.clock.advance(minutes=12)
    assert "12 minutes ago" in (await browser.open("/")).text


async def test_an_auditor_sees_the_inbox(house: House) -> None:
    browser = await house.signed_in("otto", Role.AUDITOR)
    await house.ask()
    assert titles((await browser.open("/")).text) == ["Deploy to production?"]


async def test_an_agents_title_never_becomes_markup(house: House) -> None:
    browser = await house.signed_in()
    await house.ask(AskApproval(title="<b>bold</b> \u202egniht", workflow="<i>w</i>"))
    await house.ask(AskApproval(title="Two"))
    page = (await browser.open("/")).text
    assert "<b>bold" not in page
    assert "<i>w" not in page
    assert "U+202E" in page


async def test_what_was_answered_and_what_others_are_asked_stands_below_ones_own(house: House) -> None:
    browser = await house.signed_in()
    await house.add("mei")
    ana = await house.people.find("ana")
    assert ana is not None
    await in_force(
        house.desk,
        "name: two, workflow: pay, reviewers: [ana, mei], approvals: 2",
        "name: m, workflow: m, reviewers: [mei]",
    )
    paid = await house.ask(AskApproval(title="Pay?", workflow="pay", timeout_seconds=60))
    await house.ask(AskApproval(title="For Mei?", workflow="m", timeout_seconds=60))
    await house.ask(AskApproval(title="Anybody?"))
    await answer(house.desk, ana, paid, Chosen("approve"))
    page = (await browser.open("/")).text
    assert titles(page) == ["Anybody?", "Pay?", "For Mei?"]
    assert (
        page.index("Answered by you, waiting for others") < page.index("your answer is in") < page.index("Asked of oth")
    )
    assert "for <bdi>mei</bdi>" in page
    assert "1 waits for your answer; 2 for others." in page
    assert "<title>(1) Inbox" in page


async def test_a_long_inbox_comes_in_windows_and_says_how_much_there_is(house: House) -> None:
    browser = await house.signed_in()
    for number in range(WINDOW + 3):
        question = AskApproval(title=f"Question {number:03}", timeout_seconds=600 + number)
        await house.ask(question, agent=f"agent-{number // 20}")
    page = (await browser.open("/")).text
    assert len(titles(page)) == WINDOW
    assert "103 wait for your answer. Shown: 1 to 100" in " ".join(page.split())
    more = re.search(r'<a href="(/\?after=[^"]+)" rel="next">Show the next 3</a>', page)
    assert more
    rest = (await browser.open(more[1].replace("&amp;", "&"))).text
    assert titles(rest) == ["Question 100", "Question 101", "Question 102"]
    assert 'rel="next"' not in rest
    assert "From the start" in rest


@pytest.mark.parametrize("query", ["after=req_1", "after=req_1&of=7", "after=&of=0", "after=req_1&of=0"])
async def test_an_address_that_marks_nothing_shows_the_inbox_from_the_start(house: House, query: str) -> None:
    browser = await house.signed_in()
    await house.ask()
    assert titles((await browser.open(f"/?{query}")).text) == ["Deploy to production?"]


async def test_a_window_behind_the_last_request_leads_back_to_the_start(house: House) -> None:
    browser = await house.signed_in()
    last = await house.ask()
    answer = await browser.open(f"/?after={last}&of=0")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
