"""`assent stdio`: MCP on stdin and stdout. Starts fast: it imports neither the server nor the store's database."""

import signal
from typing import Annotated

import anyio
from cyclopts import Parameter

from server.bridge import relay
from server.commands.options import NO_FLAGS, Shared
from server.destination import chosen


def stdio(
    *,
    agent: Annotated[str, Parameter(help="The name under which reviewers see this agent.")] = "local",
    url: Annotated[str | None, Parameter(help="A server elsewhere; ASSENT_TOKEN opens it.")] = None,
    shared: Shared = NO_FLAGS,
) -> None:
    """Speak MCP on stdin and stdout, for clients that start their servers as programs.

    Starts this home's server in the background when none runs, and leaves it running at the end.
    """
    # An interrupt from the terminal is meant for the client; here there is nothing to clean up, and nothing to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    anyio.run(relay, chosen(shared.settings(), agent=agent, url=url))
