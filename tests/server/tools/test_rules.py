"""Rules, as an agent meets them at the tools."""

import anyio
import pytest
from sqlalchemy import update

from store import tables
from store.answers import Chosen
from store.database import Database
from store.deciding.decisions import Voted
from store.desk import Desk
from store.people import Reviewer
from tests.server.serving import Serving, beside
from tests.stage import answer, answered
from tests.store.rules import in_force

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("ana", "ben")]

DEPLOY = {"title": "Deploy 1.4 to production?"}


async def error(server: Serving, token: str) -> str:
    """What the agent is told, where its question is refused."""
    async with server.client(token) as client:
        refused = await client.call_tool("ask_approval", DEPLOY)
    assert refused.is_error
    return str(refused.content[0].text)  # type: ignore[union-attr]


async def test_what_a_rule_denies_says_which_rule_and_why_and_asks_nobody(
    server: Serving, desk: Desk, token: str
) -> None:
    await in_force(desk, "name: never, action: deny, reason: Ask the database team.")
    assert await error(server, token) == (
        "the rule 'never' denies this. Ask the database team. Nobody was asked. Ask for something else instead."
    )
    assert await desk.inbox() == []


async def test_while_nobody_can_read_the_rules_nothing_can_be_asked(
    server: Serving, desk: Desk, database: Database, token: str
) -> None:
    await in_force(desk, "name: two, approvals: 2")
    await database.write(lambda tx: tx.connection.execute(update(tables.policies).values(text="version: 1\n")))
    assert "the policy in force is not the text that was activated" in await error(server, token)
    assert await desk.inbox() == []


async def test_a_waiting_call_returns_with_the_last_of_several_approvals(
    server: Serving, desk: Desk, ana: Reviewer, ben: Reviewer, token: str
) -> None:
    await in_force(desk, "name: two, approvals: 2")
    async with server.client(token) as client, anyio.create_task_group() as group:
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        card = await server.card()
        assert isinstance(await answer(desk, ana, card.request_id, Chosen("approve")), Voted)
        assert not call.done.is_set()
        await answered(desk, ben, card.request_id, Chosen("approve"))
        result = await call.result()
    expected = {"status": "answered", "may_proceed": True, "decided_by": "Ana Ruiz and Ben Okoro"}
    assert {name: result[name] for name in expected} == expected
