"""How Codex's `PreToolUse` hooks ask and are answered. Pure.

Read in 0.169: `permissionDecision` is `deny`, or `allow` together with `updatedInput`, and nothing else; without either
the call goes on to Codex's own approval policy. Its hooks are commands. One that fails in another way than by exit code
2, or takes longer than its time, does not keep the call from running.
"""

from collections.abc import Mapping
from typing import Any

from server.hooks.asked import MISSING, Afterwards, Asked, Sent, asked_of, facts_of, is_of
from store.calls.calls import GovernedCall

EVENT = "PreToolUse"
_FACTS = ("session_id", "turn_id", "cwd", "permission_mode", "model", "agent_type", "agent_id", "transcript_path")
_BY_COMMAND = ("Bash", "apply_patch")


class Codex:
    client = "codex"
    defers = False

    def asked(self, body: Mapping[str, Any]) -> Asked | Afterwards:
        if not is_of(body, EVENT, afterwards=("PostToolUse",)):
            return Afterwards()
        return asked_of(
            self.client,
            Sent(
                body.get("tool_name"),
                body.get("tool_input", MISSING),
                body.get("tool_use_id"),
                facts_of(body, "tool_use_id", *_FACTS),
            ),
        )

    def unfit(self, call: GovernedCall, edited: Mapping[str, Any]) -> str | None:
        if call.name not in _BY_COMMAND:
            return None
        if not isinstance(edited.get("command"), str):
            return f"Codex runs {call.name} only with `command` as a text"
        if {**edited, "command": ""} != {**call.arguments, "command": ""}:
            return f"Codex takes nothing but another `command` for {call.name}"
        return None

    def allowed(self, edited: Mapping[str, Any] | None, said: str | None) -> dict[str, Any]:
        if edited is None:
            return {} if said is None else self._decided(additionalContext=said)
        more = {} if said is None else {"additionalContext": said}
        return self._decided(permissionDecision="allow", updatedInput=dict(edited), **more)

    def denied(self, why: str, *, stopped: bool = False) -> dict[str, Any]:
        return self._decided(permissionDecision="deny", permissionDecisionReason=why)

    def deferred(self, why: str) -> dict[str, Any]:
        return self.denied(why)

    def _decided(self, **said: Any) -> dict[str, Any]:
        return {"hookSpecificOutput": {"hookEventName": EVENT, **said}}
