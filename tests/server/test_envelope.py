"""A line becomes the HTTP request that the official server's own checks accept."""

import json
from typing import Any

import pytest
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request, decode_header_value

from server.envelope import (
    NotAMessage,
    cancelled_id,
    header_value,
    is_repeatable,
    is_request,
    is_response,
    modern_headers,
    parsed,
    revision,
    tools_param_headers,
)

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META, **params}}


@pytest.mark.parametrize(
    "message",
    [
        request("tools/list"),
        request("tools/call", name="ask_approval", arguments={}),
        request("tools/call", name="grüße\n", arguments={}),
        request("resources/read", uri="file:///a b"),
        request("prompts/get", name=" edge "),
        request("server/discover"),
    ],
)
def test_the_official_server_agrees_with_the_headers_of_a_modern_request(message: dict[str, Any]) -> None:
    headers = modern_headers(message, "2026-07-28", {})

    assert isinstance(classify_inbound_request(message, headers=headers), InboundModernRoute)


@pytest.mark.parametrize("text", ["plain", "", " edge", "ümlaut", "a\nb", "=?base64?eA==?=", "\ud800"])
def test_any_text_survives_the_way_as_a_header(text: str) -> None:
    value = header_value(text)

    assert value.isascii()
    assert "\n" not in value
    if text != "\ud800":
        assert decode_header_value(value) == text


def test_arguments_that_a_schema_wants_in_headers_are_repeated_there() -> None:
    region = {"type": "string", "x-mcp-header": "Region"}
    schema = {"properties": {"region": region, "deep": {"properties": {"dry": {"x-mcp-header": "Dry"}}}, "other": {}}}
    listed = {"result": {"tools": [{"name": "deploy", "inputSchema": schema}, {"name": "plain", "inputSchema": {}}]}}

    wanted = tools_param_headers(listed)
    call = request("tools/call", name="deploy", arguments={"region": "eu", "deep": {"dry": True}, "other": "x"})
    headers = modern_headers(call, "2026-07-28", wanted["deploy"])

    assert wanted["plain"] == {}
    assert {name: value for name, value in headers.items() if name.startswith("mcp-param-")} == {
        "mcp-param-Region": "eu",
        "mcp-param-Dry": "true",
    }


def test_an_argument_that_is_missing_is_in_no_header() -> None:
    call = request("tools/call", name="deploy", arguments={"region": None})

    assert "mcp-param-Region" not in modern_headers(call, "2026-07-28", {("region",): "Region", ("x", "y"): "Y"})


@pytest.mark.parametrize("listed", [{}, {"result": None}, {"result": {"tools": 3}}, {"result": {"tools": [3, {}]}}])
def test_an_answer_that_lists_no_tools_wants_no_headers(listed: dict[str, Any]) -> None:
    assert tools_param_headers(listed) == {}


@pytest.mark.parametrize(("line", "code"), [(b"{", -32700), (b"\xff", -32700), (b"[]", -32600), (b'"text"', -32600)])
def test_a_line_that_is_no_message_names_the_error_to_answer_with(line: bytes, code: int) -> None:
    with pytest.raises(NotAMessage) as refused:
        parsed(line)

    assert refused.value.code == code


def test_requests_notifications_and_responses_are_told_apart() -> None:
    assert is_request({"id": 0, "method": "ping"})
    assert not is_request({"method": "notifications/initialized"})
    assert not is_request({"id": None, "method": "ping"})
    assert is_response({"id": 1, "result": {}})
    assert not is_response({"id": 1, "method": "ping", "result": {}})


def test_only_a_modern_message_names_its_revision() -> None:
    assert revision(request("tools/list")) == "2026-07-28"
    assert revision({"method": "tools/list", "params": {"_meta": {"progressToken": 1}}}) is None
    assert revision({"method": "tools/list", "params": []}) is None


def test_a_cancellation_names_its_request_or_none() -> None:
    assert cancelled_id({"params": {"requestId": "a"}}) == "a"
    assert cancelled_id({"params": {}}) is None


@pytest.mark.parametrize("tool", ["ask_approval", "ask_selection", "ask_form", "ask_text_input", "await_review"])
def test_asking_may_be_repeated(tool: str) -> None:
    assert is_repeatable(json.loads(json.dumps(request("tools/call", name=tool))))


@pytest.mark.parametrize("tool", ["report_consequence", "payments__send", "upstream__ask_approval", None])
def test_a_tool_that_may_act_is_never_repeated(tool: str | None) -> None:
    assert not is_repeatable(request("tools/call", name=tool))


def test_reading_may_be_repeated() -> None:
    assert is_repeatable(request("tools/list"))
