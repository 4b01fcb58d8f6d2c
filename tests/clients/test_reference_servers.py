"""The reference servers give the same through Assent as they give directly, tool by tool, to the official clients."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from store.policy.upstreams import Upstream
from tests.clients.conftest import AGENT, NodeSide
from tests.clients.installed import SERVERS, find_node, node_packages
from tests.clients.requests import Json, OfficialClient, Target, connected, differences, of_upstream, through
from tests.server.house import House, house_in
from tests.server.talking import PATIENCE, command, run
from tests.upstreams.running import policy_text

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

CLIENTS = {
    "python, older era": OfficialClient("python", "legacy"),
    "python, newer era": OfficialClient("python", "auto"),
    "typescript 1.x": OfficialClient("1.x", "legacy"),
    "typescript 2.x, older era": OfficialClient("2.x", "legacy"),
    "typescript 2.x, newer era": OfficialClient("2.x", "auto"),
}
RULES = """\
  - {name: everything runs, tool: ["everything__*", "everything:*"], action: allow}
  - {name: files run, tool: "files__*", action: allow}
"""
LISTS = [{"method": method} for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list")]


def called(name: str, /, **arguments: Any) -> Json:
    return {"method": "tools/call", "params": {"name": name, "arguments": arguments}}


def prompted(name: str, /, **arguments: str) -> Json:
    return {"method": "prompts/get", "params": {"name": name, "arguments": arguments}}


def read(uri: str) -> Json:
    return {"method": "resources/read", "params": {"uri": uri}}


EVERYTHING = [
    *LISTS,
    called("echo", message="héllo \u2603 \U0001f600"),
    *(called("get-annotated-message", messageType=kind, includeImage=True) for kind in ("error", "success", "debug")),
    called("get-resource-links", count=4),
    called("get-resource-reference", resourceType="Text", resourceId=1),
    called("get-resource-reference", resourceType="Blob", resourceId=2),
    called("get-structured-content", location="Chicago"),
    called("get-sum", a=1, b=2.5),
    called("get-tiny-image"),
    called("gzip-file-as-resource", name="a.gz", data="data:text/plain;base64,aGVsbG8=", outputType="resource"),
    called("trigger-long-running-operation", duration=0.3, steps=3),
    called("trigger-elicitation-request"),
    # Switched on and off again: the next client finds it as this one did.
    *[called("toggle-simulated-logging")] * 2,
    *[called("toggle-subscriber-updates")] * 2,
    prompted("simple-prompt"),
    prompted("args-prompt", city="Oslo", state="calm"),
    prompted("completable-prompt", department="Engineering", name="Alice"),
    prompted("resource-prompt", resourceType="Text", resourceId="3"),
    read("demo://resource/static/document/features.md"),
    read("demo://resource/dynamic/text/4"),
    read("demo://resource/dynamic/blob/5"),
]


def files(folder: Path) -> list[Json]:
    """Every tool of the server of files, on this folder."""

    def at(name: str) -> str:
        return str(folder / name)

    return [
        LISTS[0],
        called("list_allowed_directories"),
        called("create_directory", path=at("made/deeper")),
        called("write_file", path=at("made/new.txt"), content="one\ntwo\nthree\n"),
        called("read_file", path=at("made/new.txt")),
        called("read_text_file", path=at("made/new.txt"), head=1),
        called("edit_file", path=at("made/new.txt"), edits=[{"oldText": "two", "newText": "2"}], dryRun=True),
        called("edit_file", path=at("made/new.txt"), edits=[{"oldText": "two", "newText": "zwei"}]),
        called("read_multiple_files", paths=[at("a.txt"), at("made/new.txt"), at("none.txt")]),
        called("read_media_file", path=at("pixel.png")),
        called("list_directory", path=at("")),
        called("list_directory_with_sizes", path=at(""), sortBy="size"),
        called("directory_tree", path=at("")),
        called("move_file", source=at("made/new.txt"), destination=at("made/moved.txt")),
        called("search_files", path=at(""), pattern="**/*.txt"),
        called("get_file_info", path=at("a.txt")),
        called("read_text_file", path=at("none.txt")),
        called("read_text_file", path="/etc/hostname"),
    ]


@dataclass
class Servers:
    """The reference servers, each as it is started directly, and Assent with both behind it."""

    direct: dict[str, Target]
    house: House
    token: str
    folder: Path

    @property
    def assent(self) -> Target:
        return Target(url=self.house.running.endpoint, token=self.token)

    @property
    def bridge(self) -> Target:
        return Target(command=command("stdio", "--agent", AGENT, *self.house.flags))

    def fill(self) -> None:
        """Put into the folder what every client finds there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "a.txt").write_text("the letter a\n")
        (self.folder / "pixel.png").write_bytes(b"\x89PNG\r\n\x1a\n")


