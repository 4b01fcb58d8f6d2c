"""`assent audit …`: the signed log of everything that happened."""

import base64
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.problem import UsageProblem
from store.audit.checkpoint import parse_verifier
from store.audit.export import open_export, verify_export
from store.audit.keys import open_log_key
from store.audit.verify import LogFault, Verified
from store.problems import Problem

audit = App(name="audit", help="The signed log: what was asked, shown, decided, and what came of it.")

_SAY_EVERY = 100_000
_NOTE_LIMIT = 65_535
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
    shared: Shared = NO_FLAGS,
) -> None:
    """Check the whole log: every entry, hash, signature and text, and that what it says can have happened.

    Exits 1 on any fault, and names the first.
    """
    vkeys = None if key is None else [_verifier_key(key)]
    kept = [_read_checkpoint(path) for path in against or ()]
    try:
        verified = _verify_home(shared, vkeys, kept) if export is None else _verify_export(export, vkeys, kept)
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


def _verify_home(shared: Shared, vkeys: Sequence[str] | None, kept: Sequence[str]) -> Verified:
    with opened(shared.settings()) as records:
        return records.log.verify(vkeys, against=kept, progress=_progress())


def _verify_export(path: Path, vkeys: Sequence[str] | None, kept: Sequence[str]) -> Verified:
    if vkeys is None:
        raise UsageProblem(
            "an export is checked with a verifier key that did not come with it",
            "add --key KEY; where the log is kept, `assent audit key` prints it",
        )
    try:
        with path.open("rb") as file, open_export(file) as export:
            return verify_export(export, vkeys, against=kept, progress=_progress())
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
    }


def _summary(verified: Verified) -> str:
    counted = (
        f"{verified.checkpoint.size} entries of {verified.checkpoint.origin} are in order; {verified.disclosed} texts "
        f"are as they were written, {verified.erased} were erased"
    )
    if verified.kept:
        return f"{counted}\nThe log continues the kept checkpoint of {verified.kept[-1]} entries."
    return f"{counted}\n{UNANCHORED}"
