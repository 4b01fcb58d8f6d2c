"""Tools that a client brings itself: judged by the same rules, let run once, and all of it written in one change."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from store.agents import Agent, Agents
from store.answers import Chosen
from store.asking import Report, Superseded
from store.audit.events import CallEnd, Halting, Permission
from store.calls.calls import Admitted, NotRunnable, Stated
from store.calls.definitions import Method
from store.calls.editing import Edited
from store.database import Database
from store.desk import Desk
from store.lifecycle import Outcome, Surface
from store.people import Reviewer
from store.policy.active import Via
from store.problems import DatabaseProblem, PolicyUnreadable
from store.questions import HeldCall
from store.requests import RequestView
from tests.stage import FakeClock, answered, see
from tests.store.calls import house
from tests.store.calls.house import log
from tests.store.calls.own import RULES, approved, denial, hold, in_force, own, refused, released, text_of

pytestmark = pytest.mark.anyio

RAN = ("call_intended", "call_ended")


@pytest.fixture(autouse=True)
async def everything_is_in_the_log(desk: Desk, ana: Reviewer) -> AsyncIterator[None]:
    """There is somebody to ask; and whatever a test does here, its log must verify."""
    yield
    await anyio.to_thread.run_sync(desk.log.verify)


async def view_of(desk: Desk, request_id: str) -> RequestView:
    view = await desk.view(request_id)
    assert view is not None
    return view


async def question_of(desk: Desk, request_id: str) -> HeldCall:
    question = (await view_of(desk, request_id)).card.question
    assert isinstance(question, HeldCall)
    return question


async def edited(desk: Desk, reviewer: Reviewer, request_id: str, **arguments: str) -> None:
    card = await see(desk, reviewer, request_id)
    found = await desk.edit(
        reviewer,
        request_id,
        card_sha256=card,
        arguments=arguments,
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )
    assert isinstance(found, Edited), found


# Letting run at once


async def test_an_allowed_one_is_written_with_its_end_in_one_change(desk: Desk, database: Database, bot: Agent) -> None:
    await in_force(desk)
    going = await desk.calls.admit(bot, own("Read", file_path="/a"), "toolu_1")
    assert isinstance(going, Admitted)
    assert replace(going, call_id="") == Admitted(
        "", "claude_code", Method.OWN, "Read", {"file_path": "/a"}, Permission.ALLOWED
    )
    intended, ended = await log(database, *RAN)
    assert (intended["call"], ended["call"]) == (going.call_id, going.call_id)
    assert (ended["end"], ended["is_error"], "result_ref" in ended) == ("released", False, False)
    assert intended["at"] == ended["at"]
    assert await desk.calls.lost("any") == 0


async def test_a_noticed_one_says_so(desk: Desk, database: Database, bot: Agent) -> None:
    await in_force(desk)
    assert isinstance(await desk.calls.admit(bot, own("Edit", file_path="/a"), None), Admitted)
    assert [entry.get("permission", entry.get("end")) for entry in await log(database, *RAN)] == ["noticed", "released"]


async def test_a_denied_one_is_told_what_the_rule_says(desk: Desk, database: Database, bot: Agent) -> None:
    await in_force(desk)
    assert "Use the trash." in await denial(desk, bot, own(command="rm -rf /"))
    assert len(await log(database, "call_denied")) == 1
    assert await log(database, *RAN) == []


async def test_what_is_over_its_budget_is_held(desk: Desk, bot: Agent) -> None:
    await in_force(desk)
    for word in ("a", "b"):
        assert isinstance(await desk.calls.admit(bot, own("WebSearch", query=word), None), Admitted)
    await hold(desk, bot, own("WebSearch", query="c"))


@pytest.mark.parametrize("name", ["Bash", "mcp__pay__send", "Task: now", "结果", "prompts/x", "resources"])
async def test_what_no_rule_matches_is_held(desk: Desk, bot: Agent, name: str) -> None:
    await in_force(desk, "{name: reads, tool: 'claude_code:Read', action: allow}")
    ticket = await hold(desk, bot, own(name, text="x"))
    question = await question_of(desk, ticket.request_id)
    assert (question.tool, question.held_because) == (f"claude_code:{name}", ("no rule matches it",))
    assert question.headline == f"Claude Code · {name}"


async def test_where_no_rules_are_in_force_everything_is_held_and_one_person_lets_it_run(
    desk: Desk, ana: Reviewer, bot: Agent
) -> None:
    request = await approved(desk, bot, ana, own("Read", file_path="/a"))
    assert (await question_of(desk, request)).held_because == ("no rules are in force",)
    assert (await released(desk, bot, request)).arguments == {"file_path": "/a"}


async def test_where_what_no_rule_matches_is_denied_that_is_for_these_too(desk: Desk, bot: Agent) -> None:
    await desk.policies.activate("version: 1\ndefault: deny\n", reviewer=None, via=Via.COMMAND_LINE)
    assert "no rule allows this" in await denial(desk, bot, own())


async def test_a_rule_for_upstreams_tools_of_that_name_does_not_let_it_run(desk: Desk, bot: Agent) -> None:
    await in_force(desk, "{name: all, tool: '*__*', action: allow}")
    await hold(desk, bot, own("Bash"))


# Names


@pytest.mark.parametrize(
    "name", ["", "two\nlines", "x" * 201, "bell\x07", "half\ud800", "line\u2028end", "hid\u200bden"]
)
async def test_what_is_no_name_of_a_tool_is_turned_away(desk: Desk, bot: Agent, name: str) -> None:
    await in_force(desk, "{name: all, tool: '*', action: allow}")
    assert "1 to 200 characters in one line" in await denial(desk, bot, own(name, x="y"))


async def test_who_is_no_known_client_is_turned_away(desk: Desk, bot: Agent) -> None:
    await in_force(desk, "{name: all, tool: '*', action: allow}")
    assert "known are claude_code" in await denial(desk, bot, own(client="mallory"))


async def test_the_longest_name_is_judged_whole(desk: Desk, bot: Agent) -> None:
    name = "x" * 200
    await in_force(desk, f"{{name: long, tool: 'claude_code:{name}', action: deny, reason: Too long.}}")
    assert "Too long." in await denial(desk, bot, own(name, a="b"))
    (recorded,) = await desk.calls.recorded(1)
    assert recorded.called.tool == f"claude_code:{name}"


async def test_arguments_that_nobody_could_be_shown_are_turned_away(desk: Desk, bot: Agent) -> None:
    await in_force(desk)
    assert "at most 262,144" in await denial(desk, bot, own("Read", file_path="x" * 300_000))


# Held


async def test_an_approved_one_runs_once_with_what_was_approved(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    assert await log(database, *RAN) == []
    let = await released(desk, bot, request)
    assert (let.arguments, let.is_edited) == ({"command": "make deploy"}, False)
    intended, ended = await log(database, *RAN)
    assert intended["permission"] == "approved"
    assert (intended["request"], ended["end"]) == (request, "released")
    view = await view_of(desk, request)
    assert view.run is not None
    assert (view.run.state, view.delivered_at is not None) == (CallEnd.RELEASED, True)


async def test_the_same_id_again_is_let_run_by_no_approval_that_was_used(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    await released(desk, bot, request)
    assert "was used" in await refused(desk, bot, request)
    assert (await hold(desk, bot)).request_id != request
    assert len(await log(database, *RAN)) == 2
    assert len(await log(database, "answer_claimed", "answer_delivered")) == 2


@pytest.mark.parametrize("other", ["toolu_2", None])
async def test_another_call_finds_the_approval_used_and_is_a_new_card(
    desk: Desk, ana: Reviewer, bot: Agent, other: str | None
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    await released(desk, bot, request)
    assert "was used" in await refused(desk, bot, request)
    assert (await hold(desk, bot, call_id=other)).request_id != request


async def test_of_two_calls_that_wait_on_one_card_one_is_let_run(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    first, second = await hold(desk, bot, call_id="toolu_1"), await hold(desk, bot, call_id="toolu_2")
    assert first.request_id == second.request_id
    await answered(desk, ana, first.request_id, Chosen("run"))
    await released(desk, bot, first.request_id)
    assert "was used" in await refused(desk, bot, first.request_id)
    assert (await hold(desk, bot, call_id="toolu_2")).request_id != first.request_id


async def test_the_next_card_of_the_same_says_that_it_was_let_run(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    await released(desk, bot, request)
    again = await hold(desk, bot, call_id="toolu_2")
    (notice,) = (await view_of(desk, again.request_id)).card.notices
    assert notice.endswith("; it was let run, and the agent was told.")


async def test_a_client_without_ids_is_let_run_once(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana, call_id=None)
    await released(desk, bot, request)
    assert "was used" in await refused(desk, bot, request)


async def test_an_id_that_comes_with_another_command_or_tool_is_another_call(
    desk: Desk, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    other = await hold(desk, bot, own(command="make destroy"))
    tool = await hold(desk, bot, own("Shell", command="make deploy"))
    assert len({request, other.request_id, tool.request_id}) == 3
    assert "was not approved" in await refused(desk, bot, other.request_id)
    assert (await hold(desk, bot)).request_id == request
    assert (await hold(desk, bot, own(command="make destroy"))).request_id == other.request_id
    assert (await released(desk, bot, request)).arguments == {"command": "make deploy"}


async def test_an_approval_that_nobody_used_is_found_under_another_id(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    assert (await hold(desk, bot, call_id="toolu_2")).request_id == request
    await released(desk, bot, request)
    assert "was used" in await refused(desk, bot, request)


async def test_what_a_reviewer_changed_runs_as_changed(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await edited(desk, ana, ticket.request_id, command="make deploy-staging")
    assert (await hold(desk, bot)).request_id == ticket.request_id
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    let = await released(desk, bot, ticket.request_id)
    assert (let.arguments, let.is_edited) == ({"command": "make deploy-staging"}, True)


async def test_what_was_changed_and_changed_back_is_not_changed(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await edited(desk, ana, ticket.request_id, command="true")
    await edited(desk, ana, ticket.request_id, command="make deploy")
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    assert not (await released(desk, bot, ticket.request_id)).is_edited


async def test_a_change_to_what_the_rules_deny_is_refused(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    with pytest.raises(AssertionError, match="Use the trash"):
        await edited(desk, ana, ticket.request_id, command="rm -rf /")


async def test_a_refused_one_is_not_let_run(desk: Desk, database: Database, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    assert "was not approved" in await refused(desk, bot, ticket.request_id)
    await answered(desk, ana, ticket.request_id, Chosen("refuse"))
    assert "was not approved" in await refused(desk, bot, ticket.request_id)
    claimed = await desk.claim(ticket)
    assert isinstance(claimed, Report)
    assert (claimed.outcome, claimed.may_proceed) == (Outcome.ANSWERED, False)
    assert await log(database, *RAN) == []


async def test_what_lapsed_is_not_let_run(desk: Desk, clock: FakeClock, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk, "{name: shell, tool: 'claude_code:Bash', action: hold, timeout: 60s}")
    request = await approved(desk, bot, ana)
    clock.advance(seconds=601)
    assert "has lapsed" in await refused(desk, bot, request)


async def test_rules_that_deny_by_now_stop_it(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    waiting = await approved(desk, bot, ana)
    await in_force(desk, "{name: no shell, tool: 'claude_code:Bash', action: deny, reason: Not today.}")
    assert "Not today." in await refused(desk, bot, waiting)


async def test_rules_that_ask_more_by_now_stop_it(desk: Desk, ana: Reviewer, ben: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    await in_force(desk, "{name: two, tool: 'claude_code:*', action: hold, approvals: 2}")
    assert "ask more by now" in await refused(desk, bot, request)


async def test_other_agents_have_no_such_request(desk: Desk, ana: Reviewer, bot: Agent, other_bot: Agent) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    assert "no held call" in await refused(desk, other_bot, request)


async def test_a_revoked_agent_is_let_run_nothing_and_told_nothing_again(
    desk: Desk, agents: Agents, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    waiting = await approved(desk, bot, ana)
    told = await approved(desk, bot, ana, own(command="make test"), "toolu_2")
    await released(desk, bot, told)
    await agents.revoke(bot.name)
    assert "revoked" in await refused(desk, bot, waiting)
    assert "revoked" in await refused(desk, bot, told)


async def test_a_call_of_an_upstream_is_not_released(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await house.in_force(desk)
    await house.listed(desk.calls)
    request = await house.approved(desk, bot, ana, house.send(500))
    assert "is of an upstream" in await refused(desk, bot, request)


# Asked for in another way


async def test_waiting_for_it_elsewhere_neither_runs_nor_uses_the_approval(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    begun = await desk.calls.begin(bot, request)
    assert isinstance(begun, NotRunnable)
    assert "call it there again" in begun.why
    ticket = await desk.attach(bot, request)
    assert ticket is not None
    told = await desk.claim(ticket)
    assert isinstance(told, Report)
    assert told.may_proceed
    assert not told.told_before
    assert await log(database, "answer_claimed", *RAN) == []
    await released(desk, bot, (await hold(desk, bot)).request_id)


async def test_what_was_let_run_is_never_begun_here(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    await released(desk, bot, ticket.request_id)
    begun = await desk.calls.begin(bot, ticket.request_id)
    assert isinstance(begun, NotRunnable)
    assert "only your client knows" in begun.why
    assert await desk.calls.run_of(bot, ticket.request_id) is None
    assert isinstance(await desk.claim(ticket), Superseded)


# What the agent's side says by itself


async def test_what_is_stated_is_on_the_card_and_makes_no_other_call_of_it(desk: Desk, bot: Agent) -> None:
    await in_force(desk)
    first = await hold(desk, bot, own(stated=Stated("It is Tuesday.", {"cwd": "/srv/app"})))
    question = await question_of(desk, first.request_id)
    assert (question.reasoning, question.facts) == ("It is Tuesday.", {"cwd": "/srv/app"})
    again = await hold(desk, bot, own(stated=Stated("Another reason.", {"cwd": "/srv/app", "model": "m"})))
    assert again.request_id == first.request_id


async def test_the_same_command_in_another_folder_is_another_call(desk: Desk, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    first = await hold(desk, bot, own(stated=Stated(None, {"cwd": "/tmp/scratch"})))
    there = await hold(desk, bot, own(stated=Stated(None, {"cwd": "/home/ana"})))
    assert there.request_id != first.request_id
    await answered(desk, ana, first.request_id, Chosen("run"))
    assert "was not approved" in await refused(desk, bot, there.request_id)


async def test_what_was_stated_goes_along_when_it_is_let_run(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana, own(stated=Stated("It is Tuesday.", {"cwd": "/srv/app"})))
    await released(desk, bot, request)
    (intended,) = await log(database, "call_intended")
    assert "stated_ref" in intended


# People hold the agent back, or somebody else writes to the database


async def test_of_a_paused_agent_what_rules_allow_is_held_and_takes_no_budget(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    await desk.halts.hold_back(bot.name, Halting.PAUSED, by=None)
    ticket = await hold(desk, bot, own("WebSearch", query="a"))
    await answered(desk, ana, ticket.request_id, Chosen("run"))
    await released(desk, bot, ticket.request_id)
    await desk.halts.resume(bot.name, by=None)
    for word in ("b", "c"):
        assert isinstance(await desk.calls.admit(bot, own("WebSearch", query=word), None), Admitted)


async def test_of_a_stopped_agent_nothing_runs_and_what_was_approved_runs_once_it_is_let_go(
    desk: Desk, database: Database, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    told = await approved(desk, bot, ana, own(command="make test"), "toolu_2")
    await released(desk, bot, told)
    await desk.halts.hold_back(None, Halting.STOPPED, by=None)
    assert "stopped" in await denial(desk, bot, own("Read", file_path="/a"))
    assert "Nothing was run" in await refused(desk, bot, request)
    assert "Nothing was run" in await refused(desk, bot, told)
    await desk.halts.resume(None, by=None)
    await released(desk, bot, request)


async def test_a_card_that_somebody_else_changed_lets_nothing_run(
    desk: Desk, home: Path, ana: Reviewer, bot: Agent
) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    with closing(sqlite3.connect(home / "assent.db")) as other, other:
        other.execute("UPDATE requests SET card = replace(card, 'make deploy', 'make destroy')")
    with pytest.raises(DatabaseProblem, match="is not the one that was posted"):
        await desk.calls.release(bot, request)
    with closing(sqlite3.connect(home / "assent.db")) as other, other:
        other.execute("UPDATE requests SET card = replace(card, 'make destroy', 'make deploy')")


async def test_rules_that_nobody_can_read_let_nothing_run(desk: Desk, home: Path, ana: Reviewer, bot: Agent) -> None:
    await in_force(desk)
    request = await approved(desk, bot, ana)
    house.tampered(home, "version: 1\nrules: [{name: all, tool: '*', action: allow}]\n")
    with pytest.raises(PolicyUnreadable):
        await desk.calls.admit(bot, own("Read", file_path="/a"), None)
    with pytest.raises(PolicyUnreadable):
        await desk.calls.release(bot, request)
    house.tampered(home, text_of(*RULES))


async def test_what_a_rule_matched_is_counted_where_there_are_no_upstreams(desk: Desk, bot: Agent) -> None:
    await in_force(desk)
    for path in ("/a", "/b"):
        assert isinstance(await desk.calls.admit(bot, own("Read", file_path=path), None), Admitted)
    await hold(desk, bot)
    look = await desk.policies.look(text_of(*RULES))
    assert {rule.name: one.count for rule, one in zip(look.policy.rules, look.matched, strict=True)} == {
        "reads": 2,
        "edits": 0,
        "few searches": 0,
        "shell": 1,
        "never": 0,
    }
