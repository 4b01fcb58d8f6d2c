"""What an upstream asks while its call is on its way reaches the user of the caller, whatever era either speaks."""

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import mcp_types as types
import pytest
from mcp import MCPError

from store.agents import Agents
from store.audit.events import CallEnd
from store.database import Database
from store.desk import Desk
from store.people import Reviewer
from tests.server.gateway.fronting import ALLOW, Fronted, fronted, recorded_as, said
from tests.server.serving import ERAS, MODERN, beside
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything, over_http

pytestmark = pytest.mark.anyio

EVERY_ERA = [(front, behind) for front in ERAS for behind in ("legacy", "modern")]
HOLD = "  - {name: people decide, tool: 'up__*', action: hold}"


class User:
    """Whoever sits before a client, and says these names one after another; None: they never answer."""

    def __init__(self, *names: str | None) -> None:
        self._names = list(names)
        self.asked: list[str] = []
        self.reached = anyio.Event()

    async def __call__(self, _: Any, params: Any) -> types.ElicitResult | types.ErrorData:
        if isinstance(params, types.ElicitRequestURLParams):
            # The review page is offered to clients that wait for people.
            return types.ElicitResult(action="accept")
        self.asked.append(params.message)
        self.reached.set()
        name = self._names.pop(0)
        if name is None:
            await anyio.sleep_forever()
        if name == "":
            return types.ElicitResult(action="decline")
        return types.ElicitResult(action="accept", content={"name": name})


@pytest.mark.parametrize("held", [False, True], ids=["allowed", "held"])
@pytest.mark.parametrize(("era", "behind"), EVERY_ERA)
async def test_a_question_of_the_upstream_reaches_the_user_and_its_answer_comes_back(
    desk: Desk,
    agents: Agents,
    database: Database,
    token: str,
    ana: Reviewer,
    tmp_path: Path,
    era: str,
    behind: str,
    held: bool,
) -> None:
    user = User("Ana", "", "Ben", "Cyn")
    with over_http("up", tmp_path / "notes", era=behind) as upstream:
        async with (
            fronted(desk, agents, database, tmp_path, upstream, rules=HOLD if held else ALLOW) as front,
            front.client(token, era, elicitation_callback=user) as client,
            anyio.create_task_group() as group,
        ):
            answers = []
            for tool in ("ask_name", "ask_name", "ask_twice"):
                call = beside(group, client.call_tool, f"up__{tool}", {})
                if held:
                    await front.decide(ana)
                with anyio.fail_after(20):
                    await call.done.wait()
                assert not isinstance(call.value, Exception), call.value
                answers.append(said(call.value))
    assert answers == ["accept Ana", "decline", "accept Ben, accept Cyn"]
    assert user.asked == ["Who are you?", "Who are you?", "The first name?", "The second name?"]
    assert len(Notebook(tmp_path / "notes").entries("called", tool="ask_name")) == (2 if behind == "legacy" else 4)


@pytest.mark.parametrize(("era", "behind"), EVERY_ERA)
async def test_where_nobody_can_be_asked_the_upstream_or_the_agent_is_told_and_nothing_hangs(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, era: str, behind: str
) -> None:
    with over_http("up", tmp_path / "notes", era=behind) as upstream:
        async with (
            fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
            front.client(token, era) as client,
        ):
            with anyio.fail_after(20):
                try:
                    result = await client.call_tool("up__ask_name", {})
                except MCPError as error:
                    told = error.error.message
                else:
                    assert result.is_error
                    told = said(result)
    assert "cannot put this question to its user" in told


async def _required(front: Fronted, client: Any, **more: Any) -> types.InputRequiredResult:
    result = await client.session.call_tool("up__ask_name", more, allow_input_required=True)
    assert isinstance(result, types.InputRequiredResult)
    return result


