"""Agents and their tokens. A token is shown once and kept as a hash; a revoked agent is known and refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from store import tables
from store.audit.events import (
    AgentAdded,
    AgentOwnerChanged,
    AgentRevoked,
    AgentSignedIn,
    AgentTokenAdded,
    Assurance,
    Concealed,
)
from store.database import Database, Transaction
from store.halts import changed
from store.held_back import COLUMNS, Halt, halt_of, held_back, strictest, with_halts
from store.identifiers import new_id, new_secret, secret_sha256
from store.names import fold
from store.people import Session
from store.people.accounts import row_named
from store.people.administration import authority
from store.problems import AgentProblem
from store.signals import PEOPLE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_BAD_NAME_HINT = "Use letters, digits, dot, dash and underscore, at most 64, starting with a letter or digit."


@dataclass(frozen=True)
class Agent:
    """A program that calls tools. `last_asked_at` is when it last opened a request or called what is governed.

    `owner` is the user name of the person who answers for it, or a name as it was given where no account has it.
    """

    id: str
    name: str
    owner: str | None
    workflow: str | None
    created_at: datetime
    revoked_at: datetime | None = None
    last_asked_at: datetime | None = None
    assurance: Assurance = Assurance.SHARED_USER
    """How this connection of it was told apart from the server's own user. The weakest, where nobody looked."""
    halt: Halt | None = None
    """What people hold it back by, as of when it was looked up: its own pause or stop, or the stop of everything."""


class Agents:
    """Making, finding and revoking agents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, *, owner: str | None = None, workflow: str | None = None) -> tuple[Agent, str]:
        """A new agent, or a further token for one that exists; and the token, which is shown this once.

        An owner with an account is that account, however its name is written; any other name is kept as it is.

        Raises:
            AgentProblem: the name is malformed, the agent was revoked, or it has another owner.
        """
        _check_name(name)
        token = new_secret("ast")

        def change(transaction: Transaction) -> Agent:
            agent = _find_or_make(transaction, name, _owner(transaction.connection, owner), workflow)
            if owner is not None and fold(agent.owner or "") != fold(owner):
                raise AgentProblem(
                    f"the agent {name} belongs to {agent.owner or 'nobody'}, not to {owner}",
                    "Choose another name, or leave --owner out to add a token for it.",
                )
            transaction.connection.execute(
                insert(tables.agent_tokens).values(
                    token_sha256=secret_sha256(token), agent_id=agent.id, created_at=transaction.now
                )
            )
            transaction.record(AgentTokenAdded(agent.id))
            transaction.touch(PEOPLE)
            return agent

        return await self._database.write(change), token

    async def enrol(self, name: str) -> Agent:
        """The agent of that name for the local bridge, found or made, without a token.

        Raises:
            AgentProblem: the name is malformed, or the agent was revoked.
        """
        _check_name(name)
        known = await self._database.read(
            lambda connection: _found(connection.execute(_OF_NAME, {"the_name": name}).all())
        )
        if known is not None and known.revoked_at is None:
            return known

        def change(transaction: Transaction) -> Agent:
            agent = _find_or_make(transaction, name, None, None)
            return replace(agent, halt=halt_of(transaction.connection, agent.id))

        return await self._database.write(change)

    async def authenticate(self, token: str) -> Agent | None:
        """The agent whose token this is; None for unknown and revoked ones alike."""
        digest = secret_sha256(token)

        def query(connection: Connection) -> Agent | None:
            return _found(connection.execute(_OF_TOKEN, {"digest": digest}).all())

        # Here and not in a thread: it is one look at an index, and every call of every agent begins with it.
        return self._database.glance(query)

    async def change_owner(self, name: str, owner: str, *, by: Session | None) -> Agent:
        """Let another person answer for an agent. `by` is the session of an admin, None the command line.

        To an open request both are owners: who was when it was asked, and who is.

        Raises:
            AgentProblem: there is no such agent, or no such account.
            NotAnAdmin, AccountClosed
        """
        return await self._database.write(lambda transaction: _change_owner(transaction, name, owner, by))

    async def revoke(self, name: str, *, by: Session | None = None) -> bool:
        """Refuse this agent from now on, with every token it has; whether there was one to revoke.

        Raises:
            NotAnAdmin, AccountClosed: `by` is the session of somebody who is no admin.
        """

        def change(transaction: Transaction) -> bool:
            who = authority(transaction, by)
            agents = tables.agents
            revoked = transaction.connection.execute(
                update(agents)
                .where(agents.c.name == name, agents.c.revoked_at.is_(None))
                .values(revoked_at=transaction.now)
            )
            if revoked.rowcount != 1:
                return False
            named = _by_name(transaction.connection, name)
            assert named is not None
            transaction.record(AgentRevoked(named.id, who))
            changed(transaction)
            return True

        return await self._database.write(change)

    async def signed_in(self, agent: Agent, via: str) -> None:
        """Record that this agent came, and by which door."""
        await self._database.write(
            lambda transaction: transaction.record(AgentSignedIn(agent.id, via), agent.assurance)
        )

    async def list(self) -> list[Agent]:
        """All agents by name, revoked ones too."""

        def query(connection: Connection) -> list[Agent]:
            rows = connection.execute(_EACH).all()
            halts = held_back(connection)
            return [
                _agent(
                    row,
                    max((one for one in (row.asked_at, row.called_at) if one is not None), default=None),
                    None if row.revoked_at is not None else halts.of(row.id),
                )
                for row in rows
            ]

        return await self._database.read(query)


_TOKENS, _AGENTS = tables.agent_tokens, tables.agents
_OF_TOKEN = (
    select(_AGENTS, *COLUMNS)
    .select_from(with_halts(_AGENTS.join(_TOKENS, _TOKENS.c.agent_id == _AGENTS.c.id), _AGENTS.c.id))
    .where(
        _TOKENS.c.token_sha256 == bindparam("digest"),
        _TOKENS.c.revoked_at.is_(None),
        _AGENTS.c.revoked_at.is_(None),
    )
)


def _newest(moment: Any, agent_id: Any) -> Any:
    """The newest of an agent's moments, by one look at an index however many there are."""
    return select(moment).where(agent_id == _AGENTS.c.id).order_by(moment.desc()).limit(1).scalar_subquery()


