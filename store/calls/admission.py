"""Whether a call may be sent: what the pin and the rules say of it, at this moment and inside one transaction.

Invariants:

- Nothing is sent that was not judged here with exactly its arguments; whoever cannot judge denies.
- An approved call is judged again, as the approved one: approval lifts a hold, and never a denial.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, select

from store import tables
from store.agents import Agent
from store.asking import AskingProblem, Limits, Ticket, ask_held
from store.audit.events import Permission
from store.calls import running
from store.calls.calls import Admitted, GovernedCall, NotRunnable, Run
from store.calls.denying import deny
from store.calls.judgement import Found, called_of, found, in_words, refused, reserved_in, weighed
from store.calls.pins import content_of
from store.canonical_json import canonical_text
from store.card import Card
from store.database import Transaction
from store.deciding.governing import Denied
from store.lifecycle import Kind, Outcome
from store.policy.rules import Action
from store.policy.verdicts import Verdict
from store.questions import HeldCall
from store.requests import checked_card, find, lapses_at

_ALLOWED = {Action.ALLOW: Permission.ALLOWED, Action.NOTICE: Permission.NOTICED}
_ASK_AGAIN = "Nothing was run. To have it run, call it again: it is judged anew, and people are asked where need be."


def admit(
    transaction: Transaction, agent: Agent, call: GovernedCall, arguments: str, limits: Limits, call_id: str | None
) -> Admitted | Ticket | Denied:
    """Let a call through, hold it or deny it. Its arguments, in canonical form `arguments`, were validated against the
    definition that it names.

    Raises:
        PolicyUnreadable: nobody can say what the rules are; nothing is sent.
    """
    by = found(transaction.connection, call)
    if isinstance(by, Verdict):
        return _deny(transaction, agent, call, arguments, by)
    if by.pin is not None and call.definition_sha256 != by.pin.accepted_sha256:
        moved = f"the definition of {call.governed_as} was accepted anew since it was listed; list it again"
        return _deny(transaction, agent, call, arguments, refused(moved, by.policy))
    reserved = reserved_in(by.upstream, call)
    if reserved is not None:
        return _deny(transaction, agent, call, arguments, refused(in_words(call, [reserved]), by.policy))
    verdict = weighed(transaction.connection, by, call, agent.name, agent.workflow, transaction.now)
    match verdict.action:
        case Action.DENY:
            return _deny(transaction, agent, call, arguments, verdict)
        case Action.HOLD:
            return _hold(transaction, agent, call, arguments, by, verdict, limits, call_id)
        case allowed:
            admitted = running.intend(
                transaction, agent, call, arguments=arguments, permission=_ALLOWED[allowed], verdict=verdict
            )
            return replace(admitted, launch_sha256=by.upstream.launch_sha256)


def begin(transaction: Transaction, agent: Agent, request_id: str) -> Admitted | Run | NotRunnable:
    """Let an approved call run, once: who comes later gets the run.

    Raises:
        DatabaseProblem: its card was changed. PolicyUnreadable.
    """
    connection = transaction.connection
    row = find(connection, request_id)
    if row is None or row.agent_id != agent.id or row.kind != Kind.CALL:
        return NotRunnable(f"There is no held call {request_id!r} of yours.")
    run = running.run_of(connection, agent.id, request_id)
    if run is not None:
        return run
    if row.outcome != Outcome.ANSWERED or not row.may_proceed:
        return NotRunnable(f"The call of {request_id} was not approved.")
    if row.claimed_by is not None:
        # Whoever took the answer was told that it does not run: reading it again must not run it.
        return NotRunnable(
            f"The approval of {request_id} was collected before, and nothing was run by it. {_ASK_AGAIN}"
        )
    if _is_revoked(connection, agent.id):
        return NotRunnable("This agent was revoked.")
    card = checked_card(row)
    assert isinstance(card.question, HeldCall), "a request of this kind holds a call"
    call = called_of(card.question)
    arguments = canonical_text(call.arguments)
    by = found(connection, call)
    verdict = _judged_again(connection, row, card, call, by, transaction.now)
    if isinstance(verdict, _Stopped):
        _deny(transaction, agent, call, arguments, replace(verdict.verdict, denied=verdict.why))
        return NotRunnable(verdict.why)
    assert isinstance(by, Found), "what there is nothing to judge by does not run"
    admitted = running.intend(
        transaction,
        agent,
        call,
        arguments=arguments,
        permission=Permission.APPROVED,
        verdict=verdict,
        request_id=request_id,
    )
    return replace(admitted, launch_sha256=by.upstream.launch_sha256)


@dataclass(frozen=True)
class _Stopped:
    """Why what was approved does not run, and what the rules say to it now."""

    why: str
    verdict: Verdict


def _judged_again(
    connection: Connection, row: Any, card: Card, call: GovernedCall, by: Found | Verdict, now: datetime
) -> Verdict | _Stopped:
    """What the rules say to an approved call at the moment of running it, if they let it."""
    if isinstance(by, Verdict):
        return _Stopped(f"{by.denied} {_ASK_AGAIN}", by)
    verdict = weighed(connection, by, call, row.agent_name, row.workflow, now)
    if now >= lapses_at(row):
        return _Stopped(f"The approval of {row.id} has lapsed: it was not used in time. {_ASK_AGAIN}", verdict)
    if by.pin is not None and by.pin.sha256 != call.definition_sha256:
        changed = f"The definition of {call.governed_as} has changed since it was approved. {_ASK_AGAIN}"
        return _Stopped(changed, verdict)
    reserved = reserved_in(by.upstream, call)
    if reserved is not None:
        # Sent in its place would be what nobody approved.
        return _Stopped(f"{in_words(call, [reserved])} {_ASK_AGAIN}", verdict)
    if verdict.action is Action.DENY:
        return _Stopped(f"{verdict.denied} Nothing was run: the rules changed since it was approved.", verdict)
    if verdict.action is Action.HOLD and not set(verdict.conditions) <= set(card.conditions):
        return _Stopped(f"The rules ask more by now than the card of {row.id} asked. {_ASK_AGAIN}", verdict)
    return verdict


def _hold(
    transaction: Transaction,
    agent: Agent,
    call: GovernedCall,
    arguments: str,
    by: Found,
    verdict: Verdict,
    limits: Limits,
    call_id: str | None,
) -> Ticket | Denied:
    content = {} if by.pin is None else content_of(by.pin.accepted_content or "{}")
    description = content.get("description")
    try:
        question = HeldCall(
            upstream=call.upstream,
            method=call.method.value,
            name=call.name,
            tool=call.governed_as,
            arguments=dict(call.arguments),
            # What it is now: that is what would run, and where it is not what was accepted the card says so.
            definition_sha256=None if by.pin is None else by.pin.sha256,
            description=description if isinstance(description, str) else None,
            held_because=verdict.reasons,
            hold_seconds=call.hold_seconds,
        )
    except ValidationError:
        why = "This call is held, and its arguments are too large for a person to read. Send less at a time."
        return _deny(transaction, agent, call, arguments, replace(verdict, denied=why))
    try:
        return ask_held(transaction, agent, question, verdict, limits, call_id)
    except AskingProblem as problem:
        # Nobody can be asked now. A value and no exception: that it was turned away must be committed.
        why = f"This call is held, and nobody was asked: {problem.message}. {problem.hint}".strip()
        return _deny(transaction, agent, call, arguments, replace(verdict, denied=why), kind=problem.field)


def _deny(
    transaction: Transaction,
    agent: Agent,
    call: GovernedCall,
    arguments: str,
    verdict: Verdict,
    *,
    kind: str | None = None,
) -> Denied:
    return deny(
        transaction,
        agent,
        tool=call.governed_as,
        why=verdict.denied or "The rules deny this.",
        arguments=arguments,
        kind=kind,
        upstream=call.upstream,
        rules=verdict.rules,
        policy_sha256=verdict.policy_sha256,
    )


def _is_revoked(connection: Connection, agent_id: str) -> bool:
    agents = tables.agents.c
    return connection.execute(select(agents.revoked_at).where(agents.id == agent_id)).scalar_one() is not None
