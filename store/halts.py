"""Holding agents back: pausing one, stopping one, stopping everything, and letting go again.

Invariants:

- A stop is looked at inside the transaction of whatever it forbids: after its commit no call is let through, none that
  was approved begins, no answer is taken, and nothing is asked. What ran before is cancelled by whoever runs it.
- Whoever cannot tell whether an agent is held back treats it as stopped.
- Stopping asks for nobody's proof; letting go again is an admin's, who proved just now who they are.
- A revoked agent is held back like a stopped one, from the moment that it is revoked; only that it never goes on.
"""

from sqlalchemy import Connection, bindparam, delete, insert, select

from store import tables
from store.audit.events import AgentHalted, AgentResumed, Concealed, Halting
from store.database import Database, Transaction
from store.held_back import EVERYTHING, Halt, Stops, by_people, stops
from store.memory import forget
from store.people import Session
from store.people.accounts import reviewer_with_id
from store.people.administration import authority
from store.people.sessions import require_open
from store.problems import AgentProblem, PeopleProblem
from store.signals import HALTS, PEOPLE

LONGEST_REASON = 500


class Halts:
    """Every use case, for pages, commands and the server."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Halt, ...]:
        """Everything that people held back and may let go again: the stop of everything first, then by name."""
        return await self._database.read(by_people)

    def stops(self) -> Stops:
        """Who is stopped now. One statement, here and not in a thread: whoever ends what runs must not queue for it."""
        return self._database.glance(stops)

    async def hold_back(
        self,
        agent: str | None,
        how: Halting,
        *,
        by: Session | None,
        why: str | None = None,
    ) -> Halt:
        """Pause or stop the agent of that name; None: stop everything. What is stopped already stays as it was.

        `by` is the session of a reviewer or an admin, None the command line. `why` is one line of text.

        Raises:
            AgentProblem: there is no such agent, it was revoked, everything is to be paused (it can only be stopped),
                or the reason is too long.
            PeopleProblem: they only read, or the session has ended.
        """
        reason = _reason(why)
        return await self._database.write(lambda change: _hold_back(change, agent, how, by, reason))

    async def resume(self, agent: str | None, *, by: Session | None) -> bool:
        """Let it go on; whether it was held back. `by` is the session of an admin, None the command line.

        What everything was stopped by holds an agent back that is let go by its name, and the other way round.

        Raises:
            AgentProblem: there is no such agent.
            NotAnAdmin, AccountClosed
        """
        return await self._database.write(lambda change: _resume(change, agent, by))


_HALTS, _AGENTS = tables.halts.c, tables.agents.c
_SET = select(tables.halts).where(_HALTS.scope == bindparam("the_scope"))
_NAMED = select(_AGENTS.id, _AGENTS.name, _AGENTS.revoked_at).where(_AGENTS.name == bindparam("the_name"))
_LIFT = delete(tables.halts).where(_HALTS.scope == bindparam("the_scope"))


def _hold_back(transaction: Transaction, agent: str | None, how: Halting, by: Session | None, why: str | None) -> Halt:
    who = _who_may_stop(transaction, by)
    agent_id = _agent_id(transaction.connection, agent)
    if agent_id is None and how is not Halting.STOPPED:
        raise AgentProblem("everything can only be stopped, not paused", "Pause one agent by its name, or stop all.")
    scope = {"the_scope": agent_id or EVERYTHING}
    before = transaction.connection.execute(_SET, scope).one_or_none()
    if before is not None and before.how in (how, Halting.STOPPED):
        return Halt(agent_id, agent, Halting(before.how), before.at, before.by, before.why)
    name = None if by is None else reviewer_with_id(transaction.connection, by.reviewer.id).display_name
    transaction.connection.execute(_LIFT, scope)
    transaction.connection.execute(
        insert(tables.halts).values(scope=agent_id or EVERYTHING, how=how.value, by=name, why=why, at=transaction.now)
    )
    transaction.record(AgentHalted(agent_id, how, who, None if why is None else Concealed(why)))
    changed(transaction)
    return Halt(agent_id, agent, how, transaction.now, name, why)


def _resume(transaction: Transaction, agent: str | None, by: Session | None) -> bool:
    who = authority(transaction, by)
    agent_id = _agent_id(transaction.connection, agent, or_revoked=True)
    if transaction.connection.execute(_LIFT, {"the_scope": agent_id or EVERYTHING}).rowcount != 1:
        return False
    transaction.record(AgentResumed(agent_id, who))
    changed(transaction)
    return True


def changed(transaction: Transaction) -> None:
    """Somebody is held back from here on, or no more: the writer reads it anew, and whoever listens looks."""
    forget(transaction.connection)
    transaction.touch(HALTS, PEOPLE)


def _who_may_stop(transaction: Transaction, by: Session | None) -> str | None:
    if by is None:
        return None
    require_open(transaction.connection, by.id)
    reviewer = reviewer_with_id(transaction.connection, by.reviewer.id)
    if not reviewer.may_decide:
        raise PeopleProblem(
            f"{reviewer.username} only reads, and stops nothing",
            "Ask a reviewer or an admin; the page People has both.",
        )
    return reviewer.id


def _agent_id(connection: Connection, agent: str | None, *, or_revoked: bool = False) -> str | None:
    if agent is None:
        return None
    row = connection.execute(_NAMED, {"the_name": agent}).one_or_none()
    if row is None:
        raise AgentProblem(f"there is no agent named {agent}", "Name one of: assent agent list")
    if row.revoked_at is not None and not or_revoked:
        raise AgentProblem(f"the agent {agent} was revoked", "Nothing is left to stop: it is refused for good.")
    return str(row.id)


def _reason(why: str | None) -> str | None:
    """In one visible line; None where nothing was said."""
    said = " ".join("".join(one if one.isprintable() else " " for one in why or "").split())
    if len(said) > LONGEST_REASON:
        raise AgentProblem(
            f"the reason has {len(said)} characters; it may have {LONGEST_REASON}", "Say it in fewer words."
        )
    return said or None
