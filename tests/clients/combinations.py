"""Clients as programs set them up: which SDK, which era of the protocol, and what it is told about time."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

from tests.clients.conftest import AGENT, NodeSide
from tests.clients.conversation import Conversation, Line, node_conversation, python_conversation
from tests.server.house import House
from tests.server.talking import command

RESET = {"limits": {"resetTimeoutOnProgress": True}, "progress": True}
DEFAULTS: Line = {"limits": {}, "progress": False}


@dataclass(frozen=True)
class Combination:
    """`sdk` is python, 1.x or 2.x; the last two are TypeScript's. `options` are those of the programs in `node`.

    A client speaks HTTP, or `stdio` with a bridge. One that knows `tasks` may be given one where others are told
    `pending`.
    """

    sdk: str
    era: str
    options: Line
    stdio: bool = False
    tasks: bool = False

    @property
    def not_yet(self) -> str:
        """What it says of a call that ends before its question does."""
        return "ask_approval: working" if self.tasks else "ask_approval: pending"

    @property
    def in_the_end(self) -> str:
        """What it says of the answer that it comes back for."""
        return "tasks/get: answered" if self.tasks else "await_review: answered"

    def talk(
        self,
        side: NodeSide | None,
        house: House,
        token: str,
        *,
        name: str = "a-program",
        agent: str = AGENT,
        **question: Any,
    ) -> AbstractAsyncContextManager[Conversation]:
        """Ask this question, as a client of this name: over HTTP for the agent of this token, else for this agent."""
        spec = {
            "sdk": self.sdk,
            "era": self.era,
            "name": name,
            "url": house.running.endpoint,
            "token": token,
            "command": command("stdio", "--agent", agent, *house.flags) if self.stdio else None,
            "question": question,
            "options": self.options,
        }
        if side is None:
            return python_conversation(spec)
        return node_conversation(side, "tasks.mjs" if self.tasks else "ask.mjs", spec)

    def hasty(self) -> "Combination":
        """The same, giving up on its first call after a second, and then only looking in before it waits."""
        limits = {**self.options["limits"], "timeout": 1000}
        again = {"seconds": 1.0, "again": {"hold_seconds": 0}}
        return replace(self, options={**self.options, "limits": limits, **again})

    def then(self, method: str) -> "Combination":
        """The same, doing this with its task before it waits: update or cancel."""
        return replace(self, options={**self.options, "then": method})


PYTHON = {
    f"python, {words} era{', stdio' if stdio else ''}": Combination("python", era, DEFAULTS, stdio)
    for stdio in (False, True)
    for era, words in (("legacy", "older"), ("auto", "newer"))
}
TASKS = {"typescript ext-tasks, newer era": Combination("2.x", "auto", DEFAULTS, tasks=True)}
NODE = {
    f"typescript {sdk}, {words} era, {setting}": Combination(sdk, era, options)
    for sdk, era, words in (("1.x", "legacy", "older"), ("2.x", "legacy", "older"), ("2.x", "auto", "newer"))
    for setting, options in (("defaults", DEFAULTS), ("reset on progress", RESET))
}
NODE_STDIO = {f"{name}, stdio": replace(combination, stdio=True) for name, combination in NODE.items()}
COMBINATIONS = {**PYTHON, **NODE, **NODE_STDIO, **TASKS}
