"""What adopting one file would change, worked out whole before anything is written.

The client's file keeps all but its servers; the policy keeps all it has and gets upstreams; what could be a secret goes
to the home's file of values. Nothing comes in force by this: a person activates the policy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.adopting.client_file import ClientFile, Entries, is_assent, understood
from server.adopting.entries import Entry, Left, Taken, Where, taken, upstream_name
from server.adopting.json_text import NotUnderstood
from server.connect import CLIENTS, Client
from store.policy.additions import START, Added, with_upstreams
from store.policy.reading import PolicyMistake, read
from store.policy.rules import Policy
from store.policy.upstreams import Upstream
from store.problems import Problem
from store.strict_json import shortened

LONGEST_FILE = 32 * 1024 * 1024
_PLACE = re.compile(r"line \d+, column \d+: ")


@dataclass(frozen=True)
class Standing:
    """What there is before: the proposal's text, or that in force where there is no proposal, and the kept values."""

    policy_text: str
    policy: Policy
    values: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What adopting would change."""

    client_text: str
    written: Mapping[tuple[str, ...], str]
    """The sections of the client's file as they will stand there, for finding them again."""
    policy: Added
    taken: tuple[Taken, ...]
    reused: tuple[Taken, ...]
    """Servers that the policy has already, launched in the same way."""
    left: tuple[Left, ...]

    @property
    def values(self) -> dict[str, str]:
        """What the variables of new upstreams stand for."""
        return {name: value for one in self.taken for name, value in one.values.items()}

    @property
    def missing(self) -> tuple[str, ...]:
        """Variables that a person has to set."""
        return tuple(name for one in self.taken for name in one.missing)


def shown(name: str) -> str:
    """A name from a client's file, which may be anybody's: it must not steer a terminal."""
    return shortened(name)[1:-1]


def client_of(path: Path) -> Client:
    """Whose file this is, by where it stands."""
    folders = {folder.name for folder in path.parents[:1]}
    if path.name in (".mcp.json", ".claude.json"):
        return CLIENTS["claude-code"]
    if path.name == "claude_desktop_config.json":
        return CLIENTS["claude-desktop"]
    for folder, client in ((".vscode", "vscode"), (".cursor", "cursor"), (".gemini", "gemini"), (".codex", "codex")):
        if folder in folders:
            return CLIENTS[client]
    return CLIENTS["codex"] if path.suffix == ".toml" else CLIENTS["generic"]


def where_of(path: Path, user: Path) -> Where:
    """What that place means for the servers in it."""
    project = path.parent if path.name == ".mcp.json" else None
    if path.parent.name in (".vscode", ".cursor", ".gemini") and path.parent.parent != user:
        project = path.parent.parent
    gemini = client_of(path).name == "gemini"

    def is_there(word: str) -> bool:
        relative = project is not None and word not in ("", ".") and not Path(word).is_absolute()
        try:
            return relative and project is not None and (project / word).exists()
        except (OSError, ValueError):
            return False

    return Where(
        None if project is None else str(project),
        str(user),
        bare_references=gemini,
        plain_url_is_sse=gemini,
        is_there=is_there,
    )


def standing(text: str | None, in_force: str | None, values: Mapping[str, str], path: Path) -> Standing:
    """Raises Problem: the proposal has a mistake, and nothing is added to what cannot be read."""
    base = text if text is not None else in_force if in_force is not None else START
    try:
        return Standing(base, read(base), values)
    except PolicyMistake as mistake:
        raise Problem(f"{path}: {mistake.message}", f"Mend it first: assent policy check {path}") from mistake


def read_client_file(path: Path, text: str) -> ClientFile:
    """Raises Problem: it cannot be understood."""
    try:
        return understood(text, is_toml=path.suffix == ".toml")
    except NotUnderstood as problem:
        raise Problem(
            f"{path} could not be understood: {problem}",
            "Name a client's file, such as .mcp.json; nothing was changed.",
        ) from problem


