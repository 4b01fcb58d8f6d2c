"""The protocol's own conformance suites, against a real server: what fails is exactly what conformance.toml expects."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.clients.conftest import NodeSide
from tests.clients.installed import HERE
from tests.clients.token_proxy import token_proxy
from tests.server.house import House

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
EXPECTED: dict[str, Any] = tomllib.loads((HERE / "conformance.toml").read_text("utf-8"))
SUITES = {
    "2025-11-25": ("@modelcontextprotocol/conformance", []),
    "2026-07-28": ("conformance-next", ["--requirements", "2026-07-28"]),
}


def expected(suite: str) -> set[str]:
    return {failure for group in EXPECTED["group"] if group["suite"] == suite for failure in group["failures"]}


def outcome(folder: Path) -> tuple[set[str], set[str]]:
    """The checks that failed or warned, each as `scenario: check`, and the scenarios that ran."""
    failed, ran = set(), set()
    for report in folder.glob("*/checks.json"):
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT[\d-]+Z$", "", report.parent.name)
        ran.add(scenario)
        for check in json.loads(report.read_text("utf-8")):
            if check["status"] in ("FAILURE", "WARNING"):
                failed.add(f"{scenario}: {check['id']}")
    return failed, ran


@pytest.mark.parametrize("suite", SUITES)
async def test_exactly_the_expected_checks_fail(
    house: House, token: str, node_side: NodeSide, tmp_path: Path, suite: str
) -> None:
    package, options = SUITES[suite]
    program = node_side.folder / "node_modules" / package / "dist" / "index.js"
    running = house.running
    async with token_proxy(running.endpoint, running.url, token) as url:
        command = [str(node_side.node), str(program), "server", "--url", f"{url}/mcp", "-o", str(tmp_path), *options]
        done = await anyio.run_process(command, check=False)
    failed, ran = outcome(tmp_path)

    assert ran >= set(EXPECTED["must_run"][suite]), done.stdout.decode() + done.stderr.decode()
    assert sorted(failed - expected(suite)) == [], "these fail, and nobody said that they may"
    assert sorted(expected(suite) - failed) == [], "these no longer fail: take them out of conformance.toml"


@pytest.mark.parametrize("group", EXPECTED["group"], ids=lambda group: group["reason"][:40])
def test_every_expected_failure_has_a_reason_and_is_of_a_suite(group: dict[str, Any]) -> None:
    assert group["suite"] in SUITES
    assert group["reason"].endswith(".")
    assert len(set(group["failures"])) == len(group["failures"]) > 0
