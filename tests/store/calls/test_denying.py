"""Every call that is turned away is in the log, and none of them in a loop can fill it."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from store import tables
from store.agents import Agent
from store.calls.denying import KINDS_AT_A_TIME, LONGEST_ARGUMENTS, LONGEST_NAME
from store.database import Database
from store.desk import Desk
from tests.stage import FakeClock
from tests.store.calls.house import DROP, READ, call, denied, in_force, log

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]


async def counts(database: Database) -> list[int]:
    return [entry["count"] for entry in await log(database, "call_denied")]


async def rows(database: Database) -> list[Any]:
    return list(
        await database.read(lambda c: c.execute(select(tables.calls).order_by(tables.calls.c.started_at)).all())
    )


async def texts(database: Database, key: str) -> list[str]:
    disclosures = tables.disclosures.c
    query = select(disclosures.text).where(disclosures.key == key).order_by(disclosures.position)
    return list(await database.read(lambda c: c.execute(query).scalars().all()))


async def test_a_loop_of_denied_calls_is_one_entry_a_minute_with_their_number(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    for _ in range(50):
        await denied(desk.calls, bot, call(DROP))
    assert await counts(database) == [1]
    clock.advance(minutes=1)
    await denied(desk.calls, bot, call(DROP))
    assert await counts(database) == [1, 50]
    desk.log.verify()


async def test_agents_tools_and_reasons_are_counted_apart(
    desk: Desk, database: Database, bot: Agent, other_bot: Agent
) -> None:
    await denied(desk.calls, bot, call(DROP))
    await denied(desk.calls, other_bot, call(DROP))
    await denied(desk.calls, bot, call(READ))
    await denied(desk.calls, bot, call(DROP, extra=1))
    await in_force(desk, "{name: none, tool: 'files__drop', action: deny, reason: No.}")
    await denied(desk.calls, bot, call(DROP))
    assert await counts(database) == [1, 1, 1, 1]


async def test_arguments_that_name_ever_new_faults_are_one_kind(desk: Desk, database: Database, bot: Agent) -> None:
    for number in range(20):
        await denied(desk.calls, bot, call(READ, path=number))
        await denied(desk.calls, bot, call(READ, **{f"x{number}": 1}))
    assert await counts(database) == [1]


async def test_the_newest_of_each_kind_is_kept(desk: Desk, database: Database, bot: Agent, clock: FakeClock) -> None:
    await denied(desk.calls, bot, call(DROP, table="one"))
    clock.advance(seconds=1)
    await denied(desk.calls, bot, call(DROP, table="two"))
    (row,) = await rows(database)
    assert (row.tool, row.state, row.permission, row.rules) == ("files__drop", "denied", "denied", ["never"])
    assert (json.loads(row.arguments), row.started_at) == ({"table": "two"}, clock.now)
    assert row.why == "the rule 'never' denies this. Ask the database team."


async def test_names_that_nothing_has_are_in_the_log_as_they_were_called(
    desk: Desk, database: Database, bot: Agent
) -> None:
    for name in ("Files__drop", "files__\u0501rop"):
        refused = await desk.calls.refuse(bot, name, f"there is no tool {name!a}", {"a": 1})
        assert refused.why == f"there is no tool {name!a}"
    assert await texts(database, "tool_ref") == ["Files__drop", "files__\u0501rop"]
    assert await texts(database, "arguments_ref") == ['{"a":1}'] * 2
    desk.log.verify()


async def test_ever_new_names_are_counted_together_after_some(
    desk: Desk, database: Database, bot: Agent, clock: FakeClock
) -> None:
    for number in range(100):
        await desk.calls.refuse(bot, f"files__{number}", "there is no such tool")
    assert await counts(database) == [1] * (KINDS_AT_A_TIME + 1)
    assert len(await rows(database)) == KINDS_AT_A_TIME + 1
    clock.advance(minutes=2)
    await desk.calls.refuse(bot, "files__new", "there is no such tool")
    for number in range(100, 200):
        await desk.calls.refuse(bot, f"files__{number}", "there is no such tool")
    told = sum(await counts(database))
    assert told >= 100
    assert len(await counts(database)) < 3 * KINDS_AT_A_TIME
    desk.log.verify()


async def test_immense_names_and_arguments_are_not_kept(desk: Desk, database: Database, bot: Agent) -> None:
    await desk.calls.refuse(bot, "x" * 10_000, "no", {"text": "y" * LONGEST_ARGUMENTS})
    await desk.calls.refuse(bot, "big", "no", {"number": 2**60})
    assert [len(one.tool) for one in await rows(database)] == [LONGEST_NAME + 1, 3]
    assert [one.arguments for one in await rows(database)] == ["{}", "{}"]
    assert await texts(database, "arguments_ref") == []
    desk.log.verify()


async def test_before_there_are_rules_a_call_is_turned_away(database: Database, desk: Desk, bot: Agent) -> None:
    await desk.calls.refuse(bot, "files__drop", "there is no such tool")
    desk.log.verify()
