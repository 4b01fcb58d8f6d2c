"""What Assent costs, as ratios to a floor measured on the same machine in the same run. Run it with `make bench`.

Measures are chosen by name: `make bench ARGS="click many"`. Without names all run but `many`, which holds ten thousand
calls and takes minutes. `--million` proves from a million entries; `--minutes` says how long the feed is watched.
"""

import argparse
import logging
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from tests.bench import blocked, changes, click, gateway, proof, rules, shutdown, stdio, stopping, watching
from tests.bench.table import Row, render

LONG = {"many"}
MEASURES: dict[str, Callable[[], Awaitable[list[Row]]]] = {
    "click": click.rows,
    "blocked": blocked.rows,
    "many": blocked.rows_of_many,
    "shutdown": shutdown.rows,
    "stopping": stopping.rows,
    "changes": changes.rows,
    "stdio": stdio.rows,
    "proof": proof.rows,
    "rules": rules.rows,
    "gateway": gateway.rows,
    "watching": watching.rows,
}


async def main(names: list[str]) -> None:
    rows: list[Row] = []
    for name in names:
        began = time.perf_counter()
        rows += await MEASURES[name]()
        load = os.getloadavg()[0]
        print(f"{name}: {time.perf_counter() - began:.0f} s, load {load:.1f} on {os.cpu_count()} cores", flush=True)
    print(f"\n{render(rows)}")


parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
parser.add_argument("measures", nargs="*", choices=[[], *MEASURES], metavar="measure", help=", ".join(MEASURES))
parser.add_argument("--million", action="store_true", help="prove from a million entries; takes a minute more")
parser.add_argument("--minutes", type=float, default=watching.MINUTES, help="how long the feed is watched")
options = parser.parse_args()
if options.million:
    MEASURES["proof"] = partial(proof.rows, proof.MORE_ENTRIES)
MEASURES["watching"] = partial(watching.rows, options.minutes)
logging.disable(logging.INFO)
anyio.run(main, options.measures or [name for name in MEASURES if name not in LONG])
