"""The database, opened for the length of one command. The server may run beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from server.config import Settings
from store.agents import Agents
from store.database import Database
from store.people import People


@dataclass(frozen=True)
class Records:
    people: People
    agents: Agents


@contextmanager
def opened(settings: Settings) -> Iterator[Records]:
    """People and agents of this home. Raises DatabaseProblem when there is no reading it."""
    settings.home.create()
    database = Database.open(settings.database_url)
    try:
        yield Records(People(database), Agents(database))
    finally:
        database.close()
