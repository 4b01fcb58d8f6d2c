"""Calls that mean one thing to the rules or on the card, and another one further on.

A number, a name or a path that is read otherwise by somebody down the line would be a way round every rule about it;
and what has no form that all read alike would be a log that nobody can check.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from server.gateway.passing import Errand
from store.agents import Agent, Agents
from store.asking import Ticket
from store.audit.events import CallEnd
from store.calls.calls import Admitted
from store.calls.editing import Edited
from store.database import Database
from store.deciding.decisions import BadAnswer
from store.deciding.governing import Denied
from store.desk import Desk
from store.people import Reviewer
from tests.server.gateway.fronting import ALLOW, fronted
from tests.server.serving import ERAS
from tests.stage import see
from tests.store.calls.held import edit
from tests.store.calls.house import (
    FILES,
    SEND,
    admitted,
    approved,
    call,
    denied,
    held,
    in_force,
    listed,
    reading,
    returned,
    send,
    tool,
    upstream,
)
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything

pytestmark = pytest.mark.anyio

NO_FORM = [1e16, -1e16, 2.0**53, 1e20, 999999999999999868928.0]


@pytest.fixture(autouse=True)
async def the_log_is_without_fault(desk: Desk) -> AsyncIterator[None]:
    yield
    await anyio.to_thread.run_sync(desk.log.verify)


@pytest.mark.parametrize("amount", NO_FORM)
async def test_a_number_that_is_read_back_as_another_kind_of_number_is_refused(
    desk: Desk, bot: Agent, amount: float
) -> None:
    await in_force(desk)
    await listed(desk.calls)

    assert "beyond 9007199254740991" in await denied(desk.calls, bot, send(amount))
    assert "beyond 9007199254740991" in await denied(desk.calls, bot, call(tool("write"), text=[{"x": amount}]))


@pytest.mark.parametrize("amount", [1e21, 1.7e308, 9007199254740991.0, 12.5, 500.0])
async def test_any_other_number_is_held_approved_and_sent_and_the_log_stays_good(
    desk: Desk, bot: Agent, ana: Reviewer, amount: float
) -> None:
    await in_force(desk)
    await listed(desk.calls)

    request_id = await approved(desk, bot, ana, send(amount))
    begun = await desk.calls.begin(bot, request_id)

    assert isinstance(begun, Admitted)
    assert begun.arguments == {"amount": amount}
    await desk.calls.finish(begun.call_id, returned())


@pytest.mark.parametrize("amount", NO_FORM)
async def test_no_reviewer_puts_such_a_number_on_a_card(desk: Desk, bot: Agent, ana: Reviewer, amount: float) -> None:
    await in_force(desk)
    await listed(desk.calls)
    ticket = await held(desk.calls, bot, send(500))
    await see(desk, ana, ticket.request_id)

    assert isinstance(await edit(desk, ana, ticket.request_id, {"amount": amount}), BadAnswer)
    assert isinstance(await edit(desk, ana, ticket.request_id, {"amount": 1e21}), Edited)


async def test_a_definition_with_such_a_number_is_left_out_and_takes_no_other_along(desk: Desk, bot: Agent) -> None:
    await in_force(desk)
    odd = tool("odd", properties={"x": {"type": "number", "maximum": 1e16}})

    await desk.calls.observe(upstream("files"), (*FILES, odd))

    names = {one.definition.name for one in await desk.calls.definitions()}
    assert names == {one.name for one in FILES}
    assert await desk.calls.unaccepted() == 0
    await admitted(desk.calls, bot, call(path="/a"))


async def test_what_a_number_is_written_like_changes_nothing_for_a_rule(desk: Desk, bot: Agent) -> None:
    # To CEL 3.0 / 2 is 1.5 and 3 / 2 is 1: the log has 3, and must come to what was judged.
    await in_force(desk, "{name: half, tool: pay__send, when: 'args.amount / 2 == 1', action: allow}")
    await listed(desk.calls)

    found = [await admitted(desk.calls, bot, send(amount)) for amount in (3, 3.0)]

    assert [repr(one.arguments) for one in found] == ["{'amount': 3}"] * 2


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_sent_is_to_the_letter_what_was_judged(
    desk: Desk, agents: Agents, database: Database, tmp_path: Path, era: str
) -> None:
    _, token = await agents.add("bot")
    behind = everything("up", tmp_path / "notebook")
    rules = "  - {name: stores, tool: up__store, action: allow}"
    async with (
        fronted(desk, agents, database, tmp_path, behind, rules=rules) as scene,
        scene.client(token, era) as client,
    ):
        await client.call_tool("up__store", {"a": -0.0, "b": [2.0, {"c": 1.50}]})

    (stored,) = Notebook(tmp_path / "notebook").entries("stored")
    assert repr(stored["arguments"]) == "{'a': 0, 'b': [2, {'c': 1.5}]}"


@pytest.mark.parametrize("name", ["Amount", "AMOUNT", "amount ", "\uff41mount"])
async def test_an_argument_that_looks_like_the_one_that_a_rule_is_about_is_no_way_round_it(
    desk: Desk, bot: Agent, name: str
) -> None:
    await in_force(
        desk,
        "{name: large, tool: pay__send, args: {amount: {gt: 10}}, action: hold}",
        "{name: all, tool: pay__send, action: allow}",
    )
    await listed(desk.calls)

    for arguments in ({"amount": 1, name: 5000}, {name: 5000}):
        assert isinstance(await desk.calls.admit(bot, call(SEND, **arguments), None), Denied)
    await admitted(desk.calls, bot, send(1))


@pytest.mark.parametrize(
    "path", ["/srv/data/../../etc/passwd", "/srv/data/%2e%2e/x", "/srv/data/..\\x", "/srv/data/.."]
)
async def test_a_path_that_goes_back_out_of_a_permitted_folder_is_held(desk: Desk, bot: Agent, path: str) -> None:
    await in_force(
        desk,
        "{name: reads, tool: files__read_text, args: {path: {glob: '/srv/data/*'}}, action: allow}",
        "{name: notes, tool: 'files:resources', args: {uri: {matches: 'file:///srv/data/.*'}}, action: allow}",
    )
    await listed(desk.calls)

    await held(desk.calls, bot, call(path=path))
    await held(desk.calls, bot, reading(f"file://{path}"))
    await admitted(desk.calls, bot, call(path="/srv/data/a..b/c"))
    await admitted(desk.calls, bot, reading("file:///srv/data/a"))


async def test_of_calls_at_once_no_more_pass_than_a_budget_has(desk: Desk, bot: Agent) -> None:
    await in_force(
        desk,
        "{name: some, tool: pay__send, action: allow, budget: {sum: args.amount, per: day, max: 10}, rate: 7/day}",
    )
    await listed(desk.calls)
    found: list[object] = []

    async def ask(number: int) -> None:
        found.append(await desk.calls.admit(bot, send(2, to=f"account {number}"), None))

    async with anyio.create_task_group() as group:
        for number in range(12):
            group.start_soon(ask, number)

    assert sum(isinstance(one, Admitted) for one in found) == 5
    assert sum(isinstance(one, Ticket) for one in found) == 7


async def test_what_was_let_through_to_one_launch_line_is_not_sent_to_another(
    desk: Desk, agents: Agents, database: Database, tmp_path: Path
) -> None:
    # New rules are in force from the moment of their write, and the upstreams follow them a moment later.
    bot, _ = await agents.add("bot")
    behind = everything("up", tmp_path / "notebook")
    async with fronted(desk, agents, database, tmp_path, behind, rules=ALLOW) as scene:
        known = scene.listing.tools["up__echo"].definition
        going = await admitted(desk.calls, bot, call(known, text="x"))
        assert scene.server.gateway is not None
        for launch, end in (("another", CallEnd.FAILED), (going.launch_sha256, CallEnd.RETURNED)):
            errand = Errand(scene.server.gateway.passing, bot, replace(going, launch_sha256=launch))
            await errand.run()
            ended = errand.came_of_it()
            assert (ended.end, ended.sent) == (end, end is CallEnd.RETURNED)

    assert len(Notebook(tmp_path / "notebook").entries("called")) == 1
