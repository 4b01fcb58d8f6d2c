"""Whether a call may be sent: what the pin and the rules say of it, at this moment and inside one transaction.

Invariants:

- Nothing is sent that was not judged here with exactly its arguments; whoever cannot judge denies.
- An approved call is judged again, as the approved one: approval lifts a hold, and never a denial.
- A tool of a client's own is not sent by anybody here: that it may run is written in one change with its end, and the
  client is told only of what stands there.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from store.agents import Agent
from store.asking import AskingProblem, Limits, Ticket, ask_held
from store.audit.events import CallEnd, Permission
from store.calls import running
from store.calls.calls import Admitted, Ended, GovernedCall, NotRunnable, Released, Run
from store.calls.definitions import Method
from store.calls.denying import deny
from store.calls.held_back import NOTHING_RUNS, refusal, while_paused
from store.calls.judgement import Found, called_of, found, in_words, refused, reserved_in, weighed
from store.calls.pins import content_of
from store.canonical_json import canonical_text
from store.card import Card
from store.collecting import collect_for_release
from store.database import Transaction
from store.deciding.governing import Denied
from store.held_back import Halt, stop_of
from store.lifecycle import Kind, Outcome
from store.policy.active import active
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
    stopped = refusal(transaction.connection, agent.id, active(transaction.connection))
    if stopped is not None:
        return _deny(transaction, agent, call, arguments, stopped, kind="stopped")
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
    verdict = while_paused(transaction.connection, agent.id, verdict)
    match verdict.action:
        case Action.DENY:
            return _deny(transaction, agent, call, arguments, verdict)
        case Action.HOLD:
            return _hold(transaction, agent, call, arguments, by, verdict, limits, call_id)
        case allowed:
            admitted = running.intend(
                transaction, agent, call, arguments=arguments, permission=_ALLOWED[allowed], verdict=verdict
            )
            return _sent_or_released(transaction, admitted, by)


def begin(transaction: Transaction, agent: Agent, request_id: str) -> Admitted | Run | NotRunnable | Halt:
    """Let an approved call run, once: who comes later gets the run. Where people stopped the agent, that: it stays
    approved.

    Raises:
        DatabaseProblem: its card was changed. PolicyUnreadable.
    """
    connection = transaction.connection
    row = _held_call(connection, agent, request_id)
    if isinstance(row, NotRunnable | Halt):
        return row
    run = running.run_of(connection, agent.id, request_id)
    if run is not None and not run.is_released:
        return run
    card = checked_card(row)
    call = _call_on(card)
    if call.method is Method.OWN:
        return NotRunnable(_own_in_words(row, call, run))
    if (unused := _unused(row)) is not None:
        return unused
    return _let_run(transaction, agent, row, card, call)


def release(transaction: Transaction, agent: Agent, request_id: str) -> Released | NotRunnable:
    """Let an approved tool of the agent's own run, once: whoever asks again is told that it was used.

    The answer is claimed and settled in the same change. Who else could get it would run it a second time; and so would
    the call of the same id, which is text of a model's.

    Raises:
        DatabaseProblem: its card was changed. PolicyUnreadable.
    """
    connection = transaction.connection
    row = _held_call(connection, agent, request_id)
    if isinstance(row, Halt):
        return NotRunnable(f"{row.told()} {NOTHING_RUNS}")
    if isinstance(row, NotRunnable):
        return row
    card = checked_card(row)
    call = _call_on(card)
    if call.method is not Method.OWN:
        return NotRunnable(f"The call of {request_id} is of an upstream, which Assent itself calls.")
    if running.run_of(connection, agent.id, request_id) is not None:
        return NotRunnable(f"The approval of {request_id} was used: it let one call run. {_ASK_AGAIN}")
    if (unused := _unused(row)) is not None:
        return unused
    let = _let_run(transaction, agent, row, card, call)
    if isinstance(let, NotRunnable):
        return let
    collect_for_release(transaction, row)
    return _released(let.call_id, card)


def _held_call(connection: Connection, agent: Agent, request_id: str) -> Any:
    """The row of this agent's request that held a call; `NotRunnable` where there is none, `Halt` where people stopped
    the agent."""
    row = find(connection, request_id)
    if row is None or row.agent_id != agent.id or row.kind != Kind.CALL:
        return NotRunnable(f"There is no held call {request_id!r} of yours.")
    # Looked at before anything else, and nothing is written: once it is let go, what was approved runs after all.
    return stop_of(connection, agent.id) or row


def _call_on(card: Card) -> GovernedCall:
    assert isinstance(card.question, HeldCall), "a request of this kind holds a call"
    return called_of(card.question)


def _unused(row: Any) -> NotRunnable | None:
    """Why this request lets nothing run, apart from what the rules say; None where people approved it, for later."""
    if row.outcome != Outcome.ANSWERED or not row.may_proceed:
        return NotRunnable(f"The call of {row.id} was not approved.")
    if row.claimed_by is not None:
        # Whoever took the answer was told that it does not run: reading it again must not run it.
        return NotRunnable(f"The approval of {row.id} was collected before, and nothing was run by it. {_ASK_AGAIN}")
    return None


def _let_run(
    transaction: Transaction, agent: Agent, row: Any, card: Card, call: GovernedCall
) -> Admitted | NotRunnable:
    """Judge an approved call again; and write that it runs, or that it does not."""
    arguments = canonical_text(call.arguments)
    by = found(transaction.connection, call)
    verdict = _judged_again(transaction.connection, row, card, call, by, transaction.now)
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
        request_id=row.id,
    )
    return _sent_or_released(transaction, admitted, by)


def _sent_or_released(transaction: Transaction, admitted: Admitted, by: Found) -> Admitted:
    """What an upstream is sent goes on here; what a client runs itself ends here, with its being told so."""
    if by.upstream is not None:
        return replace(admitted, launch_sha256=by.upstream.launch_sha256)
    running.finish(transaction, admitted.call_id, running.Outcome(Ended(CallEnd.RELEASED)))
    return admitted


def _released(call_id: str, card: Card) -> Released:
    question = card.question
    assert isinstance(question, HeldCall)
    asked = question.asked_arguments
    is_edited = asked is not None and canonical_text(asked) != canonical_text(question.arguments)
    return Released(call_id, question.arguments, is_edited)


def _own_in_words(row: Any, call: GovernedCall, run: Run | None) -> str:
    """For an agent that waits here for what only its client can run."""
    if run is not None:
        return f"{call.name} was let run, by your client itself; what came of it only your client knows."
    if row.outcome != Outcome.ANSWERED or not row.may_proceed:
        return f"The call of {row.id} was not approved."
    return f"{call.name} is a tool of your own client's: call it there again, with exactly the same, and it may run."


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
            reasoning=None if call.stated is None else call.stated.reasoning,
            facts=None if call.stated is None or not call.stated.facts else dict(call.stated.facts),
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
        stated=call.stated,
    )
