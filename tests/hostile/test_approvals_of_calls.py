"""What a person allowed runs once, with what they were shown, for the agent that asked; and nothing else ever does."""

import json
from collections.abc import Iterator

import anyio
import pytest

from tests.hostile.behind import PATIENT, Agent, Behind, Json, behind, gives_no_leave, is_refused
from tests.server.serving import ERAS, LEGACY, MODERN

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
RULES = "  - {name: reads run, tool: [up__echo, up__announce], action: allow}"
PAY = "up__send_payment"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    with behind(tmp_path_factory.mktemp("behind"), RULES) as found:
        yield found


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def paid(scene: Behind, agent: Agent) -> list[Json]:
    """The payments that were made to an account named after this agent."""
    return scene.notebook.entries("paid", to=agent.name)


async def test_an_approved_call_runs_with_exactly_its_arguments_and_returns_what_the_upstream_said(
    scene: Behind, era: str
) -> None:
    async with scene.agent(era, client=PATIENT) as agent, anyio.create_task_group() as group:
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await agent.said(PAY, to=agent.name, amount=5, memo="héllo"))

        group.start_soon(ask)
        await scene.allowed((await scene.opened_by(agent))["request_id"])

    assert answers == [f"sent 5 to {agent.name}"]
    assert paid(scene, agent) == [{"event": "paid", "to": agent.name, "amount": 5, "memo": "héllo"}]


