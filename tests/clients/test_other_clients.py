"""Whatever client asks, in whatever era and with whatever idea of time: one card, one answer."""

import pytest

from tests.clients.combinations import NODE, PYTHON, Combination
from tests.clients.conftest import NodeSide
from tests.clients.conversation import log_of, the_only_card
from tests.server.house import House, decide

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
ONE_OF_EACH = ["request_opened", "request_closed", "answer_delivered"]
COMBINATIONS = {**PYTHON, **NODE}


@pytest.fixture(params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> Combination:
    return COMBINATIONS[request.param]


@pytest.fixture
def title(request: pytest.FixtureRequest) -> str:
    """A question that no other test asks."""
    name: str = request.node.name
    return name


@pytest.fixture
def side(combination: Combination, request: pytest.FixtureRequest) -> NodeSide | None:
    """Node is looked for only where it is needed: the Python clients are tested whatever the machine has."""
    if combination.sdk == "python":
        return None
    node_side: NodeSide = request.getfixturevalue("node_side")
    return node_side


async def test_an_answer_while_it_waits_is_the_answer_of_its_call(
    house: House, token: str, title: str, combination: Combination, side: NodeSide | None
) -> None:
    talk = combination.talk(side, house.running.endpoint, token, title=title)
    async with house.reviewer() as reviewer, talk as conversation:
        await decide(reviewer, await the_only_card(reviewer, title), decision="approve")
        line = await conversation.next()

    assert (conversation.said, line["result"]["may_proceed"]) == (["ask_approval: answered"], True)
    assert await log_of(house, title) == ONE_OF_EACH


async def test_told_that_the_question_is_still_open_it_waits_on_for_the_same_card(
    house: House, token: str, title: str, combination: Combination, side: NodeSide | None
) -> None:
    talk = combination.talk(side, house.running.endpoint, token, title=title, hold_seconds=0)
    async with house.reviewer() as reviewer, talk as conversation:
        first = await conversation.next()
        await decide(reviewer, await the_only_card(reviewer, title), decision="approve")
        last = await conversation.next()

    assert conversation.said == ["ask_approval: pending", "await_review: answered"]
    assert (first["result"]["may_proceed"], last["result"]["may_proceed"]) == (False, True)
    assert first["result"]["request_id"] == last["result"]["request_id"]
    assert await log_of(house, title) == ONE_OF_EACH


async def test_having_given_up_it_asks_the_same_again_and_finds_the_same_card(
    house: House, token: str, title: str, combination: Combination, side: NodeSide | None
) -> None:
    talk = combination.hasty().talk(side, house.running.endpoint, token, title=title)
    async with house.reviewer() as reviewer, talk as conversation:
        await conversation.next()
        await conversation.next()
        await decide(reviewer, await the_only_card(reviewer, title), decision="reject")
        line = await conversation.next()

    assert conversation.said == ["gave up", "ask_approval: pending", "await_review: answered"]
    assert line["result"]["may_proceed"] is False
    assert await log_of(house, title) == ONE_OF_EACH
