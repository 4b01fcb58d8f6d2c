"""The feed on an open page: lines come and change by themselves, and nothing moves under a finger."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from store.people import Role
from tests.browser import watching
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows
from tests.stage import FakeClock

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def clock(site: RunningSite) -> FakeClock:
    """No minute ends while a test runs, which would begin another line."""
    clock = FakeClock(datetime.now(UTC).replace(second=30))
    site.database.clock = clock
    return clock


def opened(page: Page, site: RunningSite, path: str = "/watch") -> Page:
    """The feed, open and listening, with the pointer elsewhere."""
    with page.expect_response(lambda response: "/watch/events" in response.url):
        page.goto(site.origin + path)
    page.mouse.move(0, 0)
    return page


def read(site: RunningSite, number: int = 1, *, agent: str = "deploy-bot") -> None:
    for one in range(number):
        watching.call(site, "files__read_text", {"path": f"/srv/{one}"}, agent=agent, ended=watching.returned())


def test_calls_appear_as_they_happen_and_alike_ones_are_counted(
    site: RunningSite, page: Page, clock: FakeClock
) -> None:
    watching.put_in_force(site)
    opened(page, site)
    expect(page.get_by_role("heading", name="No call came in the last hour.")).to_be_visible()
    read(site)
    line = page.locator("#lines > li")
    expect(line).to_have_count(1)
    expect(line).to_contain_text("files__read_text")
    expect(page.get_by_role("heading", name="No call came in the last hour.")).to_be_hidden()
    read(site, 30)
    expect(page.locator("#lines > li [data-part=many]").first).to_contain_text("31 calls")
    clock.advance(seconds=1)
    watching.call(site, "files__write", {"path": "/srv/x"}, agent="migrator", ended=watching.returned())
    expect(page.locator("#lines > li").first).to_contain_text("migrator")


def test_a_new_line_waits_while_somebody_points_into_the_list(site: RunningSite, page: Page, clock: FakeClock) -> None:
    watching.put_in_force(site)
    read(site)
    opened(page, site)
    first = page.locator("#lines > li").first
    identifier = first.get_attribute("id")
    first.hover()
    clock.advance(seconds=1)
    watching.call(site, "files__write", {"path": "/srv/x"}, ended=watching.returned())
    show = page.get_by_role("button", name="1 new line: show")
    expect(show).to_be_visible()
    expect(page.locator("#lines > li").first).to_have_attribute("id", identifier or "")
    expect(page.locator("#lines > li")).to_have_count(1)
    page.mouse.move(0, 0)
    expect(page.locator("#lines > li")).to_have_count(2)
    expect(page.locator("#lines > li").first).to_contain_text("files__write")
    expect(show).to_be_hidden()


def test_a_line_that_changes_keeps_its_link_and_its_buttons(site: RunningSite, page: Page) -> None:
    watching.put_in_force(site)
    read(site)
    opened(page, site)
    kept = page.evaluate_handle("""() => [...document.querySelectorAll("#lines a, #lines button")]""")
    read(site, 5)
    expect(page.locator("#lines > li [data-part=many]").first).to_contain_text("6 calls")
    assert kept.evaluate("them => them.map((one) => one.isConnected)") == [True, True, True]


def test_held_still_nothing_changes_and_all_of_it_is_there_afterwards(
    site: RunningSite, page: Page, clock: FakeClock
) -> None:
    watching.put_in_force(site)
    read(site)
    opened(page, site)
    page.get_by_role("button", name="Hold the list still").click()
    before = page.locator("#lines").inner_text()
    read(site, 5)
    clock.advance(seconds=1)
    watching.call(site, "files__write", {"path": "/srv/x"}, ended=watching.returned())
    expect(page.get_by_role("button", name=re.compile("1 new line"))).to_be_visible()
    assert page.locator("#lines").inner_text() == before
    page.get_by_role("button", name="Let the list move").click()
    expect(page.locator("#lines > li")).to_have_count(2)
    expect(page.locator("#lines > li").last).to_contain_text("6 calls")


def test_only_what_is_wanted_comes(site: RunningSite, page: Page) -> None:
    watching.put_in_force(site)
    opened(page, site)
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Tool").fill("files__wr*")
    with page.expect_response(lambda response: "/watch/events" in response.url):
        page.get_by_role("button", name="Show these").click()
    page.mouse.move(0, 0)
    expect(page).to_have_url(re.compile(r"tool=files__wr"))
    read(site)
    watching.call(site, "files__write", {"path": "/srv/x"}, ended=watching.returned())
    expect(page.locator("#lines > li")).to_have_count(1)
    expect(page.locator("#lines > li")).to_contain_text("files__write")


def test_from_a_line_to_its_calls_to_one_of_them_and_to_a_rule(site: RunningSite, page: Page) -> None:
    watching.put_in_force(site)
    read(site, 3)
    opened(page, site)
    page.get_by_role("link", name="files__read_text").click()
    expect(page.locator("li.watch-line")).to_have_count(3)
    page.locator("li.watch-line a").first.click()
    expect(page.get_by_role("heading", name="files · read_text")).to_be_visible()
    wrong = page.get_by_role("button", name="This was wrong: propose a rule")
    expect(wrong).to_have_attribute("href", re.compile(r"^/policy/propose\?call=call_"))


def test_one_click_beside_a_line_stops_its_agent_and_the_line_says_so(site: RunningSite, page: Page) -> None:
    watching.put_in_force(site)
    read(site)
    read(site, agent="migrator")
    opened(page, site)
    page.get_by_role("button", name="Stop migrator").click()
    expect(page).to_have_url(re.compile(r"/watch(#.*)?$"))
    line = page.locator("#lines > li").filter(has_text="migrator")
    expect(line).to_contain_text("Stopped")
    expect(page.locator("#lines > li").filter(has_text="deploy-bot")).not_to_contain_text("Stopped")


def test_a_stop_by_somebody_else_is_seen_on_an_open_page(site: RunningSite, windows: Windows) -> None:
    watching.put_in_force(site)
    read(site)
    page, other = windows.open(), windows.open("mei")
    opened(page, site)
    other.goto(f"{site.origin}/watch")
    other.get_by_role("button", name="Pause deploy-bot").click()
    expect(page.locator("#lines > li").first).to_contain_text("Paused")
    expect(page.get_by_text("Held back by now:")).to_be_visible()


def test_an_auditor_watches_without_buttons_that_stop(site: RunningSite, windows: Windows) -> None:
    watching.put_in_force(site)
    read(site)
    page = opened(windows.open("ada", role=Role.AUDITOR), site)
    expect(page.locator("#lines > li")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("^(Stop|Pause)"))).to_have_count(0)


def test_the_page_works_without_scripts(site: RunningSite, windows: Windows) -> None:
    watching.traffic(site)
    page = windows.open(java_script_enabled=False)
    page.goto(f"{site.origin}/watch")
    expect(page.locator("#lines > li")).to_have_count(8)
    expect(page.get_by_role("button", name="Hold the list still")).to_be_hidden()
    page.get_by_role("link", name="All calls one by one").click()
    expect(page.locator("li.watch-line")).to_have_count(50)
