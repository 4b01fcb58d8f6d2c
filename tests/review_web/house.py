"""A whole review site over a real database in a temporary folder, and browsers that behave as browsers do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.applications import Starlette

from review_web.settings import SiteSettings
from store.agents import Agent, Agents
from store.database import Database
from store.desk import Desk
from store.people import People, Reviewer, Role
from store.questions import AnyQuestion, AskApproval
from tests.stage import PASSWORD, FakeClock

HOST = "assent.localhost:7420"
ORIGIN = f"http://{HOST}"
LOCAL = SiteSettings(
    public_url=ORIGIN,
    hosts=frozenset({HOST, "127.0.0.1:7420", "localhost:7420"}),
    canonical_host=HOST,
    secure_cookies=False,
    version="1.2.3",
    password_over_plain_http_ok=False,
)
BEHIND_TLS = SiteSettings(
    public_url="https://consent.example.org",
    hosts=frozenset({"consent.example.org", "127.0.0.1:7420"}),
    canonical_host="consent.example.org",
    secure_cookies=True,
    version="1.2.3",
    password_over_plain_http_ok=False,
)
PLAIN_NETWORK = SiteSettings(
    public_url="http://10.0.0.5:7420",
    hosts=frozenset({"10.0.0.5:7420"}),
    canonical_host=None,
    secure_cookies=False,
    version="1.2.3",
    password_over_plain_http_ok=False,
)


@dataclass
class Browser:
    """A person's browser: it keeps cookies and says where its calls come from."""

    client: httpx2.AsyncClient
    origin: str

    async def open(self, path: str, *, site: str = "none", **headers: str) -> httpx2.Response:
        """A page opened by hand, or from a link on a page of `site`."""
        sent = {
            "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "sec-fetch-site": site,
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
            **headers,
        }
        return await self.client.get(path, headers=sent)

    async def send_form(self, path: str, form: Mapping[str, str], **headers: str) -> httpx2.Response:
        """A form of our own page, sent."""
        sent = {"accept": "text/html", **self._ours("navigate"), **headers}
        return await self.client.post(path, data=dict(form), headers=sent)

    async def send_json(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        """What a script of our own page sends."""
        sent = {"accept": "application/json", **self._ours("cors"), **headers}
        return await self.client.post(path, json=body, headers=sent)

    async def fetch(self, path: str) -> httpx2.Response:
        """What a script of our own page reads."""
        return await self.client.get(path, headers={"accept": "application/json", "sec-fetch-site": "same-origin"})

    async def sign_in(self, username: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.send_form("/login", {"username": username, "password": password})

    def _ours(self, mode: str) -> dict[str, str]:
        return {"origin": self.origin, "sec-fetch-site": "same-origin", "sec-fetch-mode": mode}


@dataclass
class House:
    """The site, and the store behind it."""

    app: Starlette
    database: Database
    people: People
    agents: Agents
    desk: Desk
    settings: SiteSettings
    clock: FakeClock
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def browser(self, base: str | None = None, *, address: str = "127.0.0.1", raise_errors: bool = True) -> Browser:
        base = base or self.settings.origin
        transport = httpx2.ASGITransport(app=self.app, client=(address, 50000), raise_app_exceptions=raise_errors)
        client = httpx2.AsyncClient(transport=transport, base_url=base)
        self.clients.append(client)
        return Browser(client, base)

    async def add(self, username: str, role: Role = Role.REVIEWER, password: str | None = PASSWORD) -> Reviewer:
        return await self.people.add_reviewer(username, role=role, password=password, display_name=username.title())

    async def signed_in(self, username: str = "ana", role: Role = Role.REVIEWER) -> Browser:
        await self.add(username, role)
        browser = self.browser()
        assert (await browser.sign_in(username)).status_code == 303
        return browser

    async def ask(self, question: AnyQuestion | None = None, *, agent: str = "deploy-bot") -> str:
        """A question put by an agent; its request id."""
        known = await self.agents.enrol(agent)
        ticket = await self.desk.ask(known, question or AskApproval(title="Deploy to production?"))
        return ticket.request_id

    async def agent_token(self, name: str = "deploy-bot") -> tuple[Agent, str]:
        return await self.agents.add(name)