@pytest.mark.parametrize("behind", ["legacy", "modern"])
async def test_the_state_of_a_question_is_good_for_the_same_call_of_the_same_agent_and_once(
    desk: Desk, agents: Agents, database: Database, token: str, other_token: str, tmp_path: Path, behind: str
) -> None:
    user = User()
    ana = {"input": types.ElicitResult(action="accept", content={"name": "Ana"})}
    with over_http("up", tmp_path / "notes", era=behind) as upstream:
        async with (
            fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
            front.client(token, MODERN, elicitation_callback=user) as client,
            front.client(other_token, MODERN, elicitation_callback=user) as other,
        ):
            asked = await _required(front, client)
            assert asked.input_requests is not None
            answers = dict.fromkeys(asked.input_requests, ana["input"])

            async def back(who: Any, tool: str, arguments: dict[str, Any], state: str | None) -> Any:
                return await who.session.call_tool(
                    tool, arguments, input_responses=answers, request_state=state, allow_input_required=True
                )

            for attempt in (
                (other, "up__ask_name", {}, asked.request_state),
                (client, "up__ask_name", {"question": "Other?"}, asked.request_state),
                (client, "up__ask_twice", {}, asked.request_state),
                (client, "up__ask_name", {}, "made up"),
                (client, "up__ask_name", {}, None),
            ):
                refused = await back(*attempt)
                assert refused.is_error, attempt
                assert "belongs to no call" in said(refused)
            assert said(await back(client, "up__ask_name", {}, asked.request_state)) == "accept Ana"
            assert (await back(client, "up__ask_name", {}, asked.request_state)).is_error


@pytest.mark.parametrize("behind", ["legacy", "modern"])
async def test_answers_that_do_not_fit_are_asked_for_again(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, behind: str
) -> None:
    with over_http("up", tmp_path / "notes", era=behind) as upstream:
        async with (
            fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
            front.client(token, MODERN, elicitation_callback=User()) as client,
        ):
            asked = await _required(front, client)
            wrong = {"other": types.ElicitResult(action="accept", content={"name": "Ana"})}
            again = await client.session.call_tool(
                "up__ask_name", {}, input_responses=wrong, request_state=asked.request_state, allow_input_required=True
            )
            assert isinstance(again, types.InputRequiredResult)
            assert again.input_requests == asked.input_requests
            assert again.request_state != asked.request_state


async def test_a_question_that_nobody_comes_back_to_ends_its_call(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.gateway.inputs.PARKED_SECONDS", 0.0)
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path / "notes"), rules=ALLOW) as front,
        front.client(token, MODERN, elicitation_callback=User()) as client,
    ):
        await _required(front, client)
        await recorded_as(desk, CallEnd.CANCELLED)


async def test_an_agent_leaves_so_many_questions_open_and_no_more(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.gateway.inputs.PARKED_AN_AGENT", 2)
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path), rules=ALLOW) as front,
        front.client(token, MODERN, elicitation_callback=User()) as client,
    ):
        await _required(front, client)
        await _required(front, client, question="Really?")
        third = await client.session.call_tool("up__ask_name", {}, allow_input_required=True)
    assert isinstance(third, types.CallToolResult)
    assert third.is_error
    assert "2 questions" in said(third)


async def test_a_user_who_takes_their_time_does_not_use_up_the_upstreams(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Path
) -> None:
    slow = anyio.Event()

    async def answer(_: Any, params: Any) -> types.ElicitResult:
        await anyio.sleep(1.5)
        slow.set()
        return types.ElicitResult(action="accept", content={"name": "Ana"})

    upstream = everything("up", tmp_path, timeout_seconds=1, era="legacy")
    async with (
        fronted(desk, agents, database, tmp_path, upstream, rules=ALLOW) as front,
        front.client(token, "legacy", elicitation_callback=answer) as client,
    ):
        result = await client.call_tool("up__ask_name", {})
    assert slow.is_set()
    assert said(result) == "accept Ana"
