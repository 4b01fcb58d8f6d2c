"""How Gemini CLI's `BeforeTool` hooks ask and are answered. Pure.

Documented and read in 0.61: `decision` is `allow` or `deny`; `hookSpecificOutput.tool_input` changes the input, by its
documentation merged into what was there, so that no field can be taken away by it. Calls have no names of their own:
the same question asked again is known by its words. A hook that takes longer than its time does not keep the call from
running.
"""

from collections.abc import Mapping
from typing import Any

from server.hooks.asked import MISSING, Afterwards, Asked, Sent, asked_of, facts_of, is_of
from store.calls.calls import GovernedCall

EVENT = "BeforeTool"


class GeminiCli:
    client = "gemini_cli"
    defers = False

    def asked(self, body: Mapping[str, Any]) -> Asked | Afterwards:
        if not is_of(body, EVENT, afterwards=("AfterTool",)):
            return Afterwards()
        facts = facts_of(body, "session_id", "cwd", "timestamp", "original_request_name", "transcript_path")
        return asked_of(self.client, Sent(body.get("tool_name"), body.get("tool_input", MISSING), None, facts))

    def unfit(self, call: GovernedCall, edited: Mapping[str, Any]) -> str | None:
        gone = sorted(set(call.arguments) - set(edited))
        if gone:
            return f"a person took {', '.join(gone)} away, and Gemini CLI would run it all the same"
        return None

    def allowed(self, edited: Mapping[str, Any] | None, said: str | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"decision": "allow"}
        if edited is not None:
            answer["hookSpecificOutput"] = {"hookEventName": EVENT, "tool_input": dict(edited)}
        return answer

    def denied(self, why: str, *, stopped: bool = False) -> dict[str, Any]:
        ended = {"continue": False, "stopReason": why} if stopped else {}
        return {**ended, "decision": "deny", "reason": why}

    def deferred(self, why: str) -> dict[str, Any]:
        return self.denied(why)
