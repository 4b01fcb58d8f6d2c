import json

import pytest
from mcp_types import Tool

from server.tools.catalogue import ALWAYS_LOAD, CATALOGUE
from server.tools.faults import EXAMPLES
from server.tools.results import RESULTS, AnyResult
from store.lifecycle import Kind
from tests.server.serving import ERAS, Serving

pytestmark = pytest.mark.anyio

COMMON = [
    *("context", "reasoning", "evidence", "risk", "workflow", "follows"),
    *("timeout_seconds", "hold_seconds", "idempotency_key"),
]
OWN = {
    "ask_approval": (["title", "description", "options"], ["decision", "approved"]),
    "ask_selection": (["prompt", "options", "mode", "min", "max"], ["selected"]),
    "ask_form": (["title", "description", "fields"], ["values", "credentials"]),
    "ask_text_input": (
        ["title", "description", "prefill", "format", "min_length", "max_length"],
        ["text", "edited"],
    ),
}
EVERY_RESULT = [
    *("status", "may_proceed", "next", "request_id", "review_url", "waited_seconds"),
    *("comment", "decided_by", "decided_at", "audit"),
]
TOOLS = {name: definition.tool() for name, definition in CATALOGUE.items()}


@pytest.mark.parametrize("name", OWN)
def test_a_question_takes_and_answers_exactly_what_is_agreed(name: str) -> None:
    own_arguments, own_results = OWN[name]
    tool = TOOLS[name]
    assert list(tool.input_schema["properties"]) == own_arguments + COMMON
    assert tool.output_schema is not None
    assert list(tool.output_schema["properties"]) == EVERY_RESULT + own_results


def test_awaiting_can_answer_whatever_a_question_can() -> None:
    assert set(AnyResult.model_fields) >= {name for kind in Kind for name in RESULTS[kind].model_fields}


def test_awaiting_promises_no_form_because_an_approved_call_answers_in_its_own() -> None:
    assert TOOLS["await_review"].output_schema is None


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_schemas_are_flat_and_every_argument_of_ours_is_explained(tool: Tool) -> None:
    assert "$ref" not in json.dumps([tool.input_schema, tool.output_schema])
    assert tool.title
    assert tool.description
    plain = {"type", "mode", "format", "label", "name", "id", "text", "url", "required", "min_length", "max_length"}
    unexplained = [
        name
        for name, schema in tool.input_schema["properties"].items()
        if "description" not in schema and name not in plain
    ]
    assert unexplained == []


@pytest.mark.parametrize("name", [*OWN, "await_review"])
def test_the_gates_are_loaded_always_and_never_hidden_behind_a_search(name: str) -> None:
    assert TOOLS[name].meta == ALWAYS_LOAD


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_in_an_error_works(name: str) -> None:
    CATALOGUE[name].arguments.model_validate_json(EXAMPLES[name])


def test_every_tool_has_an_example() -> None:
    assert set(EXAMPLES) == set(CATALOGUE)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_sees_the_tools_and_the_instructions(server: Serving, token: str, era: str) -> None:
    async with server.client(token, era) as client:
        listed = (await client.list_tools()).tools
        instructions = client.instructions
    assert [tool.name for tool in listed] == list(CATALOGUE)
    assert instructions is not None
    assert "Act only if `may_proceed` is true" in instructions
