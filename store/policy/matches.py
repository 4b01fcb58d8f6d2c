"""What each rule governed last, questions and calls of upstreams alike. Queries only.

Apart from `store.policy.overview`, because the modules that let calls through look at that one.
"""

from sqlalchemy import Connection

from store.calls.recorded import recorded
from store.policy import overview
from store.policy.judging import judge
from store.policy.overview import Matched, summed
from store.policy.replay import Past
from store.policy.rules import Policy

CALLS_LOOKED_AT = 2_000
"""How many of the newest calls are tried on every rule."""


def matched(connection: Connection, policy: Policy) -> tuple[Matched, ...]:
    """For each rule of `policy`, in its order, what it matches: whether it was in force then or not."""
    questions = overview.matched(connection, policy)
    calls: dict[str, list[Matched]] = {}
    for one in past(connection, CALLS_LOOKED_AT):
        # Whether a rule matches does not depend on what is left of its budgets.
        for name in judge(policy, one.called, given=one.given, spent=lambda _: 0).rules:
            calls.setdefault(name, []).append(Matched(1, one.called.at))
    return tuple(
        summed([asked, *calls.get(rule.name, ())]) for rule, asked in zip(policy.rules, questions, strict=True)
    )


def past(connection: Connection, limit: int) -> tuple[Past, ...]:
    """The newest calls, with what the rules of then did with them."""
    return tuple(Past(one.called, one.given, one.action, one.why) for one in recorded(connection, limit))
