"""In force is the copy that was activated, as it was activated; anything else fails closed."""

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text, update

from store import tables
from store.agents import Agent
from store.asking import AskingProblem
from store.audit.checkpoint import LogKey
from store.audit.inspection import Inspection
from store.audit.reading import entries
from store.database import Database, Transaction
from store.desk import Desk
from store.people import People, Reviewer
from store.policy.active import NEVER, Activation, NotAdmin, PolicyMoved, Via, activate, active
from store.policy.findings import of_rules_together
from store.policy.policies import Policies
from store.policy.reading import PolicyMistake, read, sha256_of
from store.policy.rules import Policy
from store.problems import PolicyUnreadable
from tests.stage import FakeClock, approval, form, signed_by

pytestmark = pytest.mark.anyio

FIRST = "version: 1\nrules:\n  - {name: a reason, reason: required}\n"
SECOND = "version: 1\nrules:\n  - {name: never, action: deny, reason: Not here., tool: ask_form}\n"


@pytest.fixture
def policies(desk: Desk) -> Policies:
    return desk.policies


def in_force(database: Database) -> Policy | None:
    return database.read_now(active)


async def put_in_force(policies: Policies, rules: str) -> Policy:
    return await policies.activate(rules, reviewer=None, via=Via.COMMAND_LINE)


async def test_without_an_activation_no_policy_is_in_force(policies: Policies, database: Database) -> None:
    assert in_force(database) is None
    assert await policies.in_force() is None
    assert await policies.position() == NEVER


async def test_what_an_admin_activates_is_in_force_and_an_entry_says_by_whom(
    policies: Policies, database: Database, ana: Reviewer, clock: FakeClock
) -> None:
    policy = await policies.activate(FIRST, reviewer=ana, via=Via.PAGE, instead_of=NEVER)

    position = await policies.position()
    assert in_force(database) == policy == read(FIRST)
    assert await policies.in_force() == Activation(policy, FIRST, clock.now, "Ana Ruiz", Via.PAGE, position)
    ((index, data),) = database.read_now(lambda connection: entries(connection, position, 1))
    assert index == position
    assert f'"policy_sha256":"{sha256_of(FIRST)}","reviewer":"{ana.id}","type":"policy_activated"' in data.decode()
    assert "a reason" not in data.decode()


async def test_the_command_line_activates_without_a_person(policies: Policies, clock: FakeClock) -> None:
    await put_in_force(policies, FIRST)
    position = await policies.position()
    assert await policies.in_force() == Activation(read(FIRST), FIRST, clock.now, None, Via.COMMAND_LINE, position)


async def test_the_writer_finds_the_rules_compared_with_each_other(policies: Policies) -> None:
    before = of_rules_together.cache_info()
    await put_in_force(policies, FIRST.replace("a reason", "compared before it is written"))
    after = of_rules_together.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)


async def test_the_newest_activation_is_in_force_even_if_the_clock_was_set_back(
    policies: Policies, database: Database, clock: FakeClock
) -> None:
    await put_in_force(policies, FIRST)
    clock.advance(days=-2)
    await put_in_force(policies, SECOND)
    assert in_force(database) == read(SECOND)


async def test_a_text_with_a_mistake_is_refused_and_what_is_in_force_stays(
    policies: Policies, database: Database
) -> None:
    await put_in_force(policies, FIRST)
    for wrong in ("version: 2", "version: 1\nrules: [{name: x, reviewers: [nobody]}]"):
        with pytest.raises(PolicyMistake):
            await put_in_force(policies, wrong)
    assert in_force(database) == read(FIRST)


async def test_rules_that_were_compared_with_others_than_those_in_force_are_not_activated(
    policies: Policies, database: Database, ana: Reviewer
) -> None:
    await put_in_force(policies, FIRST)
    with pytest.raises(PolicyMoved):
        await policies.activate(SECOND, reviewer=ana, via=Via.PAGE, instead_of=NEVER)
    assert in_force(database) == read(FIRST)
    await policies.activate(SECOND, reviewer=ana, via=Via.PAGE, instead_of=await policies.position())
    assert in_force(database) == read(SECOND)


