"""Governed calls, by what a log says: each was let through by a rule or by people, once, and ended once. Pure.

A part of the story that `store.audit.meaning` tells (SPEC.md, section 8). Where texts were not disclosed, what depends
on them is not checked. Budgets are not counted again: a call is judged as if nothing had been spent before it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.audit.events import CallEnd, Permission
from store.audit.governed import Asker, Rules, judged
from store.audit.standing import MeaningProblem, require
from store.canonical_json import canonical_text
from store.card import load_condition
from store.lifecycle import COLLECT_AT_LEAST
from store.moments import from_text
from store.policy.clients import is_own_tool
from store.policy.rules import Action
from store.policy.verdicts import Verdict

Entry = Mapping[str, Any]
Texts = Mapping[str, str]

_PERMITS = {Permission.ALLOWED.value: Action.ALLOW, Permission.NOTICED.value: Action.NOTICE}
_UPSTREAM = re.compile(r"__|:")
_RESOURCES = ":resources"


@dataclass(frozen=True)
class Approval:
    """That people let exactly one call run. `card` is None where it was not disclosed."""

    agent: str
    card: Mapping[str, Any] | None
    lapses_at: datetime


@dataclass
class _Pin:
    """The definition of one name: hashes as they were disclosed."""

    current: str | None
    accepted: str | None


class CallStory:
    """The calls that were let through so far, and the definitions they are calls of."""

    def __init__(self) -> None:
        self._running: dict[str, bool | None] = {}
        """Whether each is of a tool of the client's own; None where nobody can say."""
        self._lost: frozenset[str] = frozenset()
        self._approved: dict[str, Approval] = {}
        self._pins: dict[str, _Pin] = {}
        self._blind = False
        """Some definition's name or hash was not disclosed: what is not known here may be what it defined."""

    def server_started(self) -> None:
        """Whatever ran until now has no server that could see it end."""
        self._lost = frozenset(self._running)

    def approved(self, request: str, agent: str, card: Mapping[str, Any] | None, expires_at: str, at: str) -> None:
        """People let the call of this request run."""
        lapses_at = max(from_text(expires_at), from_text(at) + COLLECT_AT_LEAST)
        self._approved[request] = Approval(agent, card, lapses_at)

    def intended(self, entry: Entry, texts: Texts, rules: Rules, asker: Asker | None) -> None:
        """A call is about to be sent.

        Raises:
            MeaningProblem: nothing lets it.
        """
        call = entry["call"]
        require(call not in self._running, f"{call} is sent twice")
        require(entry.get("policy_sha256") == rules.sha256, "it is let through by rules that are not in force")
        own = _is_own(entry, texts, rules)
        if not (own is not False and entry["permission"] == Permission.APPROVED):
            # People let a client's own tool run where there are no rules at all.
            require(rules.sha256 is not None, "it is let through, and no rules are in force")
        verdict = _verdict(entry, texts, rules, asker)
        if entry["permission"] == Permission.APPROVED:
            self._by_people(entry, texts, verdict)
        else:
            require("request" not in entry, "a rule lets it through, and it names a request")
            self._by_rule(entry, texts, verdict)
        self._running[call] = own

    def ended(self, entry: Entry) -> None:
        """What came of a call."""
        call = entry["call"]
        require(call in self._running, f"{call} was not sent, or has ended before")
        unknown = entry["end"] == CallEnd.UNKNOWN
        require(unknown or call not in self._lost, f"the server that sent {call} had ended, and it says how {call} did")
        returned = entry["end"] == CallEnd.RETURNED
        require(returned == ("result_ref" in entry), "a result belongs to what returned, and to nothing else")
        require(entry["milliseconds"] >= 0 and entry["result_bytes"] >= 0, "it says that it took less than nothing")
        own = self._running.pop(call)
        released = entry["end"] == CallEnd.RELEASED
        require(own is None or own is released, "a tool of a client's own is released to it, and no other call is")

    def denied(self, entry: Entry, rules: Rules) -> None:
        require(entry.get("policy_sha256") == rules.sha256, "it denies by rules that are not in force")
        require(entry["count"] > 0, "it denies nothing")

    def seen(self, entry: Entry, texts: Texts, rules: Rules) -> None:
        """An upstream defines something, new or otherwise than before."""
        name, sha256 = texts.get("name_ref"), texts.get("definition_ref")
        require(rules.sha256 is not None, "an upstream is listed, and no rules are in force")
        if name is None or sha256 is None:
            self._blind = True
            self._pins.pop(name or "", None)
            return
        policy = rules.policy()
        if policy is not None:
            known = policy.upstream(_upstream_of(name)) is not None
            require(known, "it defines something of an upstream that the rules in force do not name")
        pin = self._pins.get(name)
        if pin is None:
            self._pins[name] = _Pin(sha256, sha256 if entry["accepted"] else None)
            return
        if not self._blind:
            same = pin.accepted == sha256
            require(same is entry["accepted"], f"it says otherwise than is so whether {name!r} is as it was accepted")
        pin.current = sha256

    def accepted(self, entry: Entry, texts: Texts) -> None:
        """A person accepted a definition."""
        name, sha256 = texts.get("name_ref"), texts.get("definition_ref")
        if name is None or sha256 is None:
            self._blind = True
            self._pins.pop(name or "", None)
            return
        pin = self._pins.get(name)
        if pin is None:
            require(self._blind, f"no entry before it defines {name!r}")
            pin = self._pins[name] = _Pin(sha256, None)
        require(self._blind or pin.current == sha256, f"what it accepts is not how {name!r} is defined")
        pin.accepted = sha256

    def _by_rule(self, entry: Entry, texts: Texts, verdict: Verdict | None) -> None:
        if verdict is not None:
            wanted = _PERMITS[entry["permission"]]
            require(verdict.action is wanted, f"the rules say {verdict.action.value} to it, and it is sent")
        pin = self._pin(entry, texts)
        if pin is not None:
            require(pin.current == pin.accepted, "its definition is not as it was accepted, and a rule lets it through")

    def _by_people(self, entry: Entry, texts: Texts, verdict: Verdict | None) -> None:
        request = str(entry.get("request"))
        approval = self._approved.pop(request, None)
        if approval is None:
            raise MeaningProblem(f"nobody approved {request}, or it has run before")
        require(approval.agent == entry["agent"], f"{request} is another agent's")
        require(from_text(entry["at"]) < approval.lapses_at, f"the approval of {request} has lapsed")
        self._pin(entry, texts)
        if verdict is not None:
            require(verdict.action is not Action.DENY, f"the rules deny what {request} is about")
        if approval.card is not None:
            _require_card(request, approval.card, texts, verdict)

    def _pin(self, entry: Entry, texts: Texts) -> _Pin | None:
        """How the definition that it names stands; None where there is none, or nobody can say."""
        name = texts.get("tool_ref")
        if name is None:
            return None
        if is_own_tool(name) and "definition_ref" not in entry:
            return None
        if name.endswith(_RESOURCES):
            require("definition_ref" not in entry, "reading a resource has no definition")
            return None
        require("definition_ref" in entry, f"it is a call of {name!r}, and names no definition")
        pin, sha256 = self._pins.get(name), texts.get("definition_ref")
        if sha256 is None or self._blind:
            return None
        if pin is None or pin.accepted is None:
            raise MeaningProblem(f"nobody accepted a definition of {name!r}")
        require(pin.current == sha256, f"{name!r} is not defined as the call says")
        return pin


def _is_own(entry: Entry, texts: Texts, rules: Rules) -> bool | None:
    """Whether it is a call of a tool that a client brings itself; None where nobody can say."""
    if "definition_ref" in entry:
        return False
    name = texts.get("tool_ref")
    if name is None:
        return None
    if not is_own_tool(name):
        return False
    policy = rules.policy()
    if policy is None:
        # Before clients had names in rules, an upstream could be called like one.
        return None if rules.sha256 is not None else True
    return policy.upstream(_upstream_of(name)) is None


def _verdict(entry: Entry, texts: Texts, rules: Rules, asker: Asker | None) -> Verdict | None:
    """What the rules say to it, budgets aside; None where something of it was not disclosed."""
    tool, arguments = texts.get("tool_ref"), texts.get("arguments_ref")
    if tool is None or arguments is None or asker is None:
        return None
    return judged(rules, asker, tool=tool, upstream=_upstream_of(tool), arguments=_object(arguments), at=entry["at"])


def _require_card(request: str, card: Mapping[str, Any], texts: Texts, verdict: Verdict | None) -> None:
    """That what runs is what the card showed, and that the card asked all that the rules ask now."""
    question = card.get("question")
    if not isinstance(question, dict):
        raise MeaningProblem(f"the card of {request} holds no call")
    try:
        shown = canonical_text(question.get("arguments"))
        asked = [load_condition(one) for one in card.get("conditions", ())]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as problem:
        raise MeaningProblem(f"the card of {request} makes no sense") from problem
    for key, value in (
        ("tool_ref", question.get("tool")),
        ("arguments_ref", shown),
        ("definition_ref", question.get("definition_sha256")),
    ):
        require(key not in texts or texts[key] == value, f"what is sent is not what the card of {request} shows")
    if verdict is not None:
        for one in verdict.conditions:
            require(one in asked, f"the card of {request} does not ask what the rule {one.rule!r} asks")


def _upstream_of(name: str) -> str:
    return _UPSTREAM.split(name, maxsplit=1)[0]


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise MeaningProblem("its arguments are not JSON") from problem
    if not isinstance(value, dict):
        raise MeaningProblem("its arguments are not a JSON object")
    return value
