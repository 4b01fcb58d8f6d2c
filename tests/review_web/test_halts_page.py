"""Pausing and stopping from any page, in one click; letting go again, with proof; and what every page says of it."""

import pytest

from store.audit.events import Halting
from store.held_back import Halt
from store.people import Role
from tests.review_web.cards import open_card, text_of
from tests.review_web.house import Browser, House

pytestmark = pytest.mark.anyio
PAGES = ("/", "/history", "/agents", "/account", "/people", "/policy", "/upstreams", "/phone", "/nowhere")
HOLDING = ("/stop", "/agents/deploy-bot/pause", "/agents/deploy-bot/stop")
FILES = "whoever has the server\N{RIGHT SINGLE QUOTATION MARK}s files, just now."
LETTING_GO = ("/resume", "/agents/deploy-bot/resume")


@pytest.fixture
async def ana(house: House) -> Browser:
    await house.agents.add("deploy-bot")
    return await house.signed_in("ana")


async def admin(house: House) -> Browser:
    return await house.signed_in("root", Role.ADMIN)


async def held_back(house: House) -> list[tuple[str | None, Halting, str | None, str | None]]:
    return [(halt.agent_name, halt.how, halt.by, halt.why) for halt in await house.desk.halts.all()]


async def stopped(house: House, agent: str | None, how: Halting = Halting.STOPPED) -> Halt:
    return await house.desk.halts.hold_back(agent, how, by=None)


