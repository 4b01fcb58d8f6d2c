"""What most tests stand on: a real database in a temporary folder, a clock that tests move, people and an agent."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from store.agents import Agent, Agents
from store.asking import Limits
from store.audit.checkpoint import LogKey
from store.database import Database
from store.desk import Desk
from store.people import People, Reviewer, Role
from store.vault.keys import KeyFile, open_key_file
from tests.stage import PASSWORD, FakeClock, signed_by


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def signer() -> LogKey:
    return LogKey.generate("assent.test/log")


@pytest.fixture
def database(home: Path, signer: LogKey, clock: FakeClock) -> Iterator[Database]:
    home.mkdir(exist_ok=True)
    database = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer), clock=clock)
    yield database
    database.close()


@pytest.fixture
def keys(home: Path) -> KeyFile:
    return open_key_file(home / "keys" / "vault.key", make=True)


@pytest.fixture
def people(database: Database) -> People:
    # The cheapest hash there is: what Argon2 costs is not what these tests are about.
    return People(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def agents(database: Database) -> Agents:
    return Agents(database)


@pytest.fixture
def desk(database: Database, keys: KeyFile) -> Desk:
    return Desk(database, keys, Limits())


@pytest.fixture
async def ana(people: People) -> Reviewer:
    return await people.add_reviewer("ana", role=Role.ADMIN, password=PASSWORD, display_name="Ana Ruiz")


@pytest.fixture
async def ben(people: People) -> Reviewer:
    return await people.add_reviewer("ben", role=Role.REVIEWER, password=PASSWORD, display_name="Ben Okoro")


@pytest.fixture
async def auditor(people: People) -> Reviewer:
    return await people.add_reviewer("ada", role=Role.AUDITOR, password=PASSWORD, display_name="Ada Auditor")


@pytest.fixture
async def bot(agents: Agents) -> Agent:
    agent, _ = await agents.add("deploy-bot", owner="ana")
    return agent


@pytest.fixture
async def other_bot(agents: Agents) -> Agent:
    agent, _ = await agents.add("billing-bot")
    return agent


@pytest.fixture
async def token(agents: Agents) -> str:
    """The token of deploy-bot."""
    _, token = await agents.add("deploy-bot", owner="ana")
    return token


@pytest.fixture
async def other_token(agents: Agents) -> str:
    """The token of another agent."""
    _, token = await agents.add("billing-bot")
    return token
