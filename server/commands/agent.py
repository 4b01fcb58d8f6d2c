"""`assent agent …`: the programs that ask."""

import sys
from typing import Annotated

import anyio
from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from store.agents import Agent
from store.problems import Problem

agent = App(name="agent", help="Agents: the programs that ask.")


@agent.command
def add(
    name: str,
    /,
    *,
    owner: Annotated[str | None, Parameter(help="The person who answers for it: an account, if it has one.")] = None,
    workflow: Annotated[str | None, Parameter(help="What its requests are grouped under.")] = None,
    shared: Shared = NO_FLAGS,
) -> None:
    """Print a new token for an agent. It is shown once; an agent that exists already gets a further one."""
    with opened(shared.settings()) as records:

        async def added() -> tuple[str, bool]:
            _, token = await records.agents.add(name, owner=owner, workflow=workflow)
            return token, owner is None or await records.people.find(owner) is not None

        token, known = anyio.run(added)
    if not known:
        print(f"warning: there is no account named {owner}; no rule can hold it to that name", file=sys.stderr)
        print(f"hint: assent user invite {owner}, or: assent agent owner {name} PERSON", file=sys.stderr)
    shared.answer({"token": token}, token)


@agent.command(name="owner")
def change_owner(name: str, person: str, /, *, shared: Shared = NO_FLAGS) -> None:
    """Let another person, who has an account, answer for an agent."""
    with opened(shared.settings()) as records:

        async def changed() -> Agent:
            return await records.agents.change_owner(name, person, by=None)

        agent = anyio.run(changed)
    shared.answer(_row(agent), f"{agent.name} belongs to {agent.owner} now")


@agent.command(name="list")
def list_(*, shared: Shared = NO_FLAGS) -> None:
    """Name every agent."""
    with opened(shared.settings()) as records:
        agents = anyio.run(records.agents.list)
    shared.answer([_row(a) for a in agents], "\n".join(_line(a) for a in agents) or "no agents yet: assent client NAME")


@agent.command
def revoke(name: str, /, *, shared: Shared = NO_FLAGS) -> None:
    """Take an agent's tokens away. What it asked stays in the history."""
    with opened(shared.settings()) as records:
        known = anyio.run(records.agents.revoke, name)
    if not known:
        raise Problem(f"there is no agent named {name} to revoke", "name one of: assent agent list")
    shared.answer({"revoked": name}, f"{name} is revoked: its tokens open nothing any more")


def _line(agent: Agent) -> str:
    notes = [
        f"owner {agent.owner}" if agent.owner else "",
        f"workflow {agent.workflow}" if agent.workflow else "",
        f"last asked {agent.last_asked_at:%Y-%m-%d %H:%M} UTC" if agent.last_asked_at else "has never asked",
        "revoked" if agent.revoked_at else "",
    ]
    return f"{agent.name}  " + ", ".join(note for note in notes if note)


def _row(agent: Agent) -> dict[str, object]:
    return {
        "name": agent.name,
        "owner": agent.owner,
        "workflow": agent.workflow,
        "created_at": agent.created_at.isoformat(),
        "last_asked_at": agent.last_asked_at.isoformat() if agent.last_asked_at else None,
        "revoked_at": agent.revoked_at.isoformat() if agent.revoked_at else None,
    }
