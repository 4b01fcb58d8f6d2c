"""What a proposal would have done with the calls that were made, in words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from review_web.words import count
from store.policy.replay import Replay, Replayed
from store.policy.rules import Action

EXAMPLES = 10
_WAS: Mapping[Action, str] = {
    Action.ALLOW: "run at once then",
    Action.NOTICE: "run and noticed then",
    Action.HOLD: "held then",
    Action.DENY: "denied then",
}
WOULD: Mapping[Action, str] = {
    Action.ALLOW: "would run at once",
    Action.NOTICE: "would run, and be noticed",
    Action.HOLD: "would be held",
    Action.DENY: "would be denied",
}


@dataclass(frozen=True)
class ReplayedCall:
    """One call with which something else would be done."""

    tool: str
    agent: str
    at: datetime
    said: str
    """What would be done with it instead, in words."""
    looser: bool
    """Less would have stood in its way."""


@dataclass(frozen=True)
class ReplayPart:
    """What the page of the rules prints of a replay."""

    calls: int
    since: datetime
    """When the oldest of them was made."""
    changes: tuple[str, ...]
    """How many calls went from what to what."""
    examples: tuple[ReplayedCall, ...]
    """The newest of them, those first with which less would stand in the way."""


def replay_part(replay: Replay) -> ReplayPart | None:
    """`replay` in words; None where no call was ever made."""
    if not replay.calls:
        return None
    changed = sorted(replay.changed, key=lambda one: (one.is_looser, one.past.called.at), reverse=True)
    return ReplayPart(
        calls=len(replay.calls),
        since=replay.calls[0].past.called.at,
        changes=tuple(
            f"{count(number, 'call')} {_WAS[before]} {WOULD[after]}" for before, after, number in replay.counts
        ),
        examples=tuple(_example(one) for one in changed[:EXAMPLES]),
    )


def _example(one: Replayed) -> ReplayedCall:
    called = one.past.called
    return ReplayedCall(called.tool, called.agent, called.at, WOULD[one.verdict.action], one.is_looser)
