"""What would become of a call is what becomes of it, and asking writes nothing."""

from datetime import datetime
from typing import Any

import pytest

from store.agents import Agent, Agents
from store.answers import Fault
from store.calls.definitions import Method
from store.calls.explaining import Explanation, named
from store.calls.health import NoSuchUpstream
from store.desk import Desk
from store.policy.overview import Matched
from store.policy.rules import Action
from tests.stage import FakeClock
from tests.store.calls.house import READ, RULES, SEND, admitted, call, in_force, send, tool, upstream

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]


@pytest.fixture
def now(clock: FakeClock) -> datetime:
    return clock.now


async def explained(desk: Desk, now: datetime, tool: str, agent: str = "bot", **arguments: Any) -> Explanation:
    return await desk.policies.explain_call(tool, arguments, agent=agent, now=now)


@pytest.mark.parametrize(
    ("tool", "arguments", "action", "rules"),
    [
        ("files__read_text", {"path": "/a"}, Action.ALLOW, ("reads",)),
        ("files__write", {}, Action.NOTICE, ("writes",)),
        ("pay__send", {"amount": 500}, Action.HOLD, ("payments",)),
        ("files__drop", {}, Action.DENY, ("never",)),
        ("files:resources", {"uri": "x:y"}, Action.ALLOW, ("notes",)),
        ("files:prompts/greeting", {"to": "Ana"}, Action.ALLOW, ("greetings",)),
    ],
)
async def test_tools_prompts_and_resources_are_explained(
    desk: Desk, now: datetime, tool: str, arguments: dict[str, Any], action: Action, rules: tuple[str, ...]
) -> None:
    found = await explained(desk, now, tool, **arguments)

    assert (found.verdict.action, found.verdict.rules, found.wrong) == (action, rules, ())
    assert found.by_rules == found.verdict


async def test_what_is_wrong_with_the_arguments_is_said(desk: Desk, now: datetime) -> None:
    found = await explained(desk, now, "files__read_text", path=7)
    assert [fault.field for fault in found.wrong] == ["path"]
    reserved = await explained(desk, now, "pay__send", amount=5, request_key="x")
    assert reserved.wrong == (Fault("request_key", "is set by Assent itself; leave it out"),)


async def test_a_changed_definition_is_held_whatever_the_rules_say(desk: Desk, now: datetime) -> None:
    await desk.calls.observe(upstream("files"), [tool("read_text", description="Another.")])
    found = await explained(desk, now, "files__read_text", path="/a")

    assert found.by_rules is not None
    assert (found.verdict.action, found.by_rules.action) == (Action.HOLD, Action.ALLOW)


@pytest.mark.parametrize("tool", ["files__nothing", "nowhere__x"])
async def test_what_there_is_not_is_denied(desk: Desk, now: datetime, tool: str) -> None:
    assert (await explained(desk, now, tool)).verdict.action is Action.DENY


async def test_what_was_taken_of_a_budget_counts(desk: Desk, bot: Agent, now: datetime) -> None:
    rule = "{name: few, tool: 'files__*', action: allow, rate: 1/hour}"
    await in_force(desk, rule)
    assert (await explained(desk, now, "files__read_text", path="/a")).verdict.action is Action.ALLOW
    await admitted(desk.calls, bot, call(READ, path="/a"))
    assert (await explained(desk, now, "files__read_text", path="/a")).verdict.action is Action.HOLD


async def test_a_known_agent_keeps_the_workflow_that_it_was_given(desk: Desk, agents: Agents, now: datetime) -> None:
    await in_force(desk, "{name: billing, tool: 'files__*', workflow: billing, action: allow}")
    await agents.add("biller", workflow="billing")
    await agents.add("other")

    async def action(agent: str, workflow: str | None) -> Action:
        found = await desk.policies.explain_call(
            "files__read_text", {"path": "/a"}, agent=agent, workflow=workflow, now=now
        )
        return found.verdict.action

    assert await action("biller", None) is Action.ALLOW
    assert await action("biller", "elsewhere") is Action.ALLOW
    assert await action("other", "billing") is Action.HOLD
    assert await action("nobody yet", "billing") is Action.ALLOW


async def test_names_are_those_that_rules_have() -> None:
    assert named("files__read__all") == ("files", Method.TOOL, "read__all")
    assert named("files:resources") == ("files", Method.RESOURCE, "")
    assert named("files:prompts/a/b") == ("files", Method.PROMPT, "a/b")
    for name in ("files", "__x", "files__", "files:prompts/", "files:others", ""):
        with pytest.raises(ValueError, match=f"^{name}$"):
            named(name)


async def test_a_draft_is_tried_on_what_was_recorded(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await desk.calls.admit(bot, send(500), None)
    clock.advance(minutes=1)
    await admitted(desk.calls, bot, call(READ, path="/a"))
    text = await in_force(desk)
    payments = next(rule for rule in RULES if "payments" in rule)
    looser = text.replace(payments, "{name: payments, tool: 'pay__send', action: notice}")
    found = await desk.policies.replay(looser)

    assert found.counts == ((Action.HOLD, Action.NOTICE, 1),)
    assert [one.past.called.tool for one in found.calls] == ["pay__send", "files__read_text"]
    assert (await desk.policies.replay(text)).changed == ()


async def test_rules_tell_which_calls_they_matched_last(desk: Desk, bot: Agent, clock: FakeClock) -> None:
    await admitted(desk.calls, bot, call(READ, path="/a"))
    clock.advance(hours=1)
    await admitted(desk.calls, bot, call(READ, path="/b"))
    look = await desk.policies.look(await in_force(desk))

    found = dict(zip((rule.name for rule in look.policy.rules), look.matched, strict=True))
    assert (found["reads"], found["payments"]) == (Matched(2, clock.now), Matched(0, None))


async def test_rules_are_drafted_for_an_upstream_that_there_is(desk: Desk) -> None:
    (rule,) = (await desk.policies.suggest("pay")).rules
    assert rule["tool"] == [SEND.exposed]
    with pytest.raises(NoSuchUpstream):
        await desk.policies.suggest("nope")


async def test_tools_of_a_clients_own_are_explained_without_an_upstream(desk: Desk, now: datetime) -> None:
    await in_force(desk, "{name: shell, tool: 'claude_code:Bash', args: {command: ls}, action: allow}")
    listing = await explained(desk, now, "claude_code:Bash", command="ls")
    assert (listing.upstream, listing.verdict.action, listing.wrong) == ("claude_code", Action.ALLOW, ())
    other = await explained(desk, now, "claude_code:Bash", command="ls -a")
    assert (other.verdict.action, other.verdict.reasons) == (Action.HOLD, ("no rule matches it",))
    with pytest.raises(ValueError, match="claude_code:xxx"):
        await explained(desk, now, f"claude_code:{'x' * 201}")


@pytest.mark.parametrize("tool", ["claude_code:Bash", "claude_code:resources", "codex:prompts/x", "cursor:a:b"])
async def test_the_name_of_a_clients_own_tool_is_all_that_follows_the_client(tool: str) -> None:
    client, _, name = tool.partition(":")
    assert named(tool) == (client, Method.OWN, name)
