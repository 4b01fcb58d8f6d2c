from dataclasses import replace
from typing import Any

import anyio
import pytest
from sqlalchemy import select, update

from store import tables
from store.agents import Agent
from store.answers import Answer, AskedBack, Chosen, Declined, Fault, Filled, Selected, Written
from store.database import Database
from store.deciding.decisions import BadAnswer, Conflict, NotAllowed, NotFound, NotSeen
from store.desk import Desk
from store.lifecycle import Outcome, State, Surface
from store.people import Reviewer, Role
from store.problems import DatabaseProblem
from store.vault.credentials import open_credential
from store.vault.keys import KeyFile
from tests.stage import FakeClock, answer, answered, approval, form, see, selection, text_input

pytestmark = pytest.mark.anyio

YES, NO = Chosen("approve"), Chosen("reject")
PASSWORD_FORM = form({"name": "user"}, {"name": "password", "type": "password"})


async def state_of(desk: Desk, request_id: str) -> State:
    view = await desk.view(request_id)
    assert view is not None
    return view.state


@pytest.mark.parametrize(
    ("question", "given", "outcome", "may_proceed", "kept"),
    [
        (approval(), YES, Outcome.ANSWERED, True, {"decision": "approve", "approved": True}),
        (approval(), NO, Outcome.ANSWERED, False, {"decision": "reject", "approved": False}),
        (approval(), Declined(), Outcome.DECLINED, False, None),
        (selection(), Selected(("us",)), Outcome.ANSWERED, True, {"selected": ["us"]}),
        (
            form({"name": "n", "type": "integer"}),
            Filled({"n": 3}),
            Outcome.ANSWERED,
            True,
            {"values": {"n": 3}, "credentials": {}},
        ),
        (text_input(), Written("Dear Ana,"), Outcome.ANSWERED, True, {"text": "Dear Ana,", "edited": False}),
        (text_input(), Written("Dear Ben,"), Outcome.ANSWERED, True, {"text": "Dear Ben,", "edited": True}),
        (text_input(), Declined(), Outcome.DECLINED, False, None),
    ],
)
async def test_an_answer_closes_the_request_and_says_what_it_means(
    desk: Desk,
    bot: Agent,
    ana: Reviewer,
    question: Any,
    given: Answer,
    outcome: Outcome,
    may_proceed: bool,
    kept: dict[str, Any] | None,
) -> None:
    ticket = await desk.ask(bot, question)
    view = (await answered(desk, ana, ticket.request_id, given, comment=" fine ")).view
    assert (view.state, view.outcome, view.may_proceed, view.answer) == (State.CLOSED, outcome, may_proceed, kept)
    assert (view.decided_by, view.authenticated_by, view.comment) == ("Ana Ruiz", "password", "fine")


