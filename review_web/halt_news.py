"""What is held back, as an open page learns of it: it says what it shows, and hears when that is true no more. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from store.canonical_json import canonical_text
from store.held_back import Halt
from store.moments import to_text


@dataclass(frozen=True)
class HaltNews:
    """Context of `halt_news.html`."""

    halts: tuple[Halt, ...]
    """All that is held back now."""


def halts_mark(halts: Sequence[Halt]) -> str:
    """A word that is another one as soon as something else is held back, or the same by another change."""
    said = [[halt.agent_id, halt.how.value, to_text(halt.at)] for halt in halts]
    return hashlib.sha256(canonical_text(said).encode()).hexdigest()[:16]
