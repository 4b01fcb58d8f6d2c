import pytest
from sqlalchemy import Connection

from store.agents import Agent
from store.answers import AskedBack, Chosen, Declined
from store.asking import AskingProblem, Limits, Report, Superseded, nth_newest_opening
from store.database import Database
from store.desk import Desk
from store.lifecycle import Outcome, State
from store.people import Reviewer
from store.questions import AskApproval
from store.runs import Runs
from store.vault.keys import KeyFile
from tests.stage import FakeClock, answer, answered, approval

pytestmark = pytest.mark.anyio

YES, NO = Chosen("approve"), Chosen("reject")


async def cards(desk: Desk) -> int:
    return len(await desk.inbox()) + len(await desk.history())


async def test_a_question_becomes_a_card_in_the_inbox(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    ticket = await desk.ask(bot, approval(risk="high", workflow="release"))
    (view,) = await desk.inbox()
    assert (view.request_id, view.title, view.agent, view.owner, view.risk, view.workflow, view.state) == (
        ticket.request_id,
        "Deploy 1.4 to production?",
        "deploy-bot",
        "ana",
        "high",
        "release",
        State.PENDING,
    )
    assert (view.expires_at - clock.now).total_seconds() == 86_400


async def test_asking_the_same_again_attaches_to_the_open_card(desk: Desk, bot: Agent) -> None:
    first = await desk.ask(bot, approval())
    again = await desk.ask(bot, approval(timeout_seconds=60))
    assert again.request_id == first.request_id
    assert await cards(desk) == 1


async def test_another_question_or_another_agent_gets_a_card_of_its_own(
    desk: Desk, bot: Agent, other_bot: Agent
) -> None:
    await desk.ask(bot, approval())
    await desk.ask(bot, approval("Deploy 1.5?"))
    await desk.ask(other_bot, approval())
    assert await cards(desk) == 3


async def test_of_two_calls_on_one_question_the_newer_gets_the_answer(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    older, newer = await desk.ask(bot, approval()), await desk.ask(bot, approval())
    assert isinstance(await desk.standing(older), Superseded)
    await answered(desk, ana, newer.request_id, YES)
    assert isinstance(await desk.claim(older), Superseded)
    report = await desk.claim(newer)
    assert isinstance(report, Report)
    assert (report.outcome, report.may_proceed, report.decided_by) == (Outcome.ANSWERED, True, "Ana Ruiz")


async def test_an_answer_that_was_never_collected_goes_to_the_next_who_asks(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    lost = await desk.ask(bot, approval())
    await answered(desk, ana, lost.request_id, YES)
    again = await desk.ask(bot, approval())
    report = await desk.claim(again)
    assert isinstance(report, Report)
    assert (report.request_id, report.may_proceed, report.told_before) == (lost.request_id, True, False)


async def test_an_answer_is_a_ticket_for_one(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=True)
    again = await desk.ask(bot, approval())
    assert again.request_id != ticket.request_id
    (view,) = await desk.inbox()
    assert view.card.notices == (
        "The same question was approved by Ana Ruiz on 2026-11-22 at 09:00 UTC; the agent was told.",
    )


async def test_a_claim_that_failed_to_reach_its_caller_is_free_again(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=False)
    report = await desk.claim(await desk.ask(bot, approval()))
    assert isinstance(report, Report)
    assert report.request_id == ticket.request_id


async def test_a_claim_that_was_never_settled_counts_as_delivered(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    assert (await desk.ask(bot, approval())).request_id != ticket.request_id


async def test_an_uncollected_answer_lapses_at_the_deadline_but_not_within_ten_minutes(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket = await desk.ask(bot, approval(timeout_seconds=60))
    clock.advance(seconds=50)
    await answered(desk, ana, ticket.request_id, YES)
    clock.advance(minutes=9)
    assert (await desk.ask(bot, approval())).request_id == ticket.request_id
    clock.advance(minutes=2)
    assert (await desk.ask(bot, approval())).request_id != ticket.request_id


@pytest.mark.parametrize("given", [NO, Declined()])
async def test_a_repeat_within_a_minute_after_a_rejection_gets_that_rejection_again(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock, given: Chosen | Declined
) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, given)
    await desk.claim(ticket)
    clock.advance(seconds=59)
    report = await desk.claim(await desk.ask(bot, approval()))
    assert isinstance(report, Report)
    assert (report.request_id, report.may_proceed, report.told_before) == (ticket.request_id, False, True)
    clock.advance(seconds=1)
    assert (await desk.ask(bot, approval())).request_id != ticket.request_id


async def test_a_repeat_after_being_asked_back_is_a_new_question(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, AskedBack(), comment="Which version is live now?")
    await desk.claim(ticket)
    assert (await desk.ask(bot, approval())).request_id != ticket.request_id


async def test_an_expired_outcome_is_never_collected_later(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    ticket = await desk.ask(bot, approval(timeout_seconds=60))
    clock.advance(seconds=60)
    assert await desk.expire_due() == 1
    again = await desk.ask(bot, approval())
    assert again.request_id != ticket.request_id
    (view,) = await desk.inbox()
    assert view.card.notices == ("The same question expired unanswered on 2026-11-22 at 09:01 UTC.",)


async def test_a_key_names_one_question_and_reads_its_answer_again_forever(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket = await desk.ask(bot, approval(idempotency_key="deploy-1.4"))
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    clock.advance(hours=200)
    report = await desk.claim(await desk.ask(bot, approval(idempotency_key="deploy-1.4")))
    assert isinstance(report, Report)
    assert (report.request_id, report.may_proceed, report.told_before) == (ticket.request_id, True, True)


async def test_a_key_that_comes_back_with_other_arguments_is_refused_and_posts_nothing(desk: Desk, bot: Agent) -> None:
    await desk.ask(bot, approval(idempotency_key="k"))
    with pytest.raises(AskingProblem, match="used for another question") as refusal:
        await desk.ask(bot, approval("Deploy 1.5?", idempotency_key="k"))
    assert refusal.value.field == "idempotency_key"
    assert await cards(desk) == 1


async def test_a_key_of_its_own_makes_the_same_words_a_question_of_its_own(desk: Desk, bot: Agent) -> None:
    keyed = await desk.ask(bot, approval(idempotency_key="monday"))
    assert (await desk.ask(bot, approval(idempotency_key="tuesday"))).request_id != keyed.request_id
    assert (await desk.ask(bot, approval())).request_id != keyed.request_id


async def test_keys_of_two_agents_have_nothing_to_do_with_each_other(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    await desk.ask(bot, approval(idempotency_key="k"))
    await desk.ask(other_bot, approval("Deploy 1.5?", idempotency_key="k"))
    assert await cards(desk) == 2


async def test_an_agent_has_at_most_so_many_open_requests(database: Database, keys: KeyFile, bot: Agent) -> None:
    desk = Desk(database, keys, Limits(open_requests=2))
    await desk.ask(bot, approval("One?"))
    await desk.ask(bot, approval("Two?"))
    with pytest.raises(AskingProblem, match="2 open requests, which is the limit"):
        await desk.ask(bot, approval("Three?"))
    assert (await desk.ask(bot, approval("Two?"))).request_id
    assert await cards(desk) == 2


async def test_the_configured_life_clamps_what_an_agent_asks_for(
    database: Database, keys: KeyFile, bot: Agent, clock: FakeClock
) -> None:
    desk = Desk(database, keys, Limits(timeout_seconds=600))
    await desk.ask(bot, approval(timeout_seconds=86_400))
    (view,) = await desk.inbox()
    assert (view.expires_at - clock.now).total_seconds() == 600


async def test_follows_names_an_earlier_request_of_the_same_agent(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    first = await desk.ask(bot, approval())
    await desk.ask(bot, approval("And now?", follows=first.request_id))
    with pytest.raises(AskingProblem, match="no request"):
        await desk.ask(other_bot, approval("And now?", follows=first.request_id))


async def test_waiting_on_an_id_reads_the_answer_again(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    again = await desk.attach(bot, ticket.request_id)
    assert again is not None
    report = await desk.claim(again)
    assert isinstance(report, Report)
    assert (report.may_proceed, report.told_before) == (True, True)


async def test_another_agents_request_does_not_exist(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    ticket = await desk.ask(bot, approval())
    assert await desk.attach(other_bot, ticket.request_id) is None
    assert await desk.withdraw(other_bot, ticket.request_id) is None
    assert await desk.report_consequence(other_bot, ticket.request_id, "done", None) is None
    assert [view.state for view in await desk.inbox()] == [State.PENDING]


async def test_a_withdrawn_question_leaves_the_inbox_and_takes_no_answer(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    report = await desk.withdraw(bot, ticket.request_id)
    assert report is not None
    assert (report.outcome, report.may_proceed) == (Outcome.WITHDRAWN, False)
    assert await desk.inbox() == []
    assert (await answer(desk, ana, ticket.request_id, YES)).message == "the agent withdrew this question"  # type: ignore[union-attr]


async def test_withdrawing_what_was_answered_changes_nothing(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    report = await desk.withdraw(bot, ticket.request_id)
    assert report is not None
    assert (report.outcome, report.may_proceed) == (Outcome.ANSWERED, True)


async def test_what_came_of_a_decision_stands_on_its_card(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.report_consequence(bot, ticket.request_id, "deployed", "took 40 s")
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert [(c.at, c.result, c.details) for c in view.consequences] == [(clock.now, "deployed", "took 40 s")]


async def test_nothing_can_come_of_what_nobody_decided(desk: Desk, bot: Agent) -> None:
    ticket = await desk.ask(bot, approval())
    with pytest.raises(AskingProblem, match="not decided"):
        await desk.report_consequence(bot, ticket.request_id, "did it anyway", None)


async def test_a_call_that_is_sent_again_reads_the_answer_that_was_lost_on_its_way(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval(), "toolu_1")
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=True)
    report = await desk.claim(await desk.ask(bot, approval(), "toolu_1"))
    assert isinstance(report, Report)
    assert (report.request_id, report.may_proceed, report.told_before) == (ticket.request_id, True, True)


async def test_another_call_with_the_same_arguments_is_a_new_question_once_the_answer_was_delivered(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval(), "toolu_1")
    joined = await desk.ask(bot, approval(), "toolu_2")
    assert joined.request_id == ticket.request_id
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(joined)
    assert (await desk.ask(bot, approval(), "toolu_2")).request_id == ticket.request_id
    assert (await desk.ask(bot, approval(), "toolu_3")).request_id != ticket.request_id


@pytest.mark.parametrize(
    "other", [approval("Deploy 1.5?"), approval(idempotency_key="k")], ids=["arguments", "idempotency_key"]
)
async def test_a_call_that_comes_back_with_something_else_is_refused_and_posts_nothing(
    desk: Desk, bot: Agent, other: AskApproval
) -> None:
    await desk.ask(bot, approval(), "toolu_1")
    with pytest.raises(AskingProblem, match="the call 'toolu_1' was used for another question"):
        await desk.ask(bot, other, "toolu_1")
    assert await cards(desk) == 1


async def test_calls_of_two_agents_have_nothing_to_do_with_each_other(desk: Desk, bot: Agent, other_bot: Agent) -> None:
    await desk.ask(bot, approval(), "1")
    await desk.ask(other_bot, approval("Deploy 1.5?"), "1")
    assert await cards(desk) == 2


async def test_a_call_that_is_sent_again_learns_that_its_question_was_withdrawn_and_posts_no_other(
    desk: Desk, bot: Agent
) -> None:
    ticket = await desk.ask(bot, approval(), "toolu_1")
    await desk.withdraw(bot, ticket.request_id)
    report = await desk.claim(await desk.ask(bot, approval(), "toolu_1"))
    assert isinstance(report, Report)
    assert (report.request_id, report.outcome) == (ticket.request_id, Outcome.WITHDRAWN)


async def test_a_key_is_looked_at_before_the_call(desk: Desk, bot: Agent) -> None:
    keyed = await desk.ask(bot, approval(idempotency_key="k"), "toolu_1")
    await desk.ask(bot, approval("Deploy 1.5?"), "toolu_2")
    assert (await desk.ask(bot, approval(idempotency_key="k"), "toolu_2")).request_id == keyed.request_id


async def test_a_key_of_its_own_does_not_take_over_a_card_without_one(desk: Desk, bot: Agent) -> None:
    plain = await desk.ask(bot, approval())
    assert (await desk.ask(bot, approval(idempotency_key="k"))).request_id != plain.request_id


async def test_the_open_card_is_found_when_the_clock_was_set_back(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    withdrawn = await desk.ask(bot, approval())
    await desk.withdraw(bot, withdrawn.request_id)
    clock.advance(hours=-1)
    opened = await desk.ask(bot, approval())
    assert opened.request_id != withdrawn.request_id
    assert (await desk.ask(bot, approval())).request_id == opened.request_id


async def test_what_is_over_time_is_neither_attached_to_nor_withdrawn(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    late = await desk.ask(bot, approval(timeout_seconds=60))
    other = await desk.ask(bot, approval("Deploy 1.5?", timeout_seconds=60))
    clock.advance(seconds=60)
    assert (await desk.ask(bot, approval())).request_id != late.request_id
    report = await desk.withdraw(bot, other.request_id)
    assert report is not None
    assert report.outcome is Outcome.EXPIRED


async def ask_and_withdraw(desk: Desk, agent: Agent, times: int) -> None:
    for number in range(times):
        ticket = await desk.ask(agent, approval(f"Deploy {number}?"))
        await desk.withdraw(agent, ticket.request_id)


async def test_an_agent_posts_at_most_so_many_requests_a_minute(
    database: Database, keys: KeyFile, bot: Agent, other_bot: Agent, clock: FakeClock
) -> None:
    desk = Desk(database, keys, Limits(requests_per_minute=3))
    await ask_and_withdraw(desk, bot, 1)
    clock.advance(seconds=20)
    await ask_and_withdraw(desk, bot, 2)
    with pytest.raises(AskingProblem, match="3 new requests within a minute, which is the limit") as refusal:
        await desk.ask(bot, approval())
    assert refusal.value.hint.startswith("Ask again in 40 seconds, at 09:01:00 UTC")
    assert await cards(desk) == 3
    assert (await desk.ask(other_bot, approval())).request_id
    later = Desk(database, keys, Limits(requests_per_minute=3))
    clock.advance(seconds=39)
    with pytest.raises(AskingProblem, match="within a minute"):
        await later.ask(bot, approval())
    clock.advance(seconds=1)
    assert (await later.ask(bot, approval())).request_id


async def test_an_agent_posts_at_most_so_many_requests_an_hour(
    database: Database, keys: KeyFile, bot: Agent, clock: FakeClock
) -> None:
    desk = Desk(database, keys, Limits(requests_per_minute=2, requests_per_hour=4))
    for _ in range(2):
        await ask_and_withdraw(desk, bot, 2)
        clock.advance(minutes=5)
    with pytest.raises(AskingProblem, match="4 new requests within an hour") as refusal:
        await desk.ask(bot, approval())
    assert "at 10:00:00 UTC" in refusal.value.hint
    clock.advance(minutes=50)
    assert (await desk.ask(bot, approval())).request_id


async def test_attaching_costs_nothing_of_the_rate(database: Database, keys: KeyFile, bot: Agent) -> None:
    desk = Desk(database, keys, Limits(requests_per_minute=1))
    for _ in range(3):
        await desk.ask(bot, approval())
    assert await cards(desk) == 1


async def test_a_clock_that_was_set_back_locks_nobody_out(
    database: Database, keys: KeyFile, bot: Agent, clock: FakeClock
) -> None:
    desk = Desk(database, keys, Limits(requests_per_minute=2))
    await ask_and_withdraw(desk, bot, 2)
    clock.advance(hours=-24)
    assert (await desk.ask(bot, approval())).request_id


def test_the_rate_is_read_from_an_index_that_holds_all_it_needs(database: Database, clock: FakeClock) -> None:
    def plan(connection: Connection) -> list[str]:
        query = nth_newest_opening("agent", 120, clock.now).compile(connection, compile_kwargs={"literal_binds": True})
        return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]

    assert database.read_now(plan) == [
        "SEARCH requests USING COVERING INDEX requests_rate (agent_id=? AND opened_at<?)"
    ]


@pytest.mark.parametrize("settled", [True, False])
async def test_whether_an_answer_arrived_is_not_known_when_the_server_ended_while_it_left(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, settled: bool
) -> None:
    await Runs(database).started(version="1", instance="one")
    ticket = await desk.ask(bot, approval())
    await answered(desk, ana, ticket.request_id, YES)
    await desk.claim(ticket)
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert (view.on_its_way, view.delivery_unknown) == (True, False)
    if settled:
        await desk.settle(ticket, delivered=True)
    await Runs(database).started(version="1", instance="two")
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert (view.on_its_way, view.delivery_unknown) == (False, not settled)
