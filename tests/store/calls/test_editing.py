"""A reviewer changes what a held call would run with: a new card, on which nothing counts that was said before."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import func, select

from store import tables
from store.agents import Agent
from store.answers import Chosen, Declined, Fault
from store.audit import reading
from store.audit.canonical import decode
from store.calls.calls import Admitted
from store.calls.editing import EDITS_LIMIT, Edited
from store.database import Database
from store.deciding.decisions import BadAnswer, Conflict, Decided, NotAllowed, NotFound, NotSeen, Voted
from store.desk import Desk
from store.lifecycle import State, Surface
from store.people import People, Reviewer, Role
from store.problems import PolicyUnreadable
from store.questions import HeldCall
from store.requests import RequestView
from tests.stage import FakeClock, answer, answered, approval, see
from tests.store.calls.held import ARGUMENTS, HOLD, NEVER, SEND, TWO, UPSTREAM, edit, edited, hold, in_force
from tests.store.calls.house import tampered

pytestmark = pytest.mark.anyio

YES, NO = Chosen("run"), Chosen("refuse")
LESS = {"amount": 400, "to": "ACME"}


@pytest.fixture
async def cara(people: People) -> Reviewer:
    return await people.add_reviewer("cara", role=Role.REVIEWER, display_name="Cara Lind")


@pytest.fixture(autouse=True)
async def everything_is_in_the_log(desk: Desk, ana: Reviewer, ben: Reviewer, cara: Reviewer) -> AsyncIterator[None]:
    """There are three people; and whatever a test does here, its log must verify."""
    yield
    await anyio.to_thread.run_sync(desk.log.verify)


def question(view: RequestView) -> HeldCall:
    assert isinstance(view.card.question, HeldCall)
    return view.card.question


async def view_of(desk: Desk, request_id: str) -> RequestView:
    view = await desk.view(request_id)
    assert view is not None
    return view


async def entries(database: Database, kind: str) -> list[dict[str, Any]]:
    found = await database.read(lambda c: reading.entries(c, 0, 10_000))
    return [entry for _, data in found if (entry := decode(data))["type"] == kind]


async def count(database: Database, table: Any) -> int:
    return await database.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())


async def test_an_edit_makes_a_new_card_with_what_the_agent_asked_beside_it(
    desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    before = await view_of(desk, ticket.request_id)
    after = (await edited(desk, ben, ticket.request_id, LESS)).view
    assert question(after) == question(before).model_copy(
        update={"arguments": LESS, "asked_arguments": ARGUMENTS, "edited_by": "Ben Okoro"}
    )
    assert (after.state, after.edits, after.seen_by) == (State.PENDING, 1, ())
    assert after.card == replace(
        before.card,
        question=question(after),
        notices=("Edit 1: Ben Okoro changed the arguments on 2026-11-22 at 09:00 UTC.",),
    )
    assert after.card_sha256 == after.card.sha256 != before.card_sha256


async def test_what_runs_is_what_was_edited_and_approved(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await edited(desk, ben, ticket.request_id, LESS)
    await answered(desk, ben, ticket.request_id, YES)
    admitted = await desk.calls.begin(bot, ticket.request_id)
    assert isinstance(admitted, Admitted)
    assert admitted.arguments == LESS


async def test_everybody_must_be_shown_the_new_card_whoever_edited_too(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await see(desk, ana, ticket.request_id)
    card = (await edited(desk, ben, ticket.request_id, LESS)).view.card_sha256
    assert await answer(desk, ben, ticket.request_id, YES, card=card) == NotSeen()
    assert await answer(desk, ana, ticket.request_id, YES, card=card) == NotSeen()
    assert isinstance(await answer(desk, ana, ticket.request_id, YES), Decided)


async def test_an_answer_to_the_card_before_is_a_conflict(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    old = await see(desk, ana, ticket.request_id)
    await edited(desk, ben, ticket.request_id, LESS)
    refused = await answer(desk, ana, ticket.request_id, YES, card=old)
    assert isinstance(refused, Conflict)
    assert refused.message == "this answer was for another version of the card; read it again"


async def test_an_edit_of_the_card_before_is_a_conflict(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    old = await see(desk, ana, ticket.request_id)
    await edited(desk, ben, ticket.request_id, LESS)
    assert isinstance(await edit(desk, ana, ticket.request_id, {"amount": 1, "to": "ACME"}, card=old), Conflict)
    assert question(await view_of(desk, ticket.request_id)).arguments == LESS


async def test_votes_of_the_card_before_count_no_more(
    desk: Desk, database: Database, bot: Agent, ana: Reviewer, ben: Reviewer, cara: Reviewer
) -> None:
    await in_force(desk, TWO)
    ticket = await hold(desk, bot)
    assert isinstance(await answer(desk, ben, ticket.request_id, YES), Voted)
    await edited(desk, cara, ticket.request_id, {"amount": 550, "to": "ACME"})
    assert await count(database, tables.votes) == 0
    assert isinstance(await answer(desk, cara, ticket.request_id, YES), Voted)
    assert isinstance(await answer(desk, ben, ticket.request_id, YES), Decided)


async def test_who_voted_already_does_not_edit(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk, TWO)
    ticket = await hold(desk, bot)
    await answer(desk, ben, ticket.request_id, YES)
    assert isinstance(await edit(desk, ben, ticket.request_id, LESS), Conflict)


async def test_the_same_call_of_the_agent_attaches_to_the_edited_card(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await edited(desk, ben, ticket.request_id, LESS)
    assert (await hold(desk, bot)).request_id == ticket.request_id
    assert (await hold(desk, bot, LESS)).request_id != ticket.request_id


async def test_no_two_cards_of_a_request_are_alike(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    seen = {await see(desk, ben, ticket.request_id)}
    for arguments in (LESS, ARGUMENTS, LESS, ARGUMENTS):
        seen.add((await edited(desk, ben, ticket.request_id, arguments)).view.card_sha256)
    assert len(seen) == 5


async def test_the_rules_judge_the_new_arguments_and_ask_what_they_ask_of_them(
    desk: Desk, bot: Agent, ben: Reviewer
) -> None:
    await in_force(desk, HOLD, TWO)
    ticket = await hold(desk, bot)
    assert (await view_of(desk, ticket.request_id)).card.answers_needed == 2
    assert (await edited(desk, ben, ticket.request_id, LESS)).view.card.answers_needed == 1
    await edited(desk, ben, ticket.request_id, ARGUMENTS | {"to": "ACME Ltd"})
    assert isinstance(await answer(desk, ben, ticket.request_id, YES), Voted)


@pytest.mark.parametrize("action", ["allow", "notice"])
async def test_what_the_rules_would_let_through_takes_one_persons_approval_all_the_same(
    desk: Desk, bot: Agent, ben: Reviewer, action: str
) -> None:
    small = f"name: small, tool: payments__send, action: {action}, args: {{amount: {{ge: 0, lt: 500}}}}"
    await in_force(desk, TWO, small)
    ticket = await hold(desk, bot)
    after = await edited(desk, ben, ticket.request_id, LESS)
    assert question(after.view).held_because == ("a reviewer changed its arguments; with these, no rule would hold it",)
    assert not isinstance(await desk.calls.begin(bot, ticket.request_id), Admitted)
    assert isinstance(await answer(desk, ben, ticket.request_id, YES), Decided)
    assert isinstance(await desk.calls.begin(bot, ticket.request_id), Admitted)


async def test_rules_that_nobody_can_read_let_nothing_be_edited(
    desk: Desk, database: Database, bot: Agent, ben: Reviewer, home: Path
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    card = await see(desk, ben, ticket.request_id)
    kept = await database.read(lambda c: c.execute(select(tables.policies)).one())
    tampered(home, "version: 7")
    with pytest.raises(PolicyUnreadable):
        await edit(desk, ben, ticket.request_id, LESS, card=card)
    tampered(home, kept.text)
    assert (await view_of(desk, ticket.request_id)).edits == 0


async def test_what_the_rules_deny_is_not_put_on_a_card(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk, HOLD, NEVER)
    ticket = await hold(desk, bot)
    refused = await edit(desk, ben, ticket.request_id, {"amount": 1, "to": "Mallory"})
    assert isinstance(refused, BadAnswer)
    [fault] = refused.faults
    assert fault.field == "arguments"
    assert "'never'" in fault.message
    assert (await view_of(desk, ticket.request_id)).edits == 0


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"amount": "1", "to": "ACME"}, Fault("amount", "must be of the type number")),
        ({"amount": -1, "to": "ACME"}, Fault("amount", "must be at least 0")),
        ({"amount": 1}, Fault("to", "is missing")),
        ({"amount": 1, "to": "ACME", "cc": "x"}, Fault("cc", "is not an argument of this tool")),
        (ARGUMENTS, Fault("arguments", "are what the card says already; change something, or approve it as it is")),
        (
            {"amount": 2**53, "to": "ACME"},
            Fault(
                "arguments", "have a number beyond 9007199254740991, which readers take for another; send it as a text"
            ),
        ),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_with_where_and_why(
    desk: Desk, bot: Agent, ben: Reviewer, arguments: dict[str, Any], fault: Fault
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    assert await edit(desk, ben, ticket.request_id, arguments) == BadAnswer((fault,))
    assert (await view_of(desk, ticket.request_id)).edits == 0


async def test_only_who_was_shown_the_card_edits(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    card = await see(desk, ana, ticket.request_id)
    assert await edit(desk, ben, ticket.request_id, LESS, card=card) == NotSeen()


async def test_only_who_may_approve_edits(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, cara: Reviewer, auditor: Reviewer
) -> None:
    await in_force(desk, f"{HOLD}, reviewers: [finance], not_owner: true", groups="{finance: [cara, ana]}")
    ticket = await hold(desk, bot)
    asks_others = NotAllowed("this asks finance, and you are not among them")
    assert await edit(desk, ben, ticket.request_id, LESS) == asks_others
    owns_it = "this agent is yours, and by the rule 'payments' its owner cannot approve; you can refuse"
    assert await edit(desk, ana, ticket.request_id, LESS) == NotAllowed(owns_it)
    assert await edit(desk, auditor, ticket.request_id, LESS) == NotAllowed()
    assert isinstance(await edit(desk, cara, ticket.request_id, LESS), Edited)


async def test_only_a_held_call_can_be_edited(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    assert await edit(desk, ben, ticket.request_id, LESS) == NotAllowed("only a held call has arguments to edit")


async def test_what_is_not_there_cannot_be_edited(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    assert await edit(desk, ben, "req_none", LESS, card="0" * 64) == NotFound()


async def test_what_is_over_cannot_be_edited(desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock) -> None:
    await in_force(desk)
    refused, late = await hold(desk, bot), await hold(desk, bot, LESS)
    await answered(desk, ben, refused.request_id, NO)
    assert isinstance(await edit(desk, ben, refused.request_id, {"amount": 1, "to": "ACME"}), Conflict)
    card = await see(desk, ben, late.request_id)
    clock.advance(hours=24)
    assert isinstance(await edit(desk, ben, late.request_id, ARGUMENTS, card=card), Conflict)


async def test_a_call_whose_definition_changed_is_not_edited(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await desk.calls.observe(UPSTREAM, [replace(SEND, content={**SEND.content, "description": "Sends all money."})])
    refused = await edit(desk, ben, ticket.request_id, LESS)
    changed = "are of a definition that has changed since; refuse this, and let the agent call it again"
    assert refused == BadAnswer((Fault("arguments", changed),))


async def test_editing_ends_somewhere(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    for amount in range(EDITS_LIMIT):
        await edited(desk, ben, ticket.request_id, {"amount": amount, "to": "ACME"})
    assert isinstance(await edit(desk, ben, ticket.request_id, LESS), NotAllowed)
    assert isinstance(await answer(desk, ben, ticket.request_id, Declined()), Decided)


async def test_a_stricter_time_of_the_rules_moves_the_deadline_forward_and_never_back(
    desk: Desk, bot: Agent, ben: Reviewer, clock: FakeClock
) -> None:
    large = f"{TWO}, timeout: 1h"
    await in_force(desk, HOLD, large)
    ticket = await hold(desk, bot, LESS)
    opened = clock.now
    shorter = await edited(desk, ben, ticket.request_id, ARGUMENTS)
    assert (shorter.view.expires_at - opened).total_seconds() == 3600
    clock.advance(minutes=30)
    again = await edited(desk, ben, ticket.request_id, LESS)
    assert again.view.expires_at == shorter.view.expires_at == again.view.card.expires_at
    clock.advance(minutes=30)
    assert await desk.expire_due() == 1


async def test_who_escalates_is_worked_out_anew(
    desk: Desk, bot: Agent, ben: Reviewer, cara: Reviewer, clock: FakeClock
) -> None:
    await in_force(desk, HOLD, f"{TWO}, reviewers: [ana, ben], escalate: [cara]")
    ticket = await hold(desk, bot, LESS)
    larger = await edited(desk, ben, ticket.request_id, ARGUMENTS)
    half = clock.now + (larger.view.expires_at - clock.now) / 2
    assert larger.view.card.escalates_at == half
    clock.advance(hours=12)
    assert await desk.escalate_due() == 1
    assert isinstance(await answer(desk, cara, ticket.request_id, YES), Voted)
    after = await edited(desk, ben, ticket.request_id, ARGUMENTS | {"to": "ACME Ltd"})
    assert (after.view.escalated_at, after.view.card.escalates_at) == (half, half)
    assert isinstance(await answer(desk, cara, ticket.request_id, YES), Voted)


async def test_an_edit_stands_in_the_log_with_both_cards_and_who_did_it(
    desk: Desk, database: Database, bot: Agent, ben: Reviewer
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await edited(desk, ben, ticket.request_id, LESS)
    [opened], [entry] = await entries(database, "request_opened"), await entries(database, "arguments_edited")
    assert entry | {"card_ref": "", "at": "", "format": "", "assurance": ""} == {
        "format": "",
        "at": "",
        "assurance": "",
        "type": "arguments_edited",
        "request": ticket.request_id,
        "reviewer": ben.id,
        "authenticated_by": "password",
        "surface": Surface.RENDERED_PAGE,
        "card_ref": "",
        "instead_of_ref": opened["card_ref"],
        "expires_at": opened["expires_at"],
    }
    assert entry["card_ref"] != opened["card_ref"]


async def test_a_refused_edit_writes_nothing(desk: Desk, database: Database, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await edit(desk, ben, ticket.request_id, {"amount": -1, "to": "ACME"})
    assert await entries(database, "arguments_edited") == []
    assert isinstance(await answer(desk, ben, ticket.request_id, YES), Decided)


async def test_an_edit_in_a_session_that_ended_is_refused(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    refused = await desk.edit(
        ben,
        ticket.request_id,
        card_sha256=await see(desk, ben, ticket.request_id),
        arguments=LESS,
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
        session_id="ses_none",
    )
    assert isinstance(refused, NotAllowed)
