"""`make demo` asks all four kinds of question, prints what the agent reads, and leaves nothing behind."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest

from tests.repository import ROOT
from tests.server.house import PASSWORD, decide, open_requests
from tests.server.talking import PATIENCE, environment

pytestmark = pytest.mark.anyio


@contextmanager
def demo(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx2.URL]]:
    """The demo with its home in this folder, and the setup link that it printed."""
    with subprocess.Popen(
        [sys.executable, "-m", "server.demo"],
        cwd=ROOT,
        env=environment(TMPDIR=str(folder), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, httpx2.URL(said(process, "/setup?token=").strip())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def said(process: subprocess.Popen[str], words: str) -> str:
    """The first line with these words."""
    assert process.stdout is not None
    return next(line for line in process.stdout if words in line)


async def test_a_person_answers_all_four_questions_and_the_agent_reads_the_answers(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE), demo(tmp_path) as (process, link):
        origin = f"http://{link.netloc.decode()}"
        headers = {"host": link.netloc.decode(), "origin": origin}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{link.port}", headers=headers) as reviewer:
            account = {"token": link.params["token"], "username": "ada", "display_name": "Ada"}
            passwords = {"password": PASSWORD, "password_again": PASSWORD}
            made = await reviewer.post("/setup", data={**account, **passwords})
            assert made.status_code == 303, made.text
            reviewer.headers["cookie"] = made.headers["set-cookie"].partition(";")[0]
            for answer in (
                {"decision": "reject", "comment": "Not without a backup"},
                {"selected": ["staff", "partners"]},
                {"values": {"host": "backup.example.org", "keep_days": 14, "password": "hunter2hunter2"}},
                {"text": "Dear Ms Li, done."},
            ):
                (request,) = await open_requests(reviewer)
                await decide(reviewer, request["request_id"], **answer)
        assert process.stdout is not None
        printed = await anyio.to_thread.run_sync(process.stdout.read)

        assert await anyio.to_thread.run_sync(process.wait) == 0

    for told in (
        "Not without a backup",
        "['staff', 'partners']",
        "14",
        "cred_",
        "Dear Ms Li, done.",
        "nothing is left",
    ):
        assert told in printed
    assert "hunter2hunter2" not in printed
    assert list(tmp_path.iterdir()) == []


async def test_an_interrupt_ends_the_demo_and_removes_everything(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE), demo(tmp_path) as (process, link):
        said(process, "1 of 4")
        process.send_signal(signal.SIGINT)
        code = await anyio.to_thread.run_sync(process.wait)

        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"http://127.0.0.1:{link.port}/healthz")

    assert code == 0
    assert list(tmp_path.iterdir()) == []
