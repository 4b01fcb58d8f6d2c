"""`assent audit …`: the signed log of everything that happened."""

import base64
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import anyio
from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import Records, opened
from server.problem import UsageProblem
from store.audit.checkpoint import parse_verifier
from store.audit.export import open_export, verify_export
from store.audit.keys import open_log_key
from store.audit.reviewer_keys import ReviewerKeys, load_reviewer_keys
from store.audit.verify import LogFault, Verified
from store.problems import Problem

audit = App(name="audit", help="The signed log: what was asked, shown, decided, and what came of it.")

_SAY_EVERY = 100_000
_NOTE_LIMIT = 65_535
_KEYS_LIMIT = 16 * 1024 * 1024
UNANCHORED = (
    "No kept checkpoint was given. This shows that the log is whole and was signed with this key, not that it is the "
    "log that was there before: keep a checkpoint elsewhere (GET /api/audit/checkpoint), and give it with --against."
)


@audit.command
def verify(
    *,
    export: Annotated[Path | None, Parameter(help="Check this file instead of the log of this home.")] = None,
    key: Annotated[str | None, Parameter(help="The verifier key to trust. An export needs one from elsewhere.")] = None,
    against: Annotated[
        list[Path] | None, Parameter(help="A checkpoint of this log that was kept elsewhere.", negative=())
    ] = None,
    reviewer_keys: Annotated[
        Path | None, Parameter(help="Public keys of people from elsewhere: what they signed must be signed with these.")
    ] = None,
    shared: Shared = NO_FLAGS,
) -> None:
    """Check the whole log: every entry, hash, signature and text, and that what it says can have happened.

    Exits 1 on any fault, and names the first.
    """
    vkeys = None if key is None else [_verifier_key(key)]
    kept = [_read_checkpoint(path) for path in against or ()]
    people = None if reviewer_keys is None else _read_reviewer_keys(reviewer_keys)
    try:
        if export is None:
            verified = _verify_home(shared, vkeys, kept, people)
        else:
            verified = _verify_export(export, vkeys, kept, people)
    except LogFault as fault:
        if shared.json:
            shared.answer({"verified": False, "first_bad_index": fault.index, "fault": fault.message}, "")
        raise
    shared.answer(_data(verified), _summary(verified))


@audit.command(name="export")
def export_(file: Path, /, *, shared: Shared = NO_FLAGS) -> None:
    """Write the log to one file that anybody can check offline, the texts that people wrote included."""
    with opened(shared.settings()) as records:
        try:
            with file.open("xb") as target:
                try:
                    checkpoint = records.log.export(target)
                except BaseException:
                    # Half an export must not be taken for one.
                    file.unlink(missing_ok=True)
                    raise
        except FileExistsError:
            raise Problem(f"{file} is there already", "name another file, or move that one away") from None
        except OSError as problem:
            raise Problem(f"{file} cannot be written: {problem.strerror}", "name a file in a folder of yours") from None
        vkey = records.log.verifier
    data = {"file": str(file), "size": checkpoint.size, "origin": checkpoint.origin, "key": vkey}
    shared.answer(
        data,
        f"{checkpoint.size} entries of {checkpoint.origin} are in {file}\n"
        f"It holds what people and agents wrote. Check it anywhere: assent audit verify --export {file} --key {vkey}",
    )


@audit.command
def prove(index: int, /, *, shared: Shared = NO_FLAGS) -> None:
    """Print the proof that an entry stands in the log; with --json the entry beside it."""
    with opened(shared.settings()) as records:
        entry, proof = records.log.prove(index)
    data = {"index": index, "entry": base64.b64encode(entry).decode(), "proof": proof}
    shared.answer(data, proof.removesuffix("\n"))


@audit.command
def key(*, shared: Shared = NO_FLAGS) -> None:
    """Print the verifier key of this log. Keep it where the server cannot change it."""
    log_key = open_log_key(shared.settings().home.log_key_file, make=False)
    shared.answer({"key": log_key.verifier, "origin": log_key.name}, log_key.verifier)


