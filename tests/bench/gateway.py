"""An allowed call through Assent, beside the same call made directly and through a lean proxy on the same SDK.

All three run at once, each a process of its own, with one upstream behind them; the rounds take turns. A caller has a
connection of its own and sends one call after the other, in the newer era of the protocol. Latency is what it sees.
CPU is that of the process in the middle alone; for a direct call it is the upstream's. Assent writes every call to its
log twice, signed and synchronised, before and after.

An idle agent is a session of the older era that has listed the tools and listens on its stream: in the newer era an
idle agent has nothing here. It is measured beside the lean proxy.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store.policy.upstreams import Upstream
from tests.bench.samples import Samples
from tests.bench.sides import enrol, resident
from tests.bench.table import Row
from tests.bench.wire import Wire, tool_call
from tests.repository import ROOT
from tests.server.house import house_in
from tests.server.talking import environment, run
from tests.upstreams.running import everything, policy_text

CALLS = {1: 400, 16: 1_600, 64: 1_600}
WARM_UP = 100
ROUNDS = 3
AGENTS = 8
IDLE = 200
PATIENCE = 60.0
ADDED_BUDGET, CPU_BUDGET = 3.0, 1.5
TICK = os.sysconf("SC_CLK_TCK")
RULES = "  - {name: reads run, tool: up__echo, action: allow}"
LEGACY = "2025-06-18"


@dataclass
class Way:
    """A server that answers the call, and the process whose CPU counts."""

    port: int
    pid: int
    tool: str
    tokens: Sequence[str | None] = (None,)
    series: dict[int, list["Series"]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def call(self, caller: int, number: int) -> tuple[dict[str, str], bytes]:
        arguments = {"text": f"{caller} says {number}"}
        return tool_call(self.host, self.tool, arguments, self.tokens[caller % len(self.tokens)])


@dataclass(frozen=True)
class Series:
    """So many calls: each one's milliseconds, calls a second, and milliseconds of CPU a call."""

    latency: Samples
    rate: float
    cpu: float


async def rows() -> list[Row]:
    return [*await _rows("HTTP behind", over_http=True), *await _rows("stdio behind", over_http=False)]


async def _rows(name: str, *, over_http: bool) -> list[Row]:
    async with _ways(over_http) as ways:
        for way in ways.values():
            await _series(way, 1, WARM_UP)
        for _ in range(ROUNDS):
            for callers, calls in CALLS.items():
                for way in ways.values():
                    way.series.setdefault(callers, []).append(await _series(way, callers, calls))
        found = [row for callers in CALLS for row in _compared(name, callers, ways)]
        if over_http:
            found.append(await _memory(ways["lean"], ways["assent"]))
        return found


def _compared(name: str, callers: int, ways: dict[str, Way]) -> Iterator[Row]:
    # The best of each: what else the machine does only ever takes away.
    best = {key: _best(way.series[callers]) for key, way in ways.items()}
    direct, lean, assent = best.get("direct"), best["lean"], best["assent"]
    of = f"{callers} caller{'' if callers == 1 else 's'}, {name}"
    added = assent.latency.p50 - (direct or lean).latency.p50
    yield Row(
        f"allowed call, {of} (p50 / p99)",
        " and ".join(_latency(one) for one in (direct, lean) if one),
        _latency(assent),
        f"+{added:.1f} ms, {assent.latency.p50 / lean.latency.p50:.2f} x lean",
        f"<= {ADDED_BUDGET:.0f} ms added" if callers == 1 and direct else "",
        added <= ADDED_BUDGET if callers == 1 and direct else None,
    )
    yield Row(
        f"allowed calls a second, {of}",
        " and ".join(f"{one.rate:,.0f}" for one in (direct, lean) if one),
        f"{assent.rate:,.0f}",
        f"{assent.rate / lean.rate:.2f} x lean",
        "",
        None,
    )
    yield Row(
        f"CPU of an allowed call, {of}",
        " and ".join(f"{one.cpu:.2f}" for one in (direct, lean) if one) + " ms",
        f"{assent.cpu:.2f} ms",
        f"{assent.cpu / lean.cpu:.2f} x lean",
        f"<= {CPU_BUDGET} x lean",
        assent.cpu <= CPU_BUDGET * lean.cpu,
    )


def _best(series: list[Series]) -> Series:
    return Series(
        min((one.latency for one in series), key=lambda latency: latency.p50),
        max(one.rate for one in series),
        min(one.cpu for one in series),
    )


def _latency(series: Series) -> str:
    return f"{series.latency.p50:.1f} / {series.latency.p99:.1f} ms"


