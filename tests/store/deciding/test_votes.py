"""Several people for one request: who counts, who learns what, and when it is enough."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from store import tables
from store.agents import Agent
from store.answers import Answer, AskedBack, Chosen, Declined, Fault, Filled
from store.audit import reading
from store.audit.canonical import decode
from store.database import Database
from store.deciding.decisions import (
    BadAnswer,
    Conflict,
    Decided,
    NeedsSignature,
    NotAllowed,
    Ready,
    Refusal,
    Statement,
    Voted,
)
from store.deciding.examining import examine
from store.deciding.votes import MyVote, Standing
from store.desk import Desk
from store.lifecycle import Outcome, State, Surface
from store.people import People, Reviewer, Role
from store.requests import RequestView, Vote
from tests.stage import FakeClock, answer, answered, approval, form, see
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio

YES, NO = Chosen("approve"), Chosen("reject")
TWO = "name: two, approvals: 2"
OPTIONS = [
    {"id": "now", "approves": True, "label": "Ship it now"},
    {"id": "tonight", "approves": True},
    {"id": "never", "approves": False},
]


@pytest.fixture
async def cara(people: People) -> Reviewer:
    return await people.add_reviewer("cara", role=Role.REVIEWER, display_name="Cara Lind")


@pytest.fixture(autouse=True)
async def everything_is_in_the_log(desk: Desk, ana: Reviewer, ben: Reviewer, cara: Reviewer) -> AsyncIterator[None]:
    """There are three people; and whatever a test does here, its log must verify."""
    yield
    await anyio.to_thread.run_sync(desk.log.verify)


async def ask(desk: Desk, bot: Agent, *rules: str, **question: Any) -> str:
    await in_force(desk, *(rules or (TWO,)))
    return (await desk.ask(bot, approval(**question))).request_id


async def entries(database: Database, kind: str) -> list[dict[str, Any]]:
    found = await database.read(lambda c: reading.entries(c, 0, 10_000))
    return [entry for _, data in found if (entry := decode(data))["type"] == kind]


async def view_of(desk: Desk, request_id: str) -> RequestView:
    view = await desk.view(request_id)
    assert view is not None
    return view


async def standing(desk: Desk, reviewer: Reviewer, request_id: str) -> Standing:
    return (await desk.standings(reviewer, [await view_of(desk, request_id)]))[request_id]


async def change(database: Database, reviewer: Reviewer, **values: Any) -> None:
    accounts = tables.reviewers
    await database.write(
        lambda tx: tx.connection.execute(update(accounts).where(accounts.c.id == reviewer.id).values(**values))
    )


async def test_the_last_of_several_approvals_closes_the_request_in_everybodys_name(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    request_id = await ask(desk, bot)
    voted = await answer(desk, ana, request_id, YES, comment="tests pass")
    assert isinstance(voted, Voted)
    assert (voted.still_needed, voted.view.state, voted.view.outcome) == (1, State.SHOWN, None)
    clock.advance(seconds=5)
    view = (await answered(desk, ben, request_id, YES, comment="backup is there")).view
    assert (view.outcome, view.may_proceed, view.answer) == (
        Outcome.ANSWERED,
        True,
        {"decision": "approve", "approved": True},
    )
    assert (view.decided_by, view.comment) == (
        "Ana Ruiz and Ben Okoro",
        "Ana Ruiz: tests pass\n\nBen Okoro: backup is there",
    )
    assert view.closed_at is not None
    at = view.opened_at
    assert view.votes == (
        Vote("Ana Ruiz", "approved: Approve", True, "tests pass", "password", at),
        Vote("Ben Okoro", "approved: Approve", True, "backup is there", "password", view.closed_at),
    )
    [vote] = await entries(database, "request_voted")
    [closed] = await entries(database, "request_closed")
    assert (vote["reviewer"], closed["reviewer"]) == (ana.id, ben.id)
    assert view.closed_index is not None


async def test_a_comment_of_one_alone_stays_as_it_was_written(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    request_id = await ask(desk, bot)
    await answer(desk, ana, request_id, YES)
    assert (await answered(desk, ben, request_id, YES, comment="go")).view.comment == "go"


async def test_the_agent_hears_nothing_of_a_vote(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    await in_force(desk, TWO)
    ticket = await desk.ask(bot, approval())
    before = await desk.standing(ticket)
    assert isinstance(await answer(desk, ana, ticket.request_id, YES), Voted)
    assert await desk.standing(ticket) == before
    assert await desk.claim(ticket) == before


@pytest.mark.parametrize(
    ("given", "outcome", "said"),
    [
        (NO, Outcome.ANSWERED, "did not approve: Reject"),
        (Declined(), Outcome.DECLINED, "declined"),
        (AskedBack(), Outcome.RETURNED, "asked back"),
    ],
)
async def test_one_person_who_does_not_approve_ends_it(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, given: Answer, outcome: Outcome, said: str
) -> None:
    request_id = await ask(desk, bot)
    await answer(desk, ana, request_id, YES, comment="fine")
    view = (await answered(desk, ben, request_id, given, comment="why now?")).view
    assert (view.outcome, view.may_proceed, view.decided_by, view.comment) == (outcome, False, "Ben Okoro", "why now?")
    assert [(vote.display_name, vote.said, vote.approves) for vote in view.votes] == [
        ("Ana Ruiz", "approved: Approve", True),
        ("Ben Okoro", said, False),
    ]


@pytest.mark.parametrize("given", [YES, NO, Declined(), AskedBack()])
async def test_who_has_answered_answers_no_second_time(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, given: Answer
) -> None:
    request_id = await ask(desk, bot)
    await answer(desk, ana, request_id, YES)
    size = len(await database.read(lambda c: reading.entries(c, 0, 10_000)))
    again = await answer(desk, ana, request_id, given, comment="?")
    assert isinstance(again, Conflict)
    assert again.message == "your answer is in already, and counts once; it cannot be changed"
    assert len(await database.read(lambda c: reading.entries(c, 0, 10_000))) == size


async def test_of_many_clicks_of_one_person_at_once_one_counts(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    request_id = await ask(desk, bot)
    card = await see(desk, ana, request_id)
    came: list[str] = []

    async def click() -> None:
        came.append(type(await answer(desk, ana, request_id, YES, card=card)).__name__)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(click)
    assert sorted(came) == ["Conflict"] * 19 + ["Voted"]
    assert (await view_of(desk, request_id)).state is State.SHOWN


async def test_the_database_itself_holds_one_vote_a_person(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    request_id = await ask(desk, bot)
    await answer(desk, ana, request_id, YES)
    row = await database.read(lambda c: c.execute(select(tables.votes)).mappings().one())
    assert row["request_id"] == request_id
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.connection.execute(tables.votes.insert().values(**row)))


async def test_approvals_by_different_buttons_do_not_add_up(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, cara: Reviewer
) -> None:
    request_id = await ask(desk, bot, options=OPTIONS)
    for reviewer, option in ((ana, "now"), (ben, "tonight")):
        voted = await answer(desk, reviewer, request_id, Chosen(option))
        assert isinstance(voted, Voted)
        assert voted.still_needed == 1
    view = (await answered(desk, cara, request_id, Chosen("now"))).view
    assert (view.decided_by, view.answer) == ("Ana Ruiz and Cara Lind", {"decision": "now", "approved": True})
    assert [vote.said for vote in view.votes] == ["approved: Ship it now", "approved: tonight", "approved: Ship it now"]


async def test_nobody_learns_of_the_answers_before_until_it_is_closed(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    request_id = await ask(desk, bot)
    await see(desk, ana, request_id)
    await see(desk, ben, request_id)
    before = (await view_of(desk, request_id), await standing(desk, ben, request_id), await desk.inbox())
    await answer(desk, ana, request_id, YES, comment="fine")
    assert (await view_of(desk, request_id), await standing(desk, ben, request_id), await desk.inbox()) == before
    assert await desk.history() == []
    assert await desk.history("fine") == []


async def test_who_has_answered_sees_their_own_answer_and_how_many_are_missing(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    request_id = await ask(desk, bot, "name: three, approvals: 3, reason: required")
    open_to_her = Standing(
        may_answer=True,
        may_approve=True,
        why_not=None,
        asked=False,
        my_vote=None,
        needs_passkey=False,
        reason_required=True,
    )
    assert await standing(desk, ana, request_id) == open_to_her
    await answer(desk, ana, request_id, YES, comment="fine")
    closed_to_her = replace(open_to_her, may_answer=False, may_approve=False)
    mine = MyVote("approved: Approve", clock.now, 2)
    assert await standing(desk, ana, request_id) == replace(closed_to_her, my_vote=mine)
    await answer(desk, ben, request_id, YES, comment="fine")
    assert await standing(desk, ana, request_id) == replace(closed_to_her, my_vote=replace(mine, still_needed=1))


async def test_a_vote_that_nobody_joined_permits_nothing_and_is_told_after_the_deadline(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    request_id = await ask(desk, bot, timeout_seconds=60)
    await answer(desk, ana, request_id, YES)
    await see(desk, ben, request_id)
    clock.advance(seconds=60)
    late = await answer(desk, ben, request_id, YES)
    assert isinstance(late, Conflict)
    view = await view_of(desk, request_id)
    assert (view.outcome, view.may_proceed, view.decided_by) == (Outcome.EXPIRED, False, None)
    assert [vote.display_name for vote in view.votes] == ["Ana Ruiz"]


async def test_the_log_is_hidden_from_the_opening_of_what_several_must_approve_until_it_is_closed(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    await desk.ask(bot, approval("Before the rules?"))
    assert await desk.first_hidden_entry() is None
    request_id = await ask(desk, bot)
    hidden = await desk.first_hidden_entry()
    assert hidden is not None
    [(_, data)] = await database.read(lambda c: reading.entries(c, hidden, 1))
    assert (decode(data)["type"], decode(data)["request"]) == ("request_opened", request_id)
    await answer(desk, ana, request_id, YES)
    later = (await desk.ask(bot, approval("And this?"))).request_id
    assert await desk.first_hidden_entry() == hidden
    await answered(desk, ben, request_id, NO)
    moved_on = await desk.first_hidden_entry()
    assert moved_on is not None
    assert moved_on > hidden
    await answered(desk, ben, later, NO)
    assert await desk.first_hidden_entry() is None


# Who may


async def test_who_is_not_asked_reads_and_answers_nothing(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, cara: Reviewer
) -> None:
    request_id = await ask(desk, bot, "name: finance, reviewers: [ben, cara], approvals: 2")
    for given in (YES, NO, Declined(), AskedBack()):
        refused = await answer(desk, ana, request_id, given, comment="?")
        assert refused == NotAllowed("this asks ben and cara, and you are not among them")
    assert isinstance(await answer(desk, ben, request_id, YES), Voted)
    assert isinstance(await answer(desk, cara, request_id, YES), Decided)


async def test_every_matching_rule_wants_its_own_people(desk: Desk, bot: Agent, ben: Reviewer, cara: Reviewer) -> None:
    request_id = await ask(desk, bot, "name: one, reviewers: [ben]", "name: other, reviewers: [cara]")
    assert isinstance(await answer(desk, cara, request_id, YES), Voted)
    assert isinstance(await answer(desk, ben, request_id, YES), Decided)


async def test_an_owner_cannot_approve_and_can_refuse(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> None:
    request_id = await ask(desk, bot, "name: not mine, not_owner: true")
    refused = await answer(desk, ana, request_id, YES)
    assert isinstance(refused, NotAllowed)
    assert "this agent is yours" in refused.message
    assert (await standing(desk, ana, request_id)).may_approve is False
    assert isinstance(await answer(desk, ana, request_id, NO), Decided)


async def test_who_became_the_owner_meanwhile_cannot_approve_either(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    request_id = await ask(desk, bot, "name: not mine, not_owner: true")
    await database.write(lambda tx: tx.connection.execute(update(tables.agents).values(owner="Ben")))
    for reviewer in (ana, ben):
        assert isinstance(await answer(desk, reviewer, request_id, YES), NotAllowed)


@pytest.mark.parametrize("what", ["role", "disabled_at", "reset_at"])
async def test_an_account_is_looked_at_when_it_answers(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock, what: str
) -> None:
    request_id = await ask(desk, bot)
    await see(desk, ben, request_id)
    await change(database, ben, **{what: "auditor" if what == "role" else clock.now})
    assert isinstance(await answer(desk, ben, request_id, YES), NotAllowed)


@pytest.mark.parametrize("what", ["role", "disabled_at", "reset_at"])
async def test_an_account_is_looked_at_again_when_its_answer_is_counted(
    database: Database,
    desk: Desk,
    bot: Agent,
    ana: Reviewer,
    ben: Reviewer,
    cara: Reviewer,
    clock: FakeClock,
    what: str,
) -> None:
    request_id = await ask(desk, bot)
    await answer(desk, ben, request_id, YES)
    await change(database, ben, **{what: "auditor" if what == "role" else clock.now})
    voted = await answer(desk, ana, request_id, YES)
    assert isinstance(voted, Voted)
    assert voted.still_needed == 1
    assert (await answered(desk, cara, request_id, YES)).view.decided_by == "Ana Ruiz and Cara Lind"


async def test_an_account_that_was_reset_answers_alone_and_counts_among_several_a_day_later(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await change(database, ben, reset_at=clock.now)
    alone = await desk.ask(bot, approval("Alone?"))
    assert isinstance(await answer(desk, ben, alone.request_id, YES), Decided)
    request_id = await ask(desk, bot)
    refused = await answer(desk, ben, request_id, YES)
    assert isinstance(refused, NotAllowed)
    assert "reset less than 24 hours ago" in refused.message
    clock.advance(hours=23, minutes=59)
    assert isinstance(await answer(desk, ben, request_id, YES), NotAllowed)
    clock.advance(seconds=30)
    assert isinstance(await answer(desk, ben, request_id, NO), Decided)
    later = (await desk.ask(bot, approval("And now?"))).request_id
    clock.advance(seconds=30)
    assert isinstance(await answer(desk, ben, later, YES), Voted)


async def test_a_reason_is_wanted_for_what_lets_the_agent_proceed_and_for_nothing_else(
    desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    wanted = BadAnswer((Fault("comment", "say why: by its rules, this is not approved without a reason"),))
    risky = (await desk.ask(bot, approval(risk="high"))).request_id
    for comment in (None, "", " \n"):
        assert await answer(desk, ana, risky, YES, comment=comment) == wanted
    assert isinstance(await answer(desk, ana, risky, NO), Decided)
    await in_force(desk, "name: always, reason: required, tool: ask_form")
    filled = (await desk.ask(bot, form())).request_id
    assert await answer(desk, ana, filled, Filled({"host": "db1"})) == wanted
    assert isinstance(await answer(desk, ana, filled, Filled({"host": "db1"}), comment="asked the owner"), Decided)


async def test_approving_without_the_passkey_that_a_rule_wants_writes_nothing(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    request_id = await ask(desk, bot, "name: signed, require: passkey, approvals: 2")
    assert await answer(desk, ana, request_id, YES) == NeedsSignature()
    assert await entries(database, "request_voted") == []
    assert (await standing(desk, ana, request_id)).needs_passkey
    assert isinstance(await answer(desk, ben, request_id, NO), Decided)


# Looking without writing


async def test_what_would_stand_is_known_without_writing_anything(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    request_id = await ask(desk, bot, "name: signed, require: passkey, reviewers: [ana]", timeout_seconds=60)
    card = await see(desk, ana, request_id)
    await see(desk, ben, request_id)
    said = Statement(ana, card, YES, None, Surface.RENDERED_PAGE, "password")
    size = len(await database.read(lambda c: reading.entries(c, 0, 10_000)))

    async def examined(said: Statement) -> Ready | Refusal:
        return await database.read(lambda c: examine(c, clock.now, request_id, said, frozenset()))

    ready = await examined(said)
    assert isinstance(ready, Ready)
    assert (ready.answer, ready.outcome, ready.may_proceed, ready.needs_signature) == (
        YES,
        Outcome.ANSWERED,
        True,
        True,
    )
    assert isinstance(await examined(replace(said, reviewer=ben)), NotAllowed)
    clock.advance(seconds=60)
    late = await examined(said)
    assert isinstance(late, Conflict)
    assert late.message == "the time to answer is over; the agent was told that nobody answered"
    assert len(await database.read(lambda c: reading.entries(c, 0, 10_000))) == size


async def test_a_removed_account_answers_nothing(database: Database, desk: Desk, bot: Agent, ana: Reviewer) -> None:
    request_id = (await desk.ask(bot, approval())).request_id
    stranger = replace(ana, id="usr_none")
    assert await answer(desk, stranger, request_id, YES, card="0" * 64) == NotAllowed()
    assert await desk.standings(stranger, [await view_of(desk, request_id)]) == {}
