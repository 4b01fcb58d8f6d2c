"""Who is held back by people, by what a log says, and that nothing happened against it. Pure.

A part of the story that `store.audit.meaning` tells (SPEC.md, section 8).
"""

from collections.abc import Mapping
from typing import Any

from store.audit.events import Halting, Permission
from store.audit.standing import MeaningProblem, Standing, require

Entry = Mapping[str, Any]

_EVERYTHING = None


class HaltStory:
    """What is paused and stopped at the moment."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._how: dict[str | None, str] = {}

    def halted(self, entry: Entry) -> None:
        """People held an agent back, or everything."""
        agent, how = entry.get("agent"), entry["how"]
        if (reviewer := entry.get("reviewer")) is not None:
            self._standing.require_decider(reviewer)
        require(agent is not _EVERYTHING or how == Halting.STOPPED, "everything can only be stopped")
        before = self._how.get(agent)
        require(before not in (how, Halting.STOPPED), f"{_named(agent)} was {before} before")
        self._how[agent] = how

    def resumed(self, entry: Entry) -> None:
        """People let it go on."""
        agent = entry.get("agent")
        if (reviewer := entry.get("reviewer")) is not None:
            self._standing.require_admin(reviewer)
        require(agent in self._how, f"{_named(agent)} goes on, and was not held back")
        del self._how[agent]

    def require_free(self, agent: str | None, what: str) -> None:
        """Raises MeaningProblem where this agent is stopped; `what` says what it does all the same."""
        if not self._how:
            return
        for one in (_EVERYTHING, agent):
            if self._how.get(one) == Halting.STOPPED:
                raise MeaningProblem(f"{_named(one)} was stopped, and {what}")

    def require_let(self, entry: Entry) -> None:
        """Raises MeaningProblem where this call of an agent is let through while it is stopped; or, by a rule alone,
        while it is paused."""
        if not self._how:
            return
        agent, call = entry["agent"], entry["call"]
        self.require_free(agent, f"{call} is sent for it")
        if entry["permission"] != Permission.APPROVED and agent in self._how:
            raise MeaningProblem(f"{_named(agent)} was paused, and a rule alone lets {call} through")


def _named(agent: str | None) -> str:
    return "everything" if agent is _EVERYTHING else f"the agent {agent}"
