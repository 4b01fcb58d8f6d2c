"""What governed calls took of the budgets of rules: rows, so that a restart gives nothing back."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from store import tables
from store.database import Transaction
from store.policy.verdicts import Spend, Spent

KEPT = timedelta(days=8)
"""Longer than the longest window that a budget can have: older rows count for nothing."""

_SPENDS = tables.spends.c
_OF_ALL = select(func.coalesce(func.sum(_SPENDS.micros), 0)).where(
    _SPENDS.rule_key == bindparam("the_rule"), _SPENDS.at > bindparam("since")
)
_OF_ONE = _OF_ALL.where(
    _SPENDS.agent_id
    == select(tables.agents.c.id).where(tables.agents.c.name == bindparam("the_agent")).scalar_subquery()
)
_TAKE = insert(tables.spends)
_FORGET = delete(tables.spends).where(_SPENDS.rule_key == bindparam("the_rule"), _SPENDS.at <= bindparam("since"))
_GIVE_BACK = delete(tables.spends).where(_SPENDS.call_id == bindparam("the_call"))


def spent(connection: Connection, at: datetime) -> Spent:
    """What was taken of a budget within its window before `at`; reads only."""

    def taken(spend: Spend) -> int:
        known = {
            "the_rule": spend.rule_key,
            # Without an end: what a clock that was set back left ahead of it counts, too.
            "since": at - timedelta(seconds=spend.window_seconds),
        }
        if spend.agent is None:
            return int(connection.execute(_OF_ALL, known).scalar_one())
        return int(connection.execute(_OF_ONE, known | {"the_agent": spend.agent}).scalar_one())

    return taken


def take(transaction: Transaction, call_id: str, agent_id: str, spends: Iterable[Spend]) -> None:
    """Write down what this call takes."""
    for spend in spends:
        row = {
            "call_id": call_id,
            "rule_key": spend.rule_key,
            "agent_id": agent_id,
            "micros": spend.micros,
            "at": transaction.now,
        }
        transaction.connection.execute(_FORGET, {"the_rule": spend.rule_key, "since": transaction.now - KEPT})
        transaction.connection.execute(_TAKE, row)


def give_back(transaction: Transaction, call_id: str) -> None:
    """Take nothing after all: nothing was sent."""
    transaction.connection.execute(_GIVE_BACK, {"the_call": call_id})
