"""`assent adopt FILE`: the MCP servers of a client's configuration file, moved behind Assent; and back."""

import shlex
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from server import upstream_environment
from server.adopting.adoption import Plan, client_of, plan, read_client_file, shown, standing, where_of
from server.adopting.carrying_out import carry_out, copy_of, read_whole, require_first, take_back
from server.adopting.entries import Entry, Taken
from server.commands.client import way_to
from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.config import Settings
from server.connect import Client, Way, bridge_command
from server.doctor.place import account_name
from server.problem import UsageProblem
from store.policy.file import read_file
from store.problems import Problem


def adopt(
    file: Path,
    /,
    *,
    undo: Annotated[bool, Parameter(help="Put the file back as it was.", negative=())] = False,
    agent: Annotated[str | None, Parameter(help="The name under which reviewers see it; else the client's.")] = None,
    http: Annotated[bool, Parameter(help="Connect by HTTP, with a new token in the file.", negative=())] = False,
    shared: Shared = NO_FLAGS,
) -> None:
    """Move the MCP servers that a client's configuration file names behind Assent, and propose them as upstreams.

    It reads .mcp.json, Claude Desktop's file, VS Code's, Cursor's, Gemini CLI's and Codex's. The file then names Assent
    instead; a copy of it is kept beside it. Nothing runs behind Assent before somebody activates the proposed policy.
    """
    settings = shared.settings()
    # What is replaced must be the file itself, and not a link to it.
    path = file.expanduser().resolve()
    if undo:
        _take_back(settings, path, shared)
    else:
        _adopt(settings, path, agent, http=http, shared=shared)


def _adopt(settings: Settings, path: Path, agent: str | None, *, http: bool, shared: Shared) -> None:
    client = client_of(path)
    if http and not client.by_http:
        raise UsageProblem(f"{client.title} takes no HTTP server with a token", "leave --http out")
    require_first(settings.home, path)
    text = read_whole(path)
    settings.home.create()
    if not http:
        _require_same_owner(settings, path)
    before = standing(
        read_file(settings.policy_file),
        _in_force(settings),
        upstream_environment.read(settings.home.upstreams_env_file),
        settings.policy_file,
    )
    name = agent or client.agent
    read_file_of_client = read_client_file(path, text)
    # Once without a token, so that none is made for what cannot be done.
    planned = plan(read_file_of_client, where_of(path, Path.home()), _entry(settings, client, name), before)
    if http:
        entry = client.entry(way_to(settings, client, name, by_http=True))
        planned = plan(read_file_of_client, where_of(path, Path.home()), entry, before)
    carry_out(settings.home, path, text, planned, settings.policy_file, private=http)
    shared.answer(_data(path, settings, planned), "\n".join(_told(path, settings, planned, name, shared.of_home)))


def _entry(settings: Settings, client: Client, name: str) -> Entry:
    # Without a token, which has no place in a file that a project shares: the bridge has the home's own secret.
    return client.entry(Way(name, command=bridge_command(settings.home, name)))


def _require_same_owner(settings: Settings, path: Path) -> None:
    owner, home_owner = path.stat().st_uid, settings.home.path.stat().st_uid
    if owner != home_owner:
        raise Problem(
            f"{path} belongs to {account_name(owner)}, and the home {settings.home.path} to {account_name(home_owner)}",
            "With --http the client reaches the server by HTTP, with a token of its own; nothing was changed.",
        )


def _in_force(settings: Settings) -> str | None:
    if not settings.database and not settings.home.database_file.exists():
        return None
    with opened(settings) as records:
        activation = anyio.run(records.policies.in_force)
    return None if activation is None else activation.text


def _told(path: Path, settings: Settings, planned: Plan, agent: str, of_home: str) -> list[str]:
    file, copy, policy = settings.home.upstreams_env_file, copy_of(path), settings.policy_file
    lines = [f"{path} names Assent now, as the agent {agent}. Moved behind it:"]
    lines += [_moved(one) for one in (*planned.taken, *planned.reused)]
    if planned.left:
        lines += ["Left there, and so ways round Assent:", *(f"  {shown(one.name)} {one.why}" for one in planned.left)]
    if planned.values:
        lines.append(f"Values of env and headers are in {file}: {', '.join(planned.values)}")
    if planned.missing:
        lines.append(f"Set these in that file, or in the environment of the server: {', '.join(planned.missing)}")
    if planned.taken:
        lines += [
            f"The policy {policy} proposes them. No agent reaches them until you have read and activated it:",
            f"  assent policy check {shlex.quote(str(policy))}{of_home}",
            f"  assent policy activate {shlex.quote(str(policy))}{of_home}",
            "Then every call of them is held for a person. Rules from what their tools say of themselves:",
            *(f"  assent policy suggest {one.upstream.name}{of_home}" for one in planned.taken),
        ]
    lines.append(f"The file as it was is {copy}; it may hold secrets, so keep it out of version control.")
    return [*lines, f"To take all of it back: assent adopt {shlex.quote(str(path))} --undo{of_home}"]


def _moved(one: Taken) -> str:
    renamed = "" if one.name == one.upstream.name else f", there {shown(one.name)}"
    notes = "".join(f"; {note}" for note in one.notes)
    return f"  {one.upstream.name}{renamed}: {one.upstream.launch_line}{notes}"


def _data(path: Path, settings: Settings, planned: Plan) -> dict[str, object]:
    return {
        "file": str(path),
        "copy": str(copy_of(path)),
        "moved": [
            {
                "name": one.name,
                "upstream": one.upstream.name,
                "launch_line": one.upstream.launch_line,
                "notes": list(one.notes),
            }
            for one in (*planned.taken, *planned.reused)
        ],
        "left": [{"name": one.name, "why": one.why} for one in planned.left],
        "policy": str(settings.policy_file),
        "environment": str(settings.home.upstreams_env_file),
        "variables": list(planned.values),
        "missing": list(planned.missing),
    }


def _take_back(settings: Settings, path: Path, shared: Shared) -> None:
    done = take_back(settings.home, path, _in_force(settings))
    lines = [f"{path} is as it was before"]
    if done.in_proposal:
        names = ", ".join(done.in_proposal)
        lines.append(f"{done.policy} was changed since: take these out of its upstreams yourself: {names}")
    if done.in_force:
        names = ", ".join(done.in_force)
        lines.append(f"still in the rules in force: {names}. They go when rules without them are activated.")
    if done.kept_variables:
        lines.append(f"their values are kept until then: {', '.join(done.kept_variables)}")
    data = {
        "file": str(path),
        "policy": str(done.policy),
        "in_proposal": list(done.in_proposal),
        "in_force": list(done.in_force),
        "kept_variables": list(done.kept_variables),
    }
    shared.answer(data, "\n".join(lines))
