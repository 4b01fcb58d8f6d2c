"""A rule is proposed because of a call, and in force once an admin says so: beside those that are, and in the file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import select, update

from store import tables
from store.agents import Agent
from store.answers import Chosen
from store.audit.events import CallEnd
from store.audit.reading import entries
from store.calls.calls import Admitted, Ended
from store.database import Database
from store.desk import Desk
from store.people import People, Reviewer, Session, SignIn
from store.policy.active import NotAdmin, PolicyMoved, Via, active
from store.policy.drafts import Cause, Choices, Which
from store.policy.file import InFile
from store.policy.proposals import MOST_OPEN, Proposals
from store.policy.proposed import Proposal, ProposalProblem
from store.policy.reading import PolicyMistake, read
from store.policy.rules import Action
from store.problems import PolicyUnreadable
from tests.stage import FakeClock, answered
from tests.store.calls import own
from tests.store.calls.held import ARGUMENTS, HOLD, call, edited, hold, in_force, policy

pytestmark = pytest.mark.anyio

ALLOW = "name: all, tool: payments__send, action: allow"
DENY = Choices(Action.DENY, Which.EXACT)
ALLOW_IT = Choices(Action.ALLOW, Which.EXACT)


@pytest.fixture
def proposals(desk: Desk) -> Proposals:
    return desk.proposals


@pytest.fixture(autouse=True)
async def verified(desk: Desk) -> AsyncIterator[None]:
    """Whatever a test does here, its log must verify."""
    yield
    await anyio.to_thread.run_sync(desk.log.verify)


@pytest.fixture
async def admin(people: People, ana: Reviewer) -> Session:
    return await session_of(people, ana)


@pytest.fixture
async def reviewer(people: People, ben: Reviewer) -> Session:
    return await session_of(people, ben)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


async def session_of(people: People, reviewer: Reviewer) -> Session:
    _, session = await people.open_session(reviewer, SignIn.PASSWORD, client="a test")
    return session


async def sent(desk: Desk, agent: Agent, arguments: dict[str, Any] = ARGUMENTS) -> str:
    """A call that runs; its id."""
    admitted = await desk.calls.admit(agent, call(arguments), None)
    assert isinstance(admitted, Admitted), admitted
    await desk.calls.finish(admitted.call_id, Ended(CallEnd.RETURNED, result={"content": []}))
    return admitted.call_id


async def cause_of(proposals: Proposals, call_id: str) -> Cause:
    cause = await proposals.cause(call_id=call_id)
    assert cause is not None
    return cause


async def proposed(desk: Desk, agent: Agent, session: Session, choices: Choices = DENY) -> Proposal:
    """A call that ran, and a rule because of it."""
    proposals = desk.proposals
    if desk_policy(desk) is None:
        await in_force(desk, ALLOW)
    cause = await cause_of(proposals, await sent(desk, agent))
    proposal_id = await proposals.propose(cause, await proposals.draft(cause, choices), session=session)
    return next(one for one in await proposals.open() if one.id == proposal_id)


def desk_policy(desk: Desk) -> Any:
    return desk._database.read_now(active)


async def accept(desk: Desk, one: Proposal, session: Session, file: Path | None = None) -> InFile:
    done = await desk.proposals.accept(
        one.id, shown=one.sha256, instead_of=await desk.policies.position(), session=session, file=file
    )
    assert done.rule == one.rule["name"]
    return done.in_file


def types(database: Database) -> list[str]:
    found = database.read_now(lambda connection: entries(connection, 0, 500))
    return [data.decode().partition('"type":"')[2].partition('"')[0] for _, data in found]


async def test_a_call_that_ran_is_found_with_what_it_ran_with(desk: Desk, proposals: Proposals, bot: Agent) -> None:
    await in_force(desk, ALLOW)
    call_id = await sent(desk, bot)

    cause = await cause_of(proposals, call_id)
    assert (cause.tool, cause.agent, cause.arguments, cause.is_edited) == (
        "payments__send",
        "deploy-bot",
        ARGUMENTS,
        False,
    )
    assert await proposals.cause(call_id="call_x") is None
    assert await proposals.cause(request_id="req_x") is None
    assert await proposals.cause() is None


async def test_a_held_call_is_found_once_it_was_answered_as_a_reviewer_made_it(
    desk: Desk, proposals: Proposals, bot: Agent, ben: Reviewer
) -> None:
    await in_force(desk)
    request_id = (await hold(desk, bot)).request_id
    await edited(desk, ben, request_id, {"amount": 5, "to": "ACME"})
    assert await proposals.cause(request_id=request_id) is None
    await answered(desk, ben, request_id, Chosen("run"))

    cause = await proposals.cause(request_id=request_id)
    assert cause is not None
    assert (cause.arguments, cause.is_edited, cause.was_approved) == ({"amount": 5, "to": "ACME"}, True, True)
    begun = await desk.calls.begin(bot, request_id)
    assert isinstance(begun, Admitted)
    assert (await cause_of(proposals, begun.call_id)).arguments == {"amount": 5, "to": "ACME"}


async def test_a_call_that_was_denied_is_found_too(desk: Desk, proposals: Proposals, bot: Agent) -> None:
    await in_force(desk, "name: never, tool: payments__send, action: deny")
    await desk.calls.admit(bot, call(), None)
    denied = desk._database.read_now(lambda connection: connection.execute(select(tables.calls.c.id)).scalar_one())

    assert (await cause_of(proposals, denied)).arguments == ARGUMENTS


async def test_a_proposal_waits_and_changes_nothing(
    desk: Desk, database: Database, bot: Agent, reviewer: Session, clock: FakeClock
) -> None:
    one = await proposed(desk, bot, reviewer)

    assert (one.made_by, one.made_at, one.request_id) == ("Ben Okoro", clock.now, None)
    assert one.rule == {
        "name": "deny payments__send for deploy-bot",
        "tool": "payments__send",
        "agent": "deploy-bot",
        "args": ARGUMENTS,
        "action": "deny",
    }
    assert one.cause is not None
    assert one.cause.call_id == one.call_id
    assert types(database)[-1] == "rule_proposed"
    assert await desk.proposals.waiting() == 1
    assert desk_policy(desk) == read(policy(ALLOW))
    await sent(desk, bot)


async def test_what_it_would_do_is_said_of_the_calls_that_were_made(
    desk: Desk, proposals: Proposals, bot: Agent
) -> None:
    await in_force(desk, ALLOW)
    call_id = await sent(desk, bot)
    await sent(desk, bot, {"amount": 1, "to": "ACME"})
    cause = await cause_of(proposals, call_id)

    tried = await proposals.try_(await proposals.draft(cause, DENY), cause)
    assert tried.text.startswith('rules:\n  - name: "deny payments__send for deploy-bot"\n')
    assert tried.found == ()
    assert (tried.effect.calls, tried.effect.matched) == (2, 1)
    assert tried.effect.counts == ((Action.ALLOW, Action.DENY, 1),)


async def test_a_rule_that_never_counts_beside_a_stricter_one_is_said(
    desk: Desk, proposals: Proposals, bot: Agent, ben: Reviewer
) -> None:
    await in_force(desk)
    request_id = (await hold(desk, bot)).request_id
    await answered(desk, ben, request_id, Chosen("run"))
    cause = await proposals.cause(request_id=request_id)
    assert cause is not None

    tried = await proposals.try_(await proposals.draft(cause, Choices(Action.ALLOW, Which.ANY)), cause)
    assert [one.message for one in tried.found] == [
        "the rule 'allow payments__send for deploy-bot' never counts: 'payments' holds all that it matches"
    ]
    assert tried.effect.kept == (("the rule 'payments' holds it", 1),)


async def test_an_admin_puts_it_in_force_beside_the_others_and_an_entry_says_so(
    desk: Desk, database: Database, bot: Agent, reviewer: Session, admin: Session, file: Path
) -> None:
    one = await proposed(desk, bot, reviewer)
    file.write_text(policy(ALLOW))

    assert await accept(desk, one, admin, file) is InFile.SAME
    now = desk_policy(desk)
    assert [rule.name for rule in now.rules] == ["all", "deny payments__send for deploy-bot"]
    assert read(file.read_text()) == now
    assert types(database)[-2:] == ["policy_activated", "rule_proposal_closed"]
    assert await desk.proposals.open() == ()
    assert not isinstance(await desk.calls.admit(bot, call(), None), Admitted)
    activation = await desk.policies.in_force()
    assert activation is not None
    assert (activation.activated_by, activation.via) == ("Ana Ruiz", Via.PAGE)


async def test_changes_that_wait_in_the_file_stay_there_beside_the_rule(
    desk: Desk, bot: Agent, reviewer: Session, admin: Session, file: Path
) -> None:
    one = await proposed(desk, bot, reviewer)
    file.write_text(f"# mine\n{policy(HOLD)}")

    assert await accept(desk, one, admin, file) is InFile.ADDED
    assert file.read_text().startswith("# mine\n")
    assert [rule.name for rule in read(file.read_text()).rules] == ["payments", "deny payments__send for deploy-bot"]
    assert [rule.name for rule in desk_policy(desk).rules] == ["all", "deny payments__send for deploy-bot"]


@pytest.mark.parametrize("text", ["version: 1\nrulez: [", "version: 1\nrules: &a []\n"])
async def test_a_file_that_cannot_be_added_to_stays_as_it_is_and_the_rule_is_in_force(
    desk: Desk, bot: Agent, reviewer: Session, admin: Session, file: Path, text: str
) -> None:
    one = await proposed(desk, bot, reviewer)
    file.write_text(text)

    assert await accept(desk, one, admin, file) is InFile.FAILED
    assert file.read_text() == text
    assert len(desk_policy(desk).rules) == 2


async def test_without_a_file_one_is_made_and_without_a_place_for_it_none(
    desk: Desk, bot: Agent, reviewer: Session, admin: Session, file: Path
) -> None:
    assert await accept(desk, await proposed(desk, bot, reviewer), admin, file) is InFile.SAME
    assert read(file.read_text()) == desk_policy(desk)
    hold_it = Choices(Action.HOLD, Which.ANY, every_agent=True)
    cause = Cause("payments__send", "payments", "deploy-bot", None, {}, desk.now(), call_id=await last_call(desk))
    rule = await desk.proposals.draft(cause, hold_it)
    await desk.proposals.propose(cause, rule, session=reviewer)
    (other,) = await desk.proposals.open()
    assert await accept(desk, other, admin) is InFile.NONE


async def last_call(desk: Desk) -> str:
    def found(connection: Any) -> str:
        return str(connection.execute(select(tables.calls.c.id).limit(1)).scalar_one())

    return await desk._database.read(found)


async def test_it_is_put_in_force_once_and_not_after_it_was_put_aside(
    desk: Desk, database: Database, bot: Agent, reviewer: Session, admin: Session
) -> None:
    one = await proposed(desk, bot, reviewer)
    await accept(desk, one, admin)
    with pytest.raises(ProposalProblem, match="put in force already, by Ana Ruiz"):
        await accept(desk, one, admin)
    with pytest.raises(ProposalProblem, match="put in force already"):
        await desk.proposals.put_aside(one.id, session=admin)
    assert types(database).count("rule_proposal_closed") == 1


async def test_put_aside_it_changes_nothing(
    desk: Desk, database: Database, bot: Agent, reviewer: Session, admin: Session
) -> None:
    one = await proposed(desk, bot, reviewer)
    assert await desk.proposals.put_aside(one.id, session=admin) == one.rule["name"]

    assert (await desk.proposals.open(), types(database)[-1]) == ((), "rule_proposal_closed")
    assert len(desk_policy(desk).rules) == 1
    with pytest.raises(ProposalProblem, match="put aside already"):
        await accept(desk, one, admin)
    with pytest.raises(ProposalProblem, match="no such proposal"):
        await desk.proposals.put_aside("rule_x", session=admin)


async def test_only_an_admin_puts_it_in_force_or_aside(
    desk: Desk, bot: Agent, reviewer: Session, people: People, admin: Session
) -> None:
    one = await proposed(desk, bot, reviewer)
    with pytest.raises(NotAdmin):
        await accept(desk, one, reviewer)
    with pytest.raises(NotAdmin):
        await desk.proposals.put_aside(one.id, session=reviewer)
    await people.end_session(admin.reviewer.id, admin.id)
    with pytest.raises(NotAdmin, match="session has ended"):
        await accept(desk, one, admin)
    assert [waiting.id for waiting in await desk.proposals.open()] == [one.id]
    assert len(desk_policy(desk).rules) == 1


async def test_an_auditor_proposes_nothing(desk: Desk, bot: Agent, people: People, auditor: Reviewer) -> None:
    with pytest.raises(ProposalProblem, match="allowed to decide"):
        await proposed(desk, bot, await session_of(people, auditor))
    assert await desk.proposals.waiting() == 0


async def test_whose_session_has_ended_proposes_nothing(
    desk: Desk, bot: Agent, people: People, reviewer: Session
) -> None:
    await people.end_session(reviewer.reviewer.id, reviewer.id)
    with pytest.raises(ProposalProblem, match="signed in"):
        await proposed(desk, bot, reviewer)


async def test_another_rule_than_the_one_that_was_shown_is_not_put_in_force(
    desk: Desk, database: Database, bot: Agent, reviewer: Session, admin: Session
) -> None:
    one = await proposed(desk, bot, reviewer)
    other = {**one.rule, "action": "allow"}
    change = update(tables.proposals).values(rule=other)
    database.write_now(lambda transaction: transaction.connection.execute(change))

    with pytest.raises(ProposalProblem, match="not the rule that you were shown"):
        await accept(desk, one, admin)
    assert len(desk_policy(desk).rules) == 1


async def test_beside_other_rules_than_were_shown_it_is_not_put_in_force(
    desk: Desk, bot: Agent, reviewer: Session, admin: Session
) -> None:
    one = await proposed(desk, bot, reviewer)
    shown = await desk.policies.position()
    await desk.policies.activate(policy(HOLD), reviewer=None, via=Via.COMMAND_LINE)

    with pytest.raises(PolicyMoved):
        await desk.proposals.accept(one.id, shown=one.sha256, instead_of=shown, session=admin, file=None)
    assert [rule.name for rule in desk_policy(desk).rules] == ["payments"]
    assert await desk.proposals.waiting() == 1


async def test_what_is_over_is_not_put_in_force(
    desk: Desk, bot: Agent, reviewer: Session, admin: Session, clock: FakeClock
) -> None:
    choices = Choices(Action.DENY, Which.ANY, until="2026-11-22")
    one = await proposed(desk, bot, reviewer, choices)
    clock.advance(hours=15)

    with pytest.raises(ProposalProblem, match="is over already"):
        await accept(desk, one, admin)
    assert one.cause is not None
    with pytest.raises(ProposalProblem, match="is over already"):
        await desk.proposals.propose(one.cause, one.rule, session=reviewer)
    await desk.proposals.put_aside(one.id, session=admin)


async def test_two_proposals_never_have_one_name(desk: Desk, bot: Agent, reviewer: Session, admin: Session) -> None:
    first, second = await proposed(desk, bot, reviewer), await proposed(desk, bot, reviewer)
    assert second.rule["name"] == f"{first.rule['name']} (2)"
    assert second.cause is not None
    with pytest.raises(ProposalProblem, match="there is a rule"):
        await desk.proposals.propose(second.cause, second.rule, session=reviewer)
    await accept(desk, first, admin)
    await accept(desk, second, admin)
    assert len(desk_policy(desk).rules) == 3


async def test_so_many_wait_and_no_more(desk: Desk, bot: Agent, reviewer: Session) -> None:
    one = await proposed(desk, bot, reviewer)
    assert one.cause is not None
    for number in range(2, MOST_OPEN + 1):
        await desk.proposals.propose(one.cause, {**one.rule, "name": f"no {number}"}, session=reviewer)
    with pytest.raises(ProposalProblem, match=f"{MOST_OPEN} proposed rules wait already"):
        await desk.proposals.propose(one.cause, {**one.rule, "name": "one more"}, session=reviewer)


async def test_what_could_not_be_put_in_force_is_not_proposed(desk: Desk, bot: Agent, reviewer: Session) -> None:
    one = await proposed(desk, bot, reviewer)
    assert one.cause is not None
    for rule in ({**one.rule, "tool": "gone__send", "name": "x"}, {**one.rule, "until": "soon", "name": "x"}):
        with pytest.raises(PolicyMistake):
            await desk.proposals.propose(one.cause, rule, session=reviewer)
    assert await desk.proposals.waiting() == 1


async def test_several_are_each_tried_alone_and_one_that_cannot_be_read_is_none(
    desk: Desk, database: Database, bot: Agent, reviewer: Session, clock: FakeClock
) -> None:
    first = await proposed(desk, bot, reviewer)
    clock.advance(seconds=1)
    second = await proposed(desk, bot, reviewer)
    spoil = update(tables.proposals).where(tables.proposals.c.id == second.id).values(rule={"name": "x", "no": 1})
    database.write_now(lambda transaction: transaction.connection.execute(spoil))

    tried, broken = await desk.proposals.try_all(await desk.proposals.open(), 500)
    assert broken is None
    assert tried is not None
    assert (tried.rule.name, tried.effect.matched, tried.effect.calls) == (first.rule["name"], 2, 2)
    assert await desk.proposals.try_all((), 500) == ()


async def test_beside_rules_that_cannot_be_read_nothing_is_proposed(
    desk: Desk, database: Database, bot: Agent, reviewer: Session
) -> None:
    one = await proposed(desk, bot, reviewer)
    spoil = update(tables.policies).values(text="x")
    database.write_now(lambda transaction: transaction.connection.execute(spoil))

    assert one.cause is not None
    with pytest.raises(PolicyUnreadable):
        await desk.proposals.draft(one.cause, DENY)
    with pytest.raises(PolicyUnreadable):
        await desk.proposals.try_(one.rule, one.cause)
    with pytest.raises(PolicyUnreadable):
        await desk.proposals.propose(one.cause, one.rule, session=reviewer)


async def test_a_tool_of_a_clients_own_becomes_the_first_rule_there_is(
    desk: Desk, bot: Agent, reviewer: Session, admin: Session, ben: Reviewer, file: Path
) -> None:
    request_id = await own.approved(desk, bot, ben, own.own(command="make deploy\ndate", description="It ships"))
    cause = await desk.proposals.cause(request_id=request_id)
    assert cause is not None
    choices = Choices(Action.ALLOW, Which.CHOSEN, frozenset({"command"}), until="2026-11-22T10:00:00Z")
    rule = await desk.proposals.draft(cause, choices)
    tried = await desk.proposals.try_(rule, cause)
    assert tried.effect.counts == ((Action.HOLD, Action.ALLOW, 1),)
    await desk.proposals.propose(cause, rule, session=reviewer)
    (one,) = await desk.proposals.open()
    await accept(desk, one, admin, file)

    again = own.own(command="make deploy\ndate", description="Once more")
    assert isinstance(await desk.calls.admit(bot, again, "toolu_2"), Admitted)
    for other in (
        own.own(command="make deploy\ndate", description="x", run_in_background=True),
        own.own(command="make deploy\ndate; rm -rf /", description="x"),
    ):
        assert not isinstance(await desk.calls.admit(bot, other, "toolu_3"), Admitted)