@pytest.mark.parametrize("how", list(Halting))
async def test_a_reviewer_holds_an_agent_back_in_one_click_and_lands_where_they_were(
    house: House, ana: Browser, how: Halting
) -> None:
    house.clock.advance(hours=1)
    action = "pause" if how is Halting.PAUSED else "stop"
    answer = await ana.send_form(
        f"/agents/deploy-bot/{action}", {"why": "It is  odd."}, referer=f"{ana.origin}/history?q=a+b"
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/history?q=a+b#held-back")
    assert await held_back(house) == [("deploy-bot", how, "Ana", "It is odd.")]


async def test_one_click_stops_everything_long_after_signing_in(house: House, ana: Browser) -> None:
    house.clock.advance(hours=1)
    answer = await ana.send_form("/stop", {}, referer=f"{ana.origin}/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/#held-back")
    assert await held_back(house) == [(None, Halting.STOPPED, "Ana", None)]


@pytest.mark.parametrize("path", HOLDING)
async def test_done_twice_it_is_as_it_was(house: House, ana: Browser, path: str) -> None:
    await ana.send_form(path, {})
    before = await house.desk.halts.all()
    house.clock.advance(minutes=1)
    assert (await ana.send_form(path, {"why": "Again."})).status_code == 303
    assert await house.desk.halts.all() == before


@pytest.mark.parametrize("path", [*HOLDING, *LETTING_GO])
async def test_an_auditor_changes_nothing(house: House, ana: Browser, path: str) -> None:
    auditor = await house.signed_in("cleo", Role.AUDITOR)
    if path in LETTING_GO:
        await stopped(house, None)
        await stopped(house, "deploy-bot")
    before = await house.desk.halts.all()
    assert (await auditor.send_form(path, {})).status_code == 403
    assert await house.desk.halts.all() == before
    assert "Stop everything" not in (await auditor.open("/")).text
    assert "/agents/deploy-bot/stop" not in (await auditor.open("/agents")).text


@pytest.mark.parametrize("path", [*HOLDING, *LETTING_GO])
async def test_a_stranger_another_site_and_a_link_change_nothing(house: House, ana: Browser, path: str) -> None:
    await stopped(house, "deploy-bot", Halting.PAUSED)
    before = await house.desk.halts.all()
    assert (await house.browser().send_form(path, {})).status_code == 303
    assert (await ana.send_form(path, {}, **{"sec-fetch-site": "cross-site"})).status_code == 403
    assert (await ana.open(path)).status_code == 405
    assert await house.desk.halts.all() == before


async def test_an_agent_that_there_is_not_cannot_be_stopped_and_a_long_reason_is_refused(
    house: House, ana: Browser
) -> None:
    answer = await ana.send_form("/agents/no-bot/stop", {})
    assert answer.status_code == 409
    assert "Nothing was stopped" in answer.text
    assert "there is no agent named no-bot".casefold() in answer.text.casefold()
    assert (await ana.send_form("/agents/deploy-bot/stop", {"why": "x" * 501})).status_code == 409
    assert await held_back(house) == []


@pytest.mark.parametrize(
    "referer",
    [None, "https://evil.example//evil.example/x", "http://assent.localhost:7420/agents/no-bot/stop", "x\\y", "/stop"],
)
async def test_what_is_no_page_of_ours_is_not_led_back_to(house: House, ana: Browser, referer: str | None) -> None:
    headers = {} if referer is None else {"referer": referer}
    answer = await ana.send_form("/stop", {}, **headers)
    assert answer.headers["location"] in ("/#held-back", "/agents#held-back")


async def test_an_admin_lets_an_agent_go_on_and_then_everything(house: House, ana: Browser) -> None:
    await stopped(house, "deploy-bot")
    await stopped(house, None)
    root = await admin(house)
    answer = await root.send_form("/agents/deploy-bot/resume", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/agents?done=resumed")
    assert await held_back(house) == [(None, Halting.STOPPED, None, None)]
    assert (await root.send_form("/resume", {})).headers["location"] == "/agents?done=resumed"
    assert await held_back(house) == []
    assert (await root.send_form("/resume", {})).headers["location"] == "/agents?done=unheld"
    assert "That was not held back any more." in (await root.open("/agents?done=unheld")).text


@pytest.mark.parametrize("path", LETTING_GO)
async def test_whoever_is_no_admin_or_signed_in_long_ago_lets_nothing_go(house: House, ana: Browser, path: str) -> None:
    await stopped(house, None)
    await stopped(house, "deploy-bot")
    before = await house.desk.halts.all()
    root = await admin(house)
    house.clock.advance(minutes=10)
    assert (await ana.send_form(path, {})).status_code == 403
    answer = await root.send_form(path, {})
    assert answer.status_code == 403
    assert "Confirm first that it is you" in answer.text
    assert await house.desk.halts.all() == before


async def test_the_page_of_agents_offers_letting_go_once_an_admin_confirmed(house: House, ana: Browser) -> None:
    await stopped(house, "deploy-bot")
    root = await admin(house)
    page = (await root.open("/agents")).text
    assert 'action="/agents/deploy-bot/resume"' in page
    assert 'action="/agents/deploy-bot/stop"' not in page
    house.clock.advance(minutes=10)
    page = (await root.open("/agents")).text
    assert 'action="/agents/deploy-bot/resume"' not in page
    assert "Confirm that it is you" in page
    page = (await ana.open("/agents")).text
    assert "An admin lets them go on." in page
    assert "Confirm that it is you" not in page


async def test_a_paused_agent_can_be_stopped_and_not_paused_again(house: House, ana: Browser) -> None:
    await stopped(house, "deploy-bot", Halting.PAUSED)
    page = (await ana.open("/agents")).text
    assert 'action="/agents/deploy-bot/stop"' in page
    assert "/agents/deploy-bot/pause" not in page


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_says_what_is_held_back_and_offers_to_stop_everything(
    house: House, ana: Browser, path: str
) -> None:
    page = (await ana.open(path)).text
    assert 'action="/stop"' in page
    assert 'id="held-back"' not in page
    await house.desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None, why="It is <b>odd</b>.")
    said = text_of((await ana.open(path)).text)
    assert (
        f"deploy-bot is paused by {FILES} “It is &lt;b&gt;odd&lt;/b&gt;.” What the rules would let through is" in said
    )
    assert "An admin can let it go on." in said
    await stopped(house, None)
    page = (await ana.open(path)).text
    assert (
        "Everything is stopped by whoever has the server\N{RIGHT SINGLE QUOTATION MARK}s files, just now."
        in text_of(page)
    )
    assert 'action="/stop"' not in page


async def test_a_stranger_reads_nothing_of_it(house: House, ana: Browser) -> None:
    await stopped(house, None)
    assert "stopped" not in (await house.browser().open("/login")).text


async def test_several_agents_are_told_in_one_line_with_all_of_them_in_it(house: House, ana: Browser) -> None:
    for number in range(5):
        await house.agents.add(f"worker-{number}")
        await stopped(house, f"worker-{number}", Halting.PAUSED if number else Halting.STOPPED)
    page = (await ana.open("/")).text
    said = text_of(page)
    assert "5 agents are held back: worker-0 stopped, worker-1 paused, worker-2 paused and 2 more." in said
    assert "worker-4: paused by whoever" in said


async def test_a_card_of_a_stopped_agent_says_when_it_gets_the_answer(house: House, ana: Browser) -> None:
    request_id = await house.ask()
    told = "Agent is stopped; it gets your answer, and anything runs by it, only once it is let go on"
    assert told not in text_of(await open_card(ana, request_id))
    await stopped(house, "deploy-bot", Halting.PAUSED)
    assert told not in text_of(await open_card(ana, request_id))
    await stopped(house, "deploy-bot")
    assert told in text_of(await open_card(ana, request_id))
    root = await admin(house)
    await root.send_form("/agents/deploy-bot/resume", {})
    assert told not in text_of(await open_card(ana, request_id))
    await stopped(house, None)
    assert told in text_of(await open_card(ana, request_id))
