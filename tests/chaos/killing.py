"""Kill a loaded server at random moments, again and again, and hold what is left against what was promised.

`python -m tests.chaos.killing 100` does it a hundred times and says what it saw; a test does it a few times.
"""

import json
import logging
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import anyio
from sqlalchemy import Connection, select

from server.config import load
from server.durable import open_database
from store import tables
from store.audit import reading
from store.audit.verify import verify
from store.lifecycle import State
from tests.chaos.load import Promises, under_load
from tests.server.house import House, house_in
from tests.server.talking import run

LONGEST_LIFE = 1.2


@dataclass(frozen=True)
class Seen:
    """What a series of kills came to."""

    kills: int
    asked: int
    decided: int
    delivered: int
    entries: int


async def kill_repeatedly(folder: Path, times: int, seed: int) -> Seen:
    """Raises AssertionError when a promise was broken, LogFault when the log does not verify."""
    chance = random.Random(seed)
    house = house_in(folder)
    house.add_reviewer()
    token = json.loads(run("agent", "add", "deploy-bot", "--json", *house.flags).stdout)["token"]
    promises = Promises()
    entries = 0
    try:
        for number in range(times):
            await _once(house, token, promises, chance.uniform(0.05, LONGEST_LIFE))
            entries = hold_against(house, promises)
            print(
                f"{number + 1} kills: {len(promises.asked)} asked, {len(promises.decided)} answered, {entries} entries"
            )
    finally:
        house.clear()
    return Seen(times, len(promises.asked), len(promises.decided), len(promises.delivered), entries)


async def _once(house: House, token: str, promises: Promises, life: float) -> None:
    await anyio.to_thread.run_sync(house.serve, "--log-level", "error")
    ended = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(under_load, house, token, promises, ended)
        # Chance decides the moment of the kill; nothing is concluded from the time.
        await anyio.sleep(life)
        await anyio.to_thread.run_sync(house.kill)
        ended.set()


def hold_against(house: House, promises: Promises) -> int:
    """Every promise against the database and the log as they are now; the number of entries."""
    database = open_database(load({"home": house.home.path}, {}))
    try:
        rows = {row.id: row for row in database.read_now(lambda c: c.execute(select(tables.requests)).all())}
        assert promises.asked <= set(rows)
        for told in (promises.decided, promises.delivered):
            for request_id, decision in told.items():
                row = rows[request_id]
                assert (row.state, row.answer["decision"]) == (State.CLOSED, decision)

        def check(connection: Connection) -> int:
            head = reading.head(connection)
            assert head is not None
            entries = reading.entries(connection, 0, head.size + 1)
            texts = reading.disclosures(connection, 0, head.size + 1)
            return verify(entries, head.note, [database.verifier], disclosures=texts).checkpoint.size

        return database.read_now(check)
    finally:
        database.close()


if __name__ == "__main__":
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="assent-chaos-") as name:
        print(anyio.run(kill_repeatedly, Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 100, 2026))
