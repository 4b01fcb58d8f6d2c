"""`assent hook`: the hook of clients whose hooks are commands. Whatever goes wrong, the tool does not run."""

import json
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.server.hooks.asking import tool_use
from tests.server.house import House, decide, house_in, open_requests
from tests.server.talking import PATIENCE, command, environment, run

pytestmark = pytest.mark.anyio

BODY = tool_use(turn_id="turn_1", model="m")
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server with a reviewer."""
    house = house_in(tmp_path_factory.mktemp("hook"))
    house.add_reviewer()
    house.serve()
    yield house
    house.clear()


@asynccontextmanager
async def hooked(house: House, client: str, body: Any, *arguments: str) -> AsyncIterator[list[Any]]:
    """A hook that runs beside the block; at its end: exit code, stdout, stderr."""
    ended: list[Any] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:

            async def hook() -> None:
                done = await anyio.run_process(
                    command("hook", client, *house.flags, *arguments),
                    input=json.dumps(body).encode(),
                    env=environment(),
                    check=False,
                )
                ended.extend((done.returncode, done.stdout.decode(), done.stderr.decode()))

            group.start_soon(hook)
            yield ended


def hook(
    client: str, *arguments: str, stdin: str | None = None, token: str | None = None
) -> subprocess.CompletedProcess[str]:
    given = json.dumps(BODY) if stdin is None else stdin
    if token is None:
        return run("hook", client, *arguments, stdin=given)
    return run("hook", client, *arguments, stdin=given, ASSENT_TOKEN=token)


async def test_a_person_lets_a_command_run_and_codex_hears_of_no_objection(house: House) -> None:
    async with house.reviewer() as reviewer, hooked(house, "codex", tool_use("make a")) as ended:
        (request,) = await open_requests(reviewer)
        await decide(reviewer, request["request_id"], decision="run")

    assert ended == [0, "{}\n", ""]


async def test_a_person_refuses_and_the_answer_says_so_in_the_clients_form(house: House) -> None:
    body = {"hook_event_name": "BeforeTool", "tool_name": "run_shell_command", "tool_input": {"command": "rm"}}
    async with house.reviewer() as reviewer, hooked(house, "gemini", body) as ended:
        (request,) = await open_requests(reviewer)
        await decide(reviewer, request["request_id"], decision="refuse", comment="Never that.")

    assert ended[0] == 0
    answer = json.loads(ended[1])
    assert answer["decision"] == "deny"
    assert "Never that." in answer["reason"]


async def test_what_nobody_decides_in_time_is_refused_and_stays_open(house: House) -> None:
    async with house.reviewer() as reviewer:
        async with hooked(house, "codex", tool_use("make b"), "--within", "1") as ended:
            (request,) = await open_requests(reviewer)
        assert ended[:2] == [2, ""]
        assert "nobody decided within 1 s, so it did not run" in ended[2]
        assert [one["request_id"] for one in await open_requests(reviewer)] == [request["request_id"]]
        await decide(reviewer, request["request_id"], decision="refuse")


def test_what_is_not_understood_is_refused_by_the_server_in_the_clients_form(house: House) -> None:
    done = hook("codex", *house.flags, stdin="not json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["hookSpecificOutput"]["permissionDecision"] == "deny"


@pytest.mark.parametrize("client", ["codex", "gemini", "cursor", "claude-code"])
def test_without_a_server_nothing_runs_and_the_reason_is_on_stderr(client: str) -> None:
    done = hook(client, "--url", NOBODY, token="ast_x")

    assert (done.returncode, done.stdout) == (2, "")
    assert "could not be asked" in done.stderr


def test_copilot_which_skips_failed_hooks_is_told_in_an_answer() -> None:
    done = hook("copilot", "--url", NOBODY, token="ast_x")

    assert done.returncode == 0
    assert json.loads(done.stdout)["permissionDecision"] == "deny"


def test_a_token_that_opens_nothing_lets_nothing_run(house: House) -> None:
    done = hook("codex", "--url", house.running.endpoint, token="ast_wrong")

    assert done.returncode == 0
    said = json.loads(done.stdout)["hookSpecificOutput"]
    assert said["permissionDecision"] == "deny"
    assert "assent agent add" in said["permissionDecisionReason"]


@pytest.mark.parametrize("arguments", [("--url", "https://a.example"), ("--url", "http://a.example"), ("--agent", " ")])
def test_a_hook_that_is_called_wrongly_refuses(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = hook("codex", *arguments, "--home", str(tmp_path))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_an_unknown_client_and_an_unknown_flag_are_refusals_by_their_exit_code() -> None:
    assert hook("nobody").returncode == 2
    assert hook("codex", "--whatever").returncode == 2


@contextmanager
def stranger(status: int, body: bytes) -> Iterator[str]:
    """Something else that answers at the address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"{}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"true"),
        (404, b"{}"),
        (500, b"{}"),
        (302, b"{}"),
    ],
)
def test_an_answer_that_is_none_of_ours_lets_nothing_run(status: int, body: bytes) -> None:
    with stranger(status, body) as url:
        done = hook("codex", "--url", url, token="ast_x")

    assert (done.returncode, done.stdout) == (2, "")
    assert "so it did not run" in done.stderr
