"""How Cursor's `preToolUse` hooks ask and are answered. Pure.

Documented: `permission` is `allow` or `deny`, and `updated_input` changes the input; whether what it leaves out stays
is not said. What fails lets the call through, unless the hook is marked `failClosed`.
"""

from collections.abc import Mapping
from typing import Any

from server.hooks.asked import MISSING, Afterwards, Asked, Sent, asked_of, facts_of, is_of
from store.calls.calls import GovernedCall

EVENT = "preToolUse"
_AFTERWARDS = ("postToolUse", "postToolUseFailure")
_FACTS = ("conversation_id", "generation_id", "cwd", "model", "cursor_version", "transcript_path")


class Cursor:
    client = "cursor"
    defers = False

    def asked(self, body: Mapping[str, Any]) -> Asked | Afterwards:
        if not is_of(body, EVENT, afterwards=_AFTERWARDS):
            return Afterwards()
        return asked_of(
            self.client,
            Sent(
                body.get("tool_name"),
                body.get("tool_input", MISSING),
                body.get("tool_use_id"),
                facts_of(body, "tool_use_id", *_FACTS),
                body.get("agent_message"),
            ),
        )

    def unfit(self, call: GovernedCall, edited: Mapping[str, Any]) -> str | None:
        gone = sorted(set(call.arguments) - set(edited))
        if gone:
            return f"a person took {', '.join(gone)} away, and whether Cursor would run it without is not known"
        return None

    def allowed(self, edited: Mapping[str, Any] | None, said: str | None) -> dict[str, Any]:
        return {"permission": "allow"} | ({} if edited is None else {"updated_input": dict(edited)})

    def denied(self, why: str, *, stopped: bool = False) -> dict[str, Any]:
        return {"permission": "deny", "user_message": why, "agent_message": why}

    def deferred(self, why: str) -> dict[str, Any]:
        return self.denied(why)
