"""From starting a command to its first list of tools: what a client waits for before its model sees any tool."""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import anyio

from tests.bench.table import Row
from tests.repository import ROOT
from tests.server.house import House, house_in
from tests.server.talking import Talk, command, environment

ROUNDS = 3
WARM_BUDGET, COLD_BUDGET = 1.5, 3.0


async def rows() -> list[Row]:
    taken: dict[str, list[float]] = {"floor": [], "warm": [], "cold": []}
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        warm = house_in(Path(folder) / "warm")
        warm.serve("--log-level", "warning")
        try:
            for number in range(ROUNDS + 1):
                one = {
                    "floor": await _listed([sys.executable, "-m", "tests.bench.floor", "stdio"]),
                    "warm": await _listed(command("stdio", *warm.flags)),
                    "cold": await _cold(house_in(Path(folder) / f"cold-{number}")),
                }
                for name, seconds in one.items():
                    # The first round fills the caches of the disk.
                    if number:
                        taken[name].append(seconds * 1000)
        finally:
            warm.clear()
    floor, ours = statistics.median(taken["floor"]), {n: statistics.median(taken[n]) for n in ("warm", "cold")}
    return [
        Row(
            f"stdio to first tools/list, server {name}",
            f"{floor:.0f} ms",
            f"{ours[name]:.0f} ms",
            f"{ours[name] / floor:.2f} x",
            f"<= {budget} x floor",
            ours[name] <= budget * floor,
        )
        for name, budget in (("warm", WARM_BUDGET), ("cold", COLD_BUDGET))
    ]


async def _cold(house: House) -> float:
    try:
        return await _listed(command("stdio", *house.flags))
    finally:
        await asyncio.to_thread(house.clear)


async def _listed(arguments: list[str]) -> float:
    began = time.perf_counter()
    async with await anyio.open_process(arguments, env=environment(), cwd=ROOT, stderr=None) as process:
        talk = Talk(process)
        await talk.begin(modern=False)
        elapsed = time.perf_counter() - began
        await talk.close()
    return elapsed
