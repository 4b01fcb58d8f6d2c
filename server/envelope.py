"""What a JSON-RPC line on stdin becomes as an HTTP request to an MCP server. Pure: values in, values out.

Two eras of the protocol differ here. A request of 2026-07-28 or later names its revision in its own `_meta`, and HTTP
repeats revision, method and name in headers that the server compares with the body. An older client negotiated once,
in `initialize`, and its requests carry the session's headers instead.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Message = dict[str, Any]
MessageId = int | str
ParamHeaders = Mapping[tuple[str, ...], str]

VERSION_META = "io.modelcontextprotocol/protocolVersion"
VERSION_HEADER = "mcp-protocol-version"
METHOD_HEADER = "mcp-method"
NAME_HEADER = "mcp-name"
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
CONNECTION_CLOSED = -32000
AGENT_STOPPED = "agent_stopped"
"""How the server marks, in an error's data, that people stopped the agent."""

REPEATABLE_TOOLS = frozenset(
    {"ask_approval", "ask_selection", "ask_form", "ask_text_input", "await_review", "withdraw_review", "read_logs"}
)
"""Asking again re-attaches to the open request; the others read it or end it. Any other tool may act twice."""

_HEADER_SAFE = re.compile(r"[\x20-\x7E]*")
_SENTINEL = re.compile(r"=\?base64\?.*\?=")


class NotAMessage(ValueError):
    """A line that is no JSON-RPC message; `code` is the JSON-RPC error to answer with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def parsed(line: bytes) -> Message:
    """The message in a line. Raises NotAMessage."""
    try:
        message = json.loads(line)
    except ValueError as error:
        raise NotAMessage(PARSE_ERROR, f"this line is not JSON: {error}") from None
    if isinstance(message, list):
        raise NotAMessage(INVALID_REQUEST, "batches are not supported: send one message a line")
    if not isinstance(message, dict):
        raise NotAMessage(INVALID_REQUEST, "a message is a JSON object")
    return message


def message_id(message: Message) -> MessageId | None:
    found = message.get("id")
    return found if isinstance(found, int | str) else None


def is_request(message: Message) -> bool:
    return isinstance(message.get("method"), str) and message_id(message) is not None


def is_response(message: Message) -> bool:
    return "method" not in message and ("result" in message or "error" in message)


def revision(message: Message) -> str | None:
    """The revision that a modern message names for itself; None in the older era."""
    meta = params(message).get("_meta")
    named = meta.get(VERSION_META) if isinstance(meta, dict) else None
    return named if isinstance(named, str) else None


def params(message: Message) -> Message:
    found = message.get("params")
    return found if isinstance(found, dict) else {}


def cancelled_id(message: Message) -> MessageId | None:
    """The request that a `notifications/cancelled` names."""
    found = params(message).get("requestId")
    return found if isinstance(found, int | str) else None


def is_repeatable(message: Message) -> bool:
    """Whether a request that may already have been carried out can be sent again without doing anything twice."""
    return message.get("method") != "tools/call" or params(message).get("name") in REPEATABLE_TOOLS


def modern_headers(message: Message, version: str, param_headers: ParamHeaders) -> dict[str, str]:
    """The headers with which a modern request repeats what its body says."""
    method = str(message["method"])
    headers = {VERSION_HEADER: header_value(version), METHOD_HEADER: header_value(method)}
    key = NAMED_BY.get(method)
    name = params(message).get(key) if key else None
    if isinstance(name, str):
        headers[NAME_HEADER] = header_value(name)
    arguments = params(message).get("arguments")
    for path, token in param_headers.items():
        rendered = _rendered(_value_at(arguments, path))
        if rendered is not None:
            headers[f"mcp-param-{token}"] = header_value(rendered)
    return headers


def header_value(value: str) -> str:
    """A text as a header field: as it is where that survives the way, else in the base64 form of the specification."""
    if _HEADER_SAFE.fullmatch(value) and value == value.strip() and not _SENTINEL.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode('ascii')}?="


def tools_param_headers(answer: Message) -> dict[str, ParamHeaders]:
    """From an answer to tools/list: by tool, which arguments its schema (`x-mcp-header`) wants repeated in headers."""
    result = answer.get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    return {
        tool["name"]: dict(_annotated(tool.get("inputSchema"), ()))
        for tool in (tools if isinstance(tools, list) else [])
        if isinstance(tool, dict) and isinstance(tool.get("name"), str)
    }


def error_line(identifier: MessageId | None, code: int, text: str) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": text}})


def _annotated(schema: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(inner, dict):
            continue
        token = inner.get("x-mcp-header")
        if isinstance(token, str):
            yield (*path, name), token
        yield from _annotated(inner, (*path, name))


def _value_at(arguments: object, path: tuple[str, ...]) -> object:
    for key in path:
        arguments = arguments.get(key) if isinstance(arguments, dict) else None
    return arguments


def _rendered(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