@pytest.fixture(scope="module")
def servers(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    node, packages = str(find_node(cache / "node")), node_packages(cache, SERVERS)
    place = tmp_path_factory.mktemp("reference")
    folder = place / "files"

    def started(package: str, *arguments: str) -> tuple[str, ...]:
        program = packages / "node_modules" / "@modelcontextprotocol" / package / "dist" / "index.js"
        return (node, str(program), *arguments)

    commands = {
        "everything": started("server-everything", "stdio"),
        "files": started("server-filesystem", str(folder)),
    }
    upstreams = [Upstream(name, command=line[0], args=line[1:]) for name, line in commands.items()]
    house = house_in(place)
    house.add_reviewer()
    policy = place / "policy.yaml"
    policy.write_text(policy_text(*upstreams, rules=RULES))
    activated = run("policy", "activate", str(policy), *house.flags)
    assert activated.returncode == 0, activated.stderr
    token: str = json.loads(run("agent", "add", AGENT, "--json", *house.flags).stdout)["token"]
    found = Servers({name: Target(command=line) for name, line in commands.items()}, house, token, folder)
    found.fill()
    house.serve("--log-level", "warning")
    try:
        anyio.run(_listed, found)
        yield found
    finally:
        house.clear()


async def _listed(servers: Servers) -> None:
    """Return once agents are told of both servers' tools."""
    with anyio.fail_after(PATIENCE):
        while True:
            async with connected(servers.assent, "auto") as client:
                names = {tool.name for tool in (await client.list_tools()).tools}
            if {"everything__echo", "files__read_file"} <= names:
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


def _lasting(answer: Json) -> Json:
    """Without what its tools left in a list for as long as its process runs: behind Assent that is for all clients."""
    result = answer.get("result", {})
    if "resources" not in result:
        return answer
    found = [entry for entry in result["resources"] if not entry["uri"].startswith("demo://resource/session/")]
    return {**answer, "result": {**result, "resources": found}}


async def test_everything_is_the_same_through_assent(
    servers: Servers, client: OfficialClient, side: NodeSide | None
) -> None:
    direct = await client.answers(side, servers.direct["everything"], EVERYTHING)
    passed = await client.answers(side, servers.assent, [through("everything", one) for one in EVERYTHING])

    assert differences(EVERYTHING, direct, [_lasting(of_upstream("everything", one)) for one in passed]) == []
    assert [one for one in direct if "error" in one] == []


async def test_files_are_the_same_through_assent(
    servers: Servers, client: OfficialClient, side: NodeSide | None
) -> None:
    requests = files(servers.folder)
    servers.fill()
    direct = await client.answers(side, servers.direct["files"], requests)
    after = sorted(path.relative_to(servers.folder) for path in servers.folder.rglob("*"))
    servers.fill()
    passed = await client.answers(side, servers.assent, [through("files", one) for one in requests])

    assert differences(requests, direct, [of_upstream("files", one) for one in passed]) == []
    assert sorted(path.relative_to(servers.folder) for path in servers.folder.rglob("*")) == after


async def test_the_bridge_passes_them_on_alike(servers: Servers) -> None:
    client = CLIENTS["python, newer era"]
    direct = await client.answers(None, servers.direct["everything"], EVERYTHING)
    passed = await client.answers(None, servers.bridge, [through("everything", one) for one in EVERYTHING])

    assert differences(EVERYTHING, direct, [_lasting(of_upstream("everything", one)) for one in passed]) == []


async def test_every_tool_of_the_reference_servers_is_called_here(servers: Servers) -> None:
    left_out = {
        # It tells the environment of its process, which is not that of this test.
        "get-env",
        # Both can only be run as a task of the older protocol's draft, or ask for a page to be opened.
        "simulate-research-query",
        "trigger-url-elicitation",
    }
    for name, requests in (("everything", EVERYTHING), ("files", files(servers.folder))):
        (listed,) = await CLIENTS["python, older era"].answers(None, servers.direct[name], LISTS[:1])
        names = {tool["name"] for tool in listed["result"]["tools"]}

        assert names - left_out == {one["params"]["name"] for one in requests if one["method"] == "tools/call"}


async def test_a_reference_server_sees_nothing_of_the_agent_s_token_or_of_our_settings(servers: Servers) -> None:
    (told,) = await CLIENTS["python, newer era"].answers(None, servers.assent, [called("everything__get-env")])
    environment = json.loads(told["result"]["content"][0]["text"])

    assert servers.token not in json.dumps(environment)
    assert {name for name in environment if name.startswith("ASSENT_")} == set()