async def _series(way: Way, callers: int, calls: int) -> Series:
    took: list[float] = []

    async def work(caller: int) -> None:
        wire = await Wire.to(way.port)
        for number in range(calls // callers):
            headers, body = way.call(caller, number)
            began = time.perf_counter()
            answer = await wire.ask("POST", "/mcp", headers, body)
            took.append((time.perf_counter() - began) * 1000)
            assert f'"{caller} says {number}"'.encode() in answer, answer
        wire.close()

    cpu, began = cpu_seconds(way.pid), time.perf_counter()
    await asyncio.gather(*(work(caller) for caller in range(callers)))
    seconds, cpu = time.perf_counter() - began, cpu_seconds(way.pid) - cpu
    return Series(Samples(tuple(took)), len(took) / seconds, cpu * 1000 / len(took))


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that the process has had."""
    # After the name, which may hold anything and stands in parentheses: user time is the 12th field, system the 13th.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def _memory(lean: Way, assent: Way) -> Row:
    floor, ours = await _idle(lean), await _idle(assent)
    return Row(
        f"memory an idle agent ({IDLE}, older era)",
        f"{floor:.0f} KiB",
        f"{ours:.0f} KiB",
        f"{ours / floor:.2f} x lean",
        "",
        None,
        "an idle agent of the newer era has no session and no connection here",
    )


async def _idle(way: Way) -> float:
    """KiB for each session that listens and asks nothing."""
    warm = [await _session(way, number) for number in range(WARM_UP // 10)]
    before = resident(way.pid)
    idle = [await _session(way, number) for number in range(IDLE)]
    used = (resident(way.pid) - before) / IDLE
    for wire in (*warm, *idle):
        wire.close()
    return used


async def _session(way: Way, number: int) -> Wire:
    """An agent of the older era, once it has listed the tools; its stream is open for what the server says."""
    headers = {
        "host": way.host,
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": LEGACY,
    }
    if (token := way.tokens[number % len(way.tokens)]) is not None:
        headers["authorization"] = f"Bearer {token}"
    client = {"name": "bench", "version": "1"}
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client}
    wire = await Wire.to(way.port)
    wire.send("POST", "/mcp", headers, _message("initialize", hello, 0))
    head = await wire.head()
    headers["mcp-session-id"] = head.partition("mcp-session-id: ")[2].partition("\r\n")[0]
    await wire.body(head)
    wire.send("POST", "/mcp", headers, _message("notifications/initialized", {}))
    await wire.body(await wire.head(" 202 "))
    await wire.ask("POST", "/mcp", headers, _message("tools/list", {}, 1))
    wire.send("GET", "/mcp", headers)
    await wire.head()
    return wire


def _message(method: str, params: dict[str, Any], identifier: int | None = None) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message if identifier is None else {**message, "id": identifier}).encode()


@asynccontextmanager
async def _ways(over_http: bool) -> AsyncIterator[dict[str, Way]]:
    async with AsyncExitStack() as stack:
        ways: dict[str, Way] = {}
        upstream = everything("up")
        behind: tuple[str, ...] = (upstream.command or "", *upstream.args)
        if over_http:
            port, pid = stack.enter_context(_process("tests.upstreams.everything", "--http"))
            url = f"http://127.0.0.1:{port}/mcp"
            behind, upstream = (url,), Upstream("up", url=url)
            ways["direct"] = Way(port, pid, "echo")
        ways["lean"] = Way(*stack.enter_context(_process("tests.bench.lean_proxy", *behind)), "echo")
        ways["assent"] = await stack.enter_async_context(_assent(upstream))
        yield ways


@asynccontextmanager
async def _assent(upstream: Upstream) -> AsyncIterator[Way]:
    """Assent's own process, with this upstream behind it, once agents are told of its tools."""
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        house = house_in(Path(folder))
        policy = Path(folder) / "policy.yaml"
        policy.write_text(policy_text(upstream, rules=RULES), encoding="utf-8")
        house.add_reviewer()
        activated = run("policy", "activate", str(policy), *house.flags)
        assert activated.returncode == 0, activated.stderr
        tokens = await enrol(house, AGENTS)
        house.serve("--log-level", "warning")
        try:
            assert house.process is not None
            way = Way(int(house.running.endpoint.rpartition(":")[2]), house.process.pid, "up__echo", tokens)
            await listed(way)
            yield way
        finally:
            house.clear()


async def listed(way: Way) -> None:
    """Return once agents are told of the upstream's tools."""
    wire = await Wire.to(way.port)
    headers, body = tool_call(way.host, "", {}, way.tokens[0])
    del headers["mcp-name"]
    headers["mcp-method"] = "tools/list"
    body = body.replace(b"tools/call", b"tools/list")
    async with asyncio.timeout(PATIENCE):
        while b'"up__echo"' not in await wire.ask("POST", "/mcp", headers, body):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.1)
    wire.close()


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """A module that prints its port; port and process id."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()
