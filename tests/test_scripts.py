"""The scripts behind make: what they refuse, and what they say then."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import vendor
from tests.repository import ROOT


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(ROOT / "scripts" / script), *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)


def test_a_python_that_fits_is_found_and_printed() -> None:
    result = run("find-python", PYTHON=sys.executable)

    assert (result.returncode, result.stdout, result.stderr) == (0, f"{sys.executable}\n", "")


def test_a_python_that_does_not_fit_is_refused_with_what_to_do() -> None:
    result = run("find-python", PYTHON="no-such-python")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: PYTHON=no-such-python is not a Python 3.11 or newer")
    assert "\nhint: install one" in result.stderr


def test_without_any_python_nothing_is_installed_and_the_reason_is_said(tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    (tmp_path / "sh").symlink_to(shell)

    result = subprocess.run(
        [shell, ROOT / "scripts" / "find-python"], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no Python 3.11 or newer")


def test_a_chromium_that_starts_is_taken_as_it_was_named(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\nexit 0\n")
    browser.chmod(0o755)

    result = run("chromium", CHROMIUM=str(browser))

    assert (result.returncode, result.stdout, result.stderr) == (0, f"{browser}\n", "")


def test_a_chromium_that_does_not_start_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\nexit 1\n")
    browser.chmod(0o755)

    result = run("chromium", CHROMIUM=str(browser))

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: CHROMIUM={browser} does not start\nhint: ")


def test_setting_up_something_unknown_is_refused() -> None:
    result = run("set-up", "everything")

    assert (result.returncode, result.stderr) == (2, "usage: scripts/set-up base|dev\n")


class Registry:
    """Packages as npm would deliver them; by default what is vendored already."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.changed: dict[str, bytes] = {}

    def contents(self, package: str, version: str, paths: Sequence[str]) -> dict[str, bytes]:
        self.asked.append(f"{package}@{version}")
        (asset,) = [asset for asset in vendor.ASSETS if asset.package == package]
        names = {path: name for name, path in asset.files.items()}
        return {path: self.changed.get(names[path], (ROOT / asset.folder / names[path]).read_bytes()) for path in paths}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = Registry()
    monkeypatch.setattr(vendor, "contents", registry.contents)
    return registry


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The vendored folders, where a test may have them written anew."""
    for folder in (vendor.SITE, vendor.TESTS):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(vendor, "ROOT", tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_fetching_the_assets_anew_changes_nothing_while_the_versions_stay(registry: Registry, copy: Path) -> None:
    before = files(copy)

    vendor.recreate([])

    assert files(copy) == before


def test_another_version_of_an_asset_is_written_with_its_manifest(registry: Registry, copy: Path) -> None:
    registry.changed = {"htmx.min.js": b"newer"}

    vendor.recreate(["htmx.org@999.0.0"])

    manifest = json.loads((copy / vendor.SITE / "manifest.json").read_text("utf-8"))
    assert (copy / vendor.SITE / "htmx.min.js").read_bytes() == b"newer"
    assert {entry["package"]: entry["version"] for entry in manifest}["htmx.org"] == "999.0.0"


def test_other_bytes_under_a_version_that_is_vendored_already_are_refused_whole(registry: Registry, copy: Path) -> None:
    before = files(copy)
    registry.changed = {"htmx.min.js": b"tampered with"}

    with pytest.raises(vendor.VendorProblem, match=r"htmx\.org .* is not what it was: nothing was written"):
        vendor.recreate([])

    assert files(copy) == before


@pytest.mark.parametrize("request_", ["left-pad@1.0.0", "htmx.org", "@picocss/pico"])
def test_an_unknown_package_or_a_missing_version_is_refused_before_anything_is_fetched(
    registry: Registry, copy: Path, request_: str
) -> None:
    with pytest.raises(vendor.VendorProblem, match="is not one of"):
        vendor.recreate([request_])

    assert registry.asked == []
