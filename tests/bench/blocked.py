"""Calls that wait: what one costs in memory, how many one process holds, and how fast all of them are answered.

No agent may have more than twenty requests open, so there are as many agents as that takes. Each call is a connection
of its own. The burst is answered as people would who all answer at once: a few signed-in connections, one decision
after the other on each, of cards that were read before the clock started; it ends when the last agent has its answer.
"""

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.bench.sides import AT_ONCE_PER_AGENT, Side, assent_process, floor_process, resident
from tests.bench.table import Row
from tests.bench.wire import Wire

CALLS = 1_000
WARM_UP = 100
MANY = 10_000
AT_ONCE = 200
SPARE_DESCRIPTORS = 200
LOOK_SECONDS = 0.2
PATIENCE = 90.0
MEMORY_BUDGET, BURST_BUDGET = 1.5, 1_000


@dataclass(frozen=True)
class Waited:
    """What was seen of one side: KiB for each waiting call, and answers a second."""

    memory: float
    burst: float


async def rows() -> list[Row]:
    floor = await _measured(_floor_side())
    assent = await _measured(assent_process(CALLS // AT_ONCE_PER_AGENT))
    return [
        Row(
            f"memory per blocked HTTP call ({CALLS:,})",
            f"{floor.memory:.0f} KiB",
            f"{assent.memory:.0f} KiB",
            f"{assent.memory / floor.memory:.2f} x",
            f"<= {MEMORY_BUDGET} x floor",
            assent.memory <= MEMORY_BUDGET * floor.memory,
        ),
        Row(
            f"burst: {CALLS:,} waiting calls answered",
            f"{floor.burst:,.0f} /s",
            f"{assent.burst:,.0f} /s",
            f"{assent.burst / floor.burst:.2f} x",
            f">= {BURST_BUDGET:,} /s",
            assent.burst >= BURST_BUDGET,
        ),
    ]


async def rows_of_many() -> list[Row]:
    """As many as the budget names, or as file descriptors allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        wanted = min(MANY, hard - SPARE_DESCRIPTORS)
        async with assent_process(wanted // AT_ONCE_PER_AGENT) as side, _blocked(side, 0, wanted) as wires:
            held = await side.waiting()
            broken = sum(wire.reader.at_eof() for wire in wires)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    why = "" if wanted == MANY else f"this process may open {hard:,} files"
    return [
        Row(
            "blocked calls held at once by one process",
            "",
            f"{held:,}",
            "",
            f"{MANY:,}",
            held >= MANY and not broken,
            why or (f"{broken} connections broke" if broken else ""),
        )
    ]


async def _measured(started: AbstractAsyncContextManager[Side]) -> Waited:
    async with started as side:
        # The first calls load modules, open connections to the database and fill its caches.
        async with _blocked(side, 0, WARM_UP) as wires:
            await _answer(side, wires)
        before = resident(side.pid)
        async with _blocked(side, WARM_UP, CALLS) as wires:
            memory = (resident(side.pid) - before) / CALLS
            await side.read_all()
            started_at = time.perf_counter()
            await _answers(side, wires)
            return Waited(memory, CALLS / (time.perf_counter() - started_at))


async def _answer(side: Side, wires: list[Wire]) -> None:
    await side.read_all()
    await _answers(side, wires)


async def _answers(side: Side, wires: list[Wire]) -> None:
    *_, answers = await asyncio.gather(side.answer_all(), asyncio.gather(*(wire.answer() for wire in wires)))
    assert all(b"answered" in answer for answer in answers)


@asynccontextmanager
async def _floor_side() -> AsyncIterator[Side]:
    with floor_process() as side:
        yield side


@asynccontextmanager
async def _blocked(side: Side, first: int, number: int) -> AsyncIterator[list[Wire]]:
    """So many calls, all of them waiting."""
    wires: list[Wire] = []
    try:
        for start in range(first, first + number, AT_ONCE):
            some = range(start, min(start + AT_ONCE, first + number))
            opened = await asyncio.gather(*(Wire.to(side.port) for _ in some))
            for wire, call in zip(opened, some, strict=True):
                wire.send("POST", "/mcp", *side.call(call))
            wires += opened
        # Only now: a server that holds thousands takes seconds to count them.
        await _until(side, number)
        yield wires
    finally:
        for wire in wires:
            wire.close()


async def _until(side: Side, number: int) -> None:
    """Return once so many wait, or once no more of them come to."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while await side.waiting() < number:  # noqa: ASYNC110  # another process is asked
                await asyncio.sleep(LOOK_SECONDS)
