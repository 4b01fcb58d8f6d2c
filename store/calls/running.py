"""A governed call from the moment before it is sent to what came of it.

Invariants:

- That a call will be sent is durable before it is sent: `intend` commits with its entry, or nothing may be sent.
- A call ends once. What the server did not live to see the end of ends as unknown, and is never sent again.
- An approval runs one call: `request_id` is unique.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from store import tables
from store.agents import Agent
from store.audit.events import Assurance, CallEnd, CallEnded, CallIntended, Concealed, Permission
from store.calls.calls import RUNNING, Admitted, Ended, GovernedCall, Run, stated_json
from store.calls.digest import Digest
from store.calls.excerpt import excerpt_of
from store.calls.spending import give_back, take
from store.canonical_json import canonical_text
from store.database import Transaction
from store.identifiers import new_id
from store.policy.verdicts import Verdict
from store.requests import running
from store.signals import CALLS, INBOX

_CALLS = tables.calls.c
_COLUMNS = (
    "id",
    "request_id",
    "agent_id",
    "agent_name",
    "workflow",
    "upstream",
    "tool",
    "arguments",
    "definition_sha256",
    "permission",
    "rules",
    "policy_sha256",
    "state",
    "is_error",
    "assurance",
    "started_at",
    "stated",
    "log_index",
)
_INTEND = insert(tables.calls).values(instance=running(), **{name: bindparam(f"new_{name}") for name in _COLUMNS})
_RUNNING = select(_CALLS.id, _CALLS.request_id, _CALLS.assurance, _CALLS.started_at).where(_CALLS.state == RUNNING)
_ONE = _RUNNING.where(_CALLS.id == bindparam("the_call"))
_ENDED = (
    "state",
    "is_error",
    "sent",
    "why",
    "result",
    "excerpt",
    "result_bytes",
    "ended_at",
    "milliseconds",
    "ended_index",
)
_END = (
    update(tables.calls)
    .where(_CALLS.id == bindparam("the_call"), _CALLS.state == RUNNING)
    .values({name: bindparam(f"new_{name}") for name in _ENDED})
)
_OF_REQUEST = select(tables.calls).where(_CALLS.request_id == bindparam("the_request"))


@dataclass(frozen=True)
class Outcome:
    """What came of a call, with the digest of its result, where it has one."""

    ended: Ended
    digest: Digest | None = None


def intend(
    transaction: Transaction,
    agent: Agent,
    call: GovernedCall,
    *,
    arguments: str,
    permission: Permission,
    verdict: Verdict,
    request_id: str | None = None,
) -> Admitted:
    """Say that this call is about to be sent, and take what it costs. `arguments` are canonical JSON."""
    call_id = new_id("call")
    stated = stated_json(call.stated)
    appended = transaction.record(
        CallIntended(
            call=call_id,
            agent=agent.id,
            permission=permission,
            request=request_id,
            tool=Concealed(call.governed_as),
            arguments=Concealed(arguments),
            definition=None if call.definition_sha256 is None else Concealed(call.definition_sha256),
            rules=Concealed(canonical_text(list(verdict.rules))),
            policy_sha256=verdict.policy_sha256,
            stated=None if stated is None else Concealed(stated),
        ),
        agent.assurance,
    )
    row = {
        "id": call_id,
        "request_id": request_id,
        "agent_id": agent.id,
        "agent_name": agent.name,
        "workflow": agent.workflow,
        "upstream": call.upstream,
        "tool": call.governed_as,
        "arguments": arguments,
        "definition_sha256": call.definition_sha256,
        "permission": permission.value,
        "rules": list(verdict.rules),
        "policy_sha256": verdict.policy_sha256,
        "state": RUNNING,
        "is_error": False,
        "assurance": agent.assurance.value,
        "started_at": transaction.now,
        "stated": stated,
        "log_index": appended.index,
    }
    transaction.connection.execute(_INTEND, {f"new_{name}": value for name, value in row.items()})
    if permission is not Permission.APPROVED:
        take(transaction, call_id, agent.id, verdict.spends)
    transaction.touch(CALLS)
    if request_id is not None:
        transaction.touch(request_id, INBOX)
    return Admitted(
        call_id,
        call.upstream,
        call.method,
        call.name,
        call.arguments,
        permission,
        request_id,
        call.definition_sha256,
    )


def finish(transaction: Transaction, call_id: str, outcome: Outcome) -> None:
    """Write down what came of a call. One that has ended is left as it ended."""
    row = transaction.connection.execute(_ONE, {"the_call": call_id}).one_or_none()
    if row is not None:
        _end(transaction, row, outcome)


def lose(transaction: Transaction, instance: str | None = None) -> int:
    """Nobody will learn any more what came of the calls that still run, in that run of the server or in any; how many
    there were."""
    query = _RUNNING if instance is None else _RUNNING.where(_CALLS.instance == instance)
    lost = transaction.connection.execute(query.order_by(_CALLS.started_at, _CALLS.id)).all()
    for row in lost:
        _end(transaction, row, Outcome(Ended(CallEnd.UNKNOWN, is_error=True, why=_UNKNOWN)))
    return len(lost)


_UNKNOWN = "the server ended while this call ran, so whether it took effect is not known here"


def run_of(connection: Connection, agent_id: str, request_id: str) -> Run | None:
    """The run of an approved call of this agent's; None while it was not sent."""
    row = connection.execute(_OF_REQUEST, {"the_request": request_id}).one_or_none()
    return None if row is None or row.agent_id != agent_id else _run(row)


def _end(transaction: Transaction, row: Any, outcome: Outcome) -> None:
    ended, digest = outcome.ended, outcome.digest
    milliseconds = max(0, round((transaction.now - row.started_at).total_seconds() * 1000))
    size = 0 if digest is None else digest.size
    held = row.request_id is not None
    appended = transaction.record(
        CallEnded(
            call=row.id,
            end=ended.end,
            is_error=ended.is_error,
            milliseconds=milliseconds,
            result_bytes=size,
            result=None if digest is None else Concealed(digest.sha256),
        ),
        Assurance(row.assurance),
    )
    values = {
        "state": ended.end.value,
        "is_error": ended.is_error,
        "sent": ended.sent,
        "why": ended.why,
        # Of a call that was let through at once the agent has the result, and nobody else needs it.
        "result": json.dumps(ended.result) if held and ended.result is not None else None,
        # How it begins is for who watches: what was let through without them is what they look at.
        "excerpt": None if held or ended.result is None else excerpt_of(ended.result),
        "result_bytes": size,
        "ended_at": transaction.now,
        "milliseconds": milliseconds,
        "ended_index": appended.index,
    }
    known = {f"new_{name}": value for name, value in values.items()}
    transaction.connection.execute(_END, known | {"the_call": row.id})
    if not ended.sent:
        give_back(transaction, row.id)
    transaction.touch(CALLS)
    if row.request_id is not None:
        transaction.touch(row.request_id, INBOX)


def _run(row: Any) -> Run:
    if row.state == RUNNING:
        return Run(row.id, row.started_at, None)
    ended = Ended(
        end=CallEnd(row.state),
        is_error=row.is_error,
        result=None if row.result is None else json.loads(row.result),
        why=row.why,
        sent=row.sent,
    )
    return Run(row.id, row.started_at, ended)
