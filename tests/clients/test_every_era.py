"""An upstream of either era, over either channel, behind Assent: the official clients of either era get the same as
directly, questions and progress included, and what they give up is given up there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from store.policy.upstreams import Upstream
from tests.clients.conftest import AGENT, NodeSide
from tests.clients.requests import OfficialClient, Target, connected, differences, of_upstream, through
from tests.clients.test_reference_servers import CLIENTS, LISTS, called, prompted, read
from tests.server.house import House, house_in
from tests.server.talking import PATIENCE, run
from tests.upstreams.everything import LEGACY, MODERN
from tests.upstreams.notebook import Notebook
from tests.upstreams.running import everything, over_http, policy_text

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
RULES = '  - {name: all runs, tool: ["up__*", "up:*"], action: allow}'
BEHIND = [(channel, era) for channel in ("stdio", "http") for era in (LEGACY, MODERN)]
REQUESTS = [
    *LISTS,
    called("echo", text="héllo \u2603 \U0001f600"),
    called("add", a=1, b=2.5),
    called("add", a=-1e300, b=0.1),
    called("progress", steps=4),
    called("picture"),
    called("embedded"),
    called("fails"),
    called("refuses"),
    called("hostile"),
    called("huge", size=300_000),
    called("ask_name", question="Which?"),
    called("ask_twice"),
    called("send_payment", to="Ana", amount=5),
    prompted("bare"),
    prompted("greeting", name="Ana", tone="dry"),
    read("test://text"),
    read("test://blob"),
    read("test://notes/7"),
]


@dataclass
class Passing:
    """Assent with one upstream behind it, and the same upstream by itself."""

    house: House
    token: str
    direct: Target
    notebook: Notebook

    @property
    def assent(self) -> Target:
        return Target(url=self.house.running.endpoint, token=self.token)


@pytest.fixture(scope="module", params=BEHIND, ids=" ".join)
def passing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passing]:
    channel, era = request.param
    place = tmp_path_factory.mktemp("passing")
    folder = place / "notebook"
    with over_http(folder=place / "direct") as direct:
        assert direct.url is not None
        target = Target(url=direct.url.removesuffix("/mcp"))
        if channel == "stdio":
            yield from _passing(place, everything("up", folder, era=era), target, folder)
        else:
            with over_http("up", folder, era=era) as upstream:
                yield from _passing(place, upstream, target, folder)


def _passing(place: Path, upstream: Upstream, direct: Target, folder: Path) -> Iterator[Passing]:
    house = house_in(place)
    house.add_reviewer()
    policy = place / "policy.yaml"
    policy.write_text(policy_text(upstream, rules=RULES))
    activated = run("policy", "activate", str(policy), *house.flags)
    assert activated.returncode == 0, activated.stderr
    token: str = json.loads(run("agent", "add", AGENT, "--json", *house.flags).stdout)["token"]
    house.serve("--log-level", "warning")
    try:
        found = Passing(house, token, direct, Notebook(folder))
        anyio.run(_listed, found)
        yield found
    finally:
        house.clear()


async def _listed(passing: Passing) -> None:
    with anyio.fail_after(PATIENCE):
        while True:
            async with connected(passing.assent, "auto") as client:
                if "up__echo" in {tool.name for tool in (await client.list_tools()).tools}:
                    return


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> OfficialClient:
    return CLIENTS[request.param]


@pytest.fixture
def side(client: OfficialClient, request: pytest.FixtureRequest) -> NodeSide | None:
    if client.sdk == "python":
        return None
    node_side: NodeSide = request.getfixturevalue("node_side")
    return node_side


async def test_everything_is_the_same_through_assent(
    passing: Passing, client: OfficialClient, side: NodeSide | None
) -> None:
    direct = await client.answers(side, passing.direct, REQUESTS)
    passed = await client.answers(side, passing.assent, [through("up", one) for one in REQUESTS])

    assert differences(REQUESTS, direct, [of_upstream("up", one) for one in passed]) == []


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_what_a_client_gives_up_is_given_up_by_the_upstream(passing: Passing, era: str) -> None:
    gate = f"never, {era}"
    async with connected(passing.assent, era) as client, anyio.create_task_group() as group:
        group.start_soon(client.call_tool, "up__wait", {"gate": gate})
        await passing.notebook.seen("waiting", gate=gate)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await passing.notebook.seen("cancelled", gate=gate)


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_calls_at_once_get_each_its_own_answer(passing: Passing, era: str) -> None:
    answers: dict[int, str] = {}
    async with connected(passing.assent, era) as client, anyio.create_task_group() as group:

        async def ask(number: int) -> None:
            result = await client.call_tool("up__echo", {"text": f"number {number}"})
            answers[number] = result.model_dump(mode="json")["content"][0]["text"]

        for number in range(50):
            group.start_soon(ask, number)

    assert answers == {number: f"number {number}" for number in range(50)}
