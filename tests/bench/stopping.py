"""Everything is stopped while calls wait, others run at upstreams, and more arrive: how long until nothing goes on.

The clock runs from the moment in which a reviewer's program sends the stop. What ends is seen where it ends: the
waiting calls and those that arrive by their answers, the running ones by the upstream that is told, in its own file.
Afterwards the log is read, and verified: nothing may stand in it after the stop; and the upstreams' own files: no call
may have reached one after the last that ran was cancelled.

Waiting: 180 questions and 20 held calls, of ten agents. Running: 20 calls of an upstream over HTTP, half of them
approved by a person. Arriving: 50 allowed calls a second, before the stop and for two seconds after it.
"""

import asyncio
import base64
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from store.policy.upstreams import Upstream
from tests.bench.sides import enrol
from tests.bench.table import Row
from tests.bench.wire import Wire, tool_call
from tests.server.house import House, house_in
from tests.server.talking import run
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything, over_http, policy_text

QUESTIONS, HELD, RUNNING, A_SECOND = 180, 20, 20, 50
AGENTS = 12
BEFORE_SECONDS, AFTER_SECONDS = 2.0, 2.0
PATIENCE = 60.0
LOOK_SECONDS = 0.01
BUDGET_SECONDS = 1.0
RULES = (
    "  - {name: reads run, tool: [up__echo, local__echo], action: allow}\n"
    "  - {name: some wait run, tool: up__wait, args: {gate: {glob: 'allowed*'}}, action: allow}"
)


@dataclass
class Seen:
    """What callers saw, in seconds since the stop was sent; negative before it."""

    began: float = 0.0
    waits: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    passed: list[float] = field(default_factory=list)
    refused: int = 0
    other: list[bytes] = field(default_factory=list)

    def now(self) -> float:
        return time.perf_counter() - self.began


@dataclass
class Scene:
    house: House
    notebook: Notebook
    local: Notebook
    """Of the upstream that is a process of the server's."""
    tokens: list[str]
    reviewer: httpx2.AsyncClient
    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def sent(self, tool: str, arguments: dict[str, Any], number: int) -> Wire:
        wire = await Wire.to(self.port)
        wire.send("POST", "/mcp", *tool_call(self.host, tool, arguments, self.tokens[number % len(self.tokens)]))
        return wire


async def rows() -> list[Row]:
    async with _scene() as scene:
        return await _measured(scene)


async def _measured(scene: Scene) -> list[Row]:
    seen = Seen(began=time.perf_counter() + 3600)
    runs = await _running(scene)
    waits = [await scene.sent("ask_approval", {"title": f"May I do {n}?"}, n) for n in range(QUESTIONS)]
    waits += [await scene.sent("up__send_payment", {"to": f"n{n}", "amount": n + 1}, n) for n in range(HELD)]
    await _all_wait(scene)
    warm = await scene.sent("local__echo", {"text": "warm"}, 0)
    await _told(warm)
    warm.close()
    over = asyncio.Event()
    tasks = [
        *(asyncio.create_task(_ends(wire, seen, seen.waits)) for wire in waits),
        *(asyncio.create_task(_ends(wire, seen, seen.runs)) for wire in runs),
        asyncio.create_task(_arriving(scene, seen, over)),
    ]
    await asyncio.sleep(BEFORE_SECONDS)
    seen.began = time.perf_counter()
    answer = await scene.reviewer.post("/stop", data={})
    acknowledged = seen.now()
    assert answer.status_code in (200, 303), answer.text
    cancelled = await _cancelled(scene, seen)
    reached = len(_at_upstreams(scene))
    ended = await _processes_ended(scene, seen)
    await asyncio.sleep(max(0.0, AFTER_SECONDS - seen.now()))
    over.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks)
    fault, after = await _log(scene), await _passed_in_log(scene)
    after += ["called at an upstream"] * (len(_at_upstreams(scene)) - reached)
    return _rows(seen, acknowledged, cancelled, ended, fault, after)


