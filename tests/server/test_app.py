"""Both sides answer on one port, under the accepted hosts only; what strangers may see is little."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from server.app import Application, Identity, build
from server.config import Settings
from server.home import Home
from store.people import Role, SignIn

pytestmark = pytest.mark.anyio
HOST = "http://127.0.0.1:7420"
IDENTITY = Identity(instance="this one", bridge_secret="the bridge's secret")
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}
BRIDGE = {"authorization": "Bearer the bridge's secret", "assent-agent": "local", **ACCEPT}


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    home = Home(tmp_path / "home")
    home.create()
    application = build(Settings(home), IDENTITY)
    yield application
    application.close()


@asynccontextmanager
async def calling(application: Application, address: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    """The application in its lifespan, called from this address."""
    app = application.app
    assert isinstance(app, Starlette)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, client=(address, 50000))
        async with httpx2.AsyncClient(transport=transport, base_url=HOST) as client:
            yield client


async def test_the_page_offers_notifications_under_a_key_that_stays_and_none_where_push_is_off(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()

    async def offered(settings: Settings) -> str | None:
        application = build(settings, Identity.new())
        try:
            async with calling(application) as client:
                _, _, rest = (await signed_in_page(application, client, "/phone")).partition('data-key="')
        finally:
            application.close()
        return rest.partition('"')[0] or None

    assert await offered(Settings(home, push=False)) is None
    assert not home.push_key_file.exists()
    first = await offered(Settings(home))
    assert first is not None
    assert await offered(Settings(home)) == first


async def signed_in_page(application: Application, client: httpx2.AsyncClient, path: str) -> str:
    ana = await application.people.find("ana") or await application.people.add_reviewer("ana", role=Role.REVIEWER)
    secret, _ = await application.people.open_session(ana, SignIn.PASSWORD)
    headers = {"cookie": f"assent-7420={secret}", "host": "assent.localhost:7420", "accept": "text/html"}
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.text


async def test_health_names_version_and_instance(application: Application) -> None:
    async with calling(application) as client:
        answer = await client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["instance"] == "this one"


async def test_metrics_count_open_requests_and_those_that_wait(application: Application) -> None:
    async with calling(application) as client:
        answer = await client.get("/metrics")

    assert {"assent_open_requests 0", "assent_waiting_requests 0"} <= set(answer.text.splitlines())


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/login", "/mcp"])
async def test_a_host_that_is_not_ours_is_answered_nowhere(application: Application, path: str) -> None:
    async with calling(application) as client:
        headers = {"host": "evil.example:7420", **BRIDGE}
        answer = await (
            client.post(path, json=HELLO, headers=headers) if path == "/mcp" else client.get(path, headers=headers)
        )

    assert answer.status_code == 421


async def test_the_bridges_secret_opens_the_agents_side_on_this_machine(application: Application) -> None:
    async with calling(application) as client:
        answer = await client.post("/mcp", json=HELLO, headers=BRIDGE)

    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:7420", "localhost:7420", "assent.localhost:7420"])
async def test_a_page_of_ours_may_call_the_agents_side(application: Application, host: str) -> None:
    async with calling(application) as client:
        answer = await client.post("/mcp", json=HELLO, headers={**BRIDGE, "origin": f"http://{host}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:3000",
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:7420",
        "http://127.0.0.1:74200",
        "http://localhost:7420.evil.example",
        "http://other.localhost:7420",
        "http://evil.example:7420",
        "null",
    ],
)
async def test_a_page_of_another_port_or_site_may_not_even_with_the_credential(
    application: Application, origin: str
) -> None:
    async with calling(application) as client:
        answer = await client.post("/mcp", json=HELLO, headers={**BRIDGE, "origin": origin})

    assert answer.status_code == 403


async def test_the_bridges_secret_opens_nothing_from_elsewhere(application: Application) -> None:
    async with calling(application, address="10.0.0.9") as client:
        answer = await client.post("/mcp", json=HELLO, headers=BRIDGE)

    assert answer.status_code == 401


async def test_the_bridges_secret_opens_nothing_on_the_peoples_side(application: Application) -> None:
    async with calling(application) as client:
        answer = await client.get("/api/requests", headers={**BRIDGE, "accept": "application/json"})

    assert answer.status_code == 401


async def test_without_a_credential_the_agents_side_is_closed(application: Application) -> None:
    async with calling(application) as client:
        answer = await client.post("/mcp", json=HELLO, headers=ACCEPT)

    assert answer.status_code == 401


async def test_authorization_servers_are_not_found_rather_than_redirected_to_the_sign_in(
    application: Application,
) -> None:
    async with calling(application) as client:
        answer = await client.get("/.well-known/oauth-protected-resource/mcp")

    assert answer.status_code == 404


async def test_each_start_has_an_identity_and_a_secret_of_its_own() -> None:
    one, other = Identity.new(), Identity.new()

    assert one.instance != other.instance
    assert one.bridge_secret != other.bridge_secret
    assert len(one.bridge_secret) >= 43
