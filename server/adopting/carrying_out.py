"""Adopting a file, and taking it back: the writes, in an order that loses nothing wherever it is interrupted.

Kept first: what is written stands in the home (values, proposal, what to take back) before the copy beside the client's
file, and the copy before the file itself changes. The client's file is replaced at once or not at all.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from server import upstream_environment
from server.adopting.adoption import LONGEST_FILE, Plan, read_client_file
from server.adopting.client_file import understood
from server.adopting.json_text import NotUnderstood
from server.home import Home, write_private
from store.policy.additions import without
from store.policy.file import read_file
from store.policy.reading import read, sha256_of
from store.problems import Problem
from store.whole_file import give_to_owner_of, replace_file

_VERSION = 1


@dataclass(frozen=True)
class Record:
    """What adopting one file changed, for taking it back."""

    version: int
    file: str
    written_sha256: str
    sections: list[tuple[list[str], str]]
    policy: str
    policy_before: str | None
    policy_sha256: str
    inserted: list[str]
    upstreams: list[str]
    variables: list[str]


@dataclass(frozen=True)
class Undone:
    """What was taken back."""

    file: Path
    policy: Path
    in_proposal: tuple[str, ...]
    """Upstreams that still stand in the proposal, because somebody changed it."""
    in_force: tuple[str, ...]
    """Upstreams that still stand in the rules in force."""
    kept_variables: tuple[str, ...]


def copy_of(path: Path) -> Path:
    """Where the file is kept as it was."""
    return path.with_name(f"{path.name}.before-assent")


def read_whole(path: Path) -> str:
    """A client's file as text, line ends as they are.

    Raises:
        Problem
    """
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_FILE + 1)
    except OSError as problem:
        raise Problem(
            f"{path} cannot be read: {problem.strerror}", "Name a client's file, such as .mcp.json."
        ) from problem
    if len(data) > LONGEST_FILE:
        raise Problem(f"{path} is longer than {LONGEST_FILE // 1024 // 1024} MiB", "Name a client's file.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(f"{path} is not UTF-8", "Name a client's file, such as .mcp.json.") from None


def require_first(home: Home, path: Path) -> None:
    """Raises Problem: this file was adopted already."""
    again = f"To take that back: assent adopt {path} --undo"
    if _record_file(home, path).exists():
        raise Problem(f"{path} was adopted before", again)
    if copy_of(path).exists():
        raise Problem(
            f"{copy_of(path)} is there already", f"It may be all there is of the file before. {again}; or move it."
        )


def carry_out(home: Home, path: Path, before: str, plan: Plan, policy: Path, *, private: bool = False) -> None:
    """Do it. `private`: the client's file holds a token from then on, and is its owner's alone.

    Raises:
        Problem: something could not be written. `--undo` then takes back what was.
    """
    record = Record(
        version=_VERSION,
        file=str(path),
        written_sha256=sha256_of(plan.client_text),
        sections=[(list(keys), text) for keys, text in plan.written.items()],
        policy=str(policy),
        policy_before=read_file(policy),
        policy_sha256=sha256_of(plan.policy.text),
        inserted=list(plan.policy.inserted),
        upstreams=[one.upstream.name for one in plan.taken],
        variables=sorted(plan.values),
    )
    try:
        home.adopted_folder.mkdir(mode=0o700, exist_ok=True)
        write_private(_record_file(home, path), json.dumps(asdict(record), indent=2))
        if plan.values:
            upstream_environment.added(home.upstreams_env_file, plan.values)
        if plan.taken:
            replace_file(policy, plan.policy.text)
        _make_copy(path, before)
        replace_file(path, plan.client_text, private=private)
    except OSError as problem:
        raise Problem(
            f"{problem.filename or path} cannot be written: {problem.strerror}",
            f"To take back what was done: assent adopt {path} --undo",
        ) from problem


def take_back(home: Home, path: Path, in_force: str | None) -> Undone:
    """Put the client's file back as it was, and take out of the proposal what was added to it.

    Raises:
        Problem: this home did not adopt it, or what would be put back is not there any more. Nothing was changed.
    """
    record = _record(home, path)
    copy = copy_of(path)
    original = read_whole(copy) if copy.exists() else None
    if original is not None:
        current = read_whole(path) if path.exists() else None
        restored = original if current is None else _restored(path, current, original, record)
    else:
        # It was interrupted before the file itself was touched.
        restored = None
    policy = Path(record.policy)
    try:
        if restored is not None:
            replace_file(path, restored, like=copy)
        names = _take_out(policy, record)
        kept = _forget_values(home, record, f"{in_force or ''}\n{read_file(policy) or ''}")
        _record_file(home, path).unlink()
        copy.unlink(missing_ok=True)
    except OSError as problem:
        raise Problem(
            f"{problem.filename or path} cannot be written: {problem.strerror}", "Mend that, and run it again."
        ) from problem
    still = (
        () if in_force is None else tuple(one.name for one in read(in_force).upstreams if one.name in record.upstreams)
    )
    return Undone(path, policy, names, still, kept)


def _restored(path: Path, current: str, original: str, record: Record) -> str:
    """The client's file with its servers as they were; to the letter as it was, if nobody changed it since."""
    if sha256_of(current) == record.written_sha256 or current == original:
        return original
    written = {tuple(keys): text for keys, text in record.sections}
    changed = Problem(
        f"the servers in {path} were changed since it was adopted",
        f"Put them back yourself from {copy_of(path)}; nothing was changed.",
    )
    try:
        now = understood(current, is_toml=path.suffix == ".toml")
        if not written or {keys: now.section_texts().get(keys) for keys in written} != written:
            raise changed
        return now.with_texts(_only(read_client_file(path, original).section_texts(), written))
    except NotUnderstood:
        raise changed from None


