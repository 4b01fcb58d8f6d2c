import pytest

from store.audit.canonical import decode
from store.audit.reading import entries
from store.database import Database
from store.runs import Runs, clock_jumped

pytestmark = pytest.mark.anyio


async def last(database: Database) -> dict[str, object]:
    return decode((await database.read(lambda c: entries(c, 0)))[-1][1])


async def test_a_start_after_a_meant_end_is_clean(database: Database) -> None:
    runs = Runs(database)
    await runs.started(version="1", instance="one")
    assert (await last(database))["clean"] is True
    await runs.stopped("one")
    assert (await last(database))["type"] == "server_stopped"
    await runs.started(version="2", instance="two")
    assert (await last(database)).items() >= {"clean": True, "version": "2", "instance": "two"}.items()


async def test_a_start_after_a_crash_says_so_once(database: Database) -> None:
    runs = Runs(database)
    await runs.started(version="1", instance="one")
    await runs.started(version="1", instance="two")
    assert (await last(database))["clean"] is False
    await runs.stopped("two")
    await runs.started(version="1", instance="three")
    assert (await last(database))["clean"] is True


async def test_a_jump_of_the_clock_is_told_in_milliseconds_either_way(database: Database) -> None:
    await database.write(lambda change: clock_jumped(change, -7200.25))
    assert (await last(database)).items() >= {"type": "clock_jumped", "by_milliseconds": -7200250}.items()
