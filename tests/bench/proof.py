"""An inclusion proof, from a database of many entries and from memory."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from store.audit.checkpoint import LogKey
from store.audit.events import AgentTokenAdded
from store.audit.inspection import Inspection
from store.audit.merkle import Frontier, append, inclusion_proof, leaf_hash
from store.database import Database, Transaction
from tests.bench.table import Row
from tests.stage import signed_by

ENTRIES = 100_000
MORE_ENTRIES = 1_000_000
AT_ONCE = 5_000
PROOFS = 300
BUDGET_MS = 2.0


async def rows(entries: int = ENTRIES) -> list[Row]:
    wanted = [random.Random(number).randrange(entries) for number in range(PROOFS)]  # any will do
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        database = Database.open(
            f"sqlite:///{Path(folder) / 'assent.db'}",
            signed_by(LogKey.generate("assent.bench/log")),
            clock=lambda: datetime(2026, 11, 22, tzinfo=UTC),
        )
        try:
            for start in range(0, entries, AT_ONCE):
                database.write_now(partial(_record, range(start, min(start + AT_ONCE, entries))))
            ours = _median(Inspection(database).prove, wanted)
        finally:
            database.close()
    nodes: dict[tuple[int, int], bytes] = {}
    frontier = Frontier()
    for number in range(entries):
        frontier, completed = append(frontier, leaf_hash(number.to_bytes(8)))
        nodes.update({(level, index): node for level, index, node in completed})
    floor = _median(lambda index: inclusion_proof(index, entries, lambda *at: nodes[at]), wanted)
    return [
        Row(
            f"inclusion proof at {entries:,} entries",
            f"{floor:.3f} ms",
            f"{ours:.2f} ms",
            f"{ours / floor:.0f} x",
            f"<= {BUDGET_MS:.0f} ms",
            ours <= BUDGET_MS,
            "the floor is in memory; ours reads the database and checks what it hands out",
        )
    ]


def _record(numbers: range, transaction: Transaction) -> None:
    for number in numbers:
        transaction.record(AgentTokenAdded(f"agt_{number}"))


def _median(prove: Callable[[int], object], wanted: list[int]) -> float:
    taken = []
    for index in wanted:
        began = time.perf_counter()
        prove(index)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)
