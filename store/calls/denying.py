"""Calls that were turned away before anybody was asked: an entry, and a row of the newest of each kind.

An agent chooses names and arguments freely, so what it can make the log hold is bounded: one entry a minute for a kind
of denial, and a few kinds at a time; what is beyond that is counted together.
"""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from store import tables
from store.agents import Agent
from store.audit.events import CallDenied, Concealed
from store.calls.calls import DENIED, Stated, stated_json
from store.canonical_json import canonical_text
from store.database import Transaction
from store.deciding.governing import RECORDED_EVERY, Denied, counted
from store.policy.reading import LONGEST_TOOL
from store.signals import CALLS

KINDS_AT_A_TIME = 30
LONGEST_NAME = LONGEST_TOOL
LONGEST_ARGUMENTS = 65_536
_OTHERS = "call others"

_DENIALS = tables.denials.c
_FORGET = delete(tables.denials).where(
    _DENIALS.agent_id == bindparam("the_agent"), _DENIALS.unrecorded == 0, _DENIALS.recorded_at < bindparam("since")
)
_KINDS = select(func.count()).select_from(tables.denials).where(_DENIALS.agent_id == bindparam("the_agent"))
_KNOWN = select(_DENIALS.why).where(_DENIALS.agent_id == bindparam("the_agent"), _DENIALS.why == bindparam("the_kind"))


def deny(
    transaction: Transaction,
    agent: Agent,
    *,
    tool: str,
    why: str,
    arguments: str | None = None,
    kind: str | None = None,
    upstream: str = "",
    rules: Sequence[str] = (),
    policy_sha256: str | None,
    stated: Stated | None = None,
) -> Denied:
    """Turn a call away. `why` is a sentence for the agent; `arguments` are canonical JSON.

    `kind` says under which of several reasons the call is counted, where `why` repeats what the agent wrote.
    """
    tool = tool if len(tool) <= LONGEST_NAME else tool[:LONGEST_NAME] + "…"
    kept = arguments if arguments is not None and len(arguments) <= LONGEST_ARGUMENTS else None
    what = _counted_as(transaction, agent, f"call {canonical_text([tool, kind or why])}")
    count = counted(transaction, agent, what)
    index = None
    if count is not None:
        appended = transaction.record(
            CallDenied(
                agent=agent.id,
                tool=Concealed(tool),
                why=Concealed(why),
                arguments=None if kept is None else Concealed(kept),
                count=count,
                policy_sha256=policy_sha256,
            ),
            agent.assurance,
        )
        index = appended.index
    row: dict[str, Any] = {
        "id": f"denied_{sha256(f'{agent.id} {what}'.encode()).hexdigest()[:32]}",
        "agent_id": agent.id,
        "agent_name": agent.name,
        "workflow": agent.workflow,
        "upstream": upstream,
        "tool": tool,
        "arguments": "{}" if kept is None else kept,
        "permission": DENIED,
        "rules": list(rules),
        "policy_sha256": policy_sha256,
        "state": DENIED,
        "is_error": True,
        "sent": False,
        "why": why,
        "assurance": agent.assurance.value,
        "started_at": transaction.now,
        "stated": stated_json(stated),
    }
    if index is not None:
        # What is counted and told later leaves the entry that told of the others.
        row["log_index"] = index
    transaction.connection.execute(
        insert(tables.calls).values(**row).on_conflict_do_update(index_elements=["id"], set_=row)
    )
    transaction.touch(CALLS)
    return Denied(why)


def _counted_as(transaction: Transaction, agent: Agent, what: str) -> str:
    """`what`, unless this agent was denied for too many kinds of things just now."""
    execute, known = transaction.connection.execute, {"the_agent": agent.id}
    if execute(_KNOWN, known | {"the_kind": what}).first() is not None:
        return what
    # What was told in full and is a minute old is as good as never counted.
    execute(_FORGET, known | {"since": transaction.now - RECORDED_EVERY - timedelta(seconds=1)})
    return what if execute(_KINDS, known).scalar_one() < KINDS_AT_A_TIME else _OTHERS
