"""Rules as tests put them in force, and the people whom they name."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from store.card import Card
from store.deciding.eligibility import Circumstances, Person
from store.desk import Desk
from store.policy.active import Via
from store.policy.demands import Condition
from tests.stage import approval

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


async def in_force(desk: Desk, *rules: str) -> None:
    """Put these rules in force: each the members of one YAML mapping, as `name: two, approvals: 2`.

    They are for approvals, unless they name their tools.
    """
    lines = "\n".join(f"  - {{{rule if 'tool:' in rule else f'{rule}, tool: ask_approval'}}}" for rule in rules)
    await desk.policies.activate(f"version: 1\nrules:\n{lines}\n", reviewer=None, via=Via.COMMAND_LINE)


def condition(rule: str = "rule", reviewers: Sequence[str] | None = None, **more: Any) -> Condition:
    said: dict[str, Any] = {"approvals": 1, "passkey": False, "not_owner": False, "reason_required": False, **more}
    return Condition(rule, None if reviewers is None else tuple(reviewers), tuple(reviewers or ()), **said)


def card(*conditions: Condition, **more: Any) -> Card:
    said: dict[str, Any] = {"question": approval(), "owner": "ana", **more}
    return Card("req_1", "deploy-bot", opened_at=NOON, expires_at=NOON, conditions=conditions, **said)


def someone(name: str = "ben", *, may_decide: bool = True, reset_at: datetime | None = None) -> Person:
    return Person(f"usr_{name}", name, name.title(), may_decide, reset_at)


def at_noon(*, escalated: bool = False, owners: Sequence[str] = ("ana",)) -> Circumstances:
    return Circumstances(NOON, escalated, frozenset(owners))
