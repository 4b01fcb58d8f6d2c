"""What the agent's side says of a call by itself is taken in bounds, or not at all."""

import json
from typing import Any

import anyio
import pytest

from server.stating import FACT_LIMIT, FACTS_LIMIT, REASONING, REASONING_LIMIT, stated, stated_in
from store.agents import Agents
from store.calls.calls import Stated
from store.database import Database
from store.desk import Desk
from store.questions import HeldCall
from tests.server.gateway.fronting import ALLOW, fronted
from tests.server.gateway.test_inputs import HOLD
from tests.server.serving import ERAS, beside
from tests.upstreams.running import everything


def test_what_an_agent_says_of_its_call_is_taken_as_it_is() -> None:
    assert stated_in({REASONING: "They asked for it."}) == Stated("They asked for it.", {})
    assert stated("why", {"cwd": "/srv", "mode": "plan"}) == Stated("why", {"cwd": "/srv", "mode": "plan"})


@pytest.mark.parametrize(
    "meta", [None, {}, {REASONING: ""}, {REASONING: " \n"}, {REASONING: 7}, {REASONING: ["a"]}, {REASONING: "\ud800"}]
)
def test_what_is_no_text_is_not_taken(meta: dict[str, Any] | None) -> None:
    assert stated_in(meta) is None


def test_what_is_too_long_is_cut_and_says_so() -> None:
    said = stated("x" * (REASONING_LIMIT + 1), {"cwd": "y" * 1_000})
    assert said is not None
    assert said.reasoning is not None
    assert len(said.reasoning) == REASONING_LIMIT
    assert said.reasoning.endswith("x … (cut: it had 4,001 characters)")
    assert len(said.facts["cwd"]) == FACT_LIMIT
    assert said.facts["cwd"].endswith("y … (cut: it had 1,000 characters)")


def test_at_most_so_many_facts_are_taken_and_none_that_is_no_text() -> None:
    facts = {"number": 1, "empty": "", **{f"fact{n}": "true" for n in range(FACTS_LIMIT + 5)}}
    said = stated(None, facts)
    assert said is not None
    assert list(said.facts) == [f"fact{n}" for n in range(FACTS_LIMIT)]


def test_a_nul_is_shown_in_place_of_ending_the_text() -> None:
    assert stated("a\0b") == Stated("a\N{REPLACEMENT CHARACTER}b", {})


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_it_stands_on_the_card_and_reaches_no_upstream(
    desk: Desk, agents: Agents, database: Database, token: str, tmp_path: Any, era: str
) -> None:
    rules = f"{HOLD.replace('up__*', 'up__echo')}\n{ALLOW.splitlines()[0].replace('up__*', 'up__surroundings')}"
    meta: Any = {REASONING: "They asked for it.", "example.com/else": "kept"}
    async with (
        fronted(desk, agents, database, tmp_path, everything("up", tmp_path / "notes"), rules=rules) as front,
        front.client(token, era) as client,
    ):
        told = await client.call_tool("up__surroundings", {}, meta=meta)
        async with anyio.create_task_group() as group:
            beside(group, client.call_tool, "up__echo", {"text": "a"}, meta=meta)
            question = (await front.server.card()).card.question
            group.cancel_scope.cancel()
    assert isinstance(question, HeldCall)
    assert question.reasoning == "They asked for it."
    assert told.structured_content is not None
    sent = told.structured_content["meta"]
    assert "They asked for it." not in json.dumps(sent)
    assert sent["example.com/else"] == "kept"
