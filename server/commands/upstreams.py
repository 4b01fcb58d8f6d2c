"""`assent upstreams`: the servers behind Assent, how they are doing, and what they define."""

import json
from difflib import unified_diff
from functools import partial
from typing import Annotated

import anyio
from cyclopts import Parameter

from server.commands.called import name_shown
from server.commands.options import NO_FLAGS, Shared
from server.commands.records import Records, opened
from server.problem import UsageProblem
from store.calls.definitions import Definition, Pinned
from store.calls.health import UpstreamHealth
from store.problems import Problem

SHORTEST_HASH = 12


def upstreams(
    name: Annotated[str | None, Parameter(help="One of them: then each tool and prompt, and what changed.")] = None,
    /,
    *,
    restart: Annotated[bool, Parameter(help="Have it started anew.", negative=())] = False,
    accept: Annotated[str | None, Parameter(help="Accept the definition with this hash, as it is shown.")] = None,
    shared: Shared = NO_FLAGS,
) -> None:
    """Say how the servers behind Assent are doing. With a name, what that one defines, and what waits for a person.

    What an upstream defines anew or otherwise is not run until somebody accepts it: here by its hash, or on the page.
    """
    if name is None and (restart or accept is not None):
        raise UsageProblem("it is not said of which upstream", "name one of: assent upstreams")
    with opened(shared.settings()) as records:
        if name is None:
            _list(records, shared)
            return
        health = _known(records, name)
        if accept is not None:
            _accept(records, name, accept, shared)
        elif restart:
            anyio.run(partial(records.calls.ask_restart, name, reviewer=None, session_id=None))
            shared.answer({"restart": name}, f"{name} is started anew as soon as the server looks, if the server runs")
        else:
            _show(records, health, shared)


def _known(records: Records, name: str) -> UpstreamHealth:
    found = next((one for one in anyio.run(records.calls.upstreams) if one.name == name), None)
    if found is None:
        raise Problem(f"the rules in force name no upstream {name_shown(name)}", "List them: assent upstreams")
    return found


def _list(records: Records, shared: Shared) -> None:
    known = anyio.run(records.calls.upstreams)
    definitions = anyio.run(records.calls.definitions)
    of_each = {one.name: [each for each in definitions if each.definition.upstream == one.name] for one in known}
    shared.answer(
        [_data(one, of_each[one.name]) for one in known],
        "\n".join(_line(one, of_each[one.name]) for one in known)
        or "no upstreams: write them into the policy, or move a client's servers there: assent adopt FILE",
    )


def _show(records: Records, health: UpstreamHealth, shared: Shared) -> None:
    pinned = [one for one in anyio.run(records.calls.definitions) if one.definition.upstream == health.name]
    data = {**_data(health, pinned), "definitions": [_definition(one) for one in pinned]}
    shared.answer(data, "\n".join([_line(health, pinned), *(line for one in pinned for line in _told(one))]))


def _accept(records: Records, name: str, begin: str, shared: Shared) -> None:
    if len(begin) < SHORTEST_HASH:
        raise UsageProblem(f"{name_shown(begin)} is too short", f"give at least {SHORTEST_HASH} characters of the hash")
    found = [
        one
        for one in anyio.run(records.calls.definitions)
        if one.definition.upstream == name and _waits(one) and one.definition.sha256.startswith(begin)
    ]
    if len(found) != 1:
        raise Problem(
            f"{name} has {len(found) or 'no'} definitions with this hash that wait for a person",
            f"Look at what it is now: assent upstreams {name}",
        )
    definition = found[0].definition

    async def accepted() -> None:
        await records.calls.accept(
            name, definition.method, definition.name, definition.sha256, reviewer=None, session_id=None
        )

    anyio.run(accepted)
    shared.answer(
        {"accepted": definition.governed_as, "sha256": definition.sha256},
        f"{_shown(definition.governed_as)} is accepted as it is now: {definition.sha256[:SHORTEST_HASH]}",
    )


def _waits(one: Pinned) -> bool:
    return one.gone_at is None and not one.is_accepted


def _line(health: UpstreamHealth, pinned: list[Pinned]) -> str:
    waiting = sum(map(_waits, pinned))
    listed = sum(one.gone_at is None for one in pinned)
    notes = [
        _shown(f"{health.state}: {health.detail}".rstrip(".")),
        f"{waiting} of {listed} tools and prompts new or changed"
        if waiting
        else ""
        if listed
        else "nothing listed yet",
        "to be started anew" if health.restart_wanted else "",
        f"since {health.changed_at:%Y-%m-%d %H:%M} UTC" if health.changed_at else "",
    ]
    return f"{health.name}  {_shown(health.launch_line)}\n  {'; '.join(note for note in notes if note)}"


def _told(one: Pinned) -> list[str]:
    line = f"  {_shown(one.definition.governed_as)}  {one.definition.sha256[:SHORTEST_HASH]}  {_standing(one)}"
    if not _waits(one):
        return [line]
    before = [] if one.accepted is None else _lines(one.accepted)
    now = _lines(one.definition)
    changes = unified_diff(before, now, "accepted", "now", lineterm="") if before else (f"+{line}" for line in now)
    return [line, *(f"    {_shown(change)}" for change in changes)]


def _lines(definition: Definition) -> list[str]:
    return json.dumps(definition.content, indent=2, sort_keys=True, ensure_ascii=False).split("\n")


def _standing(one: Pinned) -> str:
    if one.gone_at is not None:
        return "not listed any more"
    if one.is_accepted:
        return "accepted" if one.accepted_by is None else f"accepted by {one.accepted_by}"
    return "new: cannot be called" if one.accepted is None else "changed: every call is held"


def _data(health: UpstreamHealth, pinned: list[Pinned]) -> dict[str, object]:
    return {
        "name": health.name,
        "launch_line": health.launch_line,
        "state": health.state,
        "detail": health.detail,
        "changed_at": health.changed_at.isoformat() if health.changed_at else None,
        "restart_wanted": health.restart_wanted,
        "listed": sum(one.gone_at is None for one in pinned),
        "waiting": sum(map(_waits, pinned)),
    }


def _definition(one: Pinned) -> dict[str, object]:
    return {
        "tool": one.definition.governed_as,
        "method": one.definition.method,
        "sha256": one.definition.sha256,
        "standing": _standing(one),
        "accepted": None if one.accepted is None else one.accepted.content,
        "now": one.definition.content,
    }


def _shown(text: str) -> str:
    """What an upstream wrote, on one line and without anything that steers a terminal."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