def _at_upstreams(scene: Scene) -> list[dict[str, Any]]:
    """Every call that reached one."""
    return [*scene.local.entries("called"), *scene.notebook.entries("called")]


def _rows(
    seen: Seen, acknowledged: float, cancelled: float, ended: float, fault: str | None, after: list[str]
) -> list[Row]:
    last_wait, last_run = max(seen.waits), max(seen.runs)
    # What came back just before the stop is told: it has happened. Its answer may be a moment on its way.
    late = [moment for moment in seen.passed if moment > BUDGET_SECONDS]
    remark = f"answered {acknowledged * 1000:.0f} ms after it was sent; {seen.refused:,} calls were refused after it"
    clean = fault is None and not after and not late and not seen.other
    said = "nothing" if clean else f"{len(after)}, {len(late)} answers; verifier: {fault or 'no fault'}"
    waiting = QUESTIONS + HELD
    more = [f"{len(seen.passed):,} had passed before it", *after[:3], *(str(one[:200]) for one in seen.other[:3])]
    return [
        _row(f"stop: last of {waiting} waiting calls told", last_wait, len(seen.waits) == waiting, remark),
        _row(f"stop: last of {RUNNING} running calls cancelled over there", cancelled, True),
        _row(f"stop: last of {RUNNING} running calls told", last_run, len(seen.runs) == RUNNING),
        _row("stop: last process of an upstream gone", ended, True),
        Row(f"stop: passed after it, {A_SECOND} a second arriving", "", said, "", "nothing", clean, "; ".join(more)),
    ]


def _row(what: str, seconds: float, complete: bool, remark: str = "") -> Row:
    met = complete and seconds <= BUDGET_SECONDS
    return Row(what, "", f"{seconds * 1000:.0f} ms", "", f"<= {BUDGET_SECONDS:.0f} s", met, remark)


