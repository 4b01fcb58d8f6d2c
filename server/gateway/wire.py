"""What every connection to an upstream tells whoever looks after it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mcp.client._transport import TransportStreams

__all__ = ["TRANSPORT_FAULT", "TransportStreams", "Wire"]

TRANSPORT_FAULT = {"assent": "transport"}
"""The `data` of errors that stand in place of an answer that did not come, or was not taken: ours, and not theirs."""


@dataclass(eq=False)
class Wire:
    """One connection's state, written by its transport. `on_change` is called whenever a field changes.

    Reasons are plain phrases of ours that go on from the upstream's name: "it cannot be reached".
    """

    on_change: Callable[[], None] = lambda: None
    lost: str | None = None
    """Why nothing more can be said over it. None while it works."""
    suspect: str | None = None
    """What failed, that may pass by itself or not: time to look. Whoever has looked clears it."""
    stand_in: str | None = None
    """What we said last in place of an answer that was not taken."""
    unreachable: bool = False
    """The network failed at least once."""
    notes: dict[str, str] = field(default_factory=dict)
    """What its health line mentions besides, by what it is about."""
    secrets: tuple[str, ...] = ()
    """What it was given to keep: no text about it may repeat that, whatever it says itself."""

    def lose(self, why: str) -> None:
        """It is over. The first reason stands."""
        if self.lost is None:
            self.lost = why
            self.on_change()

    def suspicious(self, why: str) -> None:
        self.suspect = why
        self.on_change()

    def scrubbed(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return text

    def note(self, about: str, what: str) -> None:
        if self.notes.get(about) != what:
            self.notes[about] = what
            self.on_change()