def _only(texts: Mapping[tuple[str, ...], str], keys: Mapping[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
    return {key: text for key, text in texts.items() if key in keys}


def _take_out(policy: Path, record: Record) -> tuple[str, ...]:
    """The proposal without what was added; the names that are still in it."""
    text = read_file(policy)
    if text is None or not record.upstreams:
        return ()
    if sha256_of(text) == record.policy_sha256:
        if record.policy_before is None:
            policy.unlink()
        else:
            replace_file(policy, record.policy_before)
        return ()
    if text == record.policy_before:
        return ()
    try:
        less = without(text, record.inserted, record.upstreams)
    except Problem:
        less = None
    if less is None:
        return tuple(record.upstreams)
    replace_file(policy, less)
    return ()


def _forget_values(home: Home, record: Record, policies: str) -> tuple[str, ...]:
    """Values that no policy names any more are forgotten; those that are kept."""
    needed = tuple(name for name in record.variables if "{{env:" + name + "}}" in policies)
    upstream_environment.removed(home.upstreams_env_file, [name for name in record.variables if name not in needed])
    return needed


def _record_file(home: Home, path: Path) -> Path:
    return home.adopted_folder / f"{sha256_of(str(path))[:24]}.json"


def _record(home: Home, path: Path) -> Record:
    file = _record_file(home, path)
    try:
        known = json.loads(file.read_text("utf-8"))
        record = Record(**known)
    except FileNotFoundError:
        raise Problem(f"{path} was not adopted with the home {home.path}", "Name the home with --home.") from None
    except (OSError, ValueError, TypeError) as problem:
        raise Problem(f"{file} cannot be read", f"Put {path} back yourself from {copy_of(path)}.") from problem
    if record.version != _VERSION:
        raise Problem(f"{file} is of another version of Assent", "Take it back with the version that adopted it.")
    return record


def _make_copy(path: Path, text: str) -> None:
    copy = copy_of(path)
    handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        give_to_owner_of(file.fileno(), path)
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
