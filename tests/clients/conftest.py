"""A running server with a reviewer and an agent, and whatever other clients need."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.installed import HERE, find_node, node_packages
from tests.repository import ROOT
from tests.server.house import House, house_in
from tests.server.talking import run

AGENT = "other-client"
BRIEF = "a-client-of-short-slices"
"""The name of a client whose calls this house holds for a second only."""


@dataclass(frozen=True)
class NodeSide:
    """A Node, and the folder of its packages; programs are copied there, because imports start at their file."""

    node: Path
    folder: Path


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("clients")


def node_side_in(cache: Path) -> NodeSide:
    """Both, found or installed in this folder."""
    node = find_node(cache / "node")
    folder = node_packages(cache)
    for program in (*HERE.glob("node/*.mjs"), ROOT / "client_examples" / "typescript" / "ask_first.ts"):
        shutil.copy(program, folder)
    return NodeSide(node, folder)


@pytest.fixture(scope="session")
def node_side(cache: Path) -> NodeSide:
    return node_side_in(cache)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One server for a module: its tests tell their cards apart by title."""
    house = house_in(tmp_path_factory.mktemp("house"))
    with house.home.config_file.open("a", encoding="utf-8") as config:
        config.write(f"[clients]\n{BRIEF} = 1\n")
    house.add_reviewer()
    house.serve()
    yield house
    house.clear()


@pytest.fixture(scope="module")
def token(house: House) -> str:
    added: str = json.loads(run("agent", "add", AGENT, "--json", *house.flags).stdout)["token"]
    return added
