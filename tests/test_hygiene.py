"""The repository speaks of the product alone: nothing in it knows the machine that it was made on."""

import re
import tomllib

import pytest

from tests.repository import ROOT, tracked_files

# Put together from parts, so that this file does not hold what it looks for.
MACHINE_PATHS = ("work", "root", "tmp/plan", "tmp/lab", "opt/wheels", "opt/pypi")
REGISTRIES = ("pypi org", "files.pythonhosted org", "registry.npmjs org", "registry.yarnpkg com", "deb.debian org")
TRACE = re.compile(
    r"(?<![\w.:/*$}-])/(?:" + "|".join(MACHINE_PATHS) + r")(?![\w-])|"
    r"\b(?:" + "|".join(re.escape(host.replace(" ", ".")) for host in REGISTRIES) + r")\b"
)


def traces(text: str) -> list[str]:
    return [match[0] for match in TRACE.finditer(text)]


def test_no_file_names_a_path_of_the_machine_it_was_written_on_or_a_registry_host() -> None:
    found = {name: traces((ROOT / name).read_text("utf-8", errors="replace")) for name in tracked_files()}

    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_a_path_of_the_machine_is_noticed(path: str) -> None:
    assert traces(f'home = "/{path}/notes"') == [f"/{path}"]


@pytest.mark.parametrize("host", REGISTRIES)
def test_a_registry_host_is_noticed(host: str) -> None:
    address = host.replace(" ", ".")

    assert traces(f"--index-url https://{address}/simple") == [address]


@pytest.mark.parametrize("text", ["https://example.org/work/", "./root", "/works", "network/work", "/workspace"])
def test_a_path_that_only_looks_like_one_of_the_machine_is_let_be(text: str) -> None:
    assert traces(text) == []


def test_no_file_that_a_tool_or_a_running_server_leaves_behind_is_in_the_repository() -> None:
    leftovers = re.compile(
        r"(^|/)(__pycache__|\.venv|\.assent|[^/]*\.egg-info|\.[a-z]+_cache)(/|$)|\.(pyc|db|db-wal|db-shm)$"
    )

    assert [name for name in tracked_files() if leftovers.search(name)] == []


def test_no_file_of_the_repository_leads_out_of_it() -> None:
    assert [name for name in tracked_files() if (ROOT / name).is_symlink()] == []


def test_every_test_file_is_found_by_the_test_runner() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    strays = [
        name
        for name in tracked_files()
        if name.rpartition("/")[2].startswith("test_")
        and name.endswith(".py")
        and name.partition("/")[0] not in options["testpaths"]
        and not name.startswith("client_examples/")
    ]

    assert strays == []
