"""Clients as programs set them up: which SDK, which era of the protocol, and what it is told about time."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from tests.clients.conftest import NodeSide
from tests.clients.conversation import Conversation, Line, node_conversation, python_conversation

RESET = {"limits": {"resetTimeoutOnProgress": True}, "progress": True}
DEFAULTS: Line = {"limits": {}, "progress": False}


@dataclass(frozen=True)
class Combination:
    """`sdk` is python, 1.x or 2.x; the last two are TypeScript's. `options` are those of node/ask.mjs."""

    sdk: str
    era: str
    options: Line

    def talk(
        self, side: NodeSide | None, url: str, token: str, *, name: str = "a-program", **question: Any
    ) -> AbstractAsyncContextManager[Conversation]:
        """Ask this question over HTTP."""
        spec = {
            "sdk": self.sdk,
            "era": self.era,
            "name": name,
            "url": url,
            "token": token,
            "question": question,
            "options": self.options,
        }
        if side is None:
            return python_conversation(spec)
        return node_conversation(side, spec)

    def hasty(self) -> "Combination":
        """The same, giving up on its first call after a second, and then only looking in before it waits."""
        limits = {**self.options["limits"], "timeout": 1000}
        return Combination(
            self.sdk, self.era, {**self.options, "limits": limits, "seconds": 1.0, "again": {"hold_seconds": 0}}
        )


PYTHON = {
    "python, older era": Combination("python", "legacy", DEFAULTS),
    "python, newer era": Combination("python", "auto", DEFAULTS),
}
NODE = {
    f"typescript {sdk}, {words} era, {setting}": Combination(sdk, era, options)
    for sdk, era, words in (("1.x", "legacy", "older"), ("2.x", "legacy", "older"), ("2.x", "auto", "newer"))
    for setting, options in (("defaults", DEFAULTS), ("reset on progress", RESET))
}