def plan(file: ClientFile, where: Where, own_entry: Entry, before: Standing) -> Plan:
    """What moving all servers of this file behind Assent takes.

    Raises:
        Problem: there is nothing to move, or it cannot be done for sure. Nothing was changed.
    """
    sorting = _Sorting(before, where)
    sections = {section.path: sorting.without_moved(section.entries, own_entry) for section in file.sections}
    if not sorting.taken and not sorting.reused:
        why = "; ".join(f"{shown(one.name)} {one.why}" for one in sorting.left)
        raise Problem("there is no server in this file to move" + (f": {why}" if why else ""), "Nothing was changed.")
    try:
        client_text = file.with_sections(sections)
    except NotUnderstood as problem:
        raise Problem(
            f"this file cannot be rewritten: {problem}", "Nothing was changed. Move them yourself."
        ) from problem
    new = tuple(sorting.taken)
    added = with_upstreams(before.policy_text, [one.upstream for one in new]) if new else Added(before.policy_text, ())
    _require_same(added.text, before.policy.upstreams, [one.upstream for one in new])
    written = understood(client_text, is_toml=file.is_toml).section_texts()
    return Plan(client_text, written, added, new, tuple(sorting.reused), tuple(sorting.left))


class _Sorting:
    """Takes one server after the other, and remembers which names are gone."""

    def __init__(self, before: Standing, where: Where) -> None:
        self._before = before
        self._where = where
        self._known = {upstream.name: upstream for upstream in before.policy.upstreams}
        self._seen: list[tuple[str, Entry]] = []
        self.taken: list[Taken] = []
        self.reused: list[Taken] = []
        self.left: list[Left] = []

    def without_moved(self, entries: Entries, own_entry: Entry) -> Entries:
        """The section that stays: Assent, and what cannot be moved."""
        kept: dict[str, Mapping[str, Any]] = {}
        moved = False
        for name, entry in entries.items():
            if is_assent(name, entry):
                kept[name] = entry
            elif (left := self._move(name, entry)) is not None:
                self.left.append(left)
                kept[name] = entry
            else:
                moved = True
        has_assent = any(is_assent(name, entry) for name, entry in kept.items())
        if not moved or has_assent:
            return kept
        if "assent" in kept:
            raise Problem("a server that stays there is called assent", "Give it another name; nothing was changed.")
        return {"assent": own_entry, **kept}

    def _move(self, name: str, entry: Entry) -> Left | None:
        if (name, entry) in self._seen:
            return None
        again = taken(name, entry, upstream_name(name, ()), self._where)
        if isinstance(again, Taken) and self._is_known(again):
            self.reused.append(again)
            self._seen.append((name, entry))
            return None
        others = {*self._known, *(one.upstream.name for one in self.taken)}
        found = taken(name, entry, upstream_name(name, others), self._where)
        if isinstance(found, Left):
            return found
        if (mistake := _mistake(found.upstream)) is not None:
            return Left(name, f"cannot stand in a policy: {mistake}")
        # What one server is to have must not reach another one, under a name that both come to.
        standing = dict(self._before.values) | {key: value for one in self.taken for key, value in one.values.items()}
        for variable, value in found.values.items():
            if standing.get(variable, value) != value:
                return Left(name, f"needs the variable {variable}, which stands for something else already")
        self.taken.append(found)
        self._seen.append((name, entry))
        return None

    def _is_known(self, one: Taken) -> bool:
        same = self._known.get(one.upstream.name)
        return (
            same is not None
            and same.launch_sha256 == one.upstream.launch_sha256
            and all(self._before.values.get(name) == value for name, value in one.values.items())
        )


def _mistake(upstream: Upstream) -> str | None:
    try:
        read(with_upstreams(START, [upstream]).text)
    except PolicyMistake as mistake:
        return _PLACE.sub("", mistake.message)
    return None


def _require_same(text: str, before: Sequence[Upstream], new: Sequence[Upstream]) -> None:
    """That the policy says just this is looked at once more, by the reader that will be used in earnest."""
    try:
        found = {one.name: one for one in read(text).upstreams}
    except PolicyMistake as mistake:
        raise Problem(f"the policy would have a mistake: {mistake.message}", "Nothing was changed.") from mistake
    if found != {one.name: one for one in (*before, *new)}:
        raise Problem("the policy would not say what was meant", "Nothing was changed. Add the servers yourself.")
