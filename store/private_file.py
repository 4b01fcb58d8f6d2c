"""Files that hold a key: made once, for their owner alone, and read only if they still are."""

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from store.problems import KeyProblem

SIZE_LIMIT = 4096
"""A key is one line. Whatever is longer is another file, named by mistake."""


def make_private_file(path: Path, text: str) -> bool:
    """Write `text` to a new file that its owner alone can read; False, and nothing written, where there is one.

    Raises:
        KeyProblem: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # A link, not a rename: when two processes start at once the first key wins and none is overwritten.
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
    except OSError as problem:
        raise KeyProblem(
            f"{path} cannot be made: {problem.strerror}",
            f"Make the folder writable for this user: {quoted('mkdir -p -m 700', path.parent)}",
        ) from problem
    return True


def read_private_file(path: Path, *, missing: Callable[[], KeyProblem]) -> bytes:
    """The file's bytes. Its permissions are looked at on the very file that is read.

    Raises:
        KeyProblem: `missing()` where there is none; or others can read it, or it is not this user's.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            _require_private(path, status)
            return file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise missing() from None
    except OSError as problem:
        raise KeyProblem(
            f"{path} cannot be read: {problem.strerror}", f"Make it this user's own: {quoted('chmod 600', path)}"
        ) from problem


def quoted(command: str, path: Path) -> str:
    """A command on that path, to paste into a shell."""
    return f"{command} {shlex.quote(str(path))}"


def _require_private(path: Path, status: os.stat_result) -> None:
    # Windows has no such modes; there the profile's folder is what keeps others out.
    if os.name != "posix" or not stat.S_ISREG(status.st_mode):
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise KeyProblem(f"{path} is open to other users (mode {mode:o})", f"Run: {quoted('chmod 600', path)}")
    if status.st_uid not in (0, os.geteuid()):
        raise KeyProblem(f"{path} belongs to another user, who can read it", f"Run: {quoted('chown $(id -u)', path)}")