async def test_asking_back_needs_words_and_gives_them_to_the_agent(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    for nothing in ("  ", "\u200b\u3164"):
        refused = await answer(desk, ana, ticket.request_id, AskedBack(), comment=nothing)
        assert refused == BadAnswer((Fault("comment", "say what you want to know: the agent gets these words"),))
    view = (await answered(desk, ana, ticket.request_id, AskedBack(), comment="Which version is live?")).view
    assert (view.outcome, view.may_proceed, view.comment) == (Outcome.RETURNED, False, "Which version is live?")


async def test_a_card_that_was_not_shown_to_this_person_cannot_be_decided(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    card = await see(desk, ana, ticket.request_id)
    assert isinstance(await answer(desk, ben, ticket.request_id, YES, card=card), NotSeen)
    assert await state_of(desk, ticket.request_id) is State.SHOWN


async def test_an_answer_for_another_version_of_the_card_is_a_conflict(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    await see(desk, ana, ticket.request_id)
    conflict = await answer(desk, ana, ticket.request_id, YES, card="0" * 64)
    assert isinstance(conflict, Conflict)
    assert "another version" in conflict.message
    assert await state_of(desk, ticket.request_id) is State.SHOWN


async def test_the_second_click_is_told_who_was_first_and_changes_nothing(
    desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    card = await see(desk, ben, ticket.request_id)
    await answered(desk, ana, ticket.request_id, YES)
    conflict = await answer(desk, ben, ticket.request_id, NO, card=card)
    assert isinstance(conflict, Conflict)
    assert conflict.message == "already answered by Ana Ruiz"
    assert conflict.view.may_proceed


async def test_of_many_clicks_at_once_exactly_one_stands(desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    card = await see(desk, ana, ticket.request_id)
    await see(desk, ben, ticket.request_id)
    decisions = []

    async def click(reviewer: Reviewer, given: Answer) -> None:
        decisions.append(await answer(desk, reviewer, ticket.request_id, given, card=card))

    async with anyio.create_task_group() as group:
        for index in range(20):
            group.start_soon(click, *((ana, YES) if index % 2 else (ben, NO)))
    assert sorted(type(decision).__name__ for decision in decisions) == ["Conflict"] * 19 + ["Decided"]


async def test_an_answer_after_the_deadline_is_too_late_and_the_request_expires(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    ticket = await desk.ask(bot, approval(timeout_seconds=60))
    card = await see(desk, ana, ticket.request_id)
    clock.advance(seconds=60)
    conflict = await answer(desk, ana, ticket.request_id, YES, card=card)
    assert isinstance(conflict, Conflict)
    assert "time to answer is over" in conflict.message
    assert (conflict.view.outcome, conflict.view.may_proceed) == (Outcome.EXPIRED, False)


async def test_an_auditor_reads_everything_and_decides_nothing(desk: Desk, bot: Agent, auditor: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    assert isinstance(await answer(desk, auditor, ticket.request_id, YES), NotAllowed)
    assert await state_of(desk, ticket.request_id) is State.PENDING


async def test_a_role_is_read_when_the_decision_is_made(
    desk: Desk, bot: Agent, ana: Reviewer, auditor: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    await see(desk, ana, ticket.request_id)
    pretender = replace(auditor, role=Role.ADMIN)
    assert isinstance(await answer(desk, pretender, ticket.request_id, YES), NotAllowed)


async def test_what_does_not_exist_cannot_be_decided(desk: Desk, ana: Reviewer) -> None:
    assert await answer(desk, ana, "req_none", YES, card="0" * 64) == NotFound()


async def test_an_answer_that_does_not_fit_writes_nothing(desk: Desk, bot: Agent, ana: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    assert isinstance(await answer(desk, ana, ticket.request_id, Chosen("maybe")), BadAnswer)
    assert isinstance(await answer(desk, ana, ticket.request_id, YES, comment="x" * 10_001), BadAnswer)
    assert await state_of(desk, ticket.request_id) is State.SHOWN


async def test_being_shown_is_recorded_once_for_each_person_and_surface(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    ticket = await desk.ask(bot, approval())
    for reviewer in (ana, ana, ben):
        await desk.show(reviewer, ticket.request_id, Surface.RENDERED_PAGE)
        clock.advance(seconds=1)
    await desk.show(ana, ticket.request_id, Surface.FETCHED_JSON)
    rows = await database.read(lambda c: c.execute(select(tables.shows)).all())
    assert sorted((row.display_name, row.surface) for row in rows) == [
        ("Ana Ruiz", "fetched_json"),
        ("Ana Ruiz", "rendered_page"),
        ("Ben Okoro", "rendered_page"),
    ]
    view = await desk.view(ticket.request_id)
    assert view is not None
    assert view.seen_by == ("Ana Ruiz", "Ben Okoro")


async def test_looking_without_being_able_to_decide_leaves_no_record(desk: Desk, bot: Agent, auditor: Reviewer) -> None:
    ticket = await desk.ask(bot, approval())
    view = await desk.show(auditor, ticket.request_id, Surface.RENDERED_PAGE)
    assert view is not None
    assert (view.state, view.seen_by) == (State.PENDING, ())


async def test_a_card_that_was_changed_in_the_database_can_be_neither_shown_nor_decided(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, ben: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    card = await see(desk, ana, ticket.request_id)
    row = await database.read(lambda c: c.execute(select(tables.requests.c.card)).scalar_one())
    forged = {**row, "question": {**row["question"], "title": "Harmless?"}}
    await database.write(lambda tx: tx.connection.execute(update(tables.requests).values(card=forged)))
    with pytest.raises(DatabaseProblem, match="not the one that was posted"):
        await see(desk, ben, ticket.request_id)
    with pytest.raises(DatabaseProblem, match="not the one that was posted"):
        await answer(desk, ana, ticket.request_id, YES, card=card)
    assert await state_of(desk, ticket.request_id) is State.SHOWN


async def test_a_password_is_sealed_and_the_agent_gets_a_handle(
    database: Database, keys: KeyFile, desk: Desk, bot: Agent, other_bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, PASSWORD_FORM)
    given = Filled({"user": "app", "password": "hunter2 is not a password"})
    view = (await answered(desk, ana, ticket.request_id, given)).view
    assert view.answer is not None
    handle = view.answer["credentials"]["password"]
    assert view.answer["values"] == {"user": "app"}
    assert handle.startswith("cred_")

    async def opened_by(agent: Agent) -> str | None:
        return await database.read(
            lambda c: open_credential(c, keys, origin=database.origin, agent_id=agent.id, handle=handle)
        )

    assert await opened_by(bot) == "hunter2 is not a password"
    assert await opened_by(other_bot) is None


async def test_the_bytes_of_a_typed_password_are_nowhere_in_the_home(
    desk: Desk, bot: Agent, ana: Reviewer, home: Any
) -> None:
    ticket = await desk.ask(bot, PASSWORD_FORM)
    await answered(desk, ana, ticket.request_id, Filled({"user": "app", "password": "Zebra-Quartz-77"}))
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.name == "assent.db-wal" for path in files)
    assert not [path.name for path in files if b"Zebra-Quartz-77" in path.read_bytes()]
