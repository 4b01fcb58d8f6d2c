"""The Caddyfile that is shipped, in a real Caddy, before a real server. Skipped where there is no Caddy."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.deploy.test_tls import free_port, house_port
from tests.repository import ROOT
from tests.server.house import PASSWORD, House, house_in
from tests.server.talking import run

CADDY = shutil.which("caddy")
pytestmark = pytest.mark.skipif(CADDY is None, reason="caddy is not installed here")
NAME = "assent.example"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


@pytest.fixture
def site(house: House, tmp_path: Path) -> Iterator[httpx2.Client]:
    """A browser at the public address, which Caddy answers."""
    house.add_reviewer()
    port = free_port()
    public = f"https://{NAME}:{port}"
    house.serve("--public-url", public, "--trusted-proxy", "127.0.0.1")
    with (
        caddy(tmp_path, f"{NAME}:{port}", house_port(house)) as root,
        httpx2.Client(
            base_url=f"https://127.0.0.1:{port}",
            headers={"host": f"{NAME}:{port}", "origin": public},
            transport=_Named(verify=ssl.create_default_context(cafile=str(root))),
            timeout=30,
        ) as client,
    ):
        yield client


class _Named(httpx2.HTTPTransport):
    """Says the site's name where TLS begins, though it connects to a number: the name need not resolve here."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, "sni_hostname": NAME}
        return super().handle_request(request)


@contextmanager
def caddy(folder: Path, host: str, upstream: int) -> Iterator[Path]:
    """A Caddy with the Caddyfile that is shipped and a certificate of its own; the path of its root."""
    text = (ROOT / "deploy" / "Caddyfile").read_text("utf-8")
    assert "\t# tls internal\n" in text
    # What a test must not do: ask for a real certificate, trust the root system-wide, take port 80.
    options = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(options + text.replace("\t# tls internal\n", "\ttls internal\n"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "ASSENT_HOST": host,
        "ASSENT_UPSTREAM": f"127.0.0.1:{upstream}",
    }
    process = subprocess.Popen(
        [str(CADDY), "run", "--config", "Caddyfile"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        # It listens before it has made its certificate.
        while "certificate obtained successfully" not in (line := process.stderr.readline()):
            assert line, f"caddy ended with {process.wait()}"
        yield folder / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    finally:
        process.terminate()
        process.communicate()


def signed_in(site: httpx2.Client, **headers: str) -> httpx2.Client:
    answer = site.post("/login", data={"username": "ada", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 303, answer.text
    assert answer.headers["set-cookie"].startswith("__Host-")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    site.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return site


def test_people_sign_in_and_write_through_it_under_the_public_address(site: httpx2.Client) -> None:
    page = signed_in(site).get("/phone")

    assert page.status_code == 200
    assert f"https://{NAME}" in page.text
    assert 'src="/phone/code.svg"' in page.text
    assert site.get("/manifest.webmanifest").json()["start_url"] == "/"
    assert site.post("/logout").status_code == 303


def test_whom_a_client_says_it_speaks_for_is_not_believed(site: httpx2.Client) -> None:
    def refused(number: int) -> bool:
        answer = site.post(
            "/login",
            data={"username": f"nobody{number}", "password": "wrong"},
            headers={"x-forwarded-for": f"203.0.113.{number}"},
        )
        return answer.status_code == 429

    # Each call names another person and another address; what is counted is the one address that called Caddy.
    assert not refused(0)
    assert any(refused(number) for number in range(1, 70))


def test_the_origin_of_another_scheme_or_host_still_writes_nothing(site: httpx2.Client) -> None:
    for origin in (f"http://{NAME}", "https://evil.example"):
        answer = site.post("/login", data={"username": "ada", "password": PASSWORD}, headers={"origin": origin})
        assert answer.status_code == 403


def test_live_news_and_a_waiting_call_pass_as_they_come(site: httpx2.Client, house: House) -> None:
    added = run("agent", "add", "deploy-bot", "--json", *house.flags)
    token = json.loads(added.stdout)["token"]
    reader = signed_in(site)
    with reader.stream("GET", "/events", params={"page": "inbox"}) as events:
        lines = events.iter_lines()
        next(lines)
        asking = subprocess.Popen(
            [ROOT / ".venv" / "bin" / "python", "-c", _ASK, str(reader.base_url), reader.headers["host"], token],
            stdout=subprocess.PIPE,
            text=True,
        )
        # The stream is still open, and says what arrived.
        while not (line := next(lines)).startswith("data: "):
            pass
    assert line
    (waiting,) = reader.get("/api/requests").json()["requests"]
    card = reader.get(f"/api/requests/{waiting['request_id']}").json()
    body = {"card_sha256": card["card_sha256"], "decision": "approve"}
    assert reader.post(f"/api/requests/{waiting['request_id']}/decision", json=body).status_code == 200
    said, _ = asking.communicate(timeout=60)
    assert '"may_proceed":true' in said.replace(" ", "")


# An agent that asks over HTTP and waits on the open call. The certificate is looked at above.
_ASK = """
import sys, httpx2
url, host, token = sys.argv[1:]
headers = {"host": host, "authorization": f"Bearer {token}", "accept": "application/json, text/event-stream",
           "mcp-protocol-version": "2025-06-18"}
class Named(httpx2.HTTPTransport):
    def handle_request(self, request):
        request.extensions = {**request.extensions, "sni_hostname": host.partition(":")[0]}
        return super().handle_request(request)
with httpx2.Client(base_url=url, headers=headers, transport=Named(verify=False), timeout=60) as client:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    answer = client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    if session := answer.headers.get("mcp-session-id"):
        client.headers["mcp-session-id"] = session
    client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
    ask = {"name": "ask_approval", "arguments": {"title": "Deploy?", "hold_seconds": 50}}
    print(client.post("/mcp", json={"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": ask}).text)
"""
