"""Agents in front of a house that governs the tools of their clients: what stands open of theirs, what is logged."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.server.house import House, house_in
from tests.server.talking import run
from tests.upstreams.running import everything, policy_text

Json = dict[str, Any]


def furnish(house: House, rules: str) -> None:
    """A reviewer, and a policy in force with these rules, that holds everything else."""
    house.add_reviewer()
    policy = house.home.path.parent / "policy.yaml"
    policy.write_text(policy_text(everything(), rules=rules))
    activated = run("policy", "activate", str(policy), *house.flags)
    assert activated.returncode == 0, activated.stderr


@contextmanager
def furnished(folder: Path, rules: str) -> Iterator[House]:
    """A house that is furnished so and serves, for the length of the block."""
    house = house_in(folder)
    furnish(house, rules)
    house.serve("--log-level", "warning")
    try:
        yield house
    finally:
        house.clear()


@dataclass(frozen=True)
class Seat:
    """One agent in front of a house. `program` is its client, which works in `folder`."""

    house: House
    agent: str
    program: Path
    folder: Path

    def printed(self, client: str, *flags: str) -> Json:
        """What `assent client` says, with a token of this agent's."""
        printed = run("client", client, *flags, "--agent", self.agent, "--json", *self.house.flags)
        assert printed.returncode == 0, printed.stderr
        said: Json = json.loads(printed.stdout)
        return said

    async def card(self, reviewer: httpx2.AsyncClient) -> Json:
        """The one request of this agent that is open, once its agent waits for the answer."""
        while True:
            found = await self.open(reviewer)
            if found and found[0]["agent_waiting"]:
                (row,) = found
                return await self.read(reviewer, row["request_id"])

    async def read(self, reviewer: httpx2.AsyncClient, request_id: str) -> Json:
        card: Json = (await reviewer.get(f"/api/requests/{request_id}")).json()
        return card

    async def asked(self, reviewer: httpx2.AsyncClient) -> list[Json]:
        """All that it ever asked."""
        answer = await reviewer.get("/api/requests", params={"state": "all"})
        return [one for one in answer.json()["requests"] if one["agent"] == self.agent]

    async def open(self, reviewer: httpx2.AsyncClient) -> list[Json]:
        """What nobody has answered."""
        return [one for one in await self.asked(reviewer) if one["state"] != "closed"]

    async def log(self, reviewer: httpx2.AsyncClient, request_id: str) -> list[str]:
        """What the log holds of one request: the types of its entries."""
        answer = await reviewer.get("/api/audit/entries", params={"limit": 1000})
        entries = [json.loads(base64.b64decode(one["entry"])) for one in answer.json()["entries"]]
        return [entry["type"] for entry in entries if entry.get("request") == request_id]


async def edit(reviewer: httpx2.AsyncClient, card: Json, **arguments: Any) -> None:
    """Have it run with these instead, once somebody approves that."""
    body = {"card_sha256": card["card_sha256"], "arguments": arguments}
    edited = await reviewer.post(f"/api/requests/{card['request_id']}/arguments", json=body)
    assert edited.status_code == 200, edited.text
