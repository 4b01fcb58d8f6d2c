"""A call as somebody writes it on the command line: a name and its arguments, or a file that holds both."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.problem import UsageProblem
from store.calls.explaining import named
from store.policy.rules import TOOLS
from store.strict_json import NotStrictJson, read_strict_json, shortened

LONGEST = 1024 * 1024
_KEYS = ("tool", "arguments", "agent", "workflow")
_FORMS = (
    f"name {', '.join(TOOLS)}, upstream__tool, upstream:prompts/NAME, upstream:resources or claude_code:TOOL; "
    "or a JSON file, or -"
)


@dataclass(frozen=True)
class WantedCall:
    tool: str
    arguments: Mapping[str, Any]
    agent: str
    workflow: str | None


def wanted_call(call: str, *, agent: str | None, workflow: str | None, args: str | None) -> WantedCall:
    """What was meant; the flags win over the file.

    Raises:
        UsageProblem
    """
    written = _written(call)
    given: dict[str, Any] = {"tool": call} if written is None else _object(written, "the call")
    if unknown := [key for key in given if key not in _KEYS]:
        raise UsageProblem(f"a call has no {shortened(unknown[0])}", f"its keys are {', '.join(_KEYS)}")
    given |= {key: value for key, value in (("agent", agent), ("workflow", workflow)) if value is not None}
    if args is not None:
        given["arguments"] = _object(args.encode("utf-8", "surrogateescape"), "--args")
    tool, arguments = given.get("tool"), given.get("arguments", {})
    if not isinstance(tool, str) or not _is_name(tool):
        raise UsageProblem(f"{name_shown(tool)} is no tool that rules know", _FORMS)
    if not isinstance(arguments, dict):
        raise UsageProblem("the arguments are no JSON object", 'give {"name": value}')
    if not isinstance(given.get("agent"), str):
        raise UsageProblem("nobody calls this", "name an agent with --agent, or as agent in the file")
    if not isinstance(given.get("workflow"), str | None):
        raise UsageProblem("the workflow is no text", "name one, or leave it out")
    return WantedCall(tool, arguments, given["agent"], given.get("workflow"))


def name_shown(name: object) -> str:
    """A name that somebody gave, short and in quotes."""
    return shortened(name if isinstance(name, str) else repr(name))


def _is_name(tool: str) -> bool:
    try:
        return tool in TOOLS or bool(named(tool))
    except ValueError:
        return False


def _written(call: str) -> bytes | None:
    """What the file or stdin holds; None where `call` is a name."""
    if call == "-":
        return sys.stdin.buffer.read(LONGEST + 1)
    if _is_name(call) and not Path(call).is_file():
        return None
    try:
        with Path(call).open("rb") as file:
            return file.read(LONGEST + 1)
    except FileNotFoundError:
        raise UsageProblem(f"{name_shown(call)} is no tool that rules know, and no file", _FORMS) from None
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or "it is no name of a file"
        raise UsageProblem(f"{name_shown(call)} cannot be read: {why}", _FORMS) from None


def _object(written: bytes, what: str) -> dict[str, Any]:
    if len(written) > LONGEST:
        raise UsageProblem(f"{what} is longer than {LONGEST // 1024 // 1024} MiB", "give less")
    try:
        value = read_strict_json(written)
    except NotStrictJson as problem:
        raise UsageProblem(f"{what} is no JSON: {problem}", 'give {"name": value}') from None
    if not isinstance(value, dict):
        raise UsageProblem(f"{what} is no JSON object", 'give {"name": value}')
    return value
