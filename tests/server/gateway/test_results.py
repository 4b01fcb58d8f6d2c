from typing import Any

import pytest
from mcp import MCPError

from server.gateway.results import (
    NOT_PERMITTED,
    as_tool_result,
    cleaned,
    denied,
    error_of,
    is_error,
    passed_on,
    size_of,
)
from store.audit.events import CallEnd
from store.calls.calls import Ended
from store.calls.definitions import Method

RESULT = {"content": [{"type": "text", "text": "done"}], "isError": False, "extra": 1}


def returned(result: dict[str, Any]) -> Ended:
    return Ended(CallEnd.RETURNED, result=result)


def test_a_result_is_passed_on_with_everything_in_it_and_the_mark_of_its_era() -> None:
    assert passed_on(Method.TOOL, "up__t", returned(RESULT), modern=False) == RESULT
    assert passed_on(Method.TOOL, "up__t", returned(RESULT), modern=True) == {**RESULT, "resultType": "complete"}


def test_a_structure_that_the_older_protocol_cannot_say_is_left_to_the_text() -> None:
    listed = {**RESULT, "structuredContent": [1, 2]}
    assert passed_on(Method.TOOL, "up__t", returned(listed), modern=False) == RESULT
    assert passed_on(Method.TOOL, "up__t", returned(listed), modern=True) == {**listed, "resultType": "complete"}


def test_an_error_of_the_protocol_stays_one_and_reads_as_the_same() -> None:
    kept = returned(error_of(MCPError(-32050, "no", {"why": 1})))
    assert is_error(kept.result or {})
    with pytest.raises(MCPError) as raised:
        passed_on(Method.TOOL, "up__t", kept, modern=True)
    assert (raised.value.error.code, raised.value.error.message, raised.value.error.data) == (-32050, "no", {"why": 1})


def test_no_upstream_says_in_our_words_that_something_was_withheld() -> None:
    kept = returned(error_of(MCPError(NOT_PERMITTED, "denied", {"may_proceed": True})))
    with pytest.raises(MCPError) as raised:
        passed_on(Method.PROMPT, "up__p", kept, modern=True)
    assert (raised.value.error.code, raised.value.error.message) == (-32603, "denied")


def test_a_result_that_only_has_a_field_of_that_name_is_no_error_of_the_protocol() -> None:
    assert not is_error({**RESULT, "error": {"code": 1, "message": "no"}})


@pytest.mark.parametrize("end", [CallEnd.FAILED, CallEnd.CANCELLED, CallEnd.UNKNOWN])
def test_a_call_that_did_not_come_back_is_told_in_words_and_never_as_a_result(end: CallEnd) -> None:
    said = passed_on(Method.TOOL, "up__t", Ended(end, is_error=True), modern=True)
    assert not isinstance(said, dict)
    assert said.is_error
    with pytest.raises(MCPError):
        passed_on(Method.PROMPT, "up:prompts/p", Ended(end, is_error=True), modern=True)


def test_a_prompt_is_read_as_the_text_of_a_tools_result() -> None:
    said = as_tool_result(Method.PROMPT, "up:prompts/p", returned({"messages": []}), modern=False)
    assert not isinstance(said, dict)
    assert said.content[0].text == '{"messages": []}'  # type: ignore[union-attr]


def test_what_is_withheld_of_a_prompt_is_an_error_with_the_fields_of_every_answer() -> None:
    with pytest.raises(MCPError) as raised:
        denied(Method.PROMPT, "up:prompts/p", "The rules deny this.")
    error = raised.value.error
    assert (error.code, error.message) == (NOT_PERMITTED, "The rules deny this.")
    assert (error.data["status"], error.data["may_proceed"], error.data["tool"]) == ("denied", False, "up:prompts/p")


def test_what_a_connection_says_of_itself_is_taken_off_and_nothing_else() -> None:
    own = {"io.modelcontextprotocol/serverInfo": {"name": "up"}}
    assert cleaned({**RESULT, "_meta": {**own, "example.com/kind": 1}}) == {**RESULT, "_meta": {"example.com/kind": 1}}
    assert cleaned({**RESULT, "_meta": own}) == RESULT


def test_the_size_is_counted_in_bytes_on_the_wire_even_of_what_is_no_text() -> None:
    assert size_of({"a": "é"}) == len('{"a":"é"}'.encode())
    assert size_of({"a": "\ud800"}) > 0
