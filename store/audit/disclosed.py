"""What disclosed texts say, where they are JSON. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from store.audit.standing import MeaningProblem


def json_object(text: str | None) -> dict[str, Any] | None:
    """The JSON object that a disclosed text holds; None where there is none to look at."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise MeaningProblem("its disclosed text is not JSON") from problem
    if not isinstance(value, dict):
        raise MeaningProblem("its disclosed text is not a JSON object")
    return value


def approving_options(card: Mapping[str, Any]) -> frozenset[str]:
    """The ids of the card's buttons that permit the agent to go on."""
    buttons = card.get("buttons")
    if not isinstance(buttons, list) or not all(isinstance(button, dict) for button in buttons):
        raise MeaningProblem("its card has no buttons")
    return frozenset(str(button.get("id")) for button in buttons if button.get("approves") is True)


def identity_of(card: Mapping[str, Any]) -> tuple[Any, ...]:
    """Which call the card of a held call is about, by its agent's own words: what an edit leaves as it is."""
    question = card.get("question")
    if not isinstance(question, dict):
        raise MeaningProblem("its card holds no call")
    asked = question.get("asked_arguments")
    keys = ("upstream", "method", "name", "tool", "definition_sha256")
    return (*(question.get(key) for key in keys), json.dumps(question.get("arguments") if asked is None else asked))
