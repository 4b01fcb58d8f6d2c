"""What a governed call is judged by, and what comes of that: rules, budgets and pin together. Writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from store.answers import Fault
from store.calls import pins
from store.calls.calls import GovernedCall, Stated
from store.calls.definitions import Method
from store.calls.pins import Pin, content_of
from store.calls.schema import faults, input_schema
from store.calls.spending import spent
from store.policy.active import active
from store.policy.judging import judge
from store.policy.rules import Action, Policy
from store.policy.upstreams import Upstream
from store.policy.verdicts import Called, Verdict
from store.questions import HeldCall


@dataclass(frozen=True)
class Found:
    """A call with what it is judged by."""

    policy: Policy | None
    """None only for a tool of a client's own, where no rules were ever put in force."""
    upstream: Upstream | None
    """None for a tool of a client's own."""
    pin: Pin | None
    """None for reading resources, and for a tool of a client's own."""


def judged(connection: Connection, *, agent: str, workflow: str | None, call: GovernedCall, now: datetime) -> Verdict:
    """What the rules in force, their budgets and the pin say of this call of the agent of that name; writes nothing.

    Raises:
        PolicyUnreadable
    """
    by = found(connection, call)
    if isinstance(by, Verdict):
        return by
    return weighed(connection, by, call, agent, workflow, now)


def validated(connection: Connection, call: GovernedCall) -> tuple[Fault, ...]:
    """What is wrong with the arguments, by the definition that was accepted and what the rules reserve.

    Raises:
        PolicyUnreadable
    """
    by = found(connection, call)
    if isinstance(by, Verdict):
        return ()
    reserved = reserved_in(by.upstream, call)
    if reserved is not None:
        return (reserved,)
    accepted = accepted_schema(connection, call)
    if accepted is None or by.upstream is None:
        return ()
    return faults(_without(accepted[1], by.upstream.idempotency_argument), call.arguments)


def accepted_schema(connection: Connection, call: GovernedCall) -> tuple[str | None, Any] | None:
    """The schema of what this call takes, and the hash of the definition that gives it; None where none was accepted.
    Resources have the one schema that all of them have, without a definition; of clients' own tools none is known."""
    if call.method is Method.OWN:
        return None
    if call.method is Method.RESOURCE:
        return None, input_schema(call.method, None)
    pin = pins.pin(connection, call.upstream, call.method, call.name)
    if pin is None or pin.accepted_content is None:
        return None
    return pin.accepted_sha256, _schema(call.method, pin.accepted_content)


def in_words(call: GovernedCall, wrong: Sequence[Fault]) -> str:
    """A sentence for the agent of what is wrong with its arguments."""
    said = "; ".join(f"{fault.field} {fault.message}" for fault in wrong)
    return f"The arguments are not what {call.governed_as} takes: {said}."


def called_of(question: HeldCall) -> GovernedCall:
    """The call that a card holds, with what would be sent."""
    return GovernedCall(
        upstream=question.upstream,
        method=Method(question.method),
        name=question.name,
        governed_as=question.tool,
        definition_sha256=question.definition_sha256,
        arguments=question.arguments,
        stated=_stated(question),
    )


def _stated(question: HeldCall) -> Stated | None:
    if question.reasoning is None and not question.facts:
        return None
    return Stated(question.reasoning, question.facts or {})


def found(connection: Connection, call: GovernedCall) -> Found | Verdict:
    """What the call is judged by; or a denial, where there is nothing to judge it by."""
    policy = active(connection)
    upstream = None if policy is None else policy.upstream(call.upstream)
    if call.method is Method.OWN:
        if upstream is not None:
            return refused(
                f"the rules in force have an upstream {call.upstream!r}, and that is a client's name", policy
            )
        return Found(policy, None, None)
    if policy is None or upstream is None:
        return refused(f"the rules in force name no upstream {call.upstream!r}", policy)
    if call.method is Method.RESOURCE:
        return Found(policy, upstream, None)
    pin = pins.pin(connection, call.upstream, call.method, call.name)
    if pin is None or pin.gone:
        return refused(f"{call.upstream} does not list {call.governed_as} now", policy)
    if pin.accepted_sha256 is None:
        waits = f"{call.governed_as} is new since {call.upstream} was first listed, and no person has accepted it yet"
        return refused(waits, policy)
    return Found(policy, upstream, pin)


def refused(why: str, policy: Policy | None) -> Verdict:
    """A denial for which no rule is needed."""
    return Verdict(
        Action.DENY,
        rules=(),
        reasons=(why,),
        denied=f"{why.rstrip('.')}.",
        policy_sha256=None if policy is None else policy.sha256,
    )


def weighed(
    connection: Connection, by: Found, call: GovernedCall, agent: str, workflow: str | None, now: datetime
) -> Verdict:
    """What rules and budgets say to the call; and where the definition is not the accepted one, that it is held."""
    if by.policy is None:
        return Verdict(Action.HOLD, (), ("no rules are in force",))
    called = Called(call.governed_as, call.upstream, call.arguments, agent, now)
    verdict = judge(by.policy, called, given=workflow, spent=spent(connection, now))
    if by.pin is None or not by.pin.is_changed or verdict.action is Action.DENY:
        return verdict
    since = f"{by.pin.seen_at:%Y-%m-%d at %H:%M} UTC"
    changed = f"its definition changed on {since}, and no person has accepted that yet"
    reasons = verdict.reasons if verdict.action is Action.HOLD else ()
    return replace(verdict, action=Action.HOLD, reasons=(*reasons, changed), spends=())


def reserved_in(upstream: Upstream | None, call: GovernedCall) -> Fault | None:
    """What is wrong where an agent sends what Assent sends itself: the idempotency key."""
    name = None if upstream is None else upstream.idempotency_argument
    if name is None or name not in call.arguments:
        return None
    return Fault(name, "is set by Assent itself; leave it out")


def _without(schema: Any, name: str | None) -> Any:
    """The schema of what agents send: what Assent adds is not asked of them."""
    required = schema.get("required") if isinstance(schema, Mapping) else None
    if name is None or not isinstance(required, list) or name not in required:
        return schema
    return {**schema, "required": [one for one in required if one != name]}


@lru_cache(maxsize=1024)
def _schema(method: Method, content: str) -> Any:
    return input_schema(method, content_of(content))
