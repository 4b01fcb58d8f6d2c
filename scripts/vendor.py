"""Re-create the vendored browser assets from their npm packages.

    python scripts/vendor.py                     the versions that the manifests name; fails if a file would change
    python scripts/vendor.py htmx.org@4.0.2      the same, with this one package at another version

Needs npm, which is asked for each package by name and version. The site itself never needs npm: what it serves is
committed, and each folder's manifest.json names every file with its hash.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Asset:
    """One npm package, and which of its files we take: name here -> path in the package."""

    name: str
    package: str
    licence: str
    folder: str
    files: Mapping[str, str] = field(default_factory=dict)


SITE = "review_web/static/vendor"
TESTS = "tests/vendor"

ASSETS = (
    Asset(
        name="htmx",
        package="htmx.org",
        licence="0BSD",
        folder=SITE,
        files={
            "htmx.min.js": "dist/htmx.min.js",
            "hx-sse.min.js": "dist/ext/hx-sse.min.js",
            "hx-csp.min.js": "dist/ext/hx-csp.min.js",
            "htmx.LICENSE.txt": "LICENSE",
        },
    ),
    Asset(
        name="Pico CSS",
        package="@picocss/pico",
        licence="MIT",
        folder=SITE,
        files={"pico.min.css": "css/pico.min.css", "pico.LICENSE.txt": "LICENSE.md"},
    ),
    Asset(
        name="axe-core",
        package="axe-core",
        licence="MPL-2.0",
        folder=TESTS,
        files={
            "axe.min.js": "axe.min.js",
            "axe.LICENSE.txt": "LICENSE",
            "axe.LICENSE-3RD-PARTY.txt": "LICENSE-3RD-PARTY.txt",
        },
    ),
)


class VendorProblem(Exception):
    """What keeps the assets from being re-created, in words for whoever ran the script."""


def pinned() -> dict[str, dict[str, object]]:
    """What the manifests say now: package -> its entry."""
    manifests = [ROOT / folder / "manifest.json" for folder in (SITE, TESTS)]
    texts = [manifest.read_text("utf-8") for manifest in manifests if manifest.exists()]
    return {entry["package"]: entry for text in texts for entry in json.loads(text)}


def wanted_versions(requests: Sequence[str], entries: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """The version of each package: as pinned, unless a request `package@version` says otherwise."""
    versions = {package: str(entry["version"]) for package, entry in entries.items()}
    known = {asset.package for asset in ASSETS}
    for request in requests:
        package, _, version = request.rpartition("@")
        if package not in known or not version:
            raise VendorProblem(f"{request!r} is not one of {', '.join(sorted(known))} with @ and a version")
        versions[package] = version
    missing = known - versions.keys()
    if missing:
        raise VendorProblem(f"no manifest pins {', '.join(sorted(missing))}: name a version, as in package@version")
    return versions


def contents(package: str, version: str, paths: Sequence[str]) -> dict[str, bytes]:
    """The bytes of these files in one published package, fetched by npm into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{package}@{version}"]
        try:
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as problem:
            raise VendorProblem(f"npm could not fetch {package} {version}: {problem}") from problem
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            return {path: member_bytes(tar, f"package/{path}") for path in paths}


def member_bytes(tar: tarfile.TarFile, name: str) -> bytes:
    """One regular file of an archive, read without unpacking anything."""
    try:
        stream = tar.extractfile(name)
    except KeyError:
        stream = None
    if stream is None:
        raise VendorProblem(f"the package has no file {name}: look where it moved, and say so in ASSETS")
    return stream.read()


def entry_for(asset: Asset, version: str, fetched: Mapping[str, bytes]) -> dict[str, object]:
    """The manifest's record of one package."""
    return {
        "name": asset.name,
        "version": version,
        "licence": asset.licence,
        "package": asset.package,
        "files": {name: hashlib.sha256(fetched[path]).hexdigest() for name, path in sorted(asset.files.items())},
    }


def recreate(requests: Sequence[str]) -> None:
    """Fetch everything first, and write only when nothing is amiss."""
    before = pinned()
    versions = wanted_versions(requests, before)
    manifests: dict[str, list[dict[str, object]]] = {SITE: [], TESTS: []}
    writes: dict[Path, bytes] = {}
    for asset in ASSETS:
        fetched = contents(asset.package, versions[asset.package], list(asset.files.values()))
        entry = entry_for(asset, versions[asset.package], fetched)
        old = before.get(asset.package)
        # A published version never changes, so other bytes under the same number are somebody else's bytes.
        if old is not None and old["version"] == entry["version"] and not same_bytes(old["files"], entry["files"]):
            raise VendorProblem(f"{asset.package} {entry['version']} is not what it was: nothing was written")
        manifests[asset.folder].append(entry)
        writes |= {ROOT / asset.folder / name: fetched[path] for name, path in asset.files.items()}
    for folder, entries in manifests.items():
        text = json.dumps(sorted(entries, key=lambda entry: str(entry["package"])), indent=2) + "\n"
        writes[ROOT / folder / "manifest.json"] = text.encode()
    for path, data in writes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def same_bytes(old: object, new: object) -> bool:
    """Whether two manifests agree on every file that both of them name."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    return all(old[name] == new[name] for name in old.keys() & new.keys())


def main() -> int:
    parser = argparse.ArgumentParser(description="Re-create the vendored browser assets from their npm packages.")
    parser.add_argument("packages", nargs="*", metavar="package@version", help="take this version from now on")
    try:
        recreate(parser.parse_args().packages)
    except VendorProblem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
