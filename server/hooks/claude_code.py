"""How Claude Code's `PreToolUse` hooks ask and are answered. Pure.

Measured with 2.1.330: `updatedInput` takes the place of the whole input; only what stands in a 2xx answer is read; an
empty answer, or `{}`, is no opinion and leaves the call to Claude Code's own permissions, so a question never gets one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from server.hooks.asked import MISSING, Afterwards, Asked, Sent, asked_of, facts_of, is_of
from store.calls.calls import GovernedCall

EVENT = "PreToolUse"
_AFTERWARDS = ("PostToolUse", "PostToolUseFailure")
_FACTS = ("session_id", "cwd", "permission_mode", "agent_type", "agent_id", "prompt_id", "transcript_path")


class ClaudeCode:
    client = "claude_code"
    defers = True

    def asked(self, body: Mapping[str, Any]) -> Asked | Afterwards:
        if not is_of(body, EVENT, afterwards=_AFTERWARDS):
            return Afterwards()
        asked = asked_of(
            self.client,
            Sent(
                body.get("tool_name"),
                body.get("tool_input", MISSING),
                body.get("tool_use_id"),
                facts_of(body, "tool_use_id", *_FACTS),
            ),
        )
        # A sub-agent that is told to ask again later ends without a word, and nothing brings its call back.
        return replace(asked, is_resumable=not body.get("agent_id"))

    def unfit(self, call: GovernedCall, edited: Mapping[str, Any]) -> str | None:
        return None

    def allowed(self, edited: Mapping[str, Any] | None, said: str | None) -> dict[str, Any]:
        more: dict[str, Any] = {} if edited is None else {"updatedInput": dict(edited)}
        if said is not None:
            more["additionalContext"] = said
        return self._decided("allow", "Assent let this run.", **more)

    def denied(self, why: str, *, stopped: bool = False) -> dict[str, Any]:
        ended = {"continue": False, "stopReason": why} if stopped else {}
        return {**ended, **self._decided("deny", why)}

    def deferred(self, why: str) -> dict[str, Any]:
        return self._decided("defer", why)

    def _decided(self, decision: str, reason: str, **more: Any) -> dict[str, Any]:
        said = {"hookEventName": EVENT, "permissionDecision": decision, "permissionDecisionReason": reason}
        return {"hookSpecificOutput": {**said, **more}}
