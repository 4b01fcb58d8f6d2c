"""The contracts on who may import whom hold, and would notice if they did not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

PACKAGES = ("store", "review_web", "server")


def check_contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of pyproject.toml on the packages in this folder."""
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as run; run()"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    options = ["--no-cache", "--no-logo"]
    return subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Our packages and the contracts, where a test may spoil them."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_goes_in_the_direction_that_the_contracts_allow() -> None:
    result = check_contracts(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("store/tables.py", "import review_web", "Packages import in one direction"),
        ("review_web/site.py", "import server", "Packages import in one direction"),
        ("store/lifecycle.py", "import store.tables", "The pure modules of the store"),
        ("store/card.py", "import sqlalchemy", "The pure modules of the store"),
        ("server/config.py", "import review_web.site", "Of the server, only its composition root"),
        ("store/desk.py", "import starlette", "The store knows neither the web nor the protocol"),
        ("review_web/inbox.py", "import mcp", "The review site does not speak"),
    ],
)
def test_an_import_against_the_direction_is_refused(copy: Path, module: str, line: str, contract: str) -> None:
    with (copy / module).open("a") as source:
        source.write(f"\n{line}\n")

    result = check_contracts(copy)

    assert result.returncode == 1, result.stdout + result.stderr
    assert [said for said in result.stdout.splitlines() if said.startswith(contract) and said.endswith("BROKEN")] != []
