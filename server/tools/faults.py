"""Bad arguments, told so that a model can mend them: which field, which limit, and an example."""

from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from store.problems import Problem

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
}


class BadArguments(Problem):
    """The call cannot be taken as it is; nothing was posted."""


def from_validation(tool: str, error: ValidationError, model: type[BaseModel]) -> BadArguments:
    """Every fault of the arguments, at most five of them, and an example that works."""
    faults = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        line = f"{_path(fault['loc'])}: {_message(fault['type'], fault['msg'], model)}"
        if line not in faults:
            faults.append(line)
    more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
    return BadArguments("; ".join(faults[:SHOWN_FAULTS]) + more, f"Nothing was posted. An example: {EXAMPLES[tool]}")


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "arguments"


def _message(kind: str, message: str, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        return f"there is no such argument; known are {', '.join(model.model_fields)}"
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ")


def text_of(problem: Problem) -> str:
    """A problem as the text of a tool error."""
    return f"{problem.message}. {problem.hint}" if problem.hint else problem.message
