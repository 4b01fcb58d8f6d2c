"""How a hook that is a command refuses, by client. Pure, and imports nothing: a command starts before each call."""

from collections.abc import Mapping
from typing import Any

CLIENTS = ("claude-code", "codex", "copilot", "cursor", "gemini")
"""Whose hooks are answered, by their names in addresses and on the command line."""
EXIT_REFUSED = 2
"""What most clients take for a refusal, with the reason on stderr."""
ANSWER_HEADER = "assent-hook"
"""Stands in every answer of this server's: an empty object of a stranger's would be no objection for some clients."""


def spoken(client: str, why: str) -> Mapping[str, Any] | None:
    """The answer that refuses; None for a client that takes `EXIT_REFUSED` for it."""
    # An exit code other than 0 is logged and skipped by Copilot: there the tool would run.
    return copilot_denied(why) if client == "copilot" else None


def copilot_denied(why: str) -> dict[str, Any]:
    return {"permissionDecision": "deny", "permissionDecisionReason": why}
