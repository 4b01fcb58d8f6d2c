"""What came before a request: by whose record it is judged, how far back, and which rounds it continues."""

from dataclasses import dataclass

import pytest

from store.agents import Agent
from store.answers import Answer, AskedBack, Chosen, Declined, Written
from store.desk import Desk
from store.people import Reviewer
from store.precedents import ROUNDS_TOLD, Basis, Precedents, Tally
from store.questions import AnyQuestion
from tests.stage import FakeClock, answer, answered, approval, text_input

pytestmark = pytest.mark.anyio
YES, NO = Chosen("approve"), Chosen("reject")


@dataclass
class Past:
    """Questions of one agent and their answers, an hour apart."""

    desk: Desk
    bot: Agent
    ana: Reviewer
    clock: FakeClock

    async def was(self, question: AnyQuestion, given: Answer, comment: str | None = None) -> str:
        request_id = await self.asked(question)
        await answered(self.desk, self.ana, request_id, given, comment=comment)
        self.clock.advance(hours=1)
        return request_id

    async def asked(self, question: AnyQuestion, by: Agent | None = None) -> str:
        return (await self.desk.ask(by or self.bot, question)).request_id

    async def before(self, request_id: str) -> Precedents:
        found = await self.desk.precedents(request_id)
        assert found is not None
        return found


@pytest.fixture
def past(desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock) -> Past:
    return Past(desk, bot, ana, clock)


async def test_a_request_that_is_not_there_has_no_past(desk: Desk) -> None:
    assert await desk.precedents("req_none") is None


async def test_a_first_request_has_an_empty_past(past: Past) -> None:
    found = await past.before(await past.asked(approval()))
    assert found == Precedents(Basis.TITLE, Tally(), None, (), (), None)


async def test_the_past_is_counted_by_how_it_ended(past: Past) -> None:
    for given, comment in (
        (YES, None),
        (YES, None),
        (NO, "Wrong region."),
        (Declined(), None),
        (AskedBack(), "Which?"),
    ):
        await past.was(approval(idempotency_key=str(past.clock.now)), given, comment)
    gone = await past.asked(approval(idempotency_key="withdrawn"))
    await past.desk.withdraw(past.bot, gone)
    found = await past.before(await past.asked(approval()))
    assert found.tally == Tally(approved=2, refused=2, returned=1, withdrawn=1)
    assert found.tally.asked == 6
    assert [refusal.comment for refusal in found.refusals] == [None, "Wrong region."]


async def test_the_last_approved_one_is_what_it_is_compared_with(past: Past) -> None:
    await past.was(approval(description="old"), YES)
    last = await past.was(approval(description="newer"), YES)
    await past.was(approval(description="refused"), NO)
    found = await past.before(await past.asked(approval(description="now")))
    assert found.last_approved is not None
    assert found.last_approved.request_id == last


async def test_other_kinds_other_titles_and_other_agents_lend_no_record(past: Past, other_bot: Agent) -> None:
    await past.was(text_input(title="Deploy?"), Written("Dear Ana,"))
    await past.was(approval("Deploy elsewhere?"), YES)
    other = await past.asked(approval("Deploy?"), by=other_bot)
    await answered(past.desk, past.ana, other, YES)
    assert (await past.before(await past.asked(approval("Deploy?")))).tally == Tally()


async def test_the_workflow_is_the_likeness_where_no_title_is(past: Past) -> None:
    await past.was(approval("Deploy 1?", workflow="release"), YES)
    by_workflow = await past.before(await past.asked(approval("Deploy 2?", workflow="release")))
    assert (by_workflow.basis, by_workflow.tally) == (Basis.WORKFLOW, Tally(approved=1))
    by_title = await past.before(await past.asked(approval("Deploy 1?", workflow="release", context="again")))
    assert (by_title.basis, by_title.tally) == (Basis.TITLE, Tally(approved=1))


async def test_the_record_ends_after_thirty_days_and_likeness_after_ninety(past: Past) -> None:
    await past.was(approval(description="old"), YES)
    past.clock.advance(days=31)
    month = await past.before(await past.asked(approval(description="a month later")))
    assert (month.tally, month.last_approved is None) == (Tally(), False)
    past.clock.advance(days=60)
    assert (await past.before(await past.asked(approval(description="a season later")))).last_approved is None


async def test_what_is_open_is_no_precedent(past: Past) -> None:
    await past.asked(approval(description="open"))
    assert (await past.before(await past.asked(approval()))).tally == Tally()


async def test_a_closed_request_keeps_the_past_that_it_had(past: Past) -> None:
    first = await past.was(approval(), YES)
    await past.was(approval(description="later"), NO)
    assert (await past.before(first)).tally == Tally()


async def test_the_rounds_stand_in_their_order_and_know_what_follows(past: Past) -> None:
    first = await past.was(approval(), AskedBack(), "Which hosts?")
    second = await past.was(approval(description="All four.", follows=first), AskedBack(), "Now?")
    third = await past.asked(approval(description="All four, tonight.", follows=second))
    assert [view.request_id for view in (await past.before(third)).rounds] == [first, second]
    assert (await past.before(first)).followed_by == second
    assert (await past.before(third)).followed_by is None


async def test_a_long_chain_is_told_up_to_a_limit(past: Past) -> None:
    last = await past.was(approval("Round 0"), NO)
    for number in range(1, ROUNDS_TOLD + 3):
        last = await past.was(approval(f"Round {number}", follows=last), NO)
    rounds = (await past.before(last)).rounds
    assert [view.title for view in rounds] == [f"Round {number}" for number in range(2, ROUNDS_TOLD + 2)]


async def test_a_decision_that_did_not_stand_is_no_precedent(past: Past, auditor: Reviewer) -> None:
    request_id = await past.asked(approval())
    await answer(past.desk, auditor, request_id, YES)
    assert (await past.before(await past.asked(approval(context="again")))).tally == Tally()
