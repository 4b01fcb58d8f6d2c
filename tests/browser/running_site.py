"""The review site as people meet it: a real server on a port of its own, over a real database."""

import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from argon2 import PasswordHasher

from review_web.federation import Federation
from review_web.sessions import cookie_name
from review_web.settings import SiteSettings
from review_web.site import create_site
from store.agents import Agents
from store.answers import Answer
from store.asking import Limits
from store.audit.checkpoint import LogKey
from store.database import Database
from store.deciding.decisions import Decided, Voted
from store.desk import Desk
from store.lifecycle import Surface
from store.people import People, Reviewer, Role, SignIn
from store.policy.active import Via, activate
from store.questions import AnyQuestion
from store.vault.keys import Key, KeyFile
from tests.stage import signed_by

PASSWORD = "a long walk by the sea"
# Of the example in RFC 8291: a point that browsers take for the key of a push service's customer.
PUSH_KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
T = TypeVar("T")


@dataclass(frozen=True)
class RunningSite:
    """The server's address, and the store behind it, to be called from the test's own thread."""

    settings: SiteSettings
    portal: BlockingPortal
    database: Database
    people: People
    agents: Agents
    desk: Desk

    @property
    def origin(self) -> str:
        return self.settings.origin

    def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """`work` done on the server's loop."""
        return self.portal.call(work)

    def reviewer(self, username: str = "ana", role: Role = Role.REVIEWER) -> Reviewer:
        """The account of that name, made if there is none."""
        found = self.call(lambda: self.people.find(username))
        return found or self.call(
            lambda: self.people.add_reviewer(username, role=role, password=PASSWORD, display_name=username.capitalize())
        )

    def cookie(self, reviewer: Reviewer) -> tuple[str, str]:
        """Name and value of the cookie of a new session."""
        secret, _ = self.call(lambda: self.people.open_session(reviewer, SignIn.PASSWORD, client="a test"))
        return cookie_name(self.settings), secret

    def ask(self, question: AnyQuestion, *, agent: str = "deploy-bot") -> str:
        """A question put by an agent; its request id."""

        async def asked() -> str:
            return (await self.desk.ask(await self.agents.enrol(agent), question)).request_id

        return self.call(asked)

    def propose(self, rules: str) -> None:
        """These rules, written into the file; nothing changes yet."""
        assert self.settings.policy_file is not None
        self.settings.policy_file.write_text(rules, encoding="utf-8")

    def put_in_force(self, rules: str) -> None:
        """These rules, for what is asked from now on."""
        self.call(
            lambda: self.database.write(lambda change: activate(change, rules, reviewer=None, via=Via.COMMAND_LINE))
        )

    def answer(
        self, request_id: str, answer: Answer, *, username: str = "mei", comment: str | None = "Checked, and fine."
    ) -> None:
        """The request answered by somebody else, or their vote on it."""
        reviewer = self.reviewer(username)

        async def decided() -> None:
            view = await self.desk.show(reviewer, request_id, Surface.RENDERED_PAGE)
            assert view is not None
            decision = await self.desk.decide(
                reviewer,
                request_id,
                card_sha256=view.card_sha256,
                answer=answer,
                comment=comment,
                surface=Surface.RENDERED_PAGE,
                authenticated_by="password",
            )
            assert isinstance(decision, Decided | Voted), decision

        self.call(decided)


@contextmanager
def running_site(
    folder: Path,
    limits: Limits | None = None,
    federated: Callable[[SiteSettings, Database], Federation | None] = lambda settings, database: None,
) -> Iterator[RunningSite]:
    """A server with nobody in it yet, until the block ends. `federated` may give it a provider to sign in with."""
    listening = socket.create_server(("127.0.0.1", 0))
    host = f"assent.localhost:{listening.getsockname()[1]}"
    settings = SiteSettings(
        public_url=f"http://{host}",
        hosts=frozenset({host}),
        canonical_host=host,
        secure_cookies=False,
        version="1.2.3",
        push_key=PUSH_KEY,
        password_over_plain_http_ok=False,
        policy_file=folder / "policy.yaml",
    )
    database = Database.open(f"sqlite:///{folder / 'assent.db'}", signed_by(LogKey.generate("assent.test/log")))
    people = People(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    agents = Agents(database)
    desk = Desk(database, KeyFile(Key(secrets.token_bytes(32)), folder / "key"), limits)
    app = create_site(desk, people, agents, settings, federated(settings, database))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    )
    with start_blocking_portal() as portal:
        # The socket listens already: what comes before the server is up waits in its queue.
        serving = portal.start_task_soon(server.serve, [listening])
        try:
            yield RunningSite(settings, portal, database, people, agents, desk)
        finally:
            server.should_exit = True
            serving.result()
            database.close()
