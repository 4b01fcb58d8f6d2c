"""The vault's key, by the settings: from its file, or from a passphrase given by environment, file or terminal."""

import getpass
import os
import stat
import sys
from collections.abc import MutableMapping
from pathlib import Path

from server.config import Settings, VaultKey
from store.problems import KeyProblem
from store.vault.keys import KeyProvider, open_key_file
from store.vault.passphrase import open_passphrase

VARIABLE = "ASSENT_VAULT_PASSPHRASE"
LONGEST = 4096


def open_vault_key(settings: Settings, environ: MutableMapping[str, str], *, make: bool) -> KeyProvider:
    """The key that the settings choose; with `make`, a new one where there is none yet.

    Raises:
        KeyProblem: there is no key to be had, or not the right one. Then the server must not start.
    """
    # Taken out, not only read, and whether or not it is needed: no process that we start inherits it.
    given = environ.pop(VARIABLE, "")
    if settings.vault_key is VaultKey.FILE:
        return open_key_file(settings.home.key_file, make=make)
    return open_passphrase(settings.home.passphrase_file, lambda new: _passphrase(settings, given, new=new), make=make)


def _passphrase(settings: Settings, given: str, *, new: bool) -> str:
    if given:
        return given
    if settings.vault_passphrase_file is not None:
        return _from_file(settings.vault_passphrase_file)
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        return _typed(new=new)
    raise KeyProblem(
        "the vault is under a passphrase, and nothing gives it",
        f"Set {VARIABLE}, or vault_passphrase_file to a file (/dev/fd/3 for an open one), or start in a terminal.",
    )


def _from_file(path: Path) -> str:
    """The first line. A pipe or an open descriptor (/dev/fd/N) will do; a plain file must be its owner's alone."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077:
                raise KeyProblem(f"{path} is open to other users", f"Run: chmod 600 {path}")
            line, _, more = file.read(LONGEST).partition(b"\n")
        if more.strip():
            raise KeyProblem(f"{path} holds more than one line", "Write the passphrase there, and nothing else.")
        passphrase = line.rstrip(b"\r").decode()
    except OSError as problem:
        raise KeyProblem(
            f"the passphrase in {path} cannot be read: {problem.strerror}",
            "A descriptor must be open in the server itself; a file must be readable by its user.",
        ) from problem
    except UnicodeDecodeError:
        raise KeyProblem(f"{path} is not text in UTF-8", "Write the passphrase there, and nothing else.") from None
    if not passphrase:
        raise KeyProblem(f"{path} is empty", "Write the passphrase there, and nothing else.")
    return passphrase


def _typed(*, new: bool) -> str:
    try:
        # getpass asks on the terminal itself, and never on stdout, which may be somebody's pipe.
        passphrase = getpass.getpass("New passphrase for the vault: " if new else "The vault's passphrase: ")
        if new and getpass.getpass("Once more: ") != passphrase:
            raise KeyProblem("the two are not the same", "Start again, and type it twice alike.")
    except EOFError:
        raise KeyProblem("no passphrase was typed", "Start again and type it.") from None
    return passphrase
