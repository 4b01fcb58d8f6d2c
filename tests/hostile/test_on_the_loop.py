"""What models, clients, agents with a token and reviewers try against watching, stopping and the clients' own tools.

Each is an attack that worked once, or the nearest to one that could.
"""

from typing import Any

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import text

from server.hooks.forms import FORMS
from store.agents import Agent, Agents
from store.asking import Ticket
from store.audit.events import Halting
from store.calls.calls import Admitted
from store.calls.recorded import Became
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from tests.hostile.world import World
from tests.server.gateway.fronting import put_in_force
from tests.server.hooks.asking import RUN, Asking, asking, decided, tool_use
from tests.server.serving import Outcome
from tests.stage import answer, answered
from tests.store.calls.own import in_force, own

pytestmark = pytest.mark.anyio

EVERYTHING_RUNS = "version: 1\nrules:\n  - {name: all, tool: '*', action: allow}\n"
WIPE = "rm -rf *"


def beside(group: Any, asks: Asking, body: Any) -> Outcome:
    outcome = Outcome()

    async def run() -> None:
        outcome.value = await asks.ask(body)
        outcome.done.set()

    group.start_soon(run)
    return outcome


async def decision_of(outcome: Outcome) -> str:
    with anyio.fail_after(20):
        await outcome.done.wait()
    return decided(outcome.value)[0]


async def released(desk: Desk) -> int:
    """How often a tool of a client's own was let run."""
    return [call.became for call in await desk.calls.recorded(50)].count(Became.RELEASED)


