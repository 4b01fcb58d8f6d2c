"""What the rules allow may be sent, what they hold is asked, what they deny is turned away: each with its entry."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from store.agents import Agent
from store.asking import Limits
from store.audit.events import Permission
from store.calls.calls import Admitted, GovernedCall
from store.calls.definitions import Definition, Method
from store.calls.service import Calls
from store.database import Database
from store.desk import Desk
from store.problems import PolicyUnreadable
from store.questions import HeldCall
from tests.store.calls.house import (
    DROP,
    GREETING,
    READ,
    SEND,
    WRITE,
    admitted,
    call,
    denied,
    held,
    in_force,
    log,
    reading,
    returned,
    send,
    tampered,
    text_of,
    tool,
    upstream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("governed")]


async def test_an_allowed_call_is_in_the_log_before_it_is_sent(desk: Desk, database: Database, bot: Agent) -> None:
    going = await admitted(desk.calls, bot, call(READ, path="/a"))
    assert replace(going, call_id="") == Admitted(
        "", "files", Method.TOOL, "read_text", {"path": "/a"}, Permission.ALLOWED, None, READ.sha256
    )
    (entry,) = await log(database, "call_intended")
    said = {"call": going.call_id, "agent": bot.id, "permission": "allowed"}
    assert entry.items() >= said.items()
    assert "request" not in entry
    assert await log(database, "call_ended") == []


async def test_a_noticed_call_says_so(desk: Desk, database: Database, bot: Agent) -> None:
    going = await admitted(desk.calls, bot, call(WRITE, path="/a"))
    assert going.permission is Permission.NOTICED
    assert [entry["permission"] for entry in await log(database, "call_intended")] == ["noticed"]


async def test_resources_and_prompts_are_governed_under_names_of_their_own(desk: Desk, bot: Agent) -> None:
    assert (await admitted(desk.calls, bot, reading())).arguments == {"uri": "test://text"}
    assert (await admitted(desk.calls, bot, call(GREETING, to="you"))).method is Method.PROMPT
    await in_force(desk, "{name: tools, tool: 'files__*', action: allow}")
    await held(desk.calls, bot, reading())
    await held(desk.calls, bot, call(GREETING, to="you"))


async def test_what_no_rule_matches_is_held(desk: Desk, database: Database, bot: Agent) -> None:
    await in_force(desk, "{name: other, tool: 'files__other', action: allow}")
    ticket = await held(desk.calls, bot, call(READ, path="/a"))
    view = await desk.view(ticket.request_id)
    assert view is not None
    question = view.card.question
    assert isinstance(question, HeldCall)
    assert (question.tool, question.arguments) == ("files__read_text", {"path": "/a"})
    assert question.held_because == ("no rule matches it",)
    assert await log(database, "call_intended") == []


async def test_a_denied_call_is_told_what_the_rule_wants(desk: Desk, database: Database, bot: Agent) -> None:
    why = await denied(desk.calls, bot, call(DROP))
    assert why == "the rule 'never' denies this. Ask the database team."
    (entry,) = await log(database, "call_denied")
    assert entry.items() >= {"agent": bot.id, "count": 1}.items()
    assert await log(database, "call_intended", "request_opened") == []


async def test_the_same_held_call_is_one_card(desk: Desk, database: Database, bot: Agent) -> None:
    first = await held(desk.calls, bot, send(500))
    assert (await held(desk.calls, bot, send(500))).request_id == first.request_id
    assert (await held(desk.calls, bot, send(501))).request_id != first.request_id
    assert len(await log(database, "request_opened")) == 2


async def test_beyond_the_limit_of_open_requests_calls_are_turned_away(
    database: Database, desk: Desk, bot: Agent
) -> None:
    calls = Calls(database, Limits(open_requests=2))
    for amount in (500, 501):
        await held(calls, bot, send(amount))
    for amount in range(600, 700):
        why = await denied(calls, bot, send(amount))
        assert "you have 2 open requests, which is the limit" in why
    await held(calls, bot, send(500))
    assert len(await log(database, "request_opened")) == 2
    assert [entry["count"] for entry in await log(database, "call_denied")] == [1]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (call(READ), "path is missing"),
        (call(READ, path=7), "path must be of the type string"),
        (call(SEND, amount=5, request_key="mine"), "request_key is set by Assent itself; leave it out"),
        (call(SEND, amount=2**53), "have a number beyond 9007199254740991"),
        (call(READ, path="x" * 300_000), "a person can be shown at most"),
        (replace(reading(), arguments={}), "uri is missing"),
        (replace(reading(), arguments={"uri": "a", "other": 1}), "other is not an argument"),
    ],
)
async def test_arguments_that_do_not_fit_are_turned_away_by_their_names(
    desk: Desk, database: Database, bot: Agent, wanted: GovernedCall, why: str
) -> None:
    assert why in await denied(desk.calls, bot, wanted)
    assert await log(database, "call_intended", "request_opened") == []
    assert len(await log(database, "call_denied")) == 1


async def test_what_assent_adds_itself_is_not_asked_of_the_agent(desk: Desk, bot: Agent) -> None:
    assert (await admitted(desk.calls, bot, send(5))).arguments == {"amount": 5}
    pay = "  pay: {url: 'https://pay.example/mcp'}\n"
    text = "version: 1\nupstreams:\n" + pay + "rules:\n  - {name: all, tool: 'pay__*', action: allow}\n"
    await in_force(desk, text=text)
    assert "request_key is missing" in await denied(desk.calls, bot, send(5))


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (call(tool("read_other"), path="/a"), "files does not list files__read_other now."),
        (call(tool("read", of="gone")), "the rules in force name no upstream 'gone'."),
        (call(replace(READ, method=Method.PROMPT), path="/a"), "does not list files:prompts/read_text now."),
        (replace(call(READ, path="/a"), definition_sha256="0" * 64), "was accepted anew since it was listed"),
        (replace(call(READ, path="/a"), definition_sha256=None), "was accepted anew since it was listed"),
    ],
)
async def test_what_is_not_listed_as_it_is_called_is_turned_away(
    desk: Desk, database: Database, bot: Agent, wanted: GovernedCall, why: str
) -> None:
    assert why in await denied(desk.calls, bot, wanted)
    assert await log(database, "call_intended", "request_opened") == []
    assert len(await log(database, "call_denied")) == 1


async def test_an_upstream_that_the_rules_name_no_more_is_closed(desk: Desk, bot: Agent) -> None:
    await in_force(desk, text="version: 1\nrules:\n  - {name: all, tool: 'ask_*', action: hold}\n")
    assert await denied(desk.calls, bot, call(READ, path="/a")) == "the rules in force name no upstream 'files'."


async def test_nothing_is_sent_by_rules_that_nobody_can_read(
    desk: Desk, database: Database, bot: Agent, home: Path
) -> None:
    await admitted(desk.calls, bot, call(READ, path="/before"))
    tampered(home, text_of("{name: all}"))
    with pytest.raises(PolicyUnreadable):
        await desk.calls.admit(bot, call(READ, path="/a"), None)
    assert len(await log(database, "call_intended", "call_denied")) == 1


async def test_a_call_of_a_known_client_id_is_the_same_call(desk: Desk, bot: Agent) -> None:
    first = await desk.calls.admit(bot, send(500), "one")
    assert await desk.calls.admit(bot, send(500), "one") != first
    again: Any = await desk.calls.admit(bot, send(501), "one")
    assert "the call 'one' was used for another" in again.why


async def test_the_whole_story_verifies(desk: Desk, database: Database, bot: Agent) -> None:
    going = await admitted(desk.calls, bot, call(READ, path="/a"))
    await desk.calls.finish(going.call_id, returned())
    await admitted(desk.calls, bot, call(WRITE, path="/a"))
    await admitted(desk.calls, bot, reading())
    await admitted(desk.calls, bot, call(GREETING, to="you"))
    await admitted(desk.calls, bot, send(9.5))
    await denied(desk.calls, bot, call(DROP))
    await held(desk.calls, bot, send(500))
    await desk.calls.observe(upstream(), [replace(READ, content={**READ.content, "description": "More."}), WRITE])
    await held(desk.calls, bot, call(READ, path="/b"))
    assert desk.log.verify().open_requests == 2


async def test_another_agents_claims_change_nothing(
    desk: Desk, database: Database, bot: Agent, other_bot: Agent
) -> None:
    await in_force(desk, "{name: mine, tool: 'files__*', agent: deploy-bot, action: allow}")
    await admitted(desk.calls, bot, call(READ, path="/a"))
    await held(desk.calls, other_bot, call(READ, path="/a"))


async def test_a_prompt_and_a_tool_of_one_content_take_each_their_own_arguments(desk: Desk, bot: Agent) -> None:
    content = {"name": "twin", "arguments": [{"name": "to", "required": True}], "inputSchema": {"type": "object"}}
    as_tool, as_prompt = (Definition("more", method, "twin", content) for method in (Method.TOOL, Method.PROMPT))
    text = text_of("{name: all, tool: ['more__*', 'more:*'], action: allow}")
    text = text.replace("rules:", "  more: {command: more}\nrules:")
    await in_force(desk, text=text)
    await desk.calls.observe(upstream("more", text), [as_tool, as_prompt])
    await admitted(desk.calls, bot, call(as_tool))
    assert "to is missing" in await denied(desk.calls, bot, call(as_prompt))
