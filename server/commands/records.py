"""The database, opened for the length of one command. The server may run beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from server.config import Settings
from server.durable import open_database
from store.agents import Agents
from store.audit.inspection import Inspection
from store.calls.service import Calls
from store.halts import Halts
from store.people import People
from store.policy.policies import Policies
from store.vault.credentials import Credentials


@dataclass(frozen=True)
class Records:
    people: People
    agents: Agents
    credentials: Credentials
    log: Inspection
    policies: Policies
    calls: Calls
    halts: Halts


@contextmanager
def opened(settings: Settings) -> Iterator[Records]:
    """People, agents, credentials and the log of this home. Raises DatabaseProblem when there is no reading it."""
    settings.home.create()
    database = open_database(settings)
    try:
        yield Records(
            People(database),
            Agents(database),
            Credentials(database),
            Inspection(database),
            Policies(database),
            Calls(database),
            Halts(database),
        )
    finally:
        database.close()
