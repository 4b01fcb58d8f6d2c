"""What is shipped: the dependencies, their locks, and what a wheel holds."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository import ROOT, tracked_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

# Adding one is a decision: what does it save, who keeps it, and what does it bring along?
BASE_DEPENDENCIES = {
    "alembic",
    "anyio",
    "argon2-cffi",
    "cryptography",
    "cyclopts",
    "filelock",
    "google-re2",
    "httpx2",
    "jinja2",
    "limits",
    "markdown-it-py",
    "mcp",
    "nh3",
    "platformdirs",
    "pydantic",
    "python-multipart",
    "rfc8785",
    "ruamel-yaml",
    "segno",
    "sqlalchemy",
    "sqlmodel",
    "sse-starlette",
    "starlette",
    "structlog",
    "uvicorn",
    "webauthn",
}
# What is installed only by whoever wants it: assent[NAME].
EXTRAS = {"cel": {"cel-expr-python"}, "oidc": {"authlib", "joserfc"}}
PACKAGES = ("store", "review_web", "server")

# What our code imports that another dependency brings along, by its own promise.
COMES_WITH = {
    "jsonschema": "mcp",
    "markupsafe": "jinja2",
    "mcp-types": "mcp",
    "pydantic-core": "pydantic",
    "referencing": "mcp",
}
NOT_IMPORTED = {
    "python-multipart",  # Starlette reads forms with it, and leaves it to us to install
}


def locked(name: str) -> dict[str, set[str]]:
    """The pins of one lock file: name -> versions (more than one where they differ by Python or system)."""
    pins: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines():
        if match := re.match(r"([a-z0-9-]+)(?:\[[a-z,-]+\])?==([^ ;]+)", line):
            pins.setdefault(match[1], set()).add(match[2])
    return pins


def requirements() -> list[Requirement]:
    return [Requirement(text) for text in PROJECT["project"]["dependencies"]]


def test_the_base_dependencies_are_exactly_those_that_were_decided_on() -> None:
    assert {canonicalize_name(requirement.name) for requirement in requirements()} == BASE_DEPENDENCIES


def test_every_base_dependency_says_from_which_version_on_it_works() -> None:
    unbounded = [str(requirement) for requirement in requirements() if ">=" not in str(requirement.specifier)]

    assert unbounded == []


def test_the_base_lock_pins_every_base_dependency_at_a_version_the_project_allows() -> None:
    pins = locked("base.lock")

    refused = [
        f"{requirement} is locked at {pins.get(requirement.name)}"
        for requirement in requirements()
        if not pins.get(requirement.name)
        or not all(requirement.specifier.contains(version) for version in pins[requirement.name])
    ]

    assert refused == []


def test_the_development_lock_tests_the_very_versions_that_the_base_lock_ships() -> None:
    development = locked("dev.lock")

    differing = {name for name, versions in locked("base.lock").items() if development.get(name) != versions}

    assert differing == set()


def test_the_build_lock_builds_with_what_the_development_lock_tests() -> None:
    development = locked("dev.lock")

    assert locked("build.lock") == {"setuptools": development["setuptools"]}


@pytest.mark.parametrize("name", ["base.lock", "dev.lock", "build.lock"])
def test_every_pin_of_a_lock_carries_hashes_and_no_lock_says_where_to_download_from(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text("utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    entries = re.split(r"\n(?=\S)", code.strip())

    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert [entry for entry in entries if "://" in entry or " @ " in entry or entry.startswith("-")] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the tracked files, so that nothing lying about here can slip in, or help."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir"]
    subprocess.run([sys.executable, *build, folder, source], check=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_a_wheel_holds_every_file_of_our_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    ours = {name for name in tracked_files() if name.partition("/")[0] in PACKAGES} | {"assent.py"}
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert shipped == ours


@pytest.mark.parametrize("kind", ["review_web/templates/", "review_web/static/vendor/", "store/migrations/"])
def test_a_wheel_holds_templates_assets_and_migrations(wheel: zipfile.ZipFile, kind: str) -> None:
    assert [name for name in wheel.namelist() if name.startswith(kind)] != []


def test_a_wheel_carries_our_licence_and_those_of_the_assets_inside(wheel: zipfile.ZipFile) -> None:
    licences = {name.partition("/licenses/")[2] for name in wheel.namelist() if "/licenses/" in name}

    assert licences == {
        "LICENSE",
        "review_web/static/vendor/htmx.LICENSE.txt",
        "review_web/static/vendor/pico.LICENSE.txt",
    }


def test_installing_gives_one_command_named_assent(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]

    assert wheel.read(entry_points).decode().split("\n") == ["[console_scripts]", "assent = assent:main", ""]


def imported_distributions() -> set[str]:
    """The distributions whose modules our own code imports."""
    distributions = packages_distributions()
    sources = [ROOT / "assent.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    modules = {module for source in sources for module in imported_modules(source.read_text("utf-8"))}
    return {
        canonicalize_name(name) for module in modules - {"assent", *PACKAGES} for name in distributions.get(module, ())
    }


def imported_modules(source: str) -> set[str]:
    """The top-level names of the modules that this source imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_our_code_imports_nothing_that_is_not_a_base_dependency() -> None:
    extras = set().union(*EXTRAS.values())
    undeclared = imported_distributions() - BASE_DEPENDENCIES - COMES_WITH.keys() - extras

    assert undeclared == set()


def test_the_extras_are_exactly_those_that_were_decided_on() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    named = {extra: {canonicalize_name(Requirement(text).name) for text in texts} for extra, texts in extras.items()}

    assert named == EXTRAS


def test_a_server_without_extras_imports_nothing_of_theirs() -> None:
    modules = sorted(name.replace("-", "_") for names in EXTRAS.values() for name in names)
    program = f"import sys, server.app, server.cli; print([name for name in {modules} if name in sys.modules])"
    imported = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)

    assert imported.stdout.strip() == "[]"


def test_every_base_dependency_is_used() -> None:
    assert BASE_DEPENDENCIES - imported_distributions() - NOT_IMPORTED == set()
