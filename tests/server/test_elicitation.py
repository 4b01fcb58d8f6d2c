"""A client that can show pages is offered the review page while it waits; what it says to that decides nothing."""

from typing import Any

import anyio
import mcp_types as types
import pytest

from server.elicitation import offer_page
from store.agents import Agents
from store.answers import Chosen
from store.desk import Desk
from store.people import Reviewer
from tests.server.serving import LEGACY, MODERN, beside, serving
from tests.stage import answered

pytestmark = pytest.mark.anyio

DEPLOY = {"title": "Deploy 1.4 to production?"}
YES = Chosen("approve")


class Pages:
    """A client's way of showing pages, which says the same to every one of them; None: it never says anything."""

    def __init__(self, says: types.ElicitResult | types.ErrorData | None) -> None:
        self._says = says
        self.offered: list[types.ElicitRequestURLParams] = []
        self.asked = anyio.Event()

    async def __call__(self, _: Any, params: Any) -> types.ElicitResult | types.ErrorData:
        self.offered.append(params)
        self.asked.set()
        if self._says is None:
            await anyio.sleep_forever()
        assert self._says is not None
        return self._says


@pytest.fixture
async def token(agents: Agents) -> str:
    _, token = await agents.add("deploy-bot", owner="ana")
    return token


@pytest.mark.parametrize(
    "says",
    [
        types.ElicitResult(action="accept"),
        types.ElicitResult(action="decline"),
        types.ElicitResult(action="cancel"),
        types.ErrorData(code=types.INTERNAL_ERROR, message="no browser here"),
        None,
    ],
    ids=["accept", "decline", "cancel", "an error", "nothing"],
)
async def test_whatever_a_client_says_to_the_page_only_a_person_answers_the_question(
    desk: Desk,
    agents: Agents,
    token: str,
    ana: Reviewer,
    says: types.ElicitResult | types.ErrorData | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages, heard = Pages(says), anyio.Event()

    async def offered(*arguments: Any) -> None:
        await offer_page(*arguments)
        heard.set()

    monkeypatch.setattr("server.tools.calls.offer_page", offered)
    async with (
        serving(desk, agents) as server,
        server.client(token, LEGACY, elicitation_callback=pages) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        with anyio.fail_after(20):
            await (pages.asked if says is None else heard).wait()
        card = await server.card()
        await answered(desk, ana, card.request_id, YES)
        result = await call.result()
    assert (result["status"], result["may_proceed"]) == ("answered", True)
    assert [page.url for page in pages.offered] == [f"http://review.test/requests/{card.request_id}"]


async def test_neither_a_call_that_does_not_wait_nor_one_that_waits_on_offers_a_page(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    pages = Pages(None)
    async with (
        serving(desk, agents) as server,
        server.client(token, LEGACY, elicitation_callback=pages) as client,
        anyio.create_task_group() as group,
    ):
        await client.call_tool("ask_approval", {**DEPLOY, "hold_seconds": 0})
        (card,) = await desk.inbox()
        call = beside(group, client.call_tool, "await_review", {"request_id": card.request_id})
        await server.card()
        await answered(desk, ana, card.request_id, YES)
        await call.result()
    assert pages.offered == []


async def test_in_the_newer_protocol_no_page_is_offered_because_that_would_end_the_wait(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    pages = Pages(types.ElicitResult(action="accept"))
    async with (
        serving(desk, agents) as server,
        server.client(token, MODERN, elicitation_callback=pages) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        await answered(desk, ana, (await server.card()).request_id, YES)
        result = await call.result()
    assert result["may_proceed"] is True
    assert pages.offered == []


async def test_a_client_without_pages_is_offered_none_and_waits_as_ever(
    desk: Desk, agents: Agents, token: str, ana: Reviewer
) -> None:
    async with (
        serving(desk, agents) as server,
        server.client(token, LEGACY) as client,
        anyio.create_task_group() as group,
    ):
        call = beside(group, client.call_tool, "ask_approval", DEPLOY)
        await answered(desk, ana, (await server.card()).request_id, YES)
        assert (await call.result())["may_proceed"] is True
