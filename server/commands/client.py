"""`assent client NAME`: what to paste into an MCP client, and with `--hooks` what has its own tools ask here."""

from dataclasses import asdict
from typing import Annotated

import anyio
from cyclopts import Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.config import Settings
from server.connect import CLIENTS, Client, Way, bridge_command, hook_command
from server.hooks.settings import HOOKS, HookWay, as_json
from server.problem import UsageProblem
from server.process import recorded
from store.agents import Agent


def client(
    name: str,
    /,
    *,
    agent: Annotated[str | None, Parameter(help="The name under which reviewers see it; else the client's.")] = None,
    http: Annotated[bool, Parameter(help="Connect by HTTP instead of the bridge.", negative=())] = False,
    hooks: Annotated[
        bool, Parameter(help="Print what has the client ask here before it runs tools of its own.", negative=())
    ] = False,
    unattended: Annotated[
        bool, Parameter(help="With --hooks: for runs that end when they would wait, and are resumed.", negative=())
    ] = False,
    shared: Shared = NO_FLAGS,
) -> None:
    """Print what to paste into a client, with a new token, and the setting that makes it wait for a person.

    A client on this machine starts the bridge. With --http, or where the server has a public address, it connects by
    HTTP. The token is shown this once.
    """
    if hooks:
        _print_hooks(name, agent, by_http=http, unattended=unattended, shared=shared)
        return
    if unattended:
        raise UsageProblem("--unattended is about hooks", "add --hooks, or leave it out")
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
    token = _new_token(settings, agent)
    if not (by_http and chosen.by_http):
        return Way(agent, command=bridge_command(settings.home, agent), token=token)
    return Way(agent, url=f"{_base(settings)}/mcp", token=token)


def _print_hooks(name: str, agent: str | None, *, by_http: bool, unattended: bool, shared: Shared) -> None:
    if name not in HOOKS:
        raise UsageProblem(f"no hooks of {name} are known", f"name one of: {', '.join(HOOKS)}")
    if unattended and name != "claude-code":
        raise UsageProblem(f"{name} cannot be told to ask again later", "leave --unattended out")
    settings, known = shared.settings(), agent or name
    # Claude Code posts its hooks itself; the others start a command, which this home's own secret lets in.
    posts = name == "claude-code"
    remote = by_http or settings.public_url is not None
    token = _new_token(settings, known) if posts or remote else None
    command = hook_command(settings.home, name, known, url=_base(settings) if remote else None)
    paste = HOOKS[name](HookWay(_base(settings), command, token, unattended))
    title = "Copilot CLI" if name not in CLIENTS else CLIENTS[name].title
    shared.answer(
        {"client": name, "agent": known, "token": token, **as_json(paste)}, paste.in_words(f"Hooks of {title}")
    )


def _new_token(settings: Settings, agent: str) -> str:
    with opened(settings) as records:

        async def added() -> tuple[Agent, str]:
            return await records.agents.add(agent)

        _, token = anyio.run(added)
    return token


def _base(settings: Settings) -> str:
    """The server's address for agents: the one that always resolves."""
    running = recorded(settings.home)
    # A port that the system chose is known to the running server alone.
    return settings.public_url or (running.endpoint if running else settings.endpoint)
