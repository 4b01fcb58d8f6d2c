"""The Python example does what its README says, by HTTP and through the bridge."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.repository import ROOT
from tests.server.house import House, decide, house_in, open_requests
from tests.server.talking import PATIENCE, command, environment, run

pytestmark = pytest.mark.anyio
EXAMPLE = ROOT / "client_examples" / "python" / "ask_first.py"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    house.add_reviewer()
    house.serve()
    yield house
    house.clear()


def way(house: House, *, http: bool) -> dict[str, str]:
    """The environment that the README names for this way to connect."""
    if http:
        token = json.loads(run("agent", "add", "ask-first", "--json", *house.flags).stdout)["token"]
        return {"ASSENT_TOKEN": token, "ASSENT_URL": house.running.endpoint}
    return {"ASSENT_COMMAND": shlex.join(command("stdio", "--agent", "ask-first", *house.flags))}


async def outcome(house: House, decision: str, *, http: bool) -> Process:
    """The example's process after a person decided on what it asked."""
    with anyio.fail_after(PATIENCE):
        process = await anyio.open_process(
            [sys.executable, str(EXAMPLE), "Migrate"],
            env=environment(**way(house, http=http)),
            stdout=None,
            stderr=None,
        )
        async with house.reviewer() as reviewer:
            (request,) = await open_requests(reviewer)
            assert (request["title"], request["agent"]) == ("Migrate", "ask-first")
            await decide(reviewer, request["request_id"], decision=decision)
        await process.wait()
        await process.aclose()
        return process


@pytest.mark.parametrize("http", [True, False], ids=["http", "stdio"])
@pytest.mark.parametrize(("decision", "code"), [("approve", 0), ("reject", 1)])
async def test_it_exits_0_only_when_a_person_said_yes(house: House, decision: str, code: int, http: bool) -> None:
    assert (await outcome(house, decision, http=http)).returncode == code
