"""What rules would have done with calls that were made before. Pure.

Budgets start empty with the oldest call and fill with what these rules would have let through. What people decided is
not in it: a call that is held here is held, however they answered it then.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from store.policy.judging import judge
from store.policy.rules import Action, Policy
from store.policy.verdicts import Called, Spend, Verdict


@dataclass(frozen=True)
class Past:
    """A call that was made, and what the rules of then did with it."""

    called: Called
    given: str | None
    """The workflow that its agent was given."""
    action: Action
    why: str | None = None
    """Why it was denied, or failed: not always by a rule."""


@dataclass(frozen=True)
class Replayed:
    """The same call under other rules."""

    past: Past
    verdict: Verdict

    @property
    def is_changed(self) -> bool:
        return self.verdict.action is not self.past.action

    @property
    def is_looser(self) -> bool:
        """Whether less would have stood in its way."""
        return self.verdict.action.strictness < self.past.action.strictness


@dataclass(frozen=True)
class Replay:
    """All calls under other rules, the oldest first."""

    calls: tuple[Replayed, ...]

    @property
    def changed(self) -> tuple[Replayed, ...]:
        return tuple(one for one in self.calls if one.is_changed)

    @property
    def counts(self) -> tuple[tuple[Action, Action, int], ...]:
        """How many calls went from which action to which, only where they differ: the looser ones first."""
        counted = Counter((one.past.action, one.verdict.action) for one in self.changed)
        order = sorted(counted, key=lambda pair: (pair[1].strictness - pair[0].strictness, pair[0].strictness))
        return tuple((before, after, counted[before, after]) for before, after in order)


def replay(policy: Policy, past: Iterable[Past]) -> Replay:
    """What `policy` says to these calls, in the order of their times."""
    spending = _Spending()
    calls = []
    for one in sorted(past, key=lambda each: each.called.at):
        verdict = judge(policy, one.called, given=one.given, spent=partial(spending.before, one.called.at))
        for spend in verdict.spends:
            spending.take(one.called.at, spend)
        calls.append(Replayed(one, verdict))
    return Replay(tuple(calls))


class _Spending:
    """What was taken of each budget, with the times: windows slide."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str | None], deque[tuple[datetime, int]]] = defaultdict(deque)
        self._sums: Counter[tuple[str, str | None]] = Counter()

    def before(self, now: datetime, spend: Spend) -> int:
        key = (spend.rule_key, spend.agent)
        since = now - timedelta(seconds=spend.window_seconds)
        takings = self._taken[key]
        while takings and takings[0][0] <= since:
            self._sums[key] -= takings.popleft()[1]
        return self._sums[key]

    def take(self, now: datetime, spend: Spend) -> None:
        key = (spend.rule_key, spend.agent)
        self._taken[key].append((now, spend.micros))
        self._sums[key] += spend.micros
