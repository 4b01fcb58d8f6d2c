"""The rules as people see and change them: what is in force, what a proposal would change, and activating it."""

from dataclasses import dataclass

import anyio.to_thread
from sqlalchemy import Connection, select

from store import tables
from store.database import Database
from store.people import Reviewer
from store.policy.active import Activation, Via, activate, activation, active, parsed, position
from store.policy.demands import Asked, Demands, demands_of
from store.policy.findings import Finding, findings
from store.policy.overview import Matched, known, matched
from store.policy.rules import Policy


@dataclass(frozen=True)
class Look:
    """A policy, what is found about it, and what each of its rules matches, in the order of the rules."""

    policy: Policy
    findings: tuple[Finding, ...]
    matched: tuple[Matched, ...]

    @property
    def refused(self) -> bool:
        """Whether it cannot be activated as it is."""
        return any(finding.refuses for finding in self.findings)


class Policies:
    """Everything about rules, for pages and commands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_force(self) -> Activation | None:
        """The rules in force; None while there never were any.

        Raises:
            PolicyUnreadable
        """
        return await self._database.read(activation)

    async def position(self) -> int:
        """Which activation is the newest; see `store.policy.active.position`."""
        return await self._database.read(position)

    async def look(self, text: str) -> Look:
        """What these rules are, measured by who and what there is now.

        Raises:
            PolicyMistake: they cannot be read.
        """
        return await self._database.read(lambda connection: _look(connection, text))

    async def activate(
        self,
        text: str,
        *,
        reviewer: Reviewer | None,
        via: Via,
        instead_of: int | None = None,
        session_id: str | None = None,
    ) -> Policy:
        """Put these rules in force; see `store.policy.active.activate`."""
        # Reading YAML takes its time, and the writer serves everybody: it finds the text read.
        await anyio.to_thread.run_sync(parsed, text)
        return await self._database.write(
            lambda change: activate(
                change, text, reviewer=reviewer, via=via, instead_of=instead_of, session_id=session_id
            )
        )

    async def explain(self, asked: Asked) -> Demands:
        """What the rules in force ask of such a question. An agent that is known keeps the workflow that it was given.

        Raises:
            PolicyUnreadable
        """
        return await self._database.read(
            lambda connection: demands_of(active(connection), asked, given=_given(connection, asked.agent))
        )


def _given(connection: Connection, agent: str) -> str | None:
    query = select(tables.agents.c.workflow).where(tables.agents.c.name == agent)
    return connection.execute(query).scalar_one_or_none()


def _look(connection: Connection, text: str) -> Look:
    policy = parsed(text)
    return Look(policy, tuple(findings(policy, known(connection))), matched(connection, policy))