async def _running(scene: Scene) -> list[Wire]:
    """Half of them allowed, half approved by a person; all are at the upstream when this returns."""
    allowed = [await scene.sent("up__wait", {"gate": f"allowed{n}"}, n) for n in range(RUNNING // 2)]
    held = [await scene.sent("up__wait", {"gate": f"held{n}"}, n) for n in range(RUNNING // 2)]
    approved = 0
    async with asyncio.timeout(PATIENCE):
        while approved < len(held):
            listed = (await scene.reviewer.get("/api/requests", params={"state": "open"})).json()["requests"]
            for found in listed:
                card = (await scene.reviewer.get(f"/api/requests/{found['request_id']}")).json()
                body = {"card_sha256": card["card_sha256"], "decision": "run"}
                done = await scene.reviewer.post(f"/api/requests/{found['request_id']}/decision", json=body)
                approved += done.status_code == 200
    await scene.notebook.seen("waiting", times=RUNNING)
    return [*allowed, *held]


async def _arriving(scene: Scene, seen: Seen, over: asyncio.Event) -> None:
    """So many calls a second, each on a connection that is kept; however slow the answers are, the next are sent."""
    idle: list[Wire] = []
    calls: set[asyncio.Task[None]] = set()
    number, began = 0, time.perf_counter()

    async def call(number: int) -> None:
        wire = idle.pop() if idle else await Wire.to(scene.port)
        arguments = {"text": f"arrived {number}"}
        token = scene.tokens[number % len(scene.tokens)]
        answer, status = await _ask(wire, *tool_call(scene.host, "local__echo", arguments, token))
        if status == 403:
            seen.refused += 1
        elif f'"arrived {number}"'.encode() in answer:
            seen.passed.append(seen.now())
        elif b"stopped everything" not in answer:
            seen.other.append(answer)
        idle.append(wire)

    while not over.is_set():
        calls.add(asyncio.create_task(call(number)))
        number += 1
        await asyncio.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
    await asyncio.gather(*calls)
    for wire in idle:
        wire.close()


async def _ask(wire: Wire, headers: dict[str, str], body: bytes) -> tuple[bytes, int]:
    wire.send("POST", "/mcp", headers, body)
    head = await wire.head(" ")
    return await wire.body(head), int(head.split(" ", 2)[1])


async def _ends(wire: Wire, seen: Seen, into: list[float]) -> None:
    answer = await _told(wire)
    if b"stopped everything" in answer:
        into.append(seen.now())
    else:
        seen.other.append(answer)
    wire.close()


async def _told(wire: Wire) -> bytes:
    return await wire.body(await wire.head(" "))


async def _cancelled(scene: Scene, seen: Seen) -> float:
    async with asyncio.timeout(PATIENCE):
        while len(scene.notebook.entries("cancelled")) < RUNNING:  # noqa: ASYNC110  # another process
            await asyncio.sleep(LOOK_SECONDS)
    return seen.now()


async def _processes_ended(scene: Scene, seen: Seen) -> float:
    """Seconds until the upstream that is a process of the server's is none any more."""
    started = scene.local.entries("started")[-1]["process"]
    async with asyncio.timeout(PATIENCE):
        while Path(f"/proc/{started}").exists():  # noqa: ASYNC110  # another process
            await asyncio.sleep(LOOK_SECONDS)
    return seen.now()


async def _waiting(scene: Scene) -> int:
    metrics = (await scene.reviewer.get("/metrics")).text.splitlines()
    return next(int(float(line.split()[1])) for line in metrics if line.startswith("assent_waiting_requests "))


async def _all_wait(scene: Scene) -> None:
    async with asyncio.timeout(PATIENCE):
        while await _waiting(scene) < QUESTIONS + HELD:  # noqa: ASYNC110  # another process is asked
            await asyncio.sleep(LOOK_SECONDS)


async def _log(scene: Scene) -> str | None:
    """The first fault that the verifier finds."""
    done = await asyncio.to_thread(run, "audit", "verify", "--json", *scene.house.flags)
    fault: str | None = json.loads(done.stdout).get("fault")
    return fault


async def _passed_in_log(scene: Scene) -> list[str]:
    """What stands in the log after the stop and may not."""
    entries: list[dict[str, Any]] = []
    while True:
        page = await scene.reviewer.get("/api/audit/entries", params={"start": len(entries)})
        found = [json.loads(base64.b64decode(one["entry"])) for one in page.json()["entries"]]
        if not found:
            break
        entries += found
    stop = next(number for number, entry in enumerate(entries) if entry["type"] == "agent_halted")
    forbidden = {"call_intended", "answer_claimed", "request_opened"}
    return [entry["type"] for entry in entries[stop:] if entry["type"] in forbidden]


@asynccontextmanager
async def _scene() -> AsyncIterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        place = Path(folder)
        notebook, local = Notebook(place / "far"), Notebook(place / "local")
        with over_http("up", notebook.folder) as far:
            house = house_in(place)
            house.add_reviewer()
            _activate(house, place, far, everything("local", local.folder))
            tokens = await enrol(house, AGENTS)
            house.serve("--log-level", "warning")
            try:
                async with house.reviewer() as reviewer:
                    reviewer.timeout = httpx2.Timeout(PATIENCE)
                    port = int(house.running.endpoint.rpartition(":")[2])
                    scene = Scene(house, notebook, local, tokens, reviewer, port)
                    await _listed(scene)
                    yield scene
            finally:
                house.clear()


def _activate(house: House, folder: Path, *upstreams: Upstream) -> None:
    policy = folder / "policy.yaml"
    policy.write_text(policy_text(*upstreams, rules=RULES), encoding="utf-8")
    activated = run("policy", "activate", str(policy), *house.flags)
    assert activated.returncode == 0, activated.stderr


async def _listed(scene: Scene) -> None:
    wire = await Wire.to(scene.port)
    headers, body = tool_call(scene.host, "", {}, scene.tokens[0])
    del headers["mcp-name"]
    headers["mcp-method"] = "tools/list"
    body = body.replace(b"tools/call", b"tools/list")
    async with asyncio.timeout(PATIENCE):
        found = b""
        while not (b'"up__echo"' in found and b'"local__echo"' in found):
            found = await wire.ask("POST", "/mcp", headers, body)
    wire.close()
