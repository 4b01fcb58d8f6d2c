"""What happens is in the log, with the same commit, in order, signed; or it did not happen."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from store import tables
from store.agents import Agent, Agents
from store.answers import Chosen, Filled
from store.audit.canonical import EntryProblem, decode
from store.audit.checkpoint import LogKey, open_note
from store.audit.entry import commitment
from store.audit.events import AgentRevoked, Assurance, Concealed, Event, ReviewerSignedIn
from store.audit.merkle import Frontier, append, leaf_hash, root
from store.audit.reading import disclosures, entries, head, node
from store.database import Database, Transaction
from store.desk import Desk
from store.people import People, Reviewer, SignIn
from store.problems import DatabaseProblem
from tests.stage import FakeClock, answered, approval, form, see, signed_by

pytestmark = pytest.mark.anyio


async def log_of(database: Database) -> list[dict[str, Any]]:
    return [decode(data) for _, data in await database.read(lambda c: entries(c, 0))]


async def types_of(database: Database) -> list[str]:
    return [entry["type"] for entry in await log_of(database)]


async def check_tree(database: Database) -> int:
    """Rebuild the tree from the entries and hold it against nodes and checkpoint; the number of entries."""
    frontier = Frontier()
    for index, data in await database.read(lambda c: entries(c, 0, 10_000)):
        assert index == frontier.size
        frontier, complete = append(frontier, leaf_hash(data))
        for level, position, value in complete:
            assert await database.read(partial(node, level=level, index=position)) == value
    newest = await database.read(head)
    assert newest is not None
    checkpoint = open_note(newest.note, [database.verifier])
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (database.origin, frontier.size, root(frontier))
    return frontier.size


async def test_a_gate_leaves_an_entry_for_each_of_its_steps(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer, clock: FakeClock
) -> None:
    before = len(await log_of(database))
    ticket = await desk.ask(bot, approval())
    view = (await answered(desk, ana, ticket.request_id, Chosen("approve"), comment="fine")).view
    await desk.claim(ticket)
    await desk.settle(ticket, delivered=True)
    await desk.report_consequence(bot, ticket.request_id, "deployed", None)
    opened, shown, closed, *rest = (await log_of(database))[before:]
    at = {"at": "2026-11-22T09:00:00.000000Z", "assurance": "shared_user", "format": "assent/entry/v1"}
    assert (
        opened.items()
        >= {
            **at,
            "type": "request_opened",
            "request": ticket.request_id,
            "kind": "approval",
            "agent": bot.id,
            "expires_at": "2026-11-23T09:00:00.000000Z",
        }.items()
    )
    assert shown == {
        **at,
        "type": "request_shown",
        "request": ticket.request_id,
        "reviewer": ana.id,
        "card_ref": opened["card_ref"],
        "surface": "rendered_page",
    }
    assert (
        closed.items()
        >= {
            **at,
            "type": "request_closed",
            "request": ticket.request_id,
            "outcome": "answered",
            "may_proceed": True,
            "meaning": "approved: the agent may proceed",
            "card_ref": opened["card_ref"],
            "reviewer": ana.id,
            "authenticated_by": "password",
            "surface": "rendered_page",
        }.items()
    )
    assert [entry["type"] for entry in rest] == ["answer_claimed", "answer_delivered", "consequence_reported"]
    assert view.closed_index == before + 2
    assert await check_tree(database) == before + 6


async def test_texts_stand_beside_the_log_and_never_in_it(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval("Pay Zoë Quartz?"))
    await answered(desk, ana, ticket.request_id, Chosen("approve"), comment="as agreed with Zoë")
    raw = b"".join(data for _, data in await database.read(lambda c: entries(c, 0)))
    assert not [word for word in ("Zoë", "Quartz", "agreed", "deploy-bot", "Ana Ruiz") if word.encode() in raw]
    texts = await database.read(lambda c: disclosures(c, 0))
    log = await log_of(database)
    for index, text in texts:
        assert commitment(text.salt, text.text) == text.commitment
        assert log[index][text.key] == text.commitment
    by_key = {(log[index]["type"], text.key): text.text for index, text in texts}
    assert json.loads(by_key["request_opened", "card_ref"])["question"]["title"] == "Pay Zoë Quartz?"
    assert by_key["request_closed", "comment_ref"] == "as agreed with Zoë"
    assert json.loads(by_key["request_closed", "answer_ref"]) == {"approved": True, "decision": "approve"}


async def test_the_same_text_twice_has_two_references(database: Database, agents: Agents) -> None:
    await agents.add("one", owner="ana")
    await agents.add("two", owner="ana")
    owners = [entry["owner_ref"] for entry in await log_of(database) if entry["type"] == "agent_added"]
    assert len(set(owners)) == 2


async def test_a_change_that_fails_leaves_no_entry_and_its_neighbours_stand_in_order(database: Database) -> None:
    def record(agent: str, *, fail: bool = False) -> Any:
        def change(transaction: Transaction) -> int:
            appended = transaction.record(AgentRevoked(agent))
            if fail:
                raise ValueError("changed my mind")
            return appended.index

        return change

    gate = database.submit(record("a"))
    failed = database.submit(record("b", fail=True))
    last = database.submit(record("c"))
    assert isinstance(failed.exception(10), ValueError)
    assert (gate.result(10), last.result(10)) == (0, 1)
    assert [entry["agent"] for entry in await log_of(database)] == ["a", "c"]
    assert await check_tree(database) == 2


async def test_what_does_not_fit_an_entry_does_not_happen(database: Database) -> None:
    def change(transaction: Transaction) -> None:
        transaction.connection.execute(insert(tables.agents).values(id="a", name="a", created_at=transaction.now))
        transaction.record(AgentRevoked("x" * 70_000))

    with pytest.raises(EntryProblem):
        await database.write(change)
    assert await database.read(lambda c: c.execute(select(tables.agents)).all()) == []
    assert await log_of(database) == []


async def test_a_log_that_cannot_be_signed_stops_everything(home: Path, clock: FakeClock, signer: LogKey) -> None:
    class Refusing:
        name, verifier = signer.name, signer.verifier

        def sign(self, checkpoint: object) -> str:
            raise OSError("the key is out of reach")

    home.mkdir()
    database = Database.open(f"sqlite:///{home / 'assent.db'}", lambda _: Refusing(), clock=clock)
    try:
        with pytest.raises(DatabaseProblem, match="out of reach"):
            await Agents(database).add("deploy-bot")
        assert await Agents(database).list() == []
        assert database.failing is not None
        assert database.write_failures == 1
    finally:
        database.close()


async def test_a_database_that_works_again_is_told_so_by_the_next_write(database: Database, agents: Agents) -> None:
    await agents.add("before")
    await database.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA query_only = ON"))
    with pytest.raises(DatabaseProblem, match="nothing was changed"):
        await agents.add("during")
    assert database.failing is not None
    assert await database.probe() == database.failing
    database._engine.pool.dispose()
    assert [agent.name for agent in await agents.list()] == ["before"]


async def test_two_processes_that_write_beside_each_other_continue_one_log(
    database: Database, home: Path, signer: LogKey
) -> None:
    other = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer))
    try:
        for number in range(7):
            await Agents(database).add(f"here-{number}")
            await Agents(other).add(f"there-{number}")
    finally:
        other.close()
    assert await check_tree(database) == 28


async def test_a_log_is_continued_after_a_restart(home: Path, signer: LogKey) -> None:
    home.mkdir()
    for number in range(3):
        database = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer))
        await Agents(database).add(f"bot-{number}")
        assert await check_tree(database) == 2 * (number + 1)
        database.close()


async def test_another_key_cannot_continue_a_log(home: Path, signer: LogKey) -> None:
    home.mkdir()
    url = f"sqlite:///{home / 'assent.db'}"
    database = Database.open(url, signed_by(signer))
    await Agents(database).add("deploy-bot")
    database.close()
    for stranger in (LogKey.generate(signer.name), LogKey.generate("another.test/log")):
        with pytest.raises(DatabaseProblem, match="not the one that this home's key signs"):
            Database.open(url, signed_by(stranger))


async def test_the_signer_is_told_whether_the_log_has_begun(home: Path, signer: LogKey) -> None:
    home.mkdir()
    url = f"sqlite:///{home / 'assent.db'}"
    asked: list[bool] = []

    def open_signer(begun: bool) -> LogKey:
        asked.append(begun)
        return signer

    first = Database.open(url, open_signer)
    await Agents(first).add("deploy-bot")
    first.close()
    Database.open(url, open_signer).close()
    assert asked == [False, True]


async def test_a_head_that_was_changed_is_refused_at_the_start(home: Path, signer: LogKey) -> None:
    home.mkdir()
    url = f"sqlite:///{home / 'assent.db'}"
    database = Database.open(url, signed_by(signer))
    await Agents(database).add("deploy-bot")
    await database.write(lambda tx: tx.connection.execute(update(tables.log_head).values(size=1)))
    database.close()
    with pytest.raises(DatabaseProblem, match="head of the log says 1 entries, its signed checkpoint 2"):
        Database.open(url, signed_by(signer))


async def test_a_missing_node_stops_writing_rather_than_forking_the_log(home: Path, signer: LogKey) -> None:
    home.mkdir()
    url = f"sqlite:///{home / 'assent.db'}"
    database = Database.open(url, signed_by(signer))
    await Agents(database).add("deploy-bot")
    await database.write(lambda tx: tx.connection.execute(delete(tables.log_nodes)))
    database.close()
    again = Database.open(url, signed_by(signer))
    try:
        with pytest.raises(DatabaseProblem, match="has no node"):
            await Agents(again).add("another-bot")
    finally:
        again.close()


async def test_an_agents_calls_carry_how_far_it_was_kept_apart(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    remote = Agent(bot.id, bot.name, bot.owner, None, bot.created_at, assurance=Assurance.REMOTE)
    before = len(await log_of(database))
    ticket = await desk.ask(remote, approval())
    await answered(desk, ana, ticket.request_id, Chosen("approve"))
    await desk.claim(ticket)
    assert {entry["assurance"] for entry in (await log_of(database))[before:]} == {"remote"}


async def test_looking_again_answering_twice_and_failing_leave_no_entry(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, approval())
    await see(desk, ana, ticket.request_id)
    before = await types_of(database)
    await see(desk, ana, ticket.request_id)
    await desk.ask(bot, approval())
    assert await types_of(database) == before


async def test_a_typed_password_is_in_the_log_as_a_handle_and_a_hash_of_its_ciphertext(
    database: Database, desk: Desk, bot: Agent, ana: Reviewer
) -> None:
    ticket = await desk.ask(bot, form({"name": "password", "type": "password"}))
    view = (await answered(desk, ana, ticket.request_id, Filled({"password": "Zebra-Quartz-77"}))).view
    (stored,) = [entry for entry in await log_of(database) if entry["type"] == "credential_stored"]
    assert view.answer is not None
    assert stored["credential"] == view.answer["credentials"]["password"]
    texts = await database.read(lambda c: disclosures(c, 0))
    assert not [text for _, text in texts if "Zebra" in text.text]


@pytest.mark.parametrize(
    ("act", "type_"),
    [
        (lambda people, ana: people.set_password(ana.id, "another good password"), "password_changed"),
        (lambda people, ana: people.open_session(ana, SignIn.PASSWORD), "reviewer_signed_in"),
        (lambda people, ana: people.add_reviewer_token(ana.id), "reviewer_token_added"),
        (lambda people, ana: people.check_password("ana", "wrong"), "sign_ins_failed"),
    ],
)
async def test_what_is_done_to_accounts_is_in_the_log(
    database: Database, people: People, ana: Reviewer, act: Any, type_: str
) -> None:
    await act(people, ana)
    assert (await types_of(database))[-1] == type_


async def test_failed_sign_ins_are_counted_and_recorded_at_most_once_a_minute(
    database: Database, people: People, ana: Reviewer, clock: FakeClock
) -> None:
    for _ in range(5):
        await people.check_password("ana", "wrong")
    clock.advance(minutes=1)
    await people.check_password("nobody", "wrong")
    counts = [entry["count"] for entry in await log_of(database) if entry["type"] == "sign_ins_failed"]
    assert counts == [1, 5]


def test_every_event_says_what_it_means_and_has_a_name_of_its_own() -> None:
    events = Event.__subclasses__()
    assert len({event.type for event in events}) == len(events)
    assert all(event.__doc__ for event in events)
    assert ReviewerSignedIn("usr_1", "ses_1", "password").type == "reviewer_signed_in"
    assert Concealed("x") != Concealed("y")
