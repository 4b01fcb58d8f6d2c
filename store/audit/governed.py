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
from store.lifecycle import Kind
from store.moments import from_text
from store.policy.demands import Asked, demands_of
from store.policy.judging import judge
from store.policy.reading import PolicyMistake, read
from store.policy.rules import Action, Policy
from store.policy.verdicts import Called, Spend, Verdict
from store.policy.when import is_installed
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


@dataclass(frozen=True)
class Rules:
    """The rules in force, as an entry put them there. `text` is None where it was not disclosed."""

    sha256: str | None = None
    text: str | None = None

    def policy(self) -> Policy | None:
        """What the text says; None where there is none to look at.

        Raises:
            MeaningProblem: nobody can read it.
        """
        if self.text is None:
            return None
        try:
            return _policy(self.text)
        except PolicyMistake as problem:
            raise MeaningProblem("the rules in force are such as nobody can read") from problem


def judged(
    rules: Rules, asker: Asker, *, tool: str, upstream: str, arguments: Mapping[str, Any], at: str
) -> Verdict | None:
    """What the rules say to a call, as if nothing had been taken of any budget; None where that cannot be told here.

    Raises:
        MeaningProblem: nobody can read them.
    """
    policy = rules.policy()
    if policy is None or (not is_installed() and any(rule.when is not None for rule in policy.rules)):
        return None
    called = Called(tool, upstream, arguments, asker.name, from_text(at))
    return judge(policy, called, given=asker.workflow, spent=_nothing)


def _nothing(_: Spend) -> int:
    return 0


def require_card(
    rules: Rules, asker: Asker | None, request: str, kind: str, entry: Entry, card: Mapping[str, Any]
) -> None:
    """That the card which an entry makes is this request's, and asks what these rules ask.

    Raises:
        MeaningProblem
    """
    said = (card.get("request_id"), card.get("kind"), card.get("expires_at"))
    require(said == (request, kind, entry["expires_at"]), "its card is another request's")
    require(card.get("policy_sha256") == rules.sha256, f"the card of {request} is not made by the rules in force")
    if asker is None:
        return
    if kind == Kind.CALL:
        require_held(rules, asker, request, entry, card)
    elif rules.text is not None:
        require_governed(rules.text, asker, entry, card)


def require_held(rules: Rules, asker: Asker, request: str, entry: Entry, card: Mapping[str, Any]) -> None:
    """That a held call with this card, made by this entry, follows from these rules.

    Raises:
        MeaningProblem: the card asks less than the rules, or the rules deny it, or nobody can read them.
    """
    question = card.get("question")
    try:
        said = question if isinstance(question, dict) else {}
        tool, upstream, arguments = said["tool"], said["upstream"], said["arguments"]
        asks = [load_condition(one) for one in card.get("conditions", ())]
        wanted = judged(rules, asker, tool=tool, upstream=upstream, arguments=arguments, at=entry["at"])
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise MeaningProblem(f"the card of {request} makes no sense") from problem
    if wanted is None:
        return
    require(wanted.action is not Action.DENY, f"{request} is asked, which its rules deny")
    for one in wanted.conditions:
        require(one in asks, f"the card of {request} does not ask what the rule {one.rule!r} asks")
    _require_time(request, entry, wanted.timeout_seconds)


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
    _require_time(request, entry, wanted.timeout_seconds)


def _require_time(request: str, entry: Entry, seconds: int | None) -> None:
    if seconds is not None:
        latest = from_text(entry["at"]) + timedelta(seconds=seconds)
        require(from_text(entry["expires_at"]) <= latest, f"{request} is open for longer than its rules allow")


@lru_cache(maxsize=4)
def _policy(rules: str) -> Policy:
    return read(rules)
