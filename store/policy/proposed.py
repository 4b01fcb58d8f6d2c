"""Rules that people proposed and nobody put in force or aside yet, as rows have them. Queries only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from store import tables
from store.canonical_json import canonical_sha256
from store.policy.causes import cause_of_call, cause_of_request
from store.policy.drafts import Cause
from store.problems import Problem


class ProposalProblem(Problem):
    """It cannot be proposed, or put in force or aside, as asked. Nothing was changed."""


@dataclass(frozen=True)
class Proposal:
    """A rule that somebody proposed, and nobody put in force or aside yet."""

    id: str
    rule: Mapping[str, Any]
    """Its fields, as in the file."""
    cause: Cause | None
    """None: the call is not there any more."""
    call_id: str | None
    request_id: str | None
    made_by: str
    made_at: datetime

    @property
    def sha256(self) -> str:
        """Names exactly this rule."""
        return rule_sha256(self.rule)


def rule_sha256(rule: Mapping[str, Any]) -> str:
    """What names exactly this rule, as hex."""
    return canonical_sha256(dict(rule))


def waiting_one(connection: Connection, proposal_id: str) -> Proposal:
    """The one of that id.

    Raises:
        ProposalProblem: it does not wait.
    """
    row = connection.execute(select(tables.proposals).where(tables.proposals.c.id == proposal_id)).one_or_none()
    if row is None:
        raise ProposalProblem("there is no such proposal", "Look at the page Rules again.")
    if row.accepted is not None:
        done = "put in force" if row.accepted else "put aside"
        raise ProposalProblem(f"it was {done} already, by {row.closed_by}", "Nothing was changed.")
    return _proposal(connection, row)


def all_waiting(connection: Connection) -> tuple[Proposal, ...]:
    """All that wait, the oldest first."""
    columns = tables.proposals.c
    query = select(tables.proposals).where(columns.accepted.is_(None)).order_by(columns.made_at, columns.id)
    return tuple(_proposal(connection, row) for row in connection.execute(query).all())


def how_many_wait(connection: Connection) -> int:
    """How many wait."""
    query = select(func.count()).select_from(tables.proposals).where(tables.proposals.c.accepted.is_(None))
    return int(connection.execute(query).scalar_one())


def _proposal(connection: Connection, row: Any) -> Proposal:
    cause = cause_of(connection, row.call_id, row.request_id)
    return Proposal(row.id, row.rule, cause, row.call_id, row.request_id, row.made_by, row.made_at)


def cause_of(connection: Connection, call_id: str | None, request_id: str | None) -> Cause | None:
    """The call of that id, or the one that the closed request of that id held; None where there is none."""
    if call_id is not None:
        return cause_of_call(connection, call_id)
    return None if request_id is None else cause_of_request(connection, request_id)
