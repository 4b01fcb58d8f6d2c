"""Rules that people proposed, by what a log says: none is in force by that alone. Pure.

A part of the story that `store.audit.meaning` tells (SPEC.md, section 8).
"""

from collections.abc import Mapping
from typing import Any

from store.audit.standing import Standing, require

Entry = Mapping[str, Any]


class ProposalStory:
    """The proposals that wait."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._waiting: set[str] = set()
        self._gone: set[str] = set()

    def proposed(self, entry: Entry) -> None:
        """A person proposed a rule."""
        name = entry["proposal"]
        self._standing.require_decider(entry["reviewer"])
        require(name not in self._waiting and name not in self._gone, f"{name} was proposed before")
        require(("call" in entry) != ("request" in entry), f"{name} is because of a call, or because of a request")
        self._waiting.add(name)

    def closed(self, entry: Entry, before: Entry | None) -> None:
        """An admin put it in force, by the entry right `before`, or aside."""
        name = entry["proposal"]
        self._standing.require_admin(entry["reviewer"])
        require(name in self._waiting, f"{name} does not wait to be put in force")
        if entry["accepted"]:
            activated = before is not None and before["type"] == "policy_activated"
            by_them = before is not None and before.get("reviewer") == entry["reviewer"]
            require(activated and by_them, f"{name} is said to be in force, and nobody put rules in force right before")
        self._waiting.discard(name)
        self._gone.add(name)
