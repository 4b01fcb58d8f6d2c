"""What the policy in force asks of a question, and the record of what it denied."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from store import tables
from store.agents import Agent
from store.audit.events import Concealed, RequestDenied
from store.database import Transaction
from store.lifecycle import VOTED_KINDS, Kind
from store.policy.active import active
from store.policy.demands import Asked, Condition, Demands, demands_of
from store.questions import AnyQuestion

RECORDED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Denied:
    """A rule keeps the agent from asking this. Nobody was asked."""

    why: str


def governed(transaction: Transaction, agent: Agent, question: AnyQuestion) -> Demands:
    """All that the rules in force ask of this question of this agent.

    Raises:
        PolicyUnreadable: nobody can say what they are; nothing may be asked.
    """
    policy = active(transaction.connection)
    tool = f"ask_{question.kind.value}"
    return demands_of(policy, Asked(tool, agent.name, question.workflow, question.risk), given=agent.workflow)


def unanswerable(kind: Kind, conditions: tuple[Condition, ...]) -> str | None:
    """Why these conditions cannot be met for this kind of question; None if they can.

    Several people can approve one thing. They cannot fill in one form: so it needs one person whom every rule asks.
    """
    if kind in VOTED_KINDS:
        return None
    several = next((one for one in conditions if one.approvals > 1), None)
    if several is not None:
        return (
            f"the rule {several.rule!r} wants the answers of {several.approvals} people, and only an approval can have "
            "several"
        )
    restricted = [one for one in conditions if one.reviewers is not None]
    if restricted and not set.intersection(*({*(one.reviewers or ()), *one.escalate_to} for one in restricted)):
        names = " and ".join(repr(one.rule) for one in restricted)
        return f"the rules {names} ask different people, and only an approval can have several answers"
    return None


def deny(transaction: Transaction, agent: Agent, kind: Kind, why: str, policy_sha256: str | None) -> Denied:
    """Record that an agent was kept from asking: at once the first time, then with a count at most once a minute."""
    count = counted(transaction, agent, why)
    if count is not None:
        transaction.record(RequestDenied(agent.id, kind, Concealed(why), count, policy_sha256), agent.assurance)
    return Denied(why)


def counted(transaction: Transaction, agent: Agent, what: str) -> int | None:
    """Count one denial more: how many the entry is to tell of that is to be recorded now; None for no entry yet.

    An agent that tries the same forbidden thing in a loop must not be able to fill the log.
    """
    denials = tables.denials
    before = transaction.connection.execute(
        select(denials).where(denials.c.agent_id == agent.id, denials.c.why == what)
    ).one_or_none()
    count = 1 if before is None else before.unrecorded + 1
    # A clock that was set back records once more rather than never.
    recent = before is not None and timedelta(0) <= transaction.now - before.recorded_at < RECORDED_EVERY
    values = {"unrecorded": count} if recent else {"unrecorded": 0, "recorded_at": transaction.now}
    row = {"agent_id": agent.id, "why": what, "recorded_at": transaction.now, **values}
    transaction.connection.execute(
        insert(denials).values(**row).on_conflict_do_update(index_elements=["agent_id", "why"], set_=values)
    )
    return None if recent else count
