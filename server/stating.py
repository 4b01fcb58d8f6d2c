"""What the agent's side says of a call by itself, taken in bounds. Nobody checked it, and it changes nothing. Pure."""

from collections.abc import Mapping
from typing import Any

from store.calls.calls import Stated
from store.text import is_unicode

REASONING = "assent/reasoning"
"""Where an agent says, under `_meta`, why it calls a tool."""
OWN_PREFIX = "assent/"
"""Of what begins so under `_meta` nothing is passed on to an upstream."""
REASONING_LIMIT = 4_000
FACTS_LIMIT = 12
FACT_LIMIT = 500
NAME_LIMIT = 64


def stated(reasoning: object, facts: Mapping[str, object] | None = None) -> Stated | None:
    """What of this is text, cut where it is too long; None where nothing is. At most `FACTS_LIMIT` facts are taken."""
    kept = {name: text for name, value in (facts or {}).items() if (text := _text(value, FACT_LIMIT)) is not None}
    kept = {name: kept[name] for name in list(kept)[:FACTS_LIMIT] if 0 < len(name) <= NAME_LIMIT and is_unicode(name)}
    why = _text(reasoning, REASONING_LIMIT)
    return None if why is None and not kept else Stated(why, kept)


def stated_in(meta: Mapping[str, Any] | None) -> Stated | None:
    """What a call says under its `_meta`."""
    return stated((meta or {}).get(REASONING))


def _text(value: object, limit: int) -> str | None:
    if not isinstance(value, str) or not value.strip() or not is_unicode(value):
        return None
    # No stored text has one: it would end there for some of those who read it.
    text = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(text) <= limit:
        return text
    mark = f" … (cut: it had {len(text):,} characters)"
    return text[: limit - len(mark)] + mark
