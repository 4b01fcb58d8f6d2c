"""What pausing and stopping an agent makes of its calls, inside the transaction that would let them through."""

from dataclasses import replace

from sqlalchemy import Connection

from store.held_back import halt_of, stop_of
from store.policy.rules import Action, Policy
from store.policy.verdicts import Verdict

NOTHING_RUNS = "Nothing was run, and nothing may proceed: tell whoever you work for."


def refusal(connection: Connection, agent_id: str, policy: Policy | None) -> Verdict | None:
    """A denial where people stopped this agent, or revoked it; None where nobody did."""
    halt = stop_of(connection, agent_id)
    if halt is None:
        return None
    return Verdict(
        Action.DENY,
        rules=(),
        reasons=(halt.told(),),
        denied=f"{halt.told()} {NOTHING_RUNS}",
        policy_sha256=None if policy is None else policy.sha256,
    )


def while_paused(connection: Connection, agent_id: str, verdict: Verdict) -> Verdict:
    """`verdict`; of an agent that people paused, held where rules would let the call through, and taking no budget."""
    if verdict.action in (Action.HOLD, Action.DENY):
        return verdict
    halt = halt_of(connection, agent_id)
    if halt is None:
        return verdict
    return replace(verdict, action=Action.HOLD, reasons=(halt.told().rstrip("."),), spends=())
