"""`assent stdio` with a real server: started when needed, found again, and never in the way of an answer."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client, StdioServerParameters

from server.process import find
from tests.server.house import House, decide, house_in, open_requests
from tests.server.talking import PATIENCE, command, environment, run, talking

pytestmark = pytest.mark.anyio
ERAS = pytest.mark.parametrize("modern", [False, True], ids=["older", "modern"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that no authority knows, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    clear = serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, clear))
    return folder / "cert.pem", folder / "key.pem"


@ERAS
async def test_a_question_over_stdio_is_answered_by_a_person_on_the_site(house: House, modern: bool) -> None:
    house.add_reviewer()
    async with talking(*house.flags, "--agent", "coder") as talk:
        await talk.begin(modern=modern)
        await talk.call(1, "ask_approval", modern=modern, title="Deploy?")
        async with house.reviewer() as reviewer:
            (request,) = await open_requests(reviewer)
            await decide(reviewer, request["request_id"], decision="approve")
        answer = await talk.answer_to(1)

    assert request["agent"] == "coder"
    assert answer["result"]["structuredContent"]["may_proceed"] is True


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_official_client_lists_and_calls_through_the_bridge(house: House, mode: str) -> None:
    program, *arguments = command("stdio", *house.flags)
    stdio = StdioServerParameters(command=program, args=arguments, env=environment())
    with anyio.fail_after(PATIENCE):
        async with Client(stdio, mode=mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            refused = await client.call_tool("ask_approval", {"title": ""})

    assert {"ask_approval", "ask_selection", "ask_form", "ask_text_input", "await_review"} <= names
    assert refused.is_error


@ERAS
async def test_a_question_survives_the_death_of_the_server_and_is_not_asked_twice(house: House, modern: bool) -> None:
    house.add_reviewer()
    async with talking(*house.flags) as talk:
        await talk.begin(modern=modern)
        await talk.call(1, "ask_approval", modern=modern, title="Deploy?")
        first = house.running
        async with house.reviewer() as reviewer:
            (before,) = await open_requests(reviewer)
        os.kill(first.pid, signal.SIGKILL)
        await anyio.to_thread.run_sync(run, "open", "--print", *house.flags)
        second = house.running
        async with house.reviewer() as reviewer:
            (after,) = await open_requests(reviewer)
            await decide(reviewer, after["request_id"], decision="reject")
        answer = await talk.answer_to(1)

    assert second.instance != first.instance
    assert after["request_id"] == before["request_id"]
    assert answer["result"]["structuredContent"]["may_proceed"] is False
    assert answer["result"]["structuredContent"]["decision"] == "reject"


async def test_with_a_certificate_of_its_own_the_server_is_reached_by_tls(house: House, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    said = house.serve("--tls-cert", str(certificate), "--tls-key", str(key))
    async with talking(*house.flags) as talk:
        await talk.shake_hands()

    assert said["endpoint"].startswith("https://localhost:")


async def test_two_bridges_that_start_at_once_end_up_at_one_server(house: House) -> None:
    async with talking(*house.flags) as one, talking(*house.flags) as other:
        async with anyio.create_task_group() as both:
            both.start_soon(one.shake_hands)
            both.start_soon(other.shake_hands)
        starts = [line for line in house.home.log_file.read_text().splitlines() if '"event": "started"' in line]

    assert len(starts) == 1


async def test_killing_the_bridge_leaves_the_server_running(house: House) -> None:
    async with talking(*house.flags) as talk:
        await talk.shake_hands()
        talk.process.kill()
        await talk.process.wait()

        assert find(house.home) is not None


async def test_stopping_the_server_answers_a_waiting_call_with_pending(house: House) -> None:
    house.add_reviewer()
    house.serve()
    async with talking(*house.flags) as talk:
        await talk.shake_hands()
        await talk.call(1, "ask_approval", title="Deploy?")
        async with house.reviewer() as reviewer:
            await open_requests(reviewer)
        house.terminate()
        answer = await talk.answer_to(1)

    assert answer["result"]["structuredContent"]["status"] == "pending"
    assert answer["result"]["structuredContent"]["may_proceed"] is False


async def test_a_revoked_agent_is_told_so_and_asks_nothing(house: House) -> None:
    async with talking(*house.flags, "--agent", "gone") as talk:
        await talk.shake_hands()
        revoked = run("agent", "revoke", "gone", *house.flags)
        await talk.call(1, "ask_approval", title="Deploy?")
        answer = await talk.answer_to(1)

    assert revoked.returncode == 0, revoked.stderr
    assert "gone" in answer["error"]["message"]


def test_a_server_that_cannot_start_ends_the_bridge_with_a_reason(house: House) -> None:
    house.home.database_file.mkdir()

    ended = run("stdio", *house.flags)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert "\nhint: " in ended.stderr


def test_stdio_imports_neither_the_database_nor_the_protocol_nor_the_site(house: House) -> None:
    house.serve()

    ended = run("stdio", *house.flags, PYTHONVERBOSE="1")

    imported = {line.split("'")[1] for line in ended.stderr.splitlines() if line.startswith("import '")}
    assert ended.returncode == 0
    assert {"httpx2", "server.bridge"} <= imported
    assert imported & {"sqlalchemy", "mcp", "starlette", "pydantic", "store.database", "review_web"} == set()
