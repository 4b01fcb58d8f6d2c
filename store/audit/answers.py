"""What becomes of the outcome of a request, by what a log says: at most one call gets it. Pure.

A part of the story that `store.audit.meaning` tells (SPEC.md, section 8).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from store.audit.standing import MeaningProblem, require

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Ended:
    """A request that was closed: whether a person decided it, which call has its answer, and whose it is to take."""

    decided: bool
    agent: str | None = None
    call: str | None = None
    delivered: bool = False


# Most of all requests end as one of these: nobody takes their outcome any more.
_TOLD_DECIDED, _TOLD_UNDECIDED = _Ended(True, delivered=True), _Ended(False, delivered=True)


class Answers:
    """The outcomes of all requests that were closed so far."""

    def __init__(self) -> None:
        self._ended: dict[str, _Ended] = {}
        self._takes: Mapping[str, Callable[[Entry], None]] = {
            "answer_claimed": self._claimed,
            "answer_delivered": self._delivered,
            "answer_released": self._released,
            "consequence_reported": self._reported,
        }

    def __contains__(self, request: str) -> bool:
        return request in self._ended

    def closed(self, request: str, agent: str, *, decided: bool) -> None:
        """A request of this agent's ended, and nobody has its outcome yet."""
        self._ended[request] = _Ended(decided, agent)

    def waits_for(self, request: str) -> str | None:
        """The agent that may still take the outcome of this request; None for what is told, or was never opened."""
        ended = self._ended.get(request)
        return None if ended is None else ended.agent

    def take(self, entry: Entry) -> None:
        """What happens to the outcome of a request that is not open.

        Raises:
            MeaningProblem: the request was never opened, or this cannot happen to its outcome now.
        """
        self._takes[entry["type"]](entry)

    def _claimed(self, entry: Entry) -> None:
        ended = self._of(entry)
        require(ended.call is None and not ended.delivered, f"the answer of {entry['request']} is another call's")
        self._ended[entry["request"]] = replace(ended, call=entry["call"])

    def _delivered(self, entry: Entry) -> None:
        ended = self._of_call(entry)
        self._ended[entry["request"]] = _TOLD_DECIDED if ended.decided else _TOLD_UNDECIDED

    def _released(self, entry: Entry) -> None:
        ended = self._of_call(entry)
        self._ended[entry["request"]] = replace(ended, call=None)

    def _reported(self, entry: Entry) -> None:
        require(self._of(entry).decided, f"nobody decided {entry['request']}, and it reports what came of it")

    def _of(self, entry: Entry) -> _Ended:
        ended = self._ended.get(entry["request"])
        if ended is None:
            raise MeaningProblem(f"{entry['request']} was never opened")
        return ended

    def _of_call(self, entry: Entry) -> _Ended:
        ended = self._of(entry)
        require(ended.call == entry["call"], f"{entry['call']} did not claim the answer of {entry['request']}")
        return ended