async def test_a_model_that_names_each_call_alike_is_let_run_once_by_one_approval(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        first = beside(group, asks, tool_use("pay 10"))
        await asks.decide(ana)
        assert await decision_of(first) == "allow"
        again = [await asks.ask(tool_use("pay 10"), query="?defer=0") for _ in range(3)]
        card = await asks.server.card(waiting=False)
    assert [decided(one)[0] for one in again] == ["defer"] * 3
    assert await released(desk) == 1
    (notice,) = card.card.notices
    assert "it was let run" in notice


async def test_what_was_approved_in_one_folder_runs_in_no_other(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks, anyio.create_task_group() as group:
        scratch = beside(group, asks, tool_use(WIPE, cwd="/tmp/scratch"))
        card = await asks.server.card()
        home = beside(group, asks, tool_use(WIPE, cwd="/home/ana", tool_use_id="toolu_2"))
        other = await asks.server.card(besides=frozenset({card.request_id}))
        await answered(desk, ana, card.request_id, RUN)
        assert await decision_of(scratch) == "allow"
        assert not home.done.is_set()
        await asks.desk.withdraw(await agents.enrol("deploy-bot"), other.request_id)
        assert await decision_of(home) == "deny"
    assert await released(desk) == 1


UNDER_ANOTHER_NAME: dict[str, dict[str, Any]] = {
    "claude-code": {"hook_event_name": "PreToolUse", "tool_name": "Bash", "input": {"command": WIPE}},
    "codex": {"hook_event_name": "PreToolUse", "tool_name": "Bash", "arguments": {"command": WIPE}},
    "copilot": {"toolName": "bash", "toolInput": {"command": WIPE}},
    "cursor": {"hook_event_name": "preToolUse", "tool_name": "Shell", "command": WIPE},
    "gemini": {"hook_event_name": "BeforeTool", "tool_name": "run_shell_command", "args": {"command": WIPE}},
}


@pytest.mark.parametrize("client", sorted(FORMS))
async def test_input_under_a_name_that_is_not_known_is_no_call_without_input(
    desk: Desk, agents: Agents, database: Database, token: str, client: str
) -> None:
    await put_in_force(database, EVERYTHING_RUNS)
    async with asking(desk, agents, token) as asks:
        told = await asks.ask(UNDER_ANOTHER_NAME[client], client=client)
    assert told == FORMS[client].denied(_why(told))
    assert "is missing" in _why(told)
    assert await released(desk) == 0


@pytest.mark.parametrize("client", sorted(FORMS))
async def test_where_nobody_can_tell_who_asks_the_client_reads_a_refusal(
    desk: Desk, agents: Agents, database: Database, token: str, client: str
) -> None:
    await put_in_force(database, EVERYTHING_RUNS)
    async with asking(desk, agents, token) as asks:
        await database.write(lambda change: change.connection.execute(text("ALTER TABLE agent_tokens RENAME TO gone")))
        told = await asks.ask(tool_use(), client=client)
        await database.write(lambda change: change.connection.execute(text("ALTER TABLE gone RENAME TO agent_tokens")))
    assert told == FORMS[client].denied(_why(told))
    assert "did not run" in _why(told)


def _why(told: dict[str, Any]) -> str:
    """Where each client's refusal has its reason."""
    said: dict[str, Any] = told.get("hookSpecificOutput", told)
    names = ("permissionDecisionReason", "agent_message", "reason")
    return str(next(said[name] for name in names if name in said))


@pytest.mark.parametrize(
    "query",
    [
        "minute=9999-12-31T23:59:00.000000Z",
        "minute=0001-01-01T00:00:00%2B14:00",
        "minute=2026-11-22",
        "before=0001-01-01T00:00:00%2B14:00~x",
        "before=9999-12-31T23:59:59-14:00~x",
        "before=2026-11-22~x",
    ],
)
async def test_moments_that_no_page_wrote_are_refused_and_break_nothing(
    world: World, ana: Reviewer, query: str
) -> None:
    async with world.browser("ana") as browser:
        assert (await browser.open(f"/watch/calls?{query}")).status_code == 400


@pytest.mark.parametrize("arguments", [{"since": "0001-01-01T00:00:00+14:00"}, {"until": "9999-12-31T23:59:59-14:00"}])
async def test_moments_beyond_the_calendar_are_an_error_that_names_the_argument(
    world: World, token: str, arguments: dict[str, str]
) -> None:
    async with world.caller(token) as agent:
        (name,) = arguments
        assert (await agent.refusal("read_logs", arguments)).startswith(f"{name}: ")


async def test_the_places_of_calls_in_the_log_do_not_tell_voters_who_has_answered(
    world: World, bot: Agent, ana: Reviewer, ben: Reviewer, auditor: Reviewer
) -> None:
    """Two calls around a hidden answer would tell of it by the gap between their entries."""
    await in_force(
        world.desk,
        "{name: reads, tool: 'claude_code:Read', action: allow}",
        "{name: two, tool: 'claude_code:Bash', action: hold, approvals: 2}",
    )
    before = await world.desk.calls.admit(bot, own("Read", file_path="/a"), None)
    held = await world.desk.calls.admit(bot, own(command=WIPE), None)
    assert isinstance(held, Ticket)
    await answer(world.desk, ben, held.request_id, RUN)
    after = await world.desk.calls.admit(bot, own("Read", file_path="/b"), None)
    assert isinstance(before, Admitted)
    assert isinstance(after, Admitted)

    async with world.browser("ana") as voter, world.browser("ada") as reader:
        assert "Log entries" in (await voter.open(f"/watch/{before.call_id}")).text
        assert "Log entr" not in (await voter.open(f"/watch/{after.call_id}")).text
        assert "Log entries" in (await reader.open(f"/watch/{after.call_id}")).text
    await answered(world.desk, ana, held.request_id, RUN)
    async with world.browser("ana") as voter:
        assert "Log entries" in (await voter.open(f"/watch/{after.call_id}")).text


async def test_of_many_that_ask_the_same_at_once_no_more_run_than_were_approved(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    decisions: list[str] = []
    approvals: set[str] = set()

    async def ask_thrice(asks: Asking, number: int) -> None:
        for _ in range(3):
            answer = await asks.ask(tool_use("pay 10", tool_use_id=f"toolu_{number % 3}"))
            decisions.append(decided(answer)[0])

    async def approve_whatever_waits(asks: Asking) -> None:
        while True:
            approvals.add(await asks.decide(ana))

    async with asking(desk, agents, token) as asks, anyio.create_task_group() as around:
        around.start_soon(approve_whatever_waits, asks)
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(ask_thrice, asks, number)
        around.cancel_scope.cancel()
    assert len(decisions) == 24
    assert 0 < decisions.count("allow") == await released(desk) <= len(approvals)


async def test_of_a_stop_and_an_approval_at_once_nothing_runs_after_the_stop(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with asking(desk, agents, token) as asks:
        for number in range(8):
            async with anyio.create_task_group() as group:
                asked = beside(group, asks, tool_use(f"pay {number}"))
                card = await asks.server.card()
                group.start_soon(answer, desk, ana, card.request_id, RUN)
                await desk.halts.hold_back("deploy-bot", Halting.STOPPED, by=None)
                stopped_with = await released(desk)
                allowed = await decision_of(asked) == "allow"
            assert await released(desk) == stopped_with
            assert not allowed or stopped_with
            await desk.halts.resume("deploy-bot", by=None)
    await anyio.to_thread.run_sync(desk.log.verify)
