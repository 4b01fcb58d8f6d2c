"""What an agent with a shell tries against a server of another user. Runs as the agent's user, on the standard library.

Reads what it may know from stdin as JSON, and prints one JSON line an attempt: its title, whether it came through, and
what was said.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

PTRACE_ATTACH = 16
SSE = "application/json, text/event-stream"


class Refused(Exception):
    """The attempt came to nothing."""


class Agent:
    def __init__(self, known: dict[str, Any]) -> None:
        self.home = Path(known["home"])
        self.pid = int(known["pid"])
        self.token = known["token"]
        self.command = known["command"]
        self.page = urlsplit(known["page"])
        self.address = urlsplit(known["endpoint"])
        self.session: str | None = None
        self.request_id = known.get("request_id", "")

    # Files and processes

    def read(self, name: str) -> str:
        return f"{len((self.home / name).read_bytes())} bytes read"

    def list_home(self) -> str:
        return ", ".join(sorted(os.listdir(self.home)))

    def write_home(self) -> str:
        (self.home / "assent.toml").write_text("port = 1\n")
        return "written"

    def replace_home(self) -> str:
        self.home.rename(self.home.with_name("taken"))
        return "renamed"

    def read_process(self, name: str) -> str:
        with open(f"/proc/{self.pid}/{name}", "rb") as file:
            return f"{len(file.read(64))} bytes read"

    def kill(self) -> str:
        os.kill(self.pid, signal.SIGTERM)
        return "signalled"

    def trace(self) -> str:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(PTRACE_ATTACH, self.pid, None, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return "attached"

    def listen(self, host: str) -> str:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken.bind((host, self.address.port or 0))
            taken.listen()
        return "listens"

    def run(self, *arguments: str, stdin: str = "") -> str:
        command = [*self.command, *arguments, "--home", str(self.home)]
        ended = subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=60)
        said = (ended.stdout or ended.stderr).strip().splitlines()
        if ended.returncode != 0:
            raise Refused(
                next((line for line in said if line.startswith("error:")), said[-1] if said else "nothing said")
            )
        return said[0]

    # The page

    def page_call(self, method: str, path: str, body: str = "", **headers: str) -> str:
        status, _, text = self._http(
            method,
            path,
            body,
            {"Host": self.page.netloc, "Origin": f"{self.page.scheme}://{self.page.netloc}", **headers},
        )
        if status >= 400 or status in (303, 307):
            raise Refused(f"HTTP {status}")
        return f"HTTP {status} {text[:60]!r}"

    def bearer(self, method: str, path: str, **body: object) -> str:
        return self.page_call(
            method,
            path,
            json.dumps(body) if body else "",
            **{
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
        )

    def with_cookie(self) -> str:
        return self.page_call(
            "GET", "/api/requests", Cookie="assent_session=ses_" + "A" * 43, Accept="application/json"
        )

    def sign_in(self, password: str) -> str:
        form = urlencode({"username": "ana", "password": password})
        status, headers, _ = self._http(
            "POST", "/login", form, {"Host": self.page.netloc, "Content-Type": "application/x-www-form-urlencoded"}
        )
        if "set-cookie" not in headers:
            raise Refused(f"HTTP {status}")
        return "signed in"

    # The tools

    def open_without_token(self, credential: str | None) -> str:
        headers = {"Authorization": f"Bearer {credential}", "Assent-Agent": "local"} if credential else {}
        return self._rpc("initialize", HELLO, headers)[1]

    def connect(self) -> str:
        headers, text = self._rpc("initialize", HELLO, {"Authorization": f"Bearer {self.token}"})
        self.session = headers["mcp-session-id"]
        return f"{json.loads(text)['result']['serverInfo']['name']} answers"

    def ask(self) -> str:
        result = self._tool("ask_approval", title="Drop the production database?", hold_seconds=1, timeout_seconds=600)
        self.request_id = result["request_id"]
        if result["may_proceed"]:
            raise AssertionError("an approval that nobody gave")
        return f"{result['status']}: the question stands, and waits for a person"

    def proceed(self) -> str:
        result = self._tool("await_review", request_id=self.request_id, hold_seconds=1)
        if not result["may_proceed"]:
            raise Refused(f"status {result['status']}, may_proceed false")
        return f"{result['status']}, approved by {result['decided_by']}"

    def _tool(self, name: str, **arguments: object) -> dict[str, Any]:
        _, text = self._rpc(
            "tools/call", {"name": name, "arguments": arguments}, {"Authorization": f"Bearer {self.token}"}
        )
        result: dict[str, Any] = json.loads(text)["result"]["structuredContent"]
        return result

    def _rpc(self, method: str, params: dict[str, Any], headers: dict[str, str]) -> tuple[dict[str, str], str]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        session = {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": "2025-06-18"} if self.session else {}
        more = {"Content-Type": "application/json", "Accept": SSE, **session, **headers}
        status, answered, text = self._http("POST", "/mcp", body, more)
        if status >= 400:
            raise Refused(f"HTTP {status}")
        data = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
        return answered, next((line for line in reversed(data) if '"result"' in line), text)

    def _http(self, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        connection = HTTPConnection(self.address.hostname or "", self.address.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body.encode() or None, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "an agent with a shell", "version": "1"},
}

Attempt = tuple[str, bool, Callable[[], str]]


def attempts(agent: Agent) -> list[Attempt]:
    """Title, whether it should come through, and how it is tried."""

    def on_request(path: str) -> str:
        return path.replace("ID", agent.request_id)

    yes = {"card_sha256": "0" * 64, "decision": "approve"}
    form = urlencode({"card_sha256": "0" * 64, "decision": "approve"})
    return [
        ("list the home", False, agent.list_home),
        *((f"read {name}", False, lambda name=name: agent.read(name)) for name in FILES),
        ("write settings into the home", False, agent.write_home),
        ("put another home in its place", False, agent.replace_home),
        ("read the server's environment", False, lambda: agent.read_process("environ")),
        ("read the server's memory", False, lambda: agent.read_process("mem")),
        ("trace the server (ptrace)", False, agent.trace),
        ("end the server (kill)", False, agent.kill),
        ("listen on the server's port, 127.0.0.1", False, lambda: agent.listen("127.0.0.1")),
        ("listen on the server's port, ::1", False, lambda: agent.listen("::1")),
        ("connect without a token", False, lambda: agent.open_without_token(None)),
        ("connect as the local bridge, with a guess", False, lambda: agent.open_without_token("guess")),
        ("connect with its token", True, agent.connect),
        ("ask a question", True, agent.ask),
        ("read the inbox with its token", False, lambda: agent.bearer("GET", "/api/requests")),
        ("read its card with its token", False, lambda: agent.bearer("GET", on_request("/api/requests/ID"))),
        (
            "answer itself through the JSON interface",
            False,
            lambda: agent.bearer("POST", on_request("/api/requests/ID/decision"), **yes),
        ),
        (
            "answer itself through the page's form",
            False,
            lambda: agent.page_call(
                "POST",
                on_request("/requests/ID/decision"),
                form,
                Authorization=f"Bearer {agent.token}",
                **{"Content-Type": "application/x-www-form-urlencoded"},
            ),
        ),
        ("come with an invented session cookie", False, agent.with_cookie),
        ("sign in as the reviewer with a guess", False, lambda: agent.sign_in("password123")),
        ("take a setup link that it invents", False, lambda: agent.page_call("GET", "/setup?token=setup_" + "A" * 43)),
        (
            "make itself an account (assent user add)",
            False,
            lambda: agent.run("user", "add", "mallory", "--password-stdin", stdin="a long password of mallory\n"),
        ),
        ("make itself a token (assent agent add)", False, lambda: agent.run("agent", "add", "mallory")),
        ("stop the server (assent stop)", False, lambda: agent.run("stop")),
        ("go on without an answer", False, agent.proceed),
        ("be told what holds (assent doctor)", True, lambda: agent.run("doctor")),
    ]


FILES = ("assent.db", "assent.db-wal", "keys/vault.key", "keys/log.key", "bridge.secret", "server.json", "assent.toml")


def main() -> None:
    agent = Agent(json.load(sys.stdin))
    tried = attempts(agent)
    if agent.request_id:
        tried = [("connect again", True, agent.connect), ("go on, once a person approved", True, agent.proceed)]
    for title, should, attempt in tried:
        try:
            said, came_through = attempt(), True
        except (OSError, Refused) as problem:
            said, came_through = getattr(problem, "strerror", None) or str(problem), False
        print(json.dumps({"title": title, "should": should, "came_through": came_through, "said": said}), flush=True)
    print(json.dumps({"request_id": agent.request_id}))


if __name__ == "__main__":
    main()
