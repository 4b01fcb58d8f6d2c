"""The life of a request: its kinds, states and outcomes, and the one table of transitions.

Invariants:

- `TRANSITIONS` holds every move there is; nothing else decides what may follow what.
- `closed` has no way out: an outcome is final.
- `vote` and `decide` start at `shown` only: nobody decides what they were not shown. `vote` is an answer of which more
  are needed; the last one is a `decide`.
- `edit` makes another card of a held call, and goes back to `pending`: nobody was shown that one yet.
- Agents coming and going are not events here. A broken connection ends a wait, never a request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What people are asked: one of the four questions that an agent puts, or whether a call that is held may run."""

    APPROVAL = "approval"
    SELECTION = "selection"
    FORM = "form"
    TEXT_INPUT = "text_input"
    CALL = "call"


class State(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    SHOWN = "shown"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    DECLINED = "declined"
    RETURNED = "returned"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Event(StrEnum):
    """What can happen to a request."""

    SHOW = "show"
    VOTE = "vote"
    EDIT = "edit"
    DECIDE = "decide"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


class Surface(StrEnum):
    """Where a reviewer was shown a card."""

    RENDERED_PAGE = "rendered_page"
    FETCHED_JSON = "fetched_json"


VOTED_KINDS = frozenset({Kind.APPROVAL, Kind.CALL})
"""What several people can decide together: each says yes or no to the same thing."""
COLLECT_AT_LEAST = timedelta(minutes=10)
"""How long what was decided can be collected, or run, if the deadline is nearer than that."""
OPEN_STATES = frozenset({State.PENDING, State.SHOWN})
DECISIONS = frozenset({Outcome.ANSWERED, Outcome.DECLINED, Outcome.RETURNED})


@dataclass(frozen=True)
class Transition:
    """A move to `state`; `outcomes` are the ends it may carry, empty while the request stays open."""

    state: State
    outcomes: frozenset[Outcome] = frozenset()


_SHOWN = Transition(State.SHOWN)
_EDITED = Transition(State.PENDING)
_DECIDED = Transition(State.CLOSED, DECISIONS)
_EXPIRED = Transition(State.CLOSED, frozenset({Outcome.EXPIRED}))
_WITHDRAWN = Transition(State.CLOSED, frozenset({Outcome.WITHDRAWN}))

TRANSITIONS: Mapping[tuple[State, Event], Transition] = {
    (State.PENDING, Event.SHOW): _SHOWN,
    (State.PENDING, Event.EXPIRE): _EXPIRED,
    (State.PENDING, Event.WITHDRAW): _WITHDRAWN,
    (State.SHOWN, Event.SHOW): _SHOWN,
    (State.SHOWN, Event.VOTE): _SHOWN,
    (State.SHOWN, Event.EDIT): _EDITED,
    (State.SHOWN, Event.DECIDE): _DECIDED,
    (State.SHOWN, Event.EXPIRE): _EXPIRED,
    (State.SHOWN, Event.WITHDRAW): _WITHDRAWN,
}


class ImpossibleTransition(ValueError):
    """The table has no such move; the caller's mistake, never a reviewer's."""


def transition(event: Event, outcome: Outcome | None = None) -> tuple[frozenset[State], Transition]:
    """The states that `event` may start from, and where it leads.

    Every row of one event leads to the same place, so a compare-and-set can name all old states at once.

    Raises:
        ImpossibleTransition: `outcome` is not an end that `event` can bring about.
    """
    moves = {old: move for (old, on), move in TRANSITIONS.items() if on is event}
    target = next(iter(moves.values()))
    allowed: frozenset[Outcome | None] = target.outcomes or frozenset({None})
    if outcome not in allowed:
        raise ImpossibleTransition(f"{event} cannot end as {outcome}")
    return frozenset(moves), target


def meaning(kind: Kind, outcome: Outcome, *, may_proceed: bool) -> str:
    """What an end means, in the words that stand in the log."""
    match outcome:
        case Outcome.ANSWERED if kind is Kind.APPROVAL:
            return "approved: the agent may proceed" if may_proceed else "not approved: the agent must not proceed"
        case Outcome.ANSWERED if kind is Kind.CALL:
            return "approved: exactly this call may run, once" if may_proceed else "refused: the call must not run"
        case Outcome.ANSWERED:
            return "answered: the agent may use this answer"
        case Outcome.DECLINED:
            return "declined: a person refused to answer"
        case Outcome.RETURNED:
            return "returned: a person asks back"
        case Outcome.EXPIRED:
            return "expired: nobody answered in time, which is not an approval"
        case Outcome.WITHDRAWN:
            return "withdrawn: the agent took the question back"


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    for (old, event), move in TRANSITIONS.items():
        ends = ", ".join(o for o in Outcome if o in move.outcomes)
        lines.append(f"    {old} --> {move.state}: {event}{f' ({ends})' if ends else ''}")
    lines.append("    closed --> [*]")
    return "\n".join(lines)
