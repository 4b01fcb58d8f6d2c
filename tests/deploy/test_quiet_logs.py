"""A server at its most talkative, and everything secret that passes through it: none of it is written down."""

import json
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx2
import pytest

from server.home import Home
from server.process import find
from tests.server.house import PASSWORD, House, house_in
from tests.server.talking import command, environment, run

TYPED = "hunter2-typed-into-a-form"
WRONG = "wrong-password-of-somebody"
ACCEPT = "application/json, text/event-stream"
FORM = {"title": "Access", "fields": [{"name": "host"}, {"name": "pw", "type": "password"}], "hold_seconds": 1}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


@pytest.fixture
def said(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Where the server's two streams go."""
    with open(tmp_path / "said", "w+b") as file:
        yield file


def serve(house: House, said: IO[bytes]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command("serve", "--log-level", "debug", *house.flags), stdout=said, stderr=said, env=environment()
    )
    while find(house.home) is None:
        assert process.poll() is None
    # It answers before it has said where, and what is done to its files must not meet it at that. Read in place: a seek
    # would move where the server writes.
    while b"assent client " not in os.pread(said.fileno(), 1 << 20, 0):
        assert process.poll() is None
    return process


def tool(client: httpx2.Client, name: str, credential: dict[str, str], **arguments: object) -> dict[str, Any]:
    """One call of the older protocol, its own handshake included."""

    def post(method: str, params: dict[str, Any], **session: str) -> httpx2.Response:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return client.post("/mcp", json=message, headers={"accept": ACCEPT, **credential, **session})

    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    session = post("initialize", hello).headers["mcp-session-id"]
    params = {"name": name, "arguments": arguments}
    answer = post("tools/call", params, **{"mcp-session-id": session, "mcp-protocol-version": "2025-06-18"})
    lines = re.findall(r"^data: (.*\"result\".*)$", answer.text, re.MULTILINE)
    result: dict[str, Any] = json.loads(lines[-1])["result"]["structuredContent"]
    return result


def scenario(house: House) -> dict[str, str]:
    """A whole day in short; every secret that passed, by name."""
    running = house.running
    link = json.loads(run("open", "--print", "--json", *house.flags).stdout)["url"]
    setup = link.partition("token=")[2]
    host = running.url.removeprefix("http://")
    with httpx2.Client(base_url=running.endpoint, trust_env=False) as client:
        page = {"host": host, "origin": running.url}
        client.get(f"/setup?token={setup}", headers=page)
        made = {"token": setup, "username": "ada", "password": PASSWORD, "password_again": PASSWORD}
        first = client.post("/setup", data=made, headers=page)
        assert first.status_code == 303, first.text
        client.post("/login", data={"username": "ada", "password": WRONG}, headers=page)
        signed_in = client.post("/login", data={"username": "ada", "password": PASSWORD}, headers=page)
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
        token = json.loads(run("agent", "add", "bot", "--json", *house.flags).stdout)["token"]
        reader = json.loads(run("user", "token", "ada", "--json", *house.flags).stdout)["token"]
        client.get("/api/requests", headers={"authorization": f"Bearer {reader}"})
        client.post("/mcp", json={}, headers={"authorization": "Bearer ast_an-unknown-token-of-somebody"})
        bridge = house.home.bridge_secret_file.read_text().strip()
        tool(client, "ask_approval", bearer(bridge, **{"assent-agent": "local"}), title="Go?", hold_seconds=1)
        asked = tool(client, "ask_form", bearer(token), **FORM)
        path = f"/api/requests/{asked['request_id']}"
        person = {**page, "cookie": cookie}
        card = client.get(path, headers=person).json()["card_sha256"]
        values = {"values": {"host": "db1", "pw": TYPED}, "card_sha256": card}
        assert client.post(f"{path}/decision", json=values, headers=person).status_code == 200
        answer = tool(client, "await_review", bearer(token), request_id=asked["request_id"])
        assert answer["credentials"]["pw"].startswith("cred_")
        client.post("/logout", headers=person)
    return {
        "setup token": setup,
        "password": PASSWORD,
        "wrong password": WRONG,
        "session": cookie.partition("=")[2],
        "agent token": token,
        "reading token": reader,
        "unknown token": "an-unknown-token-of-somebody",
        "bridge secret": bridge,
        "typed secret": TYPED,
        "vault key": house.home.key_file.read_text().split()[1],
        "log key": house.home.log_key_file.read_text().split()[-1],
    }


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


def written(home: Home, said: IO[bytes]) -> bytes:
    said.seek(0)
    log = home.log_file.read_bytes() if home.log_file.exists() else b""
    return said.read() + log


def test_nothing_secret_is_written_at_debug_level_though_much_is_said(house: House, said: IO[bytes]) -> None:
    process = serve(house, said)
    secrets = scenario(house)
    process.terminate()
    process.wait()

    text = written(house.home, said)
    assert b'"event": "started"' in text
    assert [name for name, secret in secrets.items() if secret.encode() in text] == []


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process's files")
def test_a_database_that_refuses_makes_health_red_says_no_value_and_recovers_by_itself(
    house: House, said: IO[bytes]
) -> None:
    house.add_reviewer()
    process = serve(house, said)
    running = house.running
    health = f"{running.endpoint}/healthz"
    page = {"host": running.url.removeprefix("http://"), "origin": running.url}

    def sign_in() -> int:
        form = {"username": "ada", "password": PASSWORD}
        return httpx2.post(f"{running.endpoint}/login", data=form, headers=page, trust_env=False).status_code

    # No file of this process may grow any more: to the database that is a full disk.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    refused, red = sign_in(), httpx2.get(health, trust_env=False)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    green = httpx2.get(health, trust_env=False)
    accepted = sign_in()
    process.terminate()
    process.wait()

    assert (refused, red.status_code, green.status_code, accepted) == (503, 503, 200, 303)
    assert "refused to write" in red.json()["reason"]
    assert PASSWORD.encode() not in written(house.home, said)
