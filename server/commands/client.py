"""`assent client NAME`: what to paste into an MCP client."""

from dataclasses import asdict
from typing import Annotated

import anyio
from cyclopts import Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.config import Settings
from server.connect import CLIENTS, Client, Way, bridge_command
from server.problem import UsageProblem
from server.process import recorded
from store.agents import Agent


def client(
    name: str,
    /,
    *,
    agent: Annotated[str | None, Parameter(help="The name under which reviewers see it; else the client's.")] = None,
    http: Annotated[bool, Parameter(help="Connect by HTTP instead of the bridge.", negative=())] = False,
    shared: Shared = NO_FLAGS,
) -> None:
    """Print what to paste into a client, with a new token, and the setting that makes it wait for a person.

    A client on this machine starts the bridge. With --http, or where the server has a public address, it connects by
    HTTP. The token is shown this once.
    """
    chosen = CLIENTS.get(name)
    if chosen is None:
        raise UsageProblem(f"there is no recipe for {name}", f"name one of: {', '.join(CLIENTS)}")
    settings = shared.settings()
    if http and not chosen.by_http:
        raise UsageProblem(f"{chosen.title} takes no HTTP server with a token", "leave --http out")
    way = way_to(settings, chosen, agent or chosen.agent, by_http=http or settings.public_url is not None)
    paste = chosen.paste(way)
    shared.answer(
        {"client": name, "agent": way.agent, "url": way.url or None, "token": way.token or None, **asdict(paste)},
        f"{chosen.title}. Paste this into {paste.where}:\n\n{paste.text}\n\n{paste.waiting}",
    )


def way_to(settings: Settings, chosen: Client, agent: str, *, by_http: bool) -> Way:
    """How this client reaches the server of these settings, with a new token for the agent."""
    with opened(settings) as records:

        async def added() -> tuple[Agent, str]:
            return await records.agents.add(agent)

        _, token = anyio.run(added)
    if not (by_http and chosen.by_http):
        return Way(agent, command=bridge_command(settings.home, agent), token=token)
    running = recorded(settings.home)
    # A port that the system chose is known to the running server alone. Agents go to the address that always resolves.
    base = settings.public_url or (running.endpoint if running else settings.endpoint)
    return Way(agent, url=f"{base}/mcp", token=token)
