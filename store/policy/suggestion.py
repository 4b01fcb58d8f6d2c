"""Rules drafted from what an upstream says of its own tools, for a person to read and accept. Pure.

These hints are claims of a program that nobody here checked. So a draft permits only what says that it only reads, and
names each tool, never a pattern: what comes later is not permitted by it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from store.calls.definitions import NAME, Definition, Method, Pinned
from store.names import fold
from store.policy.rules import Action

MOST_NAMES = 500
"""Tools in one rule, as the reader takes them."""


@dataclass(frozen=True)
class Suggestion:
    """Rules as the file has them, and what to know of them: a line each."""

    rules: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


def suggestion(upstream: str, pinned: Iterable[Pinned], taken_names: Collection[str] = ()) -> Suggestion:
    """Rules for the tools of this upstream that were accepted; `taken_names` are rules that there are already."""
    listed = [one for one in pinned if one.definition.upstream == upstream and one.gone_at is None]
    tools = [one.definition for one in listed if one.is_accepted and one.definition.method is Method.TOOL]
    named = [one for one in tools if NAME.fullmatch(one.exposed)]
    reading = [one for one in named if _says(one, "readOnlyHint")]
    others = [one for one in named if one not in reading]
    mild = [one for one in others if _says(one, "destructiveHint") is False]
    rest = [one for one in others if one not in mild]
    drafts = [
        ("only reads, as it says", reading, {"action": Action.ALLOW.value}),
        ("changes and destroys nothing, as it says", mild, {"action": Action.HOLD.value}),
        ("may destroy", rest, {"action": Action.HOLD.value, "reason": "required"}),
    ]
    known = list(taken_names)
    rules: list[Mapping[str, Any]] = []
    for says, ones, more in drafts:
        names = sorted(one.exposed for one in ones)
        for start in range(0, len(names), MOST_NAMES):
            name = free_name(f"{upstream}: {says}", known)
            known.append(name)
            rules.append({"name": name, "tool": names[start : start + MOST_NAMES], **more})
    return Suggestion(tuple(rules), tuple(_notes(listed, tools, named, reading)))


def _says(tool: Definition, hint: str) -> bool | None:
    """Only a plain true or false counts as said."""
    annotations = tool.content.get("annotations")
    value = annotations.get(hint) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, bool) else None


def free_name(wanted: str, taken_names: Collection[str]) -> str:
    """A name for a rule like this one, that no other rule has."""
    known = {fold(name) for name in taken_names}
    tries = (wanted if number == 1 else f"{wanted} ({number})" for number in range(1, len(known) + 2))
    return next(one for one in tries if fold(one) not in known)


def _notes(
    listed: list[Pinned], tools: list[Definition], named: list[Definition], reading: list[Definition]
) -> Iterable[str]:
    waiting = [one for one in listed if not one.is_accepted]
    if waiting:
        yield f"{len(waiting)} more are new or changed, and wait until a person accepts them"
    if len(named) < len(tools):
        yield f"{len(tools) - len(named)} more have names that agents cannot be given, and are not listed"
    open_world = sorted(one.exposed for one in reading if _says(one, "openWorldHint") is not False)
    if open_world:
        yield f"these read, and may carry what they are asked out to others (openWorldHint): {', '.join(open_world)}"
    prompts = [one for one in listed if one.definition.method is Method.PROMPT]
    if prompts:
        yield "prompts and resources say nothing of this kind: they are held, unless you write a rule for them"
