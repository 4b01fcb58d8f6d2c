"""Whether a card asks all that the rules in force asked when it was made. Pure.

A part of the story that `store.audit.meaning` tells (SPEC.md, section 8): a card that names the right rules, and leaves
out what they demand, would make one approval of one person look like enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from store.audit.standing import MeaningProblem, require
from store.card import load_condition
from store.moments import from_text
from store.policy.demands import Asked, demands_of
from store.policy.reading import PolicyMistake, read
from store.policy.rules import Policy
from store.questions import Risk

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Asker:
    """An agent as its entry names it, where that was disclosed."""

    name: str
    workflow: str | None
    """The one that it was given."""


def asker_of(entry: Entry, texts: Mapping[str, str]) -> Asker | None:
    """The agent of an `agent_added`; None where something of it was not disclosed."""
    name = texts.get("name_ref")
    if name is None or ("workflow_ref" in entry and "workflow_ref" not in texts):
        return None
    return Asker(name, texts.get("workflow_ref"))


def require_governed(rules: str, asker: Asker, entry: Entry, card: Mapping[str, Any]) -> None:
    """That a `request_opened` with this card follows from these rules.

    Raises:
        MeaningProblem: the card asks less than the rules, or the rules deny it, or nobody can read them.
    """
    request, question = entry["request"], card.get("question")
    try:
        said = question if isinstance(question, dict) else {}
        risk = None if said.get("risk") is None else Risk(said["risk"])
        asked = Asked(f"ask_{entry['kind']}", asker.name, said.get("workflow"), risk)
        wanted = demands_of(_policy(rules), asked, given=asker.workflow)
        asks = [load_condition(one) for one in card.get("conditions", ())]
    except PolicyMistake as problem:
        raise MeaningProblem(f"{request} is asked under rules that nobody can read") from problem
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise MeaningProblem(f"the card of {request} makes no sense") from problem
    require(wanted.denied is None, f"{request} is asked, which its rules deny")
    for one in wanted.conditions:
        require(one in asks, f"the card of {request} does not ask what the rule {one.rule!r} asks")
    if wanted.timeout_seconds is not None:
        latest = from_text(entry["at"]) + timedelta(seconds=wanted.timeout_seconds)
        require(from_text(entry["expires_at"]) <= latest, f"{request} is open for longer than its rules allow")


@lru_cache(maxsize=4)
def _policy(rules: str) -> Policy:
    return read(rules)
