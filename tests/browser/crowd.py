"""How the site feels with very many requests open: `python -m tests.browser.crowd [COUNT]`.

Prints what a reviewer waits for, measured in the browser: the inbox's first paint, the card, one decision, and what the
browser holds. Not a test: a figure hangs on the machine.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio
from playwright.sync_api import Page, sync_playwright

from store.agents import Agent
from store.asking import Limits
from store.questions import AskApproval
from tests.browser import samples
from tests.browser.running_site import RunningSite, running_site

ROUNDS = 5
AGENTS = 50
NO_LIMITS = Limits(open_requests=1_000_000, requests_per_minute=1_000_000, requests_per_hour=1_000_000)
_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_FIRST_BYTE = "() => performance.getEntriesByType('navigation')[0].responseStart"
_ROWS = "() => document.querySelectorAll('[data-row]').length"


def fill(site: RunningSite, count: int) -> float:
    """That many open requests of fifty agents, as large as they are in life; seconds that it took."""
    began = time.perf_counter()

    async def asked(agent: Agent, numbers: range) -> None:
        for number in numbers:
            kind = samples.APPROVAL if number % 2 else samples.TEXT
            title = f"{kind.headline} ({number})"
            await site.desk.ask(agent, kind.model_copy(update={"title": title, "risk": None}))

    async def all_asked() -> None:
        agents = [await site.agents.enrol(f"agent-{number}") for number in range(AGENTS)]
        async with anyio.create_task_group() as tasks:
            for place, agent in enumerate(agents):
                tasks.start_soon(asked, agent, range(place, count, AGENTS))

    site.call(all_asked)
    return time.perf_counter() - began


def measured(page: Page, url: str) -> tuple[float, float]:
    """Milliseconds to the first byte, and to the first paint with something on it."""
    page.goto(url)
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    return page.evaluate(_FIRST_BYTE), page.evaluate(_PAINT)


def decided(page: Page, site: RunningSite, number: int) -> float:
    """Milliseconds from pressing a button to the receipt."""
    agent_question = AskApproval(title=f"One more ({number})?", timeout_seconds=600)
    page.goto(f"{site.origin}/requests/{site.ask(agent_question, agent='agent-1')}")
    began = time.perf_counter()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Approved").wait_for()
    return (time.perf_counter() - began) * 1000


def table(page: Page, site: RunningSite, say: Callable[[str], None]) -> None:
    card = f"{site.origin}/requests/{site.ask(samples.APPROVAL, agent='agent-1')}"
    for name, url in (("inbox", site.origin), ("card", card)):
        times = [measured(page, url) for _ in range(ROUNDS)]
        byte, paint = (statistics.median(column) for column in zip(*times, strict=True))
        say(f"{name}: first byte {byte:.0f} ms, first paint {paint:.0f} ms")
    page.goto(site.origin)
    say(f"rows on the page: {page.evaluate(_ROWS)}, {len(page.content()) // 1024} KiB")
    say(f"click to receipt: {statistics.median(decided(page, site, n) for n in range(ROUNDS)):.0f} ms")


def main(count: int) -> None:
    executable = subprocess.run(["scripts/chromium"], check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as home, running_site(Path(home), NO_LIMITS) as site, sync_playwright() as runs:
        print(f"{count:,} open requests, asked in {fill(site, count):.1f} s")
        browser = runs.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 390, "height": 844})
        name, secret = site.cookie(site.reviewer())
        context.add_cookies([{"name": name, "value": secret, "url": site.origin}])
        table(context.new_page(), site, print)
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
