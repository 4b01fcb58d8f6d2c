"""The examples on other people's clients do what their READMEs say, at the versions that are locked here."""

import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.clients.conftest import NodeSide
from tests.clients.conversation import the_only_card
from tests.clients.installed import CLIENTS, HERE, python_of
from tests.repository import ROOT
from tests.server.house import House, decide
from tests.server.talking import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
EXAMPLES = ROOT / "client_examples"


@pytest.fixture(params=["typescript", "langgraph", "openai_agents"])
def program(request: pytest.FixtureRequest, cache: Path) -> list[str]:
    """The command that runs the example of this name."""
    if request.param == "typescript":
        side: NodeSide = request.getfixturevalue("node_side")
        return [str(side.node), str(side.folder / "ask_first.ts")]
    return [str(python_of(request.param, cache)), str(EXAMPLES / request.param / "ask_first.py")]


@pytest.mark.parametrize(("decision", "code"), [("approve", 0), ("reject", 1)])
async def test_it_exits_0_only_when_a_person_said_yes(
    house: House, token: str, program: list[str], decision: str, code: int
) -> None:
    title = f"{decision}: {program[-1]}"
    environment = {**os.environ, "ASSENT_TOKEN": token, "ASSENT_URL": house.running.endpoint}
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process([*program, title], env=environment, stdout=None, stderr=None) as process:
            async with house.reviewer() as reviewer:
                await decide(reviewer, await the_only_card(reviewer, title), decision=decision)
            await process.wait()

    assert process.returncode == code


def test_the_typescript_example_asks_for_the_version_that_is_tested() -> None:
    example: dict[str, Any] = json.loads((EXAMPLES / "typescript" / "package.json").read_text("utf-8"))
    locked = json.loads((HERE / CLIENTS / "package-lock.json").read_text("utf-8"))["packages"]

    assert {name: locked[f"node_modules/{name}"]["version"] for name in example["dependencies"]} == example[
        "dependencies"
    ]
