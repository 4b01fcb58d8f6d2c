"""All clients, each waiting for an answer that comes late: `python -m tests.clients --after 360`.

Every combination runs at once against one server, under a name that is held for as long as it takes and under one that
nobody knows. What comes out is a table, and a failure where a question had more than one card or one answer.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import anyio
import httpx2

from tests.clients.combinations import COMBINATIONS
from tests.clients.conftest import NodeSide, node_side_in
from tests.clients.conversation import log_of
from tests.repository import ROOT
from tests.server.house import House, decide, house_in
from tests.server.talking import run

CACHE = ROOT / ".pytest_cache" / "d" / "clients"
NAMES = {"mcp": "known to wait", "a-program": "unknown"}
STARTING_SECONDS = 60
LATE_SECONDS = 90
ONE_OF_EACH = ["request_opened", "request_closed", "answer_delivered"]


@dataclass(frozen=True)
class Run:
    """A combination under a name: what it was told, one after the other, and how long after the answer it knew it."""

    combination: str
    name: str
    said: Sequence[str]
    seconds: float

    def __str__(self) -> str:
        told = ((words, len(list(times))) for words, times in groupby(self.said))
        words = ", ".join(f"{words} x {times}" if times > 1 else words for words, times in told)
        return f"| {self.combination} | {NAMES[self.name]} | {words} | {self.seconds:.1f} s |"


class Party:
    """Everybody who asks one server."""

    def __init__(self, house: House, side: NodeSide) -> None:
        self._house = house
        self._side = side
        # When each question was answered, by its title.
        self._decided: dict[str, float] = {}
        self.runs: list[Run] = []

    async def meet(self, after: float) -> None:
        """Ask everything, answer it after so many seconds, and return once all know."""
        with anyio.fail_after(STARTING_SECONDS + after + LATE_SECONDS):
            async with anyio.create_task_group() as group, self._house.reviewer() as reviewer:
                for name in NAMES:
                    added = run("agent", "add", f"agent-{name}", "--json", *self._house.flags)
                    for combination in COMBINATIONS:
                        group.start_soon(self._converse, combination, name, json.loads(added.stdout)["token"])
                cards = await _open(reviewer, len(COMBINATIONS) * len(NAMES))
                await anyio.sleep(after)
                for card in cards:
                    self._decided[card["title"]] = anyio.current_time()
                    await decide(reviewer, card["request_id"], decision="approve")

    async def _converse(self, words: str, name: str, token: str) -> None:
        combination, title = COMBINATIONS[words], _title(words, name)
        side = None if combination.sdk == "python" else self._side
        talk = combination.talk(side, self._house, token, name=name, agent=f"agent-{name}", title=title)
        async with talk as conversation:
            line = await conversation.next()
            while not conversation.said[-1].endswith(": answered"):
                line = await conversation.next()
            assert line["result"]["may_proceed"] is True
            self.runs.append(Run(words, name, conversation.said, anyio.current_time() - self._decided[title]))


async def main(after: float) -> bool:
    """Whether all went as it should."""
    CACHE.mkdir(parents=True, exist_ok=True)
    side = node_side_in(CACHE)
    with tempfile.TemporaryDirectory(prefix="assent-clients-") as folder:
        house = house_in(Path(folder))
        house.add_reviewer()
        house.serve("--log-level", "warning")
        try:
            party = Party(house, side)
            await party.meet(after)
            logs = [await log_of(house, _title(one.combination, one.name)) for one in party.runs]
        finally:
            house.clear()
    print("| client | its name | what it was told | known after |\n|---|---|---|---|")
    for name in COMBINATIONS:
        print("\n".join(str(one) for one in party.runs if one.combination == name))
    whole = sum(log == ONE_OF_EACH for log in logs)
    print(f"\nAnswered after {after:.0f} s; one card and one answer in {whole} of {len(logs)} runs.")
    return whole == len(logs) == len(COMBINATIONS) * len(NAMES)


async def _open(reviewer: httpx2.AsyncClient, number: int) -> list[dict[str, Any]]:
    with anyio.fail_after(STARTING_SECONDS):
        while True:
            answer = await reviewer.get("/api/requests", params={"state": "open"})
            cards: list[dict[str, Any]] = answer.json()["requests"]
            if len(cards) == number:
                return cards
            await anyio.sleep(1)


def _title(combination: str, name: str) -> str:
    return f"{combination}, as {name}"


parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
parser.add_argument("--after", type=float, default=75, help="seconds until the answer; 75 unless given")
logging.disable(logging.INFO)
sys.exit(not anyio.run(main, parser.parse_args().after))
