"""Other people's clients, installed once into pytest's cache at the versions and hashes that are committed here.

They are not dependencies of ours, and some cannot live beside them: LangChain's adapters need an older MCP SDK. A
folder is named after the lock that made it, so another lock makes another folder; it is put in place when it is whole.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository import ROOT

HERE = ROOT / "tests" / "clients"
CLIENTS, SERVERS = "node", "servers"
"""The folders whose locks name programs that run on Node: the official clients, and the reference servers."""


def find_node(cache: Path) -> Path:
    """A Node that is new enough. Skips only where WITHOUT_NPM says that there is none; fails otherwise."""
    if os.environ.get("WITHOUT_NPM"):
        pytest.skip("WITHOUT_NPM is set: nothing was tested with clients that run on Node")
    found = subprocess.run(
        ["sh", ROOT / "scripts" / "node", cache], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if found.returncode != 0:
        pytest.fail(found.stderr, pytrace=False)
    return Path(found.stdout.strip())


def node_packages(cache: Path, of: str = CLIENTS) -> Path:
    """The folder whose `node_modules` hold the packages of this folder's lock."""

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / of / name, folder)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    return _made(cache, HERE / of / "package-lock.json", install)


def python_of(lock: str, cache: Path) -> Path:
    """The Python of an environment that holds the packages of this lock."""
    path = HERE / "locks" / f"{lock}.lock"

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", str(path)], folder)

    return _made(cache, path, install) / "bin" / "python"


def _made(cache: Path, lock: Path, install: Callable[[Path], None]) -> Path:
    name = f"{lock.stem}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    place = cache / name
    if not place.exists():
        unfinished = Path(tempfile.mkdtemp(dir=cache, prefix=f"{name}."))
        try:
            install(unfinished)
            unfinished.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} failed, is its registry out of reach?\n{done.stderr}", pytrace=False)
