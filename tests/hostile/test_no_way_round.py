"""An agent that looks for a way round the rules: other names, other methods, other forms of the same call.

Whatever it sends, the upstream does nothing that no rule allows, and each attempt is an entry of the log.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hostile.behind import Agent, Behind, behind, is_refused
from tests.server.serving import ERAS, LEGACY, MODERN

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
RULES = """\
  - {name: reads run, tool: [up__echo, up__surroundings], action: allow}
  - {name: never, tool: "*__drop_database", action: deny, reason: Ask the database team.}
  - {name: no documents, tool: "up:resources", action: deny}
  - {name: no greetings, tool: "up:prompts/*", action: deny}
"""
CYRILLIC_O, WIDE_U, NO_SPACE, LONG_S = "\u043e", "\uff55", "\u200b", "\u017f"
NAMES = [
    "up__drop_database",
    "drop_database",
    "UP__DROP_DATABASE",
    "Up__Drop_Database",
    "up__drop_databa\u017fe",
    f"up__dr{CYRILLIC_O}p_database",
    f"{WIDE_U}p__drop_database",
    f"up__drop_database{NO_SPACE}",
    "up__drop_database ",
    " up__drop_database",
    "up__drop_database\u0000",
    "up__drop_database\n",
    "up_drop_database",
    "up___drop_database",
    "up____drop_database",
    "up__up__drop_database",
    "up:drop_database",
    "up.drop_database",
    "up/drop_database",
    "up::drop_database",
    "up__drop_database__",
    "__drop_database",
    "up:tools/drop_database",
    "up:prompts/greeting",
    "up:resources",
    "../up__drop_database",
    "up__*",
    "*__drop_database",
    "assent__up__drop_database",
    "",
]
PROMPT = {"type": "ref/prompt", "name": "up__greeting"}
URIS = [
    "test://text",
    "TEST://text",
    "test://TEXT",
    "test://text#part",
    "test://text?x",
    "test://notes/7",
    "test://notes/../text",
    "test://notes/%2e%2e/text",
    "test:text",
    "test://notes/7\u200b",
    "up__test://text",
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    with behind(tmp_path_factory.mktemp("behind"), RULES) as found:
        yield found


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def nothing_was_done(scene: Behind) -> bool:
    """Whether the upstream was asked for nothing but what a rule allows."""
    done = [entry for entry in scene.notebook.entries("called") if entry["tool"] not in ("echo", "surroundings")]
    return not done and not scene.notebook.entries("read") and not scene.notebook.entries("prompted")


async def test_what_a_rule_allows_runs_and_is_in_the_log(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        assert await agent.said("up__echo", text="hello") == "hello"

    intended, ended = await scene.entries("call_intended"), await scene.entries("call_ended")
    assert intended[-1]["permission"] == "allowed"
    assert (ended[-1]["call"], ended[-1]["end"]) == (intended[-1]["call"], "returned")


async def test_a_denied_tool_is_denied_in_the_words_of_the_rule(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        told = await agent.told("up__drop_database")

    assert (told["status"], told["may_proceed"]) == ("denied", False)
    assert "Ask the database team." in told["next"]
    assert nothing_was_done(scene)


@pytest.mark.parametrize("name", NAMES)
async def test_no_other_name_reaches_it_and_each_attempt_is_an_entry(scene: Behind, era: str, name: str) -> None:
    before = await scene.denials()
    async with scene.agent(era) as agent:
        message = await agent.call(name)

    assert is_refused(message)
    assert nothing_was_done(scene)
    assert await scene.denials() == before + 1


async def test_the_list_names_only_what_can_be_called_by_that_name(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        tools = [tool["name"] for tool in (await agent.ask("tools/list"))["result"]["tools"]]

    assert len(set(tools)) == len(tools)
    assert {"up__echo", "up__drop_database", "ask_approval"} <= set(tools)
    assert "echo" not in tools


@pytest.mark.parametrize("uri", URIS)
async def test_a_resource_is_no_way_round(scene: Behind, era: str, uri: str) -> None:
    before = await scene.denials()
    async with scene.agent(era) as agent:
        message = await agent.ask("resources/read", uri=uri)

    assert "error" in message, message
    assert nothing_was_done(scene)
    assert await scene.denials() == before + 1


@pytest.mark.parametrize("name", ["up__greeting", "greeting", "UP__GREETING", "up:prompts/greeting", "up__echo"])
async def test_a_prompt_is_no_way_round(scene: Behind, era: str, name: str) -> None:
    before = await scene.denials()
    async with scene.agent(era) as agent:
        message = await agent.ask("prompts/get", name=name, arguments={"name": "Ana"})

    assert "error" in message, message
    assert nothing_was_done(scene)
    assert await scene.denials() == before + 1


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("completion/complete", {"ref": PROMPT, "argument": {"name": "name", "value": "A"}}),
        ("resources/subscribe", {"uri": "test://text"}),
        ("resources/unsubscribe", {"uri": "test://text"}),
        ("tools/run", {"name": "up__drop_database", "arguments": {}}),
        ("up/tools/call", {"name": "drop_database", "arguments": {}}),
        ("tasks/list", {}),
        ("tasks/get", {"taskId": "drop_database"}),
        ("tasks/result", {"taskId": "drop_database"}),
        ("roots/list", {}),
        ("sampling/createMessage", {"messages": [], "maxTokens": 1}),
        ("elicitation/create", {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}),
    ],
)
async def test_no_other_method_reaches_the_upstream(
    scene: Behind, era: str, method: str, params: dict[str, Any]
) -> None:
    async with scene.agent(era) as agent:
        message = await agent.ask(method, **params)

    assert "error" in message, message
    assert nothing_was_done(scene)


async def test_a_call_as_a_task_is_judged_as_the_call_that_it_is(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        denied = await agent.ask("tools/call", name="up__drop_database", arguments={}, task={"ttl": 60_000})
        held = await agent.ask(
            "tools/call", name="up__send_payment", arguments={"to": "Eve", "amount": 1}, task={"ttl": 60_000}
        )

    assert is_refused(denied)
    assert is_refused(held)
    assert nothing_was_done(scene)


async def test_a_task_of_the_extension_is_only_a_way_to_wait(scene: Behind) -> None:
    capabilities: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    async with scene.agent(MODERN) as agent:
        params = {"name": "up__send_payment", "arguments": {"to": "Eve", "amount": 2}}
        message = agent.message("tools/call", params)
        message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities
        headers = {"mcp-method": "tools/call", "mcp-name": "up__send_payment"}
        answer = await agent.post(json.dumps(message).encode(), **headers)
        assert answer.status_code == 200, answer.text

    assert nothing_was_done(scene)


def _batch(agent: Agent) -> bytes:
    params = {"name": "up__drop_database", "arguments": {}}
    echo = {"name": "up__echo", "arguments": {"text": "x"}}
    return json.dumps([agent.message("tools/call", echo), agent.message("tools/call", params)]).encode()


def _twice(agent: Agent, key: str, first: str, second: str) -> bytes:
    """A call in which this key of the parameters stands twice."""
    whole = json.dumps(agent.message("tools/call", {"name": "@", "arguments": {}}))
    return whole.replace('"name": "@"', f'"{key}": {first}, "{key}": {second}').encode()


async def test_a_batch_is_refused_whole(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        answer = await agent.post(_batch(agent), **_headers(agent, "up__echo"))

    assert answer.status_code == 400
    assert nothing_was_done(scene)


async def test_a_call_with_two_names_is_refused(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        body = _twice(agent, "name", '"up__echo"', '"up__drop_database"')
        answer = await agent.post(body, **_headers(agent, "up__echo"))

    assert answer.status_code == 400
    assert nothing_was_done(scene)


@pytest.mark.parametrize("field", ["mcp-name", "mcp-method"])
async def test_headers_that_say_something_else_than_the_body_are_refused(scene: Behind, field: str) -> None:
    other = {"mcp-name": "up__echo", "mcp-method": "tools/list"}
    async with scene.agent(MODERN) as agent:
        headers = _headers(agent, "up__drop_database") | {field: other[field]}
        body = json.dumps(agent.message("tools/call", {"name": "up__drop_database", "arguments": {}})).encode()
        answer = await agent.post(body, **headers)

    assert answer.status_code == 400
    assert nothing_was_done(scene)


def _headers(agent: Agent, name: str) -> dict[str, str]:
    return {} if agent.era == LEGACY else {"mcp-method": "tools/call", "mcp-name": name}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"to": "Eve"},
        {"to": "Eve", "amount": "9"},
        {"to": "Eve", "amount": None},
        {"to": "Eve", "amount": True},
        {"to": "", "amount": 1},
        {"to": ["Eve"], "amount": 1},
        {"to": "Eve", "amount": 1, "currency": "eur"},
        {"to": "Eve", "amount": 1, "tool": "drop_database"},
        {"To": "Eve", "to": "Eve", "amount": 1},
    ],
    ids=str,
)
async def test_arguments_that_the_tool_does_not_take_are_refused_before_anybody_is_asked(
    scene: Behind, era: str, arguments: dict[str, Any]
) -> None:
    before = await scene.denials()
    async with scene.agent(era) as agent:
        message = await agent.call("up__send_payment", **arguments)
        asked = await scene.open_of(agent)

    assert is_refused(message)
    assert asked == []
    assert nothing_was_done(scene)
    assert await scene.denials() == before + 1


async def test_the_upstream_is_told_nothing_that_belongs_to_the_agent(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        params = {"name": "up__surroundings", "arguments": {"a": 1}, "_meta": {"example.com/mine": 1}}
        told = (await agent.ask("tools/call", **params))["result"]["structuredContent"]

    assert told["arguments"] == {"a": 1}
    assert told["meta"]["example.com/mine"] == 1
    assert agent.token not in json.dumps(told)
    assert told["meta"].get("io.modelcontextprotocol/clientInfo", {}).get("name") != agent.client
    assert [name for name in told["environment"] if name.startswith("ASSENT_")] == []


async def test_the_log_of_all_this_is_without_fault(scene: Behind) -> None:
    assert scene.fault() is None
