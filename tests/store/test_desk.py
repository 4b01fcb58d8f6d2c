import anyio
import pytest

from store.agents import Agent
from store.answers import Chosen
from store.audit.checkpoint import LogKey
from store.database import Database
from store.desk import Desk, needs_key
from store.lifecycle import Outcome
from store.people import Reviewer
from store.signals import INBOX
from store.vault.keys import KeyFile
from tests.stage import FakeClock, answered, approval, signed_by, stir

pytestmark = pytest.mark.anyio


async def test_the_inbox_has_the_oldest_deadline_first(desk: Desk, bot: Agent) -> None:
    await desk.ask(bot, approval("Later?", timeout_seconds=600))
    await desk.ask(bot, approval("Soon?", timeout_seconds=60))
    assert [view.title for view in await desk.inbox()] == ["Soon?", "Later?"]


async def test_a_request_expires_on_time_though_nobody_waits(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    ticket = await desk.ask(bot, approval(timeout_seconds=60))
    async with anyio.create_task_group() as group:
        with desk.signals.listen(ticket.request_id) as listener:
            group.start_soon(desk.keep_deadlines)
            clock.advance(seconds=60)
            stir(desk)
            with anyio.fail_after(10):
                while not await desk.history():
                    await listener.changed()
        group.cancel_scope.cancel()
    (view,) = await desk.history()
    assert (view.outcome, view.may_proceed) == (Outcome.EXPIRED, False)


async def test_nothing_expires_before_its_time(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await desk.ask(bot, approval(timeout_seconds=60))
    clock.advance(seconds=59.999999)
    assert await desk.expire_due() == 0
    assert len(await desk.inbox()) == 1


async def test_what_ran_out_during_a_downtime_expires_at_the_next_start(
    home: object, signer: LogKey, database: Database, keys: KeyFile, desk: Desk, bot: Agent, clock: FakeClock
) -> None:
    ticket = await desk.ask(bot, approval(timeout_seconds=60))
    kept = await desk.ask(bot, approval("Deploy 1.5?"))
    database.close()
    clock.advance(hours=3)
    again = Database.open(f"sqlite:///{home}/assent.db", signed_by(signer), clock=clock)
    try:
        restarted = Desk(again, keys)
        async with anyio.create_task_group() as group:
            with restarted.signals.listen(INBOX) as listener, anyio.fail_after(10):
                group.start_soon(restarted.keep_deadlines)
                while not await restarted.history():
                    await listener.changed()
            group.cancel_scope.cancel()
        assert [view.request_id for view in await restarted.inbox()] == [kept.request_id]
        assert [view.request_id for view in await restarted.history()] == [ticket.request_id]
    finally:
        again.close()


async def test_history_has_the_newest_first_and_is_paged(
    desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    for number in range(5):
        ticket = await desk.ask(bot, approval(f"Deploy {number}?"))
        await answered(desk, ana, ticket.request_id, Chosen("approve"))
        clock.advance(seconds=1)
    first = await desk.history(limit=3)
    rest = await desk.history(limit=3, before=first[-1].request_id)
    assert [view.title for view in first] == ["Deploy 4?", "Deploy 3?", "Deploy 2?"]
    assert [view.title for view in rest] == ["Deploy 1?", "Deploy 0?"]


async def test_paging_loses_nothing_among_requests_that_closed_at_one_moment(
    desk: Desk, bot: Agent, clock: FakeClock
) -> None:
    for number in range(5):
        await desk.ask(bot, approval(f"Deploy {number}?", timeout_seconds=60))
    clock.advance(seconds=60)
    await desk.expire_due()
    first = await desk.history(limit=3)
    rest = await desk.history(limit=3, before=first[-1].request_id)
    assert sorted(view.title for view in first + rest) == [f"Deploy {number}?" for number in range(5)]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", {"Ship 100%?", "Pay the invoice?"}),
        ("SHIP", {"Ship 100%?"}),
        ("deploy-bot", {"Ship 100%?", "Pay the invoice?"}),
        ("region wrong", {"Ship 100%?"}),
        ("Ana invoice", {"Pay the invoice?"}),
        ("100%", {"Ship 100%?"}),
        ("100_", set()),
        ("nothing like it", set()),
    ],
)
async def test_history_finds_every_word_in_title_agent_comment_or_reviewer(
    desk: Desk, bot: Agent, ana: Reviewer, search: str, found: set[str]
) -> None:
    first = await desk.ask(bot, approval("Ship 100%?"))
    await answered(desk, ana, first.request_id, Chosen("reject"), comment="wrong region")
    second = await desk.ask(bot, approval("Pay the invoice?"))
    await answered(desk, ana, second.request_id, Chosen("approve"))
    assert {view.title for view in await desk.history(search)} == found


async def test_who_is_on_the_line_is_shown_while_they_are(desk: Desk, bot: Agent) -> None:
    ticket = await desk.ask(bot, approval())
    with desk.on_the_line(ticket.request_id), desk.on_the_line(ticket.request_id):
        assert [view.agent_waiting for view in await desk.inbox()] == [True]
    assert [view.agent_waiting for view in await desk.inbox()] == [False]


async def test_a_database_with_secrets_needs_its_key(database: Database) -> None:
    assert not needs_key(database)
