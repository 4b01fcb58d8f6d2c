"""A client's hook asks before a tool of its own runs: the rules or a person answer, and all else is a refusal."""

import json
from typing import Any

import anyio
import pytest

from server import waiting
from store.agents import Agents
from store.answers import AskedBack, Declined
from store.audit.events import Halting
from store.calls.recorded import Became
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from store.questions import HeldCall
from tests.server.gateway.fronting import put_in_force
from tests.server.hooks.asking import REFUSE, RUN, Asking, asking, decided, edited_to, tool_use
from tests.server.serving import BRIDGE_SECRET, Outcome
from tests.stage import FakeClock, answered, stir

pytestmark = pytest.mark.anyio

READS = "version: 1\nrules:\n  - {name: reads, tool: 'claude_code:Read', action: allow}\n"
NEVER = "version: 1\nrules:\n  - {name: never, tool: 'claude_code:Bash', action: deny, reason: Ask the desk.}\n"


async def said(outcome: Outcome) -> dict[str, Any]:
    with anyio.fail_after(20):
        await outcome.done.wait()
    if isinstance(outcome.value, Exception):
        raise outcome.value
    value: dict[str, Any] = outcome.value
    return value


def beside(group: Any, asks: Asking, body: Any, **more: Any) -> Outcome:
    outcome = Outcome()

    async def run() -> None:
        try:
            outcome.value = await asks.ask(body, **more)
        except Exception as problem:  # noqa: BLE001 - handed to whoever asks for the result
            outcome.value = problem
        outcome.done.set()

    group.start_soon(run)
    return outcome


async def test_what_a_rule_allows_runs_at_once_and_is_recorded_as_let_run(
    desk: Desk, agents: Agents, database: Database, token: str
) -> None:
    await put_in_force(database, READS)
    async with asking(desk, agents, token) as asks:
        answer = await asks.ask(tool_use(tool="Read", tool_input={"file_path": "/srv/a"}))

    assert decided(answer)[0] == "allow"
    assert "updatedInput" not in answer["hookSpecificOutput"]
    (call,) = await desk.calls.recorded(5)
    assert (call.called.tool, call.became) == ("claude_code:Read", Became.RELEASED)


async def test_what_a_rule_denies_does_not_run_and_the_model_is_told_why(
    desk: Desk, agents: Agents, database: Database, token: str
) -> None:
    await put_in_force(database, NEVER)
    async with asking(desk, agents, token) as asks:
        answer = await asks.ask(tool_use())

    decision, why = decided(answer)
    assert decision == "deny"
    assert "Ask the desk." in why


async def test_without_any_rules_it_waits_for_a_person_who_is_shown_exactly_what_would_run(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use("rm -rf build"))
        card = await asks.server.card()
        question = card.card.question
        await answered(desk, ana, card.request_id, RUN)
        answer = await said(outcome)

    assert isinstance(question, HeldCall)
    assert (question.tool, question.arguments["command"]) == ("claude_code:Bash", "rm -rf build")
    assert question.facts is not None
    assert question.facts["cwd"] == "/srv/project"
    assert question.facts["permission_mode"] == "default"
    assert decided(answer)[0] == "allow"
    (call,) = await desk.calls.recorded(5)
    assert (call.became, call.request_id) == (Became.RELEASED, card.request_id)


async def test_what_a_person_refuses_does_not_run_and_their_words_reach_the_model(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use())
        await asks.decide(ana, REFUSE, "Not on a Friday.")
        decision, why = decided(await said(outcome))

    assert decision == "deny"
    assert "Not on a Friday." in why
    assert "do not look for another way" in why


@pytest.mark.parametrize("given", [Declined(), AskedBack()])
async def test_who_declines_or_asks_back_lets_nothing_run(
    desk: Desk, agents: Agents, token: str, ana: Reviewer, given: Any
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use())
        await asks.decide(ana, given, "Why this one?")
        assert decided(await said(outcome))[0] == "deny"


