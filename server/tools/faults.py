"""Bad arguments, told so that a model can mend them: which field, which limit, and an example."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from store.problems import Problem
from store.strict_json import shortened

SHOWN_FAULTS = 5

EXAMPLES = {
    "ask_approval": '{"title": "Deploy version 1.4 to production?", "context": "All tests pass.", "risk": "high"}',
    "ask_selection": '{"prompt": "Which region?", "options": [{"id": "eu", "label": "Europe"}, {"id": "us"}]}',
    "ask_form": (
        '{"title": "Database access", "fields": [{"name": "host", "type": "text", "required": true}, '
        '{"name": "password", "type": "password"}]}'
    ),
    "ask_text_input": '{"title": "Reply to the customer", "prefill": "Dear Ana, …", "format": "markdown"}',
    "await_review": '{"request_id": "req_3m5k7q2x4z6a8c9d"}',
    "withdraw_review": '{"request_id": "req_3m5k7q2x4z6a8c9d"}',
    "report_consequence": '{"request_id": "req_3m5k7q2x4z6a8c9d", "result": "deployed, health checks pass"}',
    "read_logs": '{"level": "warning", "since": "2026-11-22T09:00:00Z", "pattern": "deploy", "limit": 20}',
}


class BadArguments(Problem):
    """The call cannot be taken as it is; nothing was posted."""


def from_validation(tool: str, error: ValidationError, model: type[BaseModel]) -> BadArguments:
    """Every fault of the arguments, at most five of them, and an example that works."""
    found = error.errors(include_url=False, include_input=False)
    places = {fault["loc"][:-1] for fault in found if len(fault["loc"]) > 1}
    # Each once, in order; and a list counts as too short only because its items were refused.
    faults = list(
        dict.fromkeys(
            _line(fault, model) for fault in found if fault["type"] != "too_short" or fault["loc"] not in _above(places)
        )
    )
    more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
    return BadArguments("; ".join(faults[:SHOWN_FAULTS]) + more, f"Nothing was posted. An example: {EXAMPLES[tool]}")


def _above(places: set[tuple[int | str, ...]]) -> set[tuple[int | str, ...]]:
    return {place[:depth] for place in places for depth in range(1, len(place) + 1)}


def _line(fault: Mapping[str, Any], model: type[BaseModel]) -> str:
    return f"{_path(fault['loc'])}: {_message(fault, model)}"


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        # What is echoed is the caller's own words: short, and with nothing in them that cannot be seen.
        name = part if isinstance(part, int) or re.fullmatch(r"\w{1,64}", part, re.ASCII) else shortened(part)
        path += f"[{part}]" if isinstance(part, int) else f".{name}" if path else f"{name}"
    return path or "arguments"


def _message(fault: Mapping[str, Any], model: type[BaseModel]) -> str:
    limits = fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden" if len(fault["loc"]) == 1:
            return f"there is no such argument; known are {', '.join(model.model_fields)}"
        case "extra_forbidden":
            return "is not known here; leave it out"
        case "missing":
            return "is required"
        case "too_long":
            return f"at most {limits['max_length']} entries; {limits.get('actual_length') or 'more'} given"
        case "too_short":
            return f"at least {limits['min_length']} entries; {limits.get('actual_length') or 'none'} given"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def text_of(problem: Problem) -> str:
    """A problem as the text of a tool error."""
    return f"{problem.message}. {problem.hint}" if problem.hint else problem.message