async def test_asked_again_after_its_approval_it_runs_once_and_reading_it_runs_nothing(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await scene.allowed(request_id)
        assert paid(scene, agent) == []

        assert await agent.said(PAY, to=agent.name, amount=5) == f"sent 5 to {agent.name}"
        for _ in range(3):
            again = await agent.call("await_review", request_id=request_id)
            assert again["result"]["content"][0]["text"] == f"sent 5 to {agent.name}"

    assert len(paid(scene, agent)) == 1


async def test_the_same_call_after_that_is_a_new_question(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        first = await agent.pending(PAY, to=agent.name, amount=5)
        await scene.allowed(first)
        await agent.said(PAY, to=agent.name, amount=5)
        second = await agent.pending(PAY, to=agent.name, amount=5)

    assert first != second
    assert len(paid(scene, agent)) == 1


@pytest.mark.parametrize(
    "other",
    [{"amount": 5000}, {"amount": 5.5}, {"amount": -5}, {"amount": 5, "memo": ""}, {"amount": 5, "currency": "EUR"}],
    ids=str,
)
async def test_an_approval_covers_no_other_arguments(scene: Behind, other: Json) -> None:
    async with scene.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await scene.allowed(request_id)
        assert await agent.pending(PAY, to=agent.name, **other) != request_id

    assert paid(scene, agent) == []


async def test_another_agent_has_nothing_of_an_approval(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent, scene.agent(era) as thief:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await scene.allowed(request_id)

        assert is_refused(await thief.call("await_review", request_id=request_id))
        assert is_refused(await thief.call("withdraw_review", request_id=request_id))
        assert await thief.pending(PAY, to=agent.name, amount=5) != request_id
        assert paid(scene, agent) == []
        assert await agent.said(PAY, to=agent.name, amount=5)

    assert len(paid(scene, agent)) == 1


async def test_a_second_connection_of_the_same_agent_in_the_other_era_gets_it_once(scene: Behind) -> None:
    async with scene.agent(LEGACY) as one, scene.agent(MODERN, name=one.name) as other:
        request_id = await one.pending(PAY, to=one.name, amount=5)
        await scene.allowed(request_id)
        answers: list[Json] = []

        async def ask(agent: Agent) -> None:
            answers.append(await agent.call(PAY, to=one.name, amount=5))

        async with anyio.create_task_group() as group:
            for agent in (one, other, one, other):
                group.start_soon(ask, agent)

    assert len(paid(scene, one)) == 1
    assert sum(not is_refused(answer) for answer in answers) >= 1


@pytest.mark.parametrize("readers", [0, 5])
async def test_of_many_calls_that_wait_for_one_approval_one_runs(scene: Behind, readers: int) -> None:
    async with scene.agent() as first:
        request_id = await first.pending(PAY, to=first.name, amount=5)
        async with anyio.create_task_group() as group:

            async def work(reads: bool) -> None:
                async with scene.agent(client=PATIENT, name=first.name) as agent:
                    if reads:
                        await agent.call("await_review", request_id=request_id)
                    else:
                        await agent.call(PAY, to=first.name, amount=5)

            for number in range(10):
                group.start_soon(work, number < readers)
            await scene.allowed(request_id)
        await first.call("await_review", request_id=request_id)

    assert len(paid(scene, first)) == 1
    intended = [entry for entry in await scene.entries("call_intended") if entry["request"] == request_id]
    assert len(intended) == 1


async def test_a_call_a_thousand_times_is_one_card(scene: Behind) -> None:
    async with scene.agent() as agent:
        refused: list[bool] = []
        at_once = anyio.Semaphore(40)

        async def ask() -> None:
            async with at_once:
                refused.append(is_refused(await agent.call(PAY, to=agent.name, amount=5)))

        async with anyio.create_task_group() as group:
            for _ in range(1_000):
                group.start_soon(ask)
        asked = await scene.open_of(agent)

    assert refused == [True] * 1_000
    assert len(asked) == 1
    assert paid(scene, agent) == []


async def test_a_thousand_different_calls_are_twenty_cards_and_the_rest_is_told_why(scene: Behind) -> None:
    async with scene.agent() as agent:
        answers: list[Json] = []

        async def ask(amount: int) -> None:
            answers.append(await agent.call(PAY, to=agent.name, amount=amount))

        async with anyio.create_task_group() as group:
            for amount in range(40):
                group.start_soon(ask, amount)
        for amount in range(40, 1_000):
            await ask(amount)
        asked = await scene.open_of(agent)

    assert len(asked) == 20
    assert all(is_refused(answer) for answer in answers)
    assert "20" in answers[-1]["result"]["content"][0]["text"]
    assert paid(scene, agent) == []


async def test_a_refused_call_does_not_run_and_says_who_why_and_what_not_to_try(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        assert await scene.decide(request_id, "refuse", comment="Not this month.") == 200
        told = await agent.told(PAY, to=agent.name, amount=5)
        # Within a minute it hears the same again, and nobody is asked anew.
        again = await agent.told(PAY, to=agent.name, amount=5)

    assert (told["status"], told["may_proceed"], told["decided_by"]) == ("answered", False, "ada")
    assert told["comment"] == "Not this month."
    assert told["tool"] == PAY
    assert told["next"]
    assert again["request_id"] == request_id
    assert paid(scene, agent) == []


async def test_a_withdrawn_call_can_no_longer_be_allowed(scene: Behind, era: str) -> None:
    async with scene.agent(era) as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await agent.call("withdraw_review", request_id=request_id)

        assert await scene.decide(request_id) == 409
        assert gives_no_leave(await agent.call("await_review", request_id=request_id))

    assert paid(scene, agent) == []


async def test_an_approval_that_nobody_waits_for_runs_nothing_by_itself(scene: Behind) -> None:
    async with scene.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5)
        await scene.allowed(request_id)
        # Something else passes through in the meantime.
        assert await agent.said("up__echo", text="hello") == "hello"

    assert paid(scene, agent) == []


async def test_a_card_that_was_edited_meanwhile_cannot_be_decided_and_what_runs_is_the_new_one(scene: Behind) -> None:
    async with scene.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5000)
        old = (await scene.card(request_id))["card_sha256"]
        arguments = {"to": agent.name, "amount": 50}
        async with scene.reviewer() as reviewer:
            body = {"card_sha256": old, "arguments": arguments}
            edited = await reviewer.post(f"/api/requests/{request_id}/arguments", json=body)
            assert edited.status_code == 200, edited.text

        assert await scene.decide(request_id, card=old) == 409
        await scene.allowed(request_id)
        assert await agent.said(PAY, to=agent.name, amount=5000) == f"sent 50 to {agent.name}"

    assert paid(scene, agent) == [{"event": "paid", **arguments}]


async def test_an_agent_cannot_edit_or_decide_its_own_call(scene: Behind) -> None:
    async with scene.agent() as agent:
        request_id = await agent.pending(PAY, to=agent.name, amount=5000)
        card = (await scene.card(request_id))["card_sha256"]
        headers = {"authorization": f"Bearer {agent.token}", "content-type": "application/json"}
        for path, body in (
            ("arguments", {"card_sha256": card, "arguments": {"to": agent.name, "amount": 1}}),
            ("decision", {"card_sha256": card, "decision": "run"}),
        ):
            answer = await agent.http.post(
                f"/api/requests/{request_id}/{path}", content=json.dumps(body).encode(), headers=headers
            )
            assert answer.status_code in (401, 403), answer.text
        waits = await agent.call("await_review", request_id=request_id)
        assert waits["result"]["structuredContent"]["status"] == "pending"

    assert paid(scene, agent) == []


async def test_the_log_of_all_this_is_without_fault(scene: Behind) -> None:
    assert scene.fault() is None
