"""`assent hook CLIENT`: may this tool of the client's own run? JSON on stdin, JSON on stdout; fails closed."""

import sys
from typing import Annotated

import anyio
from cyclopts import Parameter
from cyclopts.validators import Number

from server.commands.options import NO_FLAGS, Shared
from server.destination import chosen
from server.hooks.command import BODY_LIMIT, Hook, answered, refused
from server.hooks.refusals import CLIENTS
from server.problem import UsageProblem
from store.problems import Problem

WITHIN_SECONDS = 86_000
"""Under the day that the printed settings give a hook: a client that cuts it off may let the tool run."""


def hook(
    client: str,
    /,
    *,
    agent: Annotated[str | None, Parameter(help="The name under which reviewers see this agent.")] = None,
    url: Annotated[str | None, Parameter(help="A server elsewhere; ASSENT_TOKEN opens it.")] = None,
    within: Annotated[
        int,
        Parameter(help="Seconds after which it is refused; less than the client gives it.", validator=Number(gte=1)),
    ] = WITHIN_SECONDS,
    shared: Shared = NO_FLAGS,
) -> int:
    """Ask whether a tool of the client's own may run: the hook of clients whose hooks are commands.

    Takes what the client's hook writes on stdin, and prints its answer. When the server cannot be asked, or nobody
    decides in time, the tool does not run: exit code 2 with the reason on stderr, or an answer that says so.
    """
    if client not in CLIENTS:
        raise UsageProblem(f"no hooks of {client} are known", f"name one of: {', '.join(CLIENTS)}")
    try:
        destination = chosen(shared.settings(), agent=agent or client, url=url)
        body = sys.stdin.buffer.read(BODY_LIMIT + 1)
        print(anyio.run(answered, Hook(client, within), destination, body), flush=True)
    except Problem as problem:
        return refused(client, f"{problem.message}; {problem.hint}" if problem.hint else problem.message)
    except KeyboardInterrupt:
        return refused(client, "interrupted before anybody decided, so it did not run")
    except Exception as problem:  # noqa: BLE001
        # Whatever it is, the tool does not run: most clients run it after an error of a hook.
        return refused(client, f"the hook failed ({type(problem).__name__}), so it did not run")
    return 0