async def test_what_nobody_decides_in_time_does_not_run(
    desk: Desk, agents: Agents, token: str, clock: FakeClock
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use())
        await asks.server.card()
        clock.advance(days=1, seconds=1)
        await desk.expire_due()
        stir(desk)
        decision, why = decided(await said(outcome))

    assert decision == "deny"
    assert "Nobody decided in time" in why


async def test_what_a_reviewer_changed_runs_in_place_of_what_was_asked_and_the_model_is_told_so(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use("rm -rf /srv"))
        card = await asks.server.card()
        await edited_to(desk, ana, card.request_id, command="rm -rf /srv/build", description="Deploys")
        await answered(desk, ana, card.request_id, RUN, comment="Only the build.")
        answer = await said(outcome)

    told = answer["hookSpecificOutput"]
    assert told["permissionDecision"] == "allow"
    assert told["updatedInput"] == {"command": "rm -rf /srv/build", "description": "Deploys"}
    assert "changed the input" in told["additionalContext"]
    assert "Only the build." in told["additionalContext"]


@pytest.mark.parametrize("tool_use_id", ["toolu_1", "toolu_2"])
async def test_an_approval_is_used_once_whatever_the_call_that_asks_again_is_named(
    desk: Desk, agents: Agents, token: str, ana: Reviewer, tool_use_id: str
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        first = beside(group, asks, tool_use())
        await asks.decide(ana)
        assert decided(await said(first))[0] == "allow"

        another = beside(group, asks, tool_use(tool_use_id=tool_use_id))
        await asks.decide(ana, REFUSE)
        assert decided(await said(another))[0] == "deny"
    became = [call.became for call in await desk.calls.recorded(5)]
    assert became.count(Became.RELEASED) == 1


@pytest.mark.parametrize(
    "other",
    [
        tool_use("rm -rf /"),
        tool_use(tool="Write", tool_input={"file_path": "/etc/passwd", "content": ""}),
    ],
)
async def test_the_name_of_an_approved_call_opens_nothing_for_another_tool_or_another_input(
    desk: Desk, agents: Agents, token: str, ana: Reviewer, other: dict[str, Any]
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        first = beside(group, asks, tool_use())
        used = await asks.decide(ana)
        assert decided(await said(first))[0] == "allow"

        second = beside(group, asks, other)
        assert await asks.decide(ana, REFUSE) != used
        assert decided(await said(second))[0] == "deny"


async def test_a_client_that_is_to_ask_again_later_is_let_go_and_finds_the_answer_when_it_does(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks:
        decision, why = decided(await asks.ask(tool_use(), query="?defer=0"))
        assert decision == "defer"
        card = await asks.server.card(waiting=False)
        assert card.request_id in why
        assert decided(await asks.ask(tool_use(), query="?defer=0"))[0] == "defer"
        await answered(desk, ana, card.request_id, RUN)

        assert decided(await asks.ask(tool_use(), query="?defer=0"))[0] == "allow"


async def test_the_same_asked_under_another_name_takes_an_approval_that_nobody_used(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks:
        await asks.ask(tool_use(), query="?defer=0")
        card = await asks.server.card(waiting=False)
        await answered(desk, ana, card.request_id, RUN)

        assert decided(await asks.ask(tool_use(tool_use_id="toolu_9")))[0] == "allow"
        assert decided(await asks.ask(tool_use(), query="?defer=0"))[0] == "defer"


async def test_of_two_hooks_that_wait_for_one_answer_only_the_newer_gets_it(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        older = beside(group, asks, tool_use())
        await asks.server.card()
        newer = beside(group, asks, tool_use())
        decision, why = decided(await said(older))
        assert decision == "deny"
        assert "Another call of yours" in why
        await asks.decide(ana)
        assert decided(await said(newer))[0] == "allow"


async def test_what_one_agent_was_allowed_opens_nothing_for_another(
    desk: Desk, agents: Agents, token: str, other_token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        first = beside(group, asks, tool_use())
        used = await asks.decide(ana)
        assert decided(await said(first))[0] == "allow"

        asks.http.headers["authorization"] = f"Bearer {other_token}"
        second = beside(group, asks, tool_use())
        assert await asks.decide(ana, REFUSE) != used
        assert decided(await said(second))[0] == "deny"


async def test_a_sub_agent_waits_where_the_run_itself_would_be_let_go(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use(agent_id="a44072e681f894e9b"), query="?defer=0")
        await asks.decide(ana)
        assert decided(await said(outcome))[0] == "allow"


async def test_a_change_that_the_client_would_not_run_as_approved_lets_nothing_run_and_is_recorded_as_not_run(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    body: dict[str, Any] = {"hook_event_name": "BeforeTool", "tool_name": "run_shell_command"}
    body |= {"tool_input": {"command": "rm -rf x", "dir_path": "/srv"}}
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, body, client="gemini")
        card = await asks.server.card()
        await edited_to(desk, ana, card.request_id, command="rm -rf x")
        await answered(desk, ana, card.request_id, RUN)
        answer = await said(outcome)

    assert answer["decision"] == "deny"
    assert "dir_path" in answer["reason"]
    assert [call.became for call in await desk.calls.recorded(5) if call.became == Became.RELEASED] == []


async def test_a_client_that_left_and_comes_back_finds_its_question_and_the_approval(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks:
        async with anyio.create_task_group() as group:
            beside(group, asks, tool_use())
            card = await asks.server.card()
            group.cancel_scope.cancel()
        await asks.server.hung_up(card.request_id)
        await answered(desk, ana, card.request_id, RUN)

        assert decided(await asks.ask(tool_use()))[0] == "allow"


async def test_bytes_go_out_while_it_waits_and_the_answer_is_json_all_the_same(
    desk: Desk, agents: Agents, token: str, ana: Reviewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "HEARTBEAT_SECONDS", 0.05)
    async with (
        asking(desk, agents, token) as asks,
        asks.http.stream("POST", "/hooks/claude-code", json=tool_use()) as answer,
    ):
        chunks = answer.aiter_bytes()
        heard = b"".join([await anext(chunks), await anext(chunks)])
        await asks.decide(ana)
        heard += b"".join([chunk async for chunk in chunks])

    assert heard.startswith(b"  ")
    assert answer.status_code == 200
    assert decided(json.loads(heard))[0] == "allow"


async def test_a_server_that_is_about_to_stop_lets_nothing_run_and_the_question_stays(
    desk: Desk, agents: Agents, token: str
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use())
        card = await asks.server.card()
        asks.server.drain.started = True
        desk.signals.publish_all()
        decision, why = decided(await said(outcome))
        assert decision == "deny"
        assert "did not run" in why
        assert [view.request_id for view in await desk.inbox()] == [card.request_id]


@pytest.mark.parametrize("scope", ["deploy-bot", None])
async def test_a_stop_ends_the_wait_and_the_whole_run_and_turns_away_what_is_asked_after_it(
    desk: Desk, agents: Agents, token: str, ana: Reviewer, scope: str | None
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        outcome = beside(group, asks, tool_use())
        card = await asks.server.card()
        await desk.halts.hold_back(scope, Halting.STOPPED, by=None, why="Look at this first")
        waited = await said(outcome)
        after = await asks.ask(tool_use(tool_use_id="toolu_2"))
        await answered(desk, ana, card.request_id, RUN)
        approved = await asks.ask(tool_use())

    for answer in (waited, after, approved):
        decision, why = decided(answer)
        assert decision == "deny"
        assert "Look at this first" in why
        assert (answer["continue"], answer["stopReason"]) == (False, why)
    assert all(call.became != Became.RELEASED for call in await desk.calls.recorded(5))


async def test_who_pauses_an_agent_has_what_rules_would_let_run_held(
    desk: Desk, agents: Agents, database: Database, token: str, ana: Reviewer
) -> None:
    await put_in_force(database, READS)
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        await desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None)
        outcome = beside(group, asks, tool_use(tool="Read", tool_input={"file_path": "/srv/a"}))
        await asks.decide(ana)
        assert decided(await said(outcome))[0] == "allow"


async def test_a_revoked_agent_and_a_stranger_are_refused_in_a_form_that_blocks(
    desk: Desk, agents: Agents, token: str
) -> None:
    async with asking(desk, agents, token) as asks:
        await agents.revoke("deploy-bot")
        assert decided(await asks.ask(tool_use()))[0] == "deny"
        del asks.http.headers["authorization"]
        decision, why = decided(await asks.ask(tool_use()))
    assert decision == "deny"
    assert "assent agent add NAME" in why


async def test_the_local_bridge_speaks_for_the_agent_that_it_names(
    desk: Desk, agents: Agents, database: Database, token: str
) -> None:
    await put_in_force(database, READS)
    async with asking(desk, agents, token) as asks:
        asks.http.headers |= {"authorization": f"Bearer {BRIDGE_SECRET}", "assent-agent": "local"}
        await asks.ask(tool_use(tool="Read", tool_input={"file_path": "/srv/a"}))
    (call,) = await desk.calls.recorded(5)
    assert call.called.agent == "local"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"", "not JSON"),
        (b"[]", "one JSON object"),
        (b'{"tool_name": "Bash", "tool_name": "Read"}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b" " * (1 << 20) + b"{}", "larger than"),
        ({}, "hook_event_name"),
        (tool_use(hook_event_name="PermissionRequest"), "hook_event_name"),
        (tool_use(tool_name=None), "tool_name"),
        (tool_use(tool_name="Bash\nRead"), "tool_name"),
        (tool_use(tool_name="x" * 201), "tool_name"),
        (tool_use(tool_input="rm -rf /"), "tool_input"),
        (tool_use(tool_input=["rm"]), "tool_input"),
        (tool_use(tool_input={"size": 2**60}), "9007199254740991"),
    ],
)
async def test_a_body_that_is_not_understood_lets_nothing_run_and_says_what_is_wrong(
    desk: Desk, agents: Agents, token: str, body: Any, names: str
) -> None:
    async with asking(desk, agents, token) as asks:
        decision, why = decided(await asks.ask(body))
    assert decision == "deny"
    assert names in why
    assert await desk.inbox() == []


@pytest.mark.parametrize("query", ["?defer=", "?defer=-1", "?defer=1&defer=2", "?defer=86401", "?defre=60", "?defer=٣"])
async def test_an_address_that_asks_for_what_there_is_not_lets_nothing_run(
    desk: Desk, agents: Agents, token: str, query: str
) -> None:
    async with asking(desk, agents, token) as asks:
        decision, why = decided(await asks.ask(tool_use(), query=query))
    assert decision == "deny"
    assert "defer" in why
    assert await desk.inbox() == []


async def test_a_client_that_cannot_ask_again_later_is_not_told_to(desk: Desk, agents: Agents, token: str) -> None:
    async with asking(desk, agents, token) as asks:
        answer = await asks.ask(tool_use(turn_id="t", model="m"), client="codex", query="?defer=0")
    assert answer["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert await desk.inbox() == []


async def test_what_cannot_be_recorded_does_not_run(desk: Desk, agents: Agents, database: Database, token: str) -> None:
    await put_in_force(database, READS)
    async with asking(desk, agents, token) as asks:
        await asks.ask(tool_use(tool="Read", tool_input={"file_path": "/srv/a"}))
        database.close()
        decision, _ = decided(await asks.ask(tool_use(tool="Read", tool_input={"file_path": "/srv/b"})))
    assert decision == "deny"


async def test_what_is_only_reported_afterwards_is_taken_and_decides_nothing(
    desk: Desk, agents: Agents, token: str
) -> None:
    async with asking(desk, agents, token) as asks:
        assert await asks.ask(tool_use(hook_event_name="PostToolUse", tool_response={"stdout": "done"})) == {}
    assert await desk.calls.recorded(5) == ()


async def test_an_unknown_client_and_another_method_are_no_hook(desk: Desk, agents: Agents, token: str) -> None:
    async with asking(desk, agents, token) as asks:
        unknown = await asks.post(tool_use(), client="nobody")
        read = await asks.http.get("/hooks/claude-code")
    assert unknown.status_code == 404
    assert "/hooks/claude-code" in unknown.json()["error_description"]
    assert read.status_code == 405