async def test_who_is_no_admin_when_it_is_written_activates_nothing(
    policies: Policies, database: Database, ana: Reviewer, ben: Reviewer
) -> None:
    database.write_now(
        lambda change: change.connection.execute(
            update(tables.reviewers).where(tables.reviewers.c.id == ana.id).values(role="reviewer")
        )
    )
    for person in (ana, ben, replace(ben, role=ana.role)):
        with pytest.raises(NotAdmin):
            await policies.activate(FIRST, reviewer=person, via=Via.PAGE)
    assert in_force(database) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE policies SET text = 'version: 1'",
        "UPDATE policies SET text = '%'",
        "UPDATE policies SET text = 'version: 1', sha256 = '{other}'",
        "UPDATE policies SET text = x'00'",
        "UPDATE policies SET log_index = 0",
        "UPDATE policies SET log_index = 99999",
        "DELETE FROM policies",
        "INSERT INTO policies SELECT 99999, sha256, text, activated_at, NULL, NULL, via FROM policies",
    ],
)
async def test_a_policy_that_is_not_what_was_activated_lets_nobody_ask(
    policies: Policies, database: Database, desk: Desk, bot: Agent, change: str
) -> None:
    await put_in_force(policies, FIRST)
    other = hashlib.sha256(b"version: 1").hexdigest()
    database.write_now(lambda written: written.connection.execute(text(change.replace("{other}", other))))

    with pytest.raises(PolicyUnreadable):
        await policies.in_force()
    with pytest.raises(PolicyUnreadable):
        await desk.ask(bot, approval())
    assert await desk.inbox() == []


async def test_rules_that_another_process_activated_are_noticed_when_their_row_is_gone(
    policies: Policies, database: Database, desk: Desk, bot: Agent, home: Path, signer: LogKey
) -> None:
    await put_in_force(policies, FIRST)
    assert (await desk.ask(bot, approval())).request_id
    with closing(Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer))) as other:
        await put_in_force(Policies(other), SECOND)
    assert in_force(database) == read(SECOND)
    newest = delete(tables.policies).where(tables.policies.c.sha256 == sha256_of(SECOND))
    database.write_now(lambda change: change.connection.execute(newest))
    with pytest.raises(PolicyUnreadable):
        await desk.ask(bot, approval("Another"))


async def test_an_activation_that_was_rolled_back_leaves_what_was_in_force(
    policies: Policies, database: Database, desk: Desk, bot: Agent
) -> None:
    def taken_back(change: Transaction) -> None:
        activate(change, SECOND, reviewer=None, via=Via.COMMAND_LINE)
        raise RuntimeError("taken back")

    await put_in_force(policies, FIRST)
    with pytest.raises(RuntimeError):
        database.write_now(taken_back)
    assert in_force(database) == read(FIRST)
    assert (await desk.ask(bot, form())).request_id


async def test_activating_again_repairs_it(policies: Policies, database: Database, desk: Desk, bot: Agent) -> None:
    await put_in_force(policies, FIRST)
    database.write_now(lambda change: change.connection.execute(update(tables.policies).values(text="version: 1")))
    await put_in_force(policies, FIRST)
    assert (await desk.ask(bot, approval())).request_id


async def test_it_is_in_force_within_the_commit_that_activates_it(database: Database) -> None:
    def both(change: Transaction) -> Policy | None:
        activate(change, FIRST, reviewer=None, via=Via.COMMAND_LINE)
        return active(change.connection)

    assert database.write_now(both) == read(FIRST)


async def test_the_next_question_is_asked_by_the_new_rules(policies: Policies, desk: Desk, bot: Agent) -> None:
    await put_in_force(policies, FIRST)
    assert (await desk.ask(bot, form())).request_id
    await put_in_force(policies, SECOND)
    with pytest.raises(AskingProblem, match="the rule 'never' denies this"):
        await desk.ask(bot, form({"name": "other"}))


async def test_the_log_verifies_with_activations_and_notices_one_whose_rules_are_others(
    policies: Policies, database: Database, ana: Reviewer
) -> None:
    await policies.activate(FIRST, reviewer=ana, via=Via.PAGE)
    await put_in_force(policies, SECOND)
    log = Inspection(database)
    log.verify()
    shared = select(tables.disclosures).where(tables.disclosures.c.key == "policy_ref")
    assert len(database.read_now(lambda connection: connection.execute(shared).all())) == 2


async def test_a_row_is_no_activation(database: Database, clock: FakeClock) -> None:
    def forged(change: Transaction) -> None:
        row = {"log_index": 0, "sha256": sha256_of(FIRST), "text": FIRST, "activated_at": clock.now, "via": "page"}
        change.connection.execute(insert(tables.policies).values(**row))

    await People(database).create_setup_link()
    database.write_now(forged)
    with pytest.raises(PolicyUnreadable):
        in_force(database)
    database.write_now(lambda change: change.connection.execute(delete(tables.policies)))
    assert in_force(database) is None