@audit.command
def reviewer_keys(*, shared: Shared = NO_FLAGS) -> None:
    """Print the public keys of people's passkeys, as `verify --reviewer-keys` takes them. Keep them elsewhere.

    Printed while all is well, they tell later whether a person's decision was signed with that person's passkey.
    Removed passkeys are among them: what was signed with them stays signed.
    """
    with opened(shared.settings()) as records:
        keys = anyio.run(_registered, records)
    shared.answer(keys, json.dumps(keys, indent=2, ensure_ascii=False))


async def _registered(records: Records) -> dict[str, object]:
    keys = records.log.passkeys()
    return {one.username: keys[one.id] for one in await records.people.reviewers() if one.id in keys}


def _verify_home(
    shared: Shared, vkeys: Sequence[str] | None, kept: Sequence[str], people: ReviewerKeys | None
) -> Verified:
    with opened(shared.settings()) as records:
        return records.log.verify(vkeys, against=kept, reviewer_keys=people, progress=_progress())


def _verify_export(
    path: Path, vkeys: Sequence[str] | None, kept: Sequence[str], people: ReviewerKeys | None
) -> Verified:
    if vkeys is None:
        raise UsageProblem(
            "an export is checked with a verifier key that did not come with it",
            "add --key KEY; where the log is kept, `assent audit key` prints it",
        )
    try:
        with path.open("rb") as file, open_export(file) as export:
            return verify_export(export, vkeys, against=kept, reviewer_keys=people, progress=_progress())
    except OSError as problem:
        raise Problem(
            f"{path} cannot be read: {problem.strerror}", "name an export: assent audit export FILE"
        ) from None


def _verifier_key(text: str) -> str:
    return parse_verifier(text.strip()).text


def _read_checkpoint(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_NOTE_LIMIT + 1).decode("utf-8")
    except OSError as problem:
        raise Problem(f"{path} cannot be read: {problem.strerror}", "name a file with a signed checkpoint") from None
    except UnicodeDecodeError:
        raise Problem(f"{path} is not a checkpoint", "name a file with a signed checkpoint") from None


def _read_reviewer_keys(path: Path) -> ReviewerKeys:
    try:
        with path.open("rb") as file:
            return load_reviewer_keys(file.read(_KEYS_LIMIT))
    except OSError as problem:
        raise Problem(
            f"{path} cannot be read: {problem.strerror}", "name a file that `assent audit reviewer-keys` printed"
        ) from None


def _progress() -> Callable[[int], None]:
    """Says on stderr how far it is: often to a person, seldom to a file."""
    live = sys.stderr.isatty()

    def say(count: int) -> None:
        if live:
            print(f"\r{count:,} entries checked", end="", file=sys.stderr, flush=True)
        elif count % _SAY_EVERY == 0:
            print(f"{count:,} entries checked", file=sys.stderr, flush=True)

    return say


def _data(verified: Verified) -> dict[str, Any]:
    return {
        "verified": True,
        "origin": verified.checkpoint.origin,
        "size": verified.checkpoint.size,
        "root": base64.b64encode(verified.checkpoint.root).decode(),
        "kept": list(verified.kept),
        "texts": verified.disclosed,
        "erased": verified.erased,
        "open_requests": verified.open_requests,
        "signatures": asdict(verified.signatures),
    }


def _summary(verified: Verified) -> str:
    counted = (
        f"{verified.checkpoint.size} entries of {verified.checkpoint.origin} are in order; {verified.disclosed} texts "
        f"are as they were written, {verified.erased} were erased"
    )
    if signed := _signed(verified):
        counted = f"{counted}\n{signed}"
    if verified.kept:
        return f"{counted}\nThe log continues the kept checkpoint of {verified.kept[-1]} entries."
    return f"{counted}\n{UNANCHORED}"


def _signed(verified: Verified) -> str:
    """What was found of people's own signatures; nothing where nobody signed."""
    counts = verified.signatures
    said = []
    if counts.checked:
        by_the_log = counts.checked - counts.trusted
        whose = [
            *([f"{counts.trusted} with a key that was given"] if counts.trusted else []),
            *([f"{by_the_log} with a key that the log names"] if by_the_log else []),
        ]
        said.append(f"Decisions that people signed with their passkeys: {counts.checked}, each signature good;")
        said.append(f"{', '.join(whose)}.")
    if counts.erased:
        said.append(f"Of {counts.erased} more signed decisions the statement is not there to check.")
    return " ".join(said)
