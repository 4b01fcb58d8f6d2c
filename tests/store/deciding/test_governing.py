"""What the rules in force ask of a question, and what they keep an agent from asking."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from store import tables
from store.agents import Agent, Agents
from store.asking import AskingProblem
from store.audit import reading
from store.audit.canonical import decode
from store.database import Database
from store.desk import Desk
from store.policy.demands import BUILT_IN
from store.problems import PolicyUnreadable
from store.requests import RequestView
from tests.stage import FakeClock, approval, form, selection, text_input
from tests.store.rules import condition, in_force

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("ana", "ben")]

NEVER = "name: never, agent: deploy-bot, action: deny, reason: Ask the database team."


async def view_of(desk: Desk, request_id: str) -> RequestView:
    view = await desk.view(request_id)
    assert view is not None
    return view


async def denials(database: Database) -> list[tuple[str, int]]:
    """Agent and count of each entry that says so."""
    found = await database.read(lambda c: reading.entries(c, 0, 10_000))
    entries = [entry for _, data in found if (entry := decode(data))["type"] == "request_denied"]
    return [(entry["agent"], entry["count"]) for entry in entries]


async def test_a_card_names_the_rules_that_govern_it_and_is_hashed_with_them(desk: Desk, bot: Agent) -> None:
    plain = (await view_of(desk, (await desk.ask(bot, approval())).request_id)).card
    assert (plain.conditions, plain.policy_sha256, "conditions" in plain.content()) == ((), None, False)
    await in_force(desk, "name: two, approvals: 2, reviewers: [ana, ben]")
    card = (await view_of(desk, (await desk.ask(bot, approval("Again?"))).request_id)).card
    assert card.conditions == (condition("two", ["ana", "ben"], approvals=2),)
    policy = await desk.policies.in_force()
    assert policy is not None
    assert card.policy_sha256 == policy.policy.sha256
    assert card.sha256 != replace(card, conditions=()).sha256


async def test_rules_that_come_later_change_no_card_that_is_open(desk: Desk, bot: Agent) -> None:
    ticket = await desk.ask(bot, approval())
    before = await view_of(desk, ticket.request_id)
    await in_force(desk, "name: two, approvals: 2")
    again = await desk.ask(bot, approval())
    assert again.request_id == ticket.request_id
    assert await view_of(desk, ticket.request_id) == before


@pytest.mark.parametrize(
    ("asked", "rule", "life"), [(None, "1h", 3600), (60, "1h", 60), (7200, "1h", 3600), (7200, "24h", 7200)]
)
async def test_the_shortest_time_wins(desk: Desk, bot: Agent, asked: int | None, rule: str, life: int) -> None:
    await in_force(desk, f"name: quick, timeout: {rule}")
    view = await view_of(desk, (await desk.ask(bot, approval(timeout_seconds=asked))).request_id)
    assert view.expires_at - view.opened_at == timedelta(seconds=life)


async def test_high_risk_needs_a_reason_without_any_rule(desk: Desk, bot: Agent) -> None:
    cards = {
        risk: (await view_of(desk, (await desk.ask(bot, approval(f"{risk}?", risk=risk))).request_id)).card
        for risk in ("low", "medium", "high", "critical")
    }
    assert {risk: card.reason_required for risk, card in cards.items()} == {
        "low": False,
        "medium": False,
        "high": True,
        "critical": True,
    }
    assert [one.rule for one in cards["high"].conditions] == [BUILT_IN]


async def test_a_claimed_workflow_takes_away_no_rule_of_the_agents_own(desk: Desk, agents: Agents) -> None:
    payer, _ = await agents.add("payer", workflow="payments")
    await in_force(desk, "name: payments, workflow: payments, reviewers: [ana]", "name: other, workflow: other")
    for claimed, rules in (
        (None, ["payments"]),
        ("payments", ["payments"]),
        ("other", ["payments", "other"]),
        ("neither", ["payments"]),
    ):
        view = await view_of(desk, (await desk.ask(payer, approval(f"{claimed}?", workflow=claimed))).request_id)
        assert [one.rule for one in view.conditions] == rules


# Denials


async def test_what_a_rule_denies_is_asked_of_nobody_and_stands_in_the_log(
    database: Database, desk: Desk, bot: Agent, other_bot: Agent
) -> None:
    await in_force(desk, NEVER)
    with pytest.raises(AskingProblem) as denied:
        await desk.ask(bot, approval())
    assert denied.value.message == "the rule 'never' denies this. Ask the database team"
    assert await desk.inbox() == []
    assert await denials(database) == [(bot.id, 1)]
    await desk.ask(other_bot, approval())
    assert len(await desk.inbox()) == 1
    desk.log.verify()


async def test_asking_the_forbidden_in_a_loop_does_not_fill_the_log(
    database: Database, desk: Desk, bot: Agent, clock: FakeClock
) -> None:
    await in_force(desk, NEVER)

    async def ask(times: int) -> None:
        for number in range(times):
            with pytest.raises(AskingProblem, match="denies this"):
                await desk.ask(bot, approval(f"Drop table {number}?"))

    await ask(30)
    assert await denials(database) == [(bot.id, 1)]
    clock.advance(seconds=60)
    await ask(1)
    assert await denials(database) == [(bot.id, 1), (bot.id, 30)]
    clock.advance(days=-1)
    await ask(2)
    assert await denials(database) == [(bot.id, 1), (bot.id, 30), (bot.id, 1)]
    desk.log.verify()


async def test_what_was_open_before_it_was_denied_can_still_be_waited_for(desk: Desk, bot: Agent) -> None:
    ticket = await desk.ask(bot, approval())
    await in_force(desk, NEVER)
    assert (await desk.ask(bot, approval())).request_id == ticket.request_id


@pytest.mark.parametrize("question", [selection(), form(), text_input()])
async def test_what_one_person_must_answer_alone_needs_one_whom_every_rule_asks(
    database: Database, desk: Desk, bot: Agent, question: Any
) -> None:
    ours, theirs = "name: ours, tool: '*', reviewers: [ana]", "name: theirs, tool: '*', reviewers: [ben]"
    await in_force(desk, ours, theirs)
    with pytest.raises(AskingProblem, match="the rules 'ours' and 'theirs' ask different people"):
        await desk.ask(bot, question)
    assert await denials(database) == [(bot.id, 1)]
    assert len((await view_of(desk, (await desk.ask(bot, approval())).request_id)).conditions) == 2
    await in_force(desk, ours, "name: theirs, tool: '*', reviewers: [ben], escalate: [ana]")
    await desk.ask(bot, question)


async def test_rules_that_nobody_can_read_are_not_no_rules(database: Database, desk: Desk, bot: Agent) -> None:
    await in_force(desk, "name: two, approvals: 2")
    await database.write(lambda tx: tx.connection.execute(update(tables.policies).values(text="version: 1\n")))
    with pytest.raises(PolicyUnreadable):
        await desk.ask(bot, approval())
    assert await desk.inbox() == []
