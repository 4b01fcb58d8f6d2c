"""The home and what lies in it: who owns it, who can open it, what lies beside what, and how much room is left."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from server.config import Settings, VaultKey
from server.doctor.findings import Finding, note, unsafe, weak
from server.doctor.promise import Access
from server.home import Home
from server.process import recorded

UNKNOWN = -1
LITTLE_ROOM = 256 * 1024 * 1024
_NO_SHELLS = ("nologin", "false", "sync", "shutdown", "halt")


def database_file(settings: Settings) -> Path | None:
    """Where the database lies, if it is a file."""
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def access_to(home: Home, database: Path | None) -> Access:
    """What this process's user may open. Raises FileNotFoundError when there is no home."""
    try:
        owner = home.path.stat().st_uid
    except PermissionError:
        owner = UNKNOWN
    secrets = {
        "database": [database or home.database_file],
        "keys": [home.key_file, home.log_key_file, home.push_key_file, home.passphrase_file],
        "bridge secret": [home.bridge_secret_file],
    }
    running = recorded(home)
    server_uid = None
    if running is not None:
        with suppress(OSError):
            server_uid = os.stat(f"/proc/{running.pid}").st_uid
    return Access(
        me=os.geteuid(),
        home_owner=owner,
        owner_name=account_name(owner),
        owner_signs_in=signs_in(owner),
        readable=tuple(name for name, paths in secrets.items() if any(os.access(path, os.R_OK) for path in paths)),
        server_uid=server_uid,
    )


def permissions(home: Home, database: Path | None) -> list[Finding]:
    """Files and folders of the home that others can open, or that belong to somebody else."""
    found = []
    owner = home.path.stat().st_uid
    beside = [] if database is None or database.is_relative_to(home.path) else _database_files(database)
    for path in [home.path, *sorted(home.path.rglob("*")), *beside]:
        with suppress(FileNotFoundError):
            about = path.lstat()
            if stat.S_ISLNK(about.st_mode):
                continue
            if about.st_mode & 0o077 and path not in (home.config_file, home.policy_file):
                found.append(_open(path, stat.S_IMODE(about.st_mode), is_folder=stat.S_ISDIR(about.st_mode)))
            if about.st_uid != owner:
                found.append(
                    weak(
                        "foreign-file",
                        f"{path} belongs to {account_name(about.st_uid)}, not to {account_name(owner)} like the home.",
                        "The server may not be able to read or replace it; somebody else may.",
                        f"chown {account_name(owner)} {path}",
                    )
                )
    return found + [_replaceable(folder) for folder in home.path.absolute().parents if _anybody_may_replace_in(folder)]


def keys_beside_data(settings: Settings) -> list[Finding]:
    home = settings.home
    if settings.vault_key is not VaultKey.FILE or not home.key_file.exists():
        return []
    database = database_file(settings)
    same = "folder" if database is not None and database.is_relative_to(home.path) else "disk"
    if database is None or (same == "disk" and _device(database) != _device(home.key_file)):
        return []
    return [
        weak(
            "keys-beside-data",
            f"The vault's key lies in the same {same} as the database.",
            "A copy of the one, a backup too, tends to hold the other, and both together open every sealed secret.",
            f'back up {home.key_file.parent} apart from the database; or use a passphrase: vault_key = "passphrase"',
        )
    ]


def copies(home: Home) -> list[Finding]:
    """Copies of the database from before an upgrade, which nobody looks after."""
    return [
        note(
            "old-copy",
            f"{path} is a copy of the database from before an upgrade.",
            "It holds what the database held, also what was erased since.",
            f"once the new version works: rm {path}",
        )
        for path in sorted(home.path.glob("*.before-*"))
    ]


def room(folder: Path) -> list[Finding]:
    free = shutil.disk_usage(folder).free
    if free >= LITTLE_ROOM:
        return []
    return [
        weak(
            "little-room",
            f"{free // 1024 // 1024} MiB are left on the disk of {folder}.",
            "When it is full nothing can be decided or logged: Assent then refuses everything.",
            "make room on that disk",
        )
    ]


def account_name(uid: int) -> str:
    if uid == UNKNOWN:
        return "somebody else"
    try:
        from pwd import getpwuid  # noqa: PLC0415  # not on every system

        return getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return f"user {uid}"


def signs_in(uid: int) -> bool:
    """Whether this is an account with a shell, such as people have. An account that is not listed has none."""
    try:
        from pwd import getpwuid  # noqa: PLC0415  # not on every system

        shell = getpwuid(uid).pw_shell
    except ImportError:
        return True
    except KeyError:
        return False
    return Path(shell or "/bin/sh").name not in _NO_SHELLS


def _open(path: Path, mode: int, *, is_folder: bool) -> Finding:
    return unsafe(
        "open-to-others",
        f"{path} is open to other users (mode {mode:o}).",
        "The home holds what was asked and answered, and the keys: it is its owner's alone.",
        f"chmod {700 if is_folder else 600} {path}",
    )


def _anybody_may_replace_in(folder: Path) -> bool:
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _replaceable(folder: Path) -> Finding:
    return unsafe(
        "replaceable-home",
        f"Any user may rename what lies in {folder}, the home too.",
        "Somebody could put another home in this one's place.",
        f"chmod o-w {folder}, or use a home elsewhere",
    )


def _database_files(database: Path) -> Iterator[Path]:
    return (path for path in (database, *database.parent.glob(f"{database.name}[-.]*")) if path.exists())


def _device(path: Path) -> int | None:
    try:
        return path.stat().st_dev
    except OSError:
        return None
