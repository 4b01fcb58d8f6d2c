"""What agents are answered: an upstream's result as it came, or why there is none. Values in, values out.

An upstream's result is passed on as it is. Whatever is Assent's own to say is an error result of a tool, whose text is
JSON with the fields that every question answers with; of a prompt or a resource it is a protocol error with the same
fields as its data.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import mcp_types as types
from mcp.shared.exceptions import MCPError

from server.caller import without_protocol
from store.audit.events import CallEnd
from store.calls.calls import Ended
from store.calls.definitions import Method

NOT_PERMITTED = -32003
"""The protocol error by which a prompt or a resource is withheld; its data say why."""

Wire = dict[str, Any]
_ERROR = "error"
_META = "_meta"


def error_result(text: str) -> types.CallToolResult:
    """A tool's error, in words."""
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)


def withheld(method: Method, tool: str, fields: Mapping[str, Any]) -> types.CallToolResult:
    """The answer to a call that did not run. `fields` are those of section "The tools" of the contract.

    Raises:
        MCPError: it was no tool; prompts and resources have no error results.
    """
    said = {**fields, "tool": tool}
    if method is not Method.TOOL:
        raise MCPError(NOT_PERMITTED, str(fields["next"]), said)
    # No structured content: it would have to fit the tool's own output schema, and clients refuse what does not.
    return error_result(json.dumps(said, ensure_ascii=False))


def denied(method: Method, tool: str, why: str) -> types.CallToolResult:
    """The answer to a call that was turned away before anybody was asked.

    Raises:
        MCPError: it was no tool.
    """
    nobody: Wire = dict.fromkeys(("request_id", "review_url", "comment", "decided_by", "decided_at", "audit"))
    fields = {"status": "denied", "may_proceed": False, "next": why, **nobody, "waited_seconds": 0.0}
    return withheld(method, tool, fields)


def passed_on(method: Method, tool: str, ended: Ended, *, modern: bool) -> Wire | types.CallToolResult:
    """What the upstream answered, for a caller of either era; or, in words, why it did not.

    Raises:
        MCPError: the upstream answered with an error of the protocol; or nothing came back and it was no tool.
    """
    if ended.end is CallEnd.RETURNED and ended.result is not None:
        raise_error(ended.result)
        return _shaped(method, ended.result, modern=modern)
    text = f"{tool}: {_why(ended)}"
    if method is not Method.TOOL:
        raise MCPError(types.INTERNAL_ERROR, text)
    return error_result(text)


def as_tool_result(method: Method, tool: str, ended: Ended, *, modern: bool) -> Wire | types.CallToolResult:
    """The same, for whoever reads it with `await_review`: also of a prompt or a resource, then as JSON text."""
    if method is Method.TOOL:
        return passed_on(method, tool, ended, modern=modern)
    try:
        found = passed_on(method, tool, ended, modern=modern)
    except MCPError as error:
        return error_result(error.message)
    return types.CallToolResult(content=[types.TextContent(text=json.dumps(found, ensure_ascii=False))])


def error_of(error: MCPError) -> Wire:
    """An upstream's error of the protocol, as what it answered.

    All but the one that says that Assent withheld something and that nothing was sent: no upstream can say that.
    """
    kept: Wire = error.error.model_dump(mode="json", exclude_none=True)
    return {_ERROR: kept | ({"code": types.INTERNAL_ERROR} if kept["code"] == NOT_PERMITTED else {})}


def is_error(result: Mapping[str, Any]) -> bool:
    """Whether this answer says that the call failed, in either of the two ways."""
    return result.get("isError") is True or _is_protocol_error(result)


def raise_error(result: Mapping[str, Any]) -> None:
    """Do nothing, unless the answer is an error of the protocol.

    Raises:
        MCPError
    """
    if _is_protocol_error(result):
        _raise(result[_ERROR])


def cleaned(result: Wire) -> Wire:
    """An upstream's result without what its `_meta` says of the connection to it."""
    meta = result.get(_META)
    if not isinstance(meta, dict):
        return result
    kept = without_protocol(meta)
    rest = {key: value for key, value in result.items() if key != _META}
    return {**rest, _META: kept} if kept else rest


def size_of(result: Wire) -> int:
    """How long a result is on the wire, in bytes."""
    return len(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def _is_protocol_error(result: Mapping[str, Any]) -> bool:
    return set(result) == {_ERROR}


def _raise(error: Mapping[str, Any]) -> NoReturn:
    raise MCPError(error["code"], error["message"], error.get("data"))


def _shaped(method: Method, result: Mapping[str, Any], *, modern: bool) -> Wire:
    shaped = dict(result)
    if modern:
        shaped["resultType"] = "complete"
        if method is Method.RESOURCE:
            # What the newer protocol asks of every result that may be kept; an older upstream says nothing of it.
            shaped = {"ttlMs": 0, "cacheScope": "private", **shaped}
    elif method is Method.TOOL and not isinstance(shaped.get("structuredContent", {}), dict):
        # The older protocol knows objects only. The same stands in the text.
        del shaped["structuredContent"]
    return shaped


def _why(ended: Ended) -> str:
    if ended.why is not None:
        return ended.why
    match ended.end:
        case CallEnd.UNKNOWN:
            return (
                "nobody knows whether this took effect: the server ended while the call was on its way. Do not call "
                "it again before you, or your user, have looked."
            )
        case CallEnd.CANCELLED:
            if not ended.sent:
                return "the call was cancelled before it was sent; nothing ran"
            return "the call was cancelled while it was on its way; it may have taken effect"
        case CallEnd.FAILED:
            return "the upstream failed; whether the call took effect is not known"
        case CallEnd.RELEASED:
            return "your own client was told that it may run; what came of it only your client knows"
        case CallEnd.RETURNED:
            return "it ran; what it returned was not kept"