_EACH = select(
    _AGENTS,
    _newest(tables.requests.c.opened_at, tables.requests.c.agent_id).label("asked_at"),
    _newest(tables.calls.c.started_at, tables.calls.c.agent_id).label("called_at"),
).order_by(_AGENTS.c.name)
_OF_NAME = (
    select(_AGENTS, *COLUMNS)
    .select_from(with_halts(_AGENTS, _AGENTS.c.id))
    .where(_AGENTS.c.name == bindparam("the_name"))
)


def _found(rows: Sequence[Any]) -> Agent | None:
    """The one agent of these rows, which differ in what holds it back."""
    return _agent(rows[0], halt=strictest(rows, rows[0].name)) if rows else None


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise AgentProblem(f"{name!r} is not a name for an agent", _BAD_NAME_HINT)


def _find_or_make(transaction: Transaction, name: str, owner: str | None, workflow: str | None) -> Agent:
    known = _by_name(transaction.connection, name)
    if known is not None:
        if known.revoked_at is not None:
            raise AgentProblem(f"the agent {name} was revoked", "Choose another name: a revoked one stays revoked.")
        return known
    agent = Agent(new_id("agt"), name, owner, workflow, transaction.now)
    transaction.connection.execute(
        insert(tables.agents).values(
            id=agent.id, name=name, owner=owner, workflow=workflow, created_at=agent.created_at
        )
    )
    transaction.record(
        AgentAdded(
            agent.id,
            Concealed(name),
            None if owner is None else Concealed(owner),
            None if workflow is None else Concealed(workflow),
        )
    )
    transaction.touch(PEOPLE)
    return agent


def _owner(connection: Connection, owner: str | None) -> str | None:
    """The account's own spelling of the name, if there is one."""
    row = None if owner is None else row_named(connection, owner)
    return owner if row is None else str(row.username)


def _change_owner(transaction: Transaction, name: str, owner: str, by: Session | None) -> Agent:
    who = authority(transaction, by)
    known = _by_name(transaction.connection, name)
    if known is None:
        raise AgentProblem(f"there is no agent named {name}", "Name one of: assent agent list")
    person = row_named(transaction.connection, owner)
    if person is None:
        raise AgentProblem(f"there is no account named {owner}", "Name one of: assent user list")
    if known.owner == person.username:
        return known
    agents = tables.agents
    transaction.connection.execute(update(agents).where(agents.c.id == known.id).values(owner=person.username))
    transaction.record(AgentOwnerChanged(known.id, Concealed(person.username), who))
    transaction.touch(PEOPLE)
    return replace(known, owner=person.username)


def _by_name(connection: Connection, name: str) -> Agent | None:
    row = connection.execute(select(tables.agents).where(tables.agents.c.name == name)).one_or_none()
    return None if row is None else _agent(row)


def _agent(row: Any, last_asked_at: datetime | None = None, halt: Halt | None = None) -> Agent:
    return Agent(row.id, row.name, row.owner, row.workflow, row.created_at, row.revoked_at, last_asked_at, halt=halt)
