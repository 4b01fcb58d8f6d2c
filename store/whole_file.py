"""Replacing a file whole: whoever reads it sees the old text or the new, and a crash leaves one of them."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, text: str, *, like: Path | None = None, private: bool = False) -> None:
    """The file keeps its mode and its owner; `private`, nobody but its owner reads it from then on. A new one is its
    owner's alone, and belongs to whom `like` belongs to.

    Raises:
        OSError: it cannot be written. Nothing was changed.
    """
    target = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), target.stat().st_mode & (0o700 if private else 0o777))
            give_to_owner_of(file.fileno(), target if target.exists() else like)
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def give_to_owner_of(descriptor: int, like: Path | None) -> None:
    """What root writes for somebody belongs to them."""
    if like is not None and hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = like.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
