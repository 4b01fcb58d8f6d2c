"""What we ship of other people's browser code is listed with its hash, and comes with its licence."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.repository import ROOT

FOLDERS = {"site": ROOT / "review_web" / "static" / "vendor", "tests": ROOT / "tests" / "vendor"}
FIELDS = {"name", "version", "licence", "package", "files"}


def faults(folder: Path) -> list[str]:
    """What is wrong with a folder of vendored files, measured by its manifest in both directions."""
    entries = json.loads((folder / "manifest.json").read_text("utf-8"))
    listed = {name: digest for entry in entries for name, digest in entry["files"].items()}
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    found = [f"{name} is listed but not there" for name in sorted(listed.keys() - present)]
    found += [f"{name} is there but not listed" for name in sorted(present - listed.keys())]
    for name in sorted(listed.keys() & present):
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != listed[name]:
            found.append(f"{name} is not the file that was listed")
    return found


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_the_vendored_files_are_exactly_those_of_the_manifest(folder: Path) -> None:
    assert faults(folder) == []


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_every_vendored_package_says_what_it_is_and_brings_its_licence(folder: Path) -> None:
    for entry in json.loads((folder / "manifest.json").read_text("utf-8")):
        assert entry.keys() == FIELDS
        assert all(entry.values())
        assert [name for name in entry["files"] if name.endswith(".LICENSE.txt")] != []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(FOLDERS["site"], tmp_path / "vendor")


def test_a_changed_vendored_file_is_noticed(copy: Path) -> None:
    with (copy / "htmx.min.js").open("a") as script:
        script.write("\n")

    assert faults(copy) == ["htmx.min.js is not the file that was listed"]


def test_a_vendored_file_that_the_manifest_does_not_list_is_noticed(copy: Path) -> None:
    (copy / "stray.js").write_text("")

    assert faults(copy) == ["stray.js is there but not listed"]


def test_a_missing_vendored_file_is_noticed(copy: Path) -> None:
    (copy / "pico.min.css").unlink()

    assert faults(copy) == ["pico.min.css is listed but not there"]
