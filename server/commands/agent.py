"""`assent agent …`: the programs that ask."""

import sys
from typing import Annotated

import anyio
from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.problem import UsageProblem
from store.agents import Agent
from store.audit.events import Halting
from store.held_back import Halt
from store.problems import Problem

agent = App(name="agent", help="Agents: the programs that ask.")

Why = Annotated[str | None, Parameter(name="--why", help="What the agent, and people, are told about the reason.")]
All = Annotated[bool, Parameter(name="--all", help="Every agent, and the upstreams' processes.", negative=())]


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


@agent.command
def pause(name: str, /, *, why: Why = None, shared: Shared = NO_FLAGS) -> None:
    """Hold what rules would let through for an agent, until it is resumed. Questions and held calls go on."""
    halt = _held_back(name, Halting.PAUSED, why, shared)
    said = "stopped already, and stays so" if halt.stops else "paused: what rules would let through is held"
    shared.answer(_halt_row(halt), f"{name} is {said}. {_LET_GO} {name}")


@agent.command
def stop(name: str | None = None, /, *, all: All = False, why: Why = None, shared: Shared = NO_FLAGS) -> None:
    """Stop an agent, or everything: nothing more runs, waits end, and running calls are cancelled, within a second."""
    who = _one_or_all(name, all)
    halt = _held_back(who, Halting.STOPPED, why, shared)
    shared.answer(_halt_row(halt), f"{who or 'everything'} is stopped. {_LET_GO} {who or '--all'}")


@agent.command
def resume(name: str | None = None, /, *, all: All = False, shared: Shared = NO_FLAGS) -> None:
    """Let an agent go on that was paused or stopped; or, with --all, everything that was stopped as a whole."""
    who = _one_or_all(name, all)
    with opened(shared.settings()) as records:

        async def resumed() -> tuple[bool, Halt | None]:
            return await records.halts.resume(who, by=None), records.halts.stops().everything

        was_held, everything = anyio.run(resumed)
    if not was_held:
        raise Problem(f"{who or 'everything'} was not held back", "see who is: assent agent list")
    still = "" if everything is None else "; but everything is stopped, and nothing goes on: assent agent resume --all"
    shared.answer({"resumed": who}, f"{who or 'everything'} goes on{still}")


_LET_GO = "Let it go on with: assent agent resume"


def _one_or_all(name: str | None, all_: bool) -> str | None:
    if (name is None) is not all_:
        raise UsageProblem("name one agent, or give --all", "name one of: assent agent list")
    return name


def _held_back(name: str | None, how: Halting, why: str | None, shared: Shared) -> Halt:
    with opened(shared.settings()) as records:

        async def done() -> Halt:
            return await records.halts.hold_back(name, how, by=None, why=why)

        return anyio.run(done)


def _halt_row(halt: Halt) -> dict[str, object]:
    return {
        "agent": halt.agent_name,
        "how": halt.how.value,
        "by": halt.by,
        "at": halt.at.isoformat(),
        "why": halt.why,
    }


def _halt_note(halt: Halt | None) -> str:
    if halt is None:
        return ""
    what = "everything is stopped" if halt.agent_id is None else halt.how.value
    return f"{what} by {halt.by or 'the command line'} since {halt.at:%Y-%m-%d %H:%M} UTC"


def _line(agent: Agent) -> str:
    notes = [
        f"owner {agent.owner}" if agent.owner else "",
        f"workflow {agent.workflow}" if agent.workflow else "",
        f"last called {agent.last_asked_at:%Y-%m-%d %H:%M} UTC" if agent.last_asked_at else "has never called",
        "revoked" if agent.revoked_at else _halt_note(agent.halt),
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
        "halt": None if agent.halt is None else _halt_row(agent.halt),
    }
