"""What went wrong with an upstream, in words for people. Pure."""

import httpx2
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from server.gateway.http import reason
from server.gateway.wire import Wire
from store.problems import DatabaseProblem, Problem
from store.strict_json import shortened

_QUOTED = 200


def why(problem: BaseException, wire: Wire) -> str:
    """A phrase that goes on from the upstream's name. What it said itself is quoted and short, and nothing else is."""
    return wire.lost if wire.lost is not None else wire.scrubbed(_phrase(problem, wire))


def _phrase(problem: BaseException, wire: Wire) -> str:
    match _first(problem):
        case DatabaseProblem() as first:
            return f"what it has could not be recorded: {first.message}"
        case Problem() as first:
            return f"{first.message}; {first.hint}" if first.hint else first.message
        case MCPError() as first if first.error.message in (wire.suspect, wire.stand_in):
            return first.error.message
        case MCPError() as first:
            return f"it answers with an error: {shortened(first.error.message, _QUOTED)}"
        case ValidationError():
            return "what it answers is not what the protocol demands"
        case TimeoutError():
            return "it did not answer in time"
        case httpx2.TransportError() as first:
            return f"it cannot be reached ({reason(first)})"
        case first:
            return f"it cannot be talked to ({type(first).__name__})"


def _first(problem: BaseException) -> BaseException:
    """The first of several that broke off together."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem
