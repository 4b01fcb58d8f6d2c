"""A policy from the text of its file. Pure. One mistake refuses the file whole, and says where it stands."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.nodes import Node

from store.names import fold
from store.policy.call_fields import CALL_KEYS, call_fields
from store.policy.clients import LONGEST_TOOL as LONGEST_OWN_TOOL
from store.policy.demands import BUILT_IN
from store.policy.rules import Action, Group, Path, Place, Policy, Rule
from store.policy.upstream_fields import upstreams_of
from store.policy.yaml_nodes import (
    PolicyMistake,
    fields_of,
    flag_of,
    is_list,
    is_number,
    items_of,
    number_of,
    place_of,
    root_of,
    text_of,
)
from store.questions import TIMEOUT_LIMIT, Risk

__all__ = ["PolicyMistake", "read", "sha256_of"]

VERSION = 1
MOST_APPROVALS = 10
MOST_ITEMS = 500
MOST_RULES = 1_000
LONGEST_DENIAL = 500
LONGEST_NAME = 100
LONGEST_TOOL = LONGEST_OWN_TOOL + 32
"""The name of a tool of a client's own, behind that of the client."""

TOP_KEYS = ("version", "default", "upstreams", "groups", "rules")
_MATCHERS = ("tool", "except", "agent", "workflow", "risk")
_DEMANDS = ("reviewers", "approvals", "timeout", "require", "not_owner", "escalate")
RULE_KEYS = ("name", *_MATCHERS, *CALL_KEYS, *_DEMANDS, "reason", "action")
_DOES = {Action.ALLOW: "allows", Action.NOTICE: "notices", Action.DENY: "denies"}
_DURATION = re.compile(r"([0-9]{1,6}) ?(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def sha256_of(text: str) -> str:
    """What names a policy: the hash of its text, as hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(text: str) -> Policy:
    """The policy that this text is.

    Raises:
        PolicyMistake
    """
    return _Reader().policy(text)


@dataclass
class _Reader:
    """Remembers where everything stands, for what is found out later."""

    places: dict[Path, Place] = field(default_factory=dict)

    def policy(self, text: str) -> Policy:
        root = root_of(text)
        top = self._fields(root, "the file", TOP_KEYS, ())
        if "version" not in top:
            raise PolicyMistake("the file has no version", place_of(root), "Begin it with: version: 1")
        number_of(top["version"], "version", VERSION, VERSION)
        default = _default(top["default"]) if "default" in top else Action.HOLD
        upstreams = upstreams_of(top["upstreams"], self.places) if "upstreams" in top else ()
        groups = self._groups(top["groups"]) if "groups" in top else ()
        rules = self._rules(top["rules"]) if "rules" in top else ()
        return Policy(sha256_of(text), groups, rules, upstreams, default, places=self.places)

    def _fields(self, node: Node, what: str, known: tuple[str, ...] | None, path: Path) -> dict[str, Node]:
        found = fields_of(node, what, known)
        self.places |= {(*path, name): place_of(key) for name, (key, _) in found.items()}
        return {name: value for name, (_, value) in found.items()}

    def _groups(self, node: Node) -> tuple[Group, ...]:
        groups: dict[str, Group] = {}
        for name, value in self._fields(node, "groups", None, ("groups",)).items():
            if fold(name) in groups:
                raise PolicyMistake(f"there is a group {name!r} already", self.places["groups", name])
            groups[fold(name)] = Group(name, self._names(value, f"the group {name!r}", ("groups", name)))
        return tuple(groups.values())

    def _rules(self, node: Node) -> tuple[Rule, ...]:
        items = items_of(node, "rules")
        if len(items) > MOST_RULES:
            raise PolicyMistake(f"there are more than {MOST_RULES:,} rules", place_of(items[MOST_RULES]))
        rules: dict[str, Rule] = {}
        for index, item in enumerate(items):
            rule = self._rule(item, ("rules", index))
            if fold(rule.name) in {*rules, fold(BUILT_IN)}:
                raise PolicyMistake(f"there is a rule {rule.name!r} already", self.places["rules", index, "name"])
            rules[fold(rule.name)] = rule
        return tuple(rules.values())

    def _rule(self, node: Node, path: Path) -> Rule:
        given = self._fields(node, "a rule", RULE_KEYS, path)
        if "name" not in given:
            raise PolicyMistake("this rule has no name", place_of(node), "People are told which rule asks: name it.")
        self.places[path] = place_of(node)
        name = text_of(given["name"], "name")
        action = _choice(given["action"], "action", Action) if "action" in given else Action.HOLD
        if action.permits and "tool" not in given:
            raise PolicyMistake(
                f"a rule with action {action.value} should name its tools",
                self.places[(*path, "action")],
                "Give it tool, such as files__read_*.",
            )
        return Rule(
            name=name,
            action=action,
            **self._matchers(given, path),
            **call_fields(given, action, path, self.places),
            **self._demands(given, action, path),
        )

    def _matchers(self, given: dict[str, Node], path: Path) -> dict[str, Any]:
        lists = {"tools": "tool", "exceptions": "except", "agents": "agent", "workflows": "workflow"}
        found: dict[str, Any] = {
            ours: self._names(given[theirs], theirs, (*path, theirs))
            for ours, theirs in lists.items()
            if theirs in given
        }
        if "risk" in given:
            found["risk"] = _choice(given["risk"], "risk", Risk)
        return found

    def _demands(self, given: dict[str, Node], action: Action, path: Path) -> dict[str, Any]:
        if action is not Action.HOLD:
            without = (*_DEMANDS, "reason") if action.permits else _DEMANDS
            if needless := [name for name in given if name in without]:
                place = self.places[(*path, needless[0])]
                says = f"a rule that {_DOES[action]} asks nobody: {needless[0]} has no meaning in it"
                raise PolicyMistake(says, place)
            return {"denial": text_of(given["reason"], "reason", LONGEST_DENIAL)} if "reason" in given else {}
        found: dict[str, Any] = {
            name: self._names(given[name], name, (*path, name)) for name in ("reviewers", "escalate") if name in given
        }
        if "approvals" in given:
            found["approvals"] = number_of(given["approvals"], "approvals", 1, MOST_APPROVALS)
        if "timeout" in given:
            found["timeout_seconds"] = _duration(given["timeout"])
        if "require" in given:
            found["passkey"] = _word(given["require"], "require", "passkey")
        if "not_owner" in given:
            found["not_owner"] = flag_of(given["not_owner"], "not_owner")
        if "reason" in given:
            found["reason_required"] = _word(given["reason"], "reason", "required")
        return found

    def _names(self, node: Node, what: str, path: Path) -> tuple[str, ...]:
        """One name, or a list of at least one."""
        items = items_of(node, what) if is_list(node) else [node]
        if not 0 < len(items) <= MOST_ITEMS:
            raise PolicyMistake(f"{what} should name 1 to {MOST_ITEMS}", place_of(node))
        names, longest = [], LONGEST_TOOL if what in ("tool", "except") else LONGEST_NAME
        for index, item in enumerate(items):
            self.places[(*path, index)] = place_of(item)
            names.append(text_of(item, what, longest))
        return tuple(names)


def _default(node: Node) -> Action:
    action: Action = _choice(node, "default", Action)
    if action.permits:
        raise PolicyMistake(
            "default should be hold or deny: what nobody thought of is never let through",
            place_of(node),
            f"To {action.value} something, write a rule.",
        )
    return action


def _duration(node: Node) -> int:
    """Seconds, written as 90s, 30m or 4h, or as a plain number of seconds."""
    if is_number(node):
        return number_of(node, "timeout", 1, TIMEOUT_LIMIT)
    match = _DURATION.fullmatch(text_of(node, "timeout"))
    seconds = 0 if match is None else int(match[1]) * _SECONDS[match[2]]
    if not 1 <= seconds <= TIMEOUT_LIMIT:
        raise PolicyMistake("timeout should be 1s to 24h, such as 90s, 30m or 4h", place_of(node))
    return seconds


def _word(node: Node, what: str, only: str) -> bool:
    if text_of(node, what, LONGEST_DENIAL) != only:
        raise PolicyMistake(f"{what} should be {only}, or left out", place_of(node))
    return True


def _choice(node: Node, what: str, choices: Any) -> Any:
    value = text_of(node, what)
    if value not in {one.value for one in choices}:
        raise PolicyMistake(f"{what} should be one of {', '.join(one.value for one in choices)}", place_of(node))
    return choices(value)
