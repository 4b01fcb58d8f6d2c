"""The rules as people see and change them: what is in force, what a proposal would change, and activating it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection, select

from store import tables
from store.calls.explaining import Explanation, explained
from store.calls.health import NoSuchUpstream
from store.calls.pins import pinned
from store.database import Database
from store.people import Reviewer
from store.policy.active import Activation, Via, activate, activation, active, parsed, position
from store.policy.clients import CLIENTS, is_client
from store.policy.demands import Asked, Demands, demands_of
from store.policy.findings import Finding, findings
from store.policy.matches import matched, past
from store.policy.overview import Matched, known
from store.policy.own_suggestion import has_draft, own_suggestion
from store.policy.replay import Replay, replay
from store.policy.rules import Policy
from store.policy.suggestion import Suggestion, suggestion
from store.strict_json import shortened

MOST_REPLAYED = 10_000
"""Calls that a draft is tried on, the newest."""


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
        now = self._database.clock()
        return await self._database.read(lambda connection: _look(connection, text, now))

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
        # Reading a long file, and comparing its rules, takes its time, and the writer serves everybody: it finds both
        # done.
        await anyio.to_thread.run_sync(_looked_through, text)
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

    async def explain_call(
        self, tool: str, arguments: Mapping[str, Any], *, agent: str, workflow: str | None = None, now: datetime
    ) -> Explanation:
        """What would become of this call of an upstream, by the rules in force, what is left of budgets, and the
        definition that was accepted. `tool` is the name by which rules match it.

        Raises:
            PolicyUnreadable
            ValueError: `tool` is no such name.
        """
        return await self._database.read(
            lambda connection: explained(connection, tool, arguments, agent=agent, workflow=workflow, now=now)
        )

    async def replay(self, text: str, limit: int = MOST_REPLAYED) -> Replay:
        """What these rules would have done with the newest recorded calls of upstreams.

        Raises:
            PolicyMistake: they cannot be read.
        """
        policy = await anyio.to_thread.run_sync(parsed, text)
        calls = await self._database.read(lambda connection: past(connection, limit))
        return await anyio.to_thread.run_sync(replay, policy, calls)

    async def suggest(self, upstream: str) -> Suggestion:
        """Rules for an upstream, drafted from what it says of its own tools; none where it listed nothing yet. For a
        client they are of the tools that its documentation names.

        Raises:
            PolicyUnreadable
            NoSuchUpstream: and for no client of this name there is a draft.
        """
        return await self._database.read(lambda connection: _suggestion(connection, upstream))


def _looked_through(text: str) -> None:
    findings(parsed(text), None)


def _suggestion(connection: Connection, upstream: str) -> Suggestion:
    policy = active(connection)
    if has_draft(upstream):
        return own_suggestion(upstream, () if policy is None else [rule.name for rule in policy.rules])
    if is_client(upstream):
        raise NoSuchUpstream(
            f"no rules are drafted for the tools of {CLIENTS[upstream]}",
            f"Write some for {upstream}:* yourself: what no rule names is held",
        )
    if policy is None or policy.upstream(upstream) is None:
        raise NoSuchUpstream(
            f"the rules in force name no upstream {shortened(upstream)}", "List them: assent upstreams"
        )
    return suggestion(upstream, pinned(connection), [rule.name for rule in policy.rules])


def _given(connection: Connection, agent: str) -> str | None:
    query = select(tables.agents.c.workflow).where(tables.agents.c.name == agent)
    return connection.execute(query).scalar_one_or_none()


def _look(connection: Connection, text: str, now: datetime) -> Look:
    policy = parsed(text)
    return Look(policy, tuple(findings(policy, known(connection), now)), matched(connection, policy))
