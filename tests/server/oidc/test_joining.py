"""A server with a provider says what is missing for it before it starts, and asks it nothing before it must."""

import sys
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from server.app import Identity, build
from server.config import Settings, load
from server.home import Home
from server.oidc.configuration import OidcSettings
from server.oidc.joining import CALLBACK, open_provider
from server.problem import UsageProblem
from store.moments import utc_now
from store.problems import KeyProblem
from tests.server.oidc.provider_server import ProviderServer

pytestmark = pytest.mark.anyio
NEEDED = ("authlib", "joserfc")


@pytest.mark.parametrize("name", NEEDED)
def test_a_provider_without_the_extra_names_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [module for module in sys.modules if module.startswith(("server.oidc.provider", "server.oidc.id_"))]:
        monkeypatch.delitem(sys.modules, module)
    for module in {name, *(module for module in sys.modules if module.startswith(f"{name}."))}:
        monkeypatch.setitem(sys.modules, module, None)
    settings = OidcSettings("https://login.example.org", "assent")

    with pytest.raises(UsageProblem, match=f"needs {name}") as refused:
        open_provider(settings, "https://assent.example.org", utc_now)

    assert 'pip install "assent[oidc]"' in refused.value.hint


def test_a_secret_that_cannot_be_read_keeps_the_server_from_starting(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    settings = Settings(home, oidc=OidcSettings("https://login.example.org", "a", client_secret_file=tmp_path / "no"))

    with pytest.raises(KeyProblem, match="there is no"):
        build(settings, Identity.new())


async def test_the_server_sends_people_to_the_provider_of_its_settings(tmp_path: Path, server: ProviderServer) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config_file.write_text(f'[oidc]\nissuer = "{server.issuer}"\nclient_id = "assent"\n', encoding="utf-8")
    application = build(load({"home": home.path}, {}), Identity.new())
    assert isinstance(application.app, Starlette)
    transport = httpx2.ASGITransport(app=application.app, client=("127.0.0.1", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://assent.localhost:7420") as client:
        page = await client.post("/login/oidc", headers={"origin": "http://assent.localhost:7420"})
    application.close()

    assert page.status_code == 200
    assert f"{server.issuer}/authorize?" in page.text
    assert f"redirect_uri=http%3A%2F%2Fassent.localhost%3A7420{CALLBACK.replace('/', '%2F')}" in page.text
