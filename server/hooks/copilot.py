"""How `preToolUse` hooks of GitHub Copilot CLI ask and are answered. Pure.

Documented: `toolArgs` is the tool's input, as an object or as its JSON; `modifiedArgs` takes its place. A hook that
exits with an error or takes longer than its time is logged and skipped, so a refusal is always an answer. Calls have no
names of their own: the same question asked again is known by its words.
"""

from collections.abc import Mapping
from typing import Any

from server.hooks.asked import MISSING, Asked, NotAsked, Sent, asked_of, facts_of
from server.hooks.refusals import copilot_denied
from store.calls.calls import GovernedCall
from store.strict_json import NotStrictJson, read_strict_json


class Copilot:
    client = "copilot"
    defers = False

    def asked(self, body: Mapping[str, Any]) -> Asked:
        if "toolName" not in body:
            raise NotAsked("toolName: is missing; only preToolUse hooks are answered here")
        sent = Sent(
            body["toolName"],
            _read(body.get("toolArgs", MISSING)),
            None,
            facts_of(body, "sessionId", "cwd", "timestamp"),
            keys=("toolName", "toolArgs"),
        )
        return asked_of(self.client, sent)

    def unfit(self, call: GovernedCall, edited: Mapping[str, Any]) -> str | None:
        return None

    def allowed(self, edited: Mapping[str, Any] | None, said: str | None) -> dict[str, Any]:
        return {"permissionDecision": "allow"} | ({} if edited is None else {"modifiedArgs": dict(edited)})

    def denied(self, why: str, *, stopped: bool = False) -> dict[str, Any]:
        return copilot_denied(why)

    def deferred(self, why: str) -> dict[str, Any]:
        return self.denied(why)


def _read(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return read_strict_json(arguments.encode("utf-8"))
    except (NotStrictJson, UnicodeEncodeError) as problem:
        raise NotAsked(f"toolArgs: is not JSON as it is taken here: {problem}") from None
