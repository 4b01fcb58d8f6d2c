"""Whatever client asks, in whatever era and with whatever idea of time: one card, one answer."""

import pytest

from tests.clients.combinations import COMBINATIONS, TASKS, Combination
from tests.clients.conftest import BRIEF, NodeSide
from tests.clients.conversation import log_of, the_only_card
from tests.server.house import House, decide

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
ONE_OF_EACH = ["request_opened", "request_closed", "answer_delivered"]


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
    talk = combination.talk(side, house, token, title=title)
    async with house.reviewer() as reviewer, talk as conversation:
        await decide(reviewer, await the_only_card(reviewer, title), decision="approve")
        line = await conversation.next()

    assert (conversation.said, line["result"]["may_proceed"]) == (["ask_approval: answered"], True)
    assert await log_of(house, title) == ONE_OF_EACH


async def test_told_in_time_that_the_question_is_still_open_it_waits_on_for_the_same_card(
    house: House, token: str, title: str, combination: Combination, side: NodeSide | None
) -> None:
    talk = combination.talk(side, house, token, name=BRIEF, title=title)
    async with house.reviewer() as reviewer, talk as conversation:
        first = await conversation.next()
        await decide(reviewer, await the_only_card(reviewer, title), decision="approve")
        last = await conversation.next()
        while conversation.said[-1] == "await_review: pending":
            last = await conversation.next()

    assert (conversation.said[0], conversation.said[-1]) == (combination.not_yet, combination.in_the_end)
    assert (first["result"].get("may_proceed", False), last["result"]["may_proceed"]) == (False, True)
    assert last["result"]["request_id"] in (first["result"].get("review_url") or first["result"]["statusMessage"])
    assert await log_of(house, title) == ONE_OF_EACH


async def test_having_given_up_it_asks_the_same_again_and_finds_the_same_card(
    house: House, token: str, title: str, combination: Combination, side: NodeSide | None
) -> None:
    talk = combination.hasty().talk(side, house, token, title=title)
    async with house.reviewer() as reviewer, talk as conversation:
        await conversation.next()
        await conversation.next()
        await decide(reviewer, await the_only_card(reviewer, title), decision="reject")
        line = await conversation.next()

    assert conversation.said == ["gave up", combination.not_yet, combination.in_the_end]
    assert line["result"]["may_proceed"] is False
    assert await log_of(house, title) == ONE_OF_EACH


@pytest.fixture
def tasks() -> Combination:
    (combination,) = TASKS.values()
    return combination


async def test_what_a_client_answers_to_its_own_task_is_no_answer_to_the_question(
    house: House, token: str, title: str, tasks: Combination, node_side: NodeSide
) -> None:
    talk = tasks.then("update").talk(node_side, house, token, name=BRIEF, title=title)
    async with house.reviewer() as reviewer, talk as conversation:
        await conversation.next()
        updated = await conversation.next()
        await decide(reviewer, await the_only_card(reviewer, title), decision="reject")
        last = await conversation.next()

    assert conversation.said == [tasks.not_yet, "tasks/update: working", tasks.in_the_end]
    assert ("result" in updated["result"], last["result"]["may_proceed"]) == (False, False)
    assert await log_of(house, title) == ONE_OF_EACH


async def test_a_client_that_cancels_its_task_takes_the_question_back(
    house: House, token: str, title: str, tasks: Combination, node_side: NodeSide
) -> None:
    talk = tasks.then("cancel").talk(node_side, house, token, name=BRIEF, title=title)
    async with house.reviewer() as reviewer, talk as conversation:
        lines = [await conversation.next() for _ in range(3)]
        answer = await reviewer.get("/api/requests", params={"state": "all"})
        cards = [card for card in answer.json()["requests"] if card["title"] == title]

    assert conversation.said == [tasks.not_yet, "tasks/cancel: cancelled", "tasks/get: cancelled"]
    assert [card["outcome"] for card in cards] == ["withdrawn"]
    assert "may_proceed" not in lines[-1]["result"]
