"""The feed under a hundred calls a second, in a real Chromium: what an open page holds, and how fast it answers.

The same calls first run for a while with no page open; then with one for as long as `--minutes` says. The page's memory
is what its scripts hold after a collection of garbage, beside what it holds of the document. A click is timed in the
page itself, from the event to the next frame.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import run_process
from playwright.async_api import CDPSession, Page, async_playwright

from store.policy.upstreams import Upstream
from tests.bench.gateway import Way, cpu_seconds, listed
from tests.bench.samples import Samples
from tests.bench.sides import enrol, resident
from tests.bench.table import Row
from tests.bench.wire import Wire, tool_call
from tests.repository import ROOT
from tests.server.house import House, house_in
from tests.server.talking import run
from tests.upstreams.running import over_http, policy_text

MINUTES = 0.5
A_SECOND = 100
AGENTS = 8
CALLERS = 32
BEFORE_SECONDS = 15.0
LOOKS = 10
"""How often the page is measured and clicked while the calls run."""
RULES = "  - {name: reads run, tool: up__echo, action: allow}"
CLICK_BUDGET, GROWTH_BUDGET, DOCUMENT_BUDGET = 50.0, 1.25, 10_000
_CLICK = """() => new Promise((done) => {
  const button = document.querySelector("[data-freeze]");
  const began = performance.now();
  button.click();
  requestAnimationFrame(() => setTimeout(() => {
    const took = performance.now() - began;
    button.click();
    done(took);
  }));
})"""


@dataclass
class Load:
    """Calls at an even pace, until told to stop."""

    way: Way
    sent: int = 0
    answered: int = 0
    late: float = 0.0
    """Seconds by which the slowest call came behind its turn."""
    going: bool = True

    async def run(self) -> None:
        wires = [await Wire.to(self.way.port) for _ in range(CALLERS)]
        began, turns = time.perf_counter(), itertools.count()
        await asyncio.gather(*(self._caller(wire, number, began, turns) for number, wire in enumerate(wires)))
        for wire in wires:
            wire.close()

    async def _caller(self, wire: Wire, caller: int, began: float, turns: "itertools.count[int]") -> None:
        while self.going:
            turn = next(turns)
            due = began + turn / A_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.late = max(self.late, time.perf_counter() - due)
            self.sent += 1
            token = self.way.tokens[turn % AGENTS]
            answer = await wire.ask("POST", "/mcp", *tool_call(self.way.host, "up__echo", {"text": f"t{turn}"}, token))
            assert f'"t{turn}"'.encode() in answer, answer
            self.answered += 1


@dataclass
class Seen:
    """What the page was at each look."""

    heap: list[float] = field(default_factory=list)
    """MiB."""
    nodes: list[int] = field(default_factory=list)
    listeners: list[int] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)
    """Milliseconds."""
    opened: list[float] = field(default_factory=list)
    """Milliseconds until another page of the feed stood there."""
    lines: int = 0
    newest: str = ""


@dataclass(frozen=True)
class Cost:
    """What the server spent in a while."""

    cpu: float
    """Milliseconds a call."""
    memory: float
    """MiB at its end."""
    rate: float


async def rows(minutes: float = MINUTES) -> list[Row]:
    async with _scene() as (house, way):
        before = await _while(way, BEFORE_SECONDS, None)
        async with _page(house) as (page, session):
            seen = Seen()
            during = await _while(way, minutes * 60, _watch(page, session, minutes * 60, seen))
    # The first looks fill the page; from then on it must stay as it is.
    early, end = seen.heap[len(seen.heap) // 4], seen.heap[-1]
    clicks = Samples(tuple(seen.clicks))
    span = f"{during.rate:.0f} calls a second, {minutes:g} min"
    return [
        Row(
            f"open feed, {span}: memory of its scripts",
            f"{early:.1f} MiB after a quarter",
            f"{end:.1f} MiB",
            f"{end / early:.2f} x",
            f"<= {GROWTH_BUDGET} x",
            end <= GROWTH_BUDGET * early,
            f"{seen.lines} lines shown at the end, the newest {seen.newest!r}",
        ),
        Row(
            f"open feed, {span}: nodes of its document",
            f"{seen.nodes[len(seen.nodes) // 4]:,} after a quarter",
            f"{seen.nodes[-1]:,}",
            f"most {max(seen.nodes):,}",
            f"<= {DOCUMENT_BUDGET:,}",
            max(seen.nodes) <= DOCUMENT_BUDGET,
        ),
        Row(
            f"open feed, {span}: a click, to the next frame (p50 / worst)",
            "",
            f"{clicks.p50:.0f} / {max(seen.clicks):.0f} ms",
            "",
            f"p50 <= {CLICK_BUDGET:.0f} ms",
            clicks.p50 <= CLICK_BUDGET,
            f"another page of the feed stood there after {Samples(tuple(seen.opened)).p50:.0f} ms (median)",
        ),
        Row(
            f"server's CPU a call, {span}",
            f"{before.cpu:.2f} ms without a page",
            f"{during.cpu:.2f} ms",
            f"{(during.cpu - before.cpu) * during.rate / 10:+.1f} % of a core",
            "",
            None,
            f"{A_SECOND} calls a second were wanted, and {during.rate:.0f} answered",
        ),
        Row(
            f"server's memory, {span}",
            f"{before.memory:.0f} MiB without a page",
            f"{during.memory:.0f} MiB",
            f"{during.memory / before.memory:.2f} x",
            "",
            None,
        ),
    ]


async def _while(way: Way, seconds: float, beside: Any) -> Cost:
    """Calls for so long, and something beside them."""
    load = Load(way)
    calls = asyncio.create_task(load.run())
    cpu, began = cpu_seconds(way.pid), time.perf_counter()
    try:
        await (asyncio.sleep(seconds) if beside is None else beside)
    finally:
        load.going = False
    await calls
    took = time.perf_counter() - began
    spent = cpu_seconds(way.pid) - cpu
    return Cost(spent * 1000 / load.answered, resident(way.pid) / 1024, load.answered / took)


async def _watch(page: Page, session: CDPSession, seconds: float, seen: Seen) -> None:
    began = time.perf_counter()
    for look in range(1, LOOKS + 1):
        await asyncio.sleep(max(0.0, began + seconds * look / LOOKS - time.perf_counter()))
        await session.send("HeapProfiler.collectGarbage")
        metrics = {one["name"]: one["value"] for one in (await session.send("Performance.getMetrics"))["metrics"]}
        seen.heap.append(metrics["JSHeapUsedSize"] / 1024 / 1024)
        seen.nodes.append(int(metrics["Nodes"]))
        seen.listeners.append(int(metrics["JSEventListeners"]))
        seen.clicks.extend([await page.evaluate(_CLICK) for _ in range(5)])
        seen.opened.append(await _opened(page))
    seen.lines = await page.locator("#lines > li").count()
    seen.newest = (await page.locator("#lines > li [data-part=many]").first.inner_text()).replace("\n", " ")


async def _opened(page: Page) -> float:
    """How long it takes to open a line, in a page beside this one."""
    other = await page.context.new_page()
    href = await page.locator("#lines > li a").first.get_attribute("href")
    began = time.perf_counter()
    await other.goto(f"{page.url.partition('/watch')[0]}{href}")
    took = (time.perf_counter() - began) * 1000
    await other.close()
    return took


@asynccontextmanager
async def _page(house: House) -> AsyncIterator[tuple[Page, CDPSession]]:
    """The feed in a Chromium, listening."""
    found = await run_process([str(ROOT / "scripts" / "chromium")])
    async with async_playwright() as playwright, house.reviewer() as reviewer:
        path = found.stdout.decode().strip()
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = await browser.new_context()
        name, _, secret = reviewer.headers["cookie"].partition("=")
        origin = house.running.url
        await context.add_cookies([{"name": name, "value": secret, "url": origin}])
        page = await context.new_page()
        async with page.expect_response(lambda response: "/watch/events" in response.url):
            await page.goto(f"{origin}/watch")
        session = await context.new_cdp_session(page)
        await session.send("Performance.enable")
        yield page, session
        await browser.close()


@asynccontextmanager
async def _scene() -> AsyncIterator[tuple[House, Way]]:
    """Assent's own process with an upstream behind it, over HTTP."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assent-bench-")))
        upstream: Upstream = stack.enter_context(over_http())
        house = house_in(folder)
        policy = folder / "policy.yaml"
        policy.write_text(policy_text(upstream, rules=RULES), encoding="utf-8")
        house.add_reviewer()
        activated = run("policy", "activate", str(policy), *house.flags)
        assert activated.returncode == 0, activated.stderr
        tokens = await enrol(house, AGENTS)
        house.serve("--log-level", "warning")
        stack.callback(house.clear)
        assert house.process is not None
        way = Way(int(house.running.endpoint.rpartition(":")[2]), house.process.pid, "up__echo", tokens)
        await listed(way)
        yield house, way
