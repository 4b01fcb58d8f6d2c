"""A real server in a temporary home, and a reviewer who answers what it asks through the JSON interface."""

import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from server.home import Home
from server.process import Running, find
from tests.server.talking import command, environment, run

PASSWORD = "a long password, for tests only"


@dataclass
class House:
    """A home, and the server process that this test started in it, if it did."""

    home: Home
    process: subprocess.Popen[str] | None = None

    @property
    def flags(self) -> tuple[str, str]:
        return ("--home", str(self.home.path))

    @property
    def running(self) -> Running:
        running = find(self.home)
        assert running is not None
        return running

    def serve(self, *arguments: str) -> dict[str, Any]:
        """Start a server here and return what it says once it answers."""
        self.process = subprocess.Popen(
            command("serve", "--json", *self.flags, *arguments),
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def kill(self) -> None:
        """End it without a chance to say so."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        return self._end(signal.SIGTERM)

    def clear(self) -> None:
        """Whatever runs here runs no longer, whoever started it."""
        self.kill()
        run("stop", *self.flags)

    def add_reviewer(self, name: str = "ada") -> None:
        added = run("user", "add", name, "--password-stdin", *self.flags, stdin=PASSWORD + "\n")
        assert added.returncode == 0, added.stderr

    @asynccontextmanager
    async def reviewer(self, name: str = "ada") -> AsyncIterator[httpx2.AsyncClient]:
        """A signed-in session on the review site."""
        running = self.running
        host = running.url.removeprefix("http://")
        # The page's own host need not resolve here; what counts is the Host header.
        headers = {"host": host, "origin": running.url}
        async with httpx2.AsyncClient(base_url=running.endpoint, headers=headers, trust_env=False) as client:
            answer = await client.post("/login", data={"username": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            client.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
            yield client

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        return code


async def open_requests(reviewer: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """What waits for an answer, once anything does."""
    while True:
        answer = await reviewer.get("/api/requests", params={"state": "open"})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["requests"]
        if found:
            return found


async def decide(reviewer: httpx2.AsyncClient, request_id: str, **answer: object) -> None:
    """Read the card and answer it, as a person's own program does."""
    card = (await reviewer.get(f"/api/requests/{request_id}")).json()
    body = {"card_sha256": card["card_sha256"], **answer}
    decided = await reviewer.post(f"/api/requests/{request_id}/decision", json=body)
    assert decided.status_code == 200, decided.text


def house_in(folder: Path) -> House:
    home = Home(folder / "home")
    home.create()
    # Programs ask faster here than agents have reason to.
    rates = "requests_per_minute = 1_000_000\nrequests_per_hour = 1_000_000\n"
    home.config_file.write_text(f"port = 0\n{rates}", encoding="utf-8")
    return House(home)
