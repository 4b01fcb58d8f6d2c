"""A database that refuses to write keeps every gate shut, says why, and needs nobody's help once it writes again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from store.agents import Agent
from store.answers import Chosen
from store.database import Change, Database, Transaction
from store.desk import Desk
from store.lifecycle import State
from store.people import Reviewer
from store.problems import DatabaseProblem
from tests.stage import answer, answered, approval, see

pytestmark = pytest.mark.anyio


def pragma(line: str) -> Change[None]:
    """Set something on the writer's own connection."""

    def change(transaction: Transaction) -> None:
        transaction.connection.execute(text(f"PRAGMA {line}"))

    return change


async def refuses(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer, request_id: str, card: str, why: str
) -> None:
    """Nothing can be asked or decided, the reason is told, and what there was stays as it was."""
    click = answer(desk, ana, request_id, Chosen("approve"), card=card)
    for attempt in (desk.ask(bot, approval("Another?")), click):
        with pytest.raises(DatabaseProblem, match="nothing was changed") as refusal:
            await attempt
        assert why in refusal.value.message
        assert refusal.value.hint
    assert why in (database.failing or "")
    assert [view.state for view in await desk.inbox()] == [State.SHOWN]


async def works_again(desk: Desk, database: Database, ana: Reviewer, request_id: str) -> None:
    """The very next click stands, and the reason is forgotten."""
    view = (await answered(desk, ana, request_id, Chosen("approve"))).view
    assert view.may_proceed
    assert database.failing is None


async def test_a_full_disk(database: Database, desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    card = await see(desk, ana, ticket.request_id)
    pages = await database.read(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
    # The engine's own limit ends in the very error that a full disk does.
    await database.write(pragma(f"max_page_count = {pages}"))
    comment = "y" * 10_000
    with pytest.raises(DatabaseProblem, match="disk is full"):
        await desk.ask(bot, approval("Another?", context="y" * 60_000))
    with pytest.raises(DatabaseProblem, match="disk is full"):
        await answer(desk, ana, ticket.request_id, Chosen("approve"), card=card, comment=comment)
    assert "disk is full" in (database.failing or "")
    assert [view.state for view in await desk.inbox()] == [State.SHOWN]
    await database.write(pragma("max_page_count = 1000000"))
    await works_again(desk, database, ana, ticket.request_id)


async def test_a_database_that_became_read_only(database: Database, desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    card = await see(desk, ana, ticket.request_id)
    await database.write(pragma("query_only = ON"))
    await refuses(desk, database, bot, ana, ticket.request_id, card, "readonly")
    assert await database.probe() is not None


async def test_a_file_that_another_program_holds_locked(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, home: Path
) -> None:
    ticket = await desk.ask(bot, approval())
    card = await see(desk, ana, ticket.request_id)
    await database.write(pragma("busy_timeout = 20"))
    with closing(sqlite3.connect(home / "assent.db", isolation_level=None)) as greedy:
        greedy.execute("BEGIN IMMEDIATE")
        await refuses(desk, database, bot, ana, ticket.request_id, card, "locked")
        assert await database.probe() is not None
    assert await database.probe() is None
    await works_again(desk, database, ana, ticket.request_id)
