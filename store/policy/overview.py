"""What people look at beside the rules: who there is, and what each rule governed last. Queries only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from store import tables
from store.people import DECIDING_ROLES, Role
from store.policy.findings import Known
from store.policy.rules import Asked, Policy
from store.questions import Risk


@dataclass(frozen=True)
class Matched:
    """What a rule matches: questions, of all that were ever opened, and calls, of the newest that are recorded. Denied
    questions were never opened."""

    count: int
    last_at: datetime | None


def known(connection: Connection) -> Known:
    """Who there is now."""
    people = connection.execute(select(tables.reviewers)).all()
    deciding = {row.id for row in people if Role(row.role) in DECIDING_ROLES and row.disabled_at is None}
    holders = set(connection.execute(select(tables.passkeys.c.reviewer_id)).scalars())
    agents = connection.execute(select(tables.agents).where(tables.agents.c.revoked_at.is_(None))).all()
    return Known(
        deciding=frozenset(row.username_key for row in people if row.id in deciding),
        others=frozenset(row.username_key for row in people if row.id not in deciding),
        with_passkey=frozenset(row.username_key for row in people if row.id in holders),
        agents=frozenset(agent.name for agent in agents),
        workflows=frozenset(agent.workflow for agent in agents if agent.workflow is not None),
    )


def matched(connection: Connection, policy: Policy) -> tuple[Matched, ...]:
    """For each rule of `policy`, in its order, the questions that it matches: whether it was in force then or not. Of
    calls see `store.policy.matches`."""
    columns = tables.requests.c
    alike = (columns.kind, columns.agent_name, columns.workflow, columns.risk)
    # Grouped, so that a rule is tried once for each kind of question and not once for each of many thousand requests.
    query = select(*alike, func.count().label("number"), func.max(columns.opened_at).label("last_at")).group_by(*alike)
    asked = [
        (
            Asked(f"ask_{row.kind}", row.agent_name, row.workflow, None if row.risk is None else Risk(row.risk)),
            Matched(row.number, row.last_at),
        )
        for row in connection.execute(query)
    ]
    return tuple(summed([known for one, known in asked if rule.matches(one)]) for rule in policy.rules)


def summed(several: Iterable[Matched]) -> Matched:
    """All of these together."""
    several = list(several)
    times = [one.last_at for one in several if one.last_at is not None]
    return Matched(sum(one.count for one in several), max(times, default=None))
