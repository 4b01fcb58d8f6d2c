"""The script that finds a Node: what it takes, and what it says when there is none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.installed import find_node
from tests.repository import ROOT


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    shell = shutil.which("sh")
    assert shell is not None
    command = [shell, str(ROOT / "scripts" / "node"), str(folder)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)


def program(path: Path, code: int) -> str:
    path.write_text(f"#!/bin/sh\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_a_node_that_fits_is_taken_as_it_was_named(tmp_path: Path) -> None:
    node = program(tmp_path / "node", 0)

    result = run(tmp_path, NODE=node)

    assert (result.returncode, result.stdout, result.stderr) == (0, f"{node}\n", "")


def test_a_node_that_is_too_old_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    node = program(tmp_path / "node", 1)

    result = run(tmp_path, NODE=node)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: NODE={node} is not a Node 22.18 or newer\nhint: ")


def test_without_node_and_npm_it_fails_and_says_what_to_do(tmp_path: Path) -> None:
    user = tmp_path / "id"
    user.write_text("#!/bin/sh\necho 1000\n")
    user.chmod(0o755)

    result = run(tmp_path / "folder", PATH=str(tmp_path), NODE="")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: the tests with other clients need Node 22.18 or newer and npm")
    assert "WITHOUT_NPM=1" in result.stderr


def test_a_machine_that_says_it_has_no_npm_skips_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WITHOUT_NPM", "1")

    with pytest.raises(pytest.skip.Exception, match="WITHOUT_NPM is set"):
        find_node(tmp_path)


def test_a_missing_node_fails_and_never_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WITHOUT_NPM", raising=False)
    monkeypatch.setenv("NODE", program(tmp_path / "node", 1))

    with pytest.raises(pytest.fail.Exception, match="is not a Node"):
        find_node(tmp_path)
