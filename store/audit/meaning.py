"""What a log says must make sense: nobody decides what they were not shown, nothing ends twice, and so on. Pure.

`Story` takes the entries in order and refuses the first that cannot follow from those before it (SPEC.md, section 8).
It remembers what is open in full, and of what has ended only how.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from store.lifecycle import DECISIONS, Kind, Outcome, meaning
from store.problems import Problem

Entry = Mapping[str, Any]
Texts = Mapping[str, str]
"""The disclosed texts of one entry, by key; what was erased or not given is absent."""


class MeaningProblem(Problem):
    """An entry does not follow from those before it."""


@dataclass
class _Open:
    """A request that can still be shown, decided, withdrawn or expire."""

    kind: str
    agent: str
    card_ref: str
    expires_at: str
    approving: frozenset[str] | None
    shown_to: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A request that was closed: whether a person decided it, and which call has its answer."""

    decided: bool
    call: str | None = None
    delivered: bool = False


_DECIDED, _UNDECIDED, _TOLD_DECIDED, _TOLD_UNDECIDED = (
    _Ended(True),
    _Ended(False),
    _Ended(True, delivered=True),
    _Ended(False, delivered=True),
)


class Story:
    """Everything that the entries so far say is the case."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._ended: dict[str, _Ended] = {}
        self._roles: dict[str, str] = {}
        self._agents: set[str] = set()
        self._credentials: dict[str, bool] = {}
        self._running: set[str] = set()
        self._rules: Mapping[str, Callable[[Entry, Texts], None]] = {
            "server_started": self._server_started,
            "server_stopped": self._server_stopped,
            "account_added": self._account_added,
            "agent_added": self._agent_added,
            "request_opened": self._request_opened,
            "request_shown": self._request_shown,
            "request_closed": self._request_closed,
            "answer_claimed": self._answer_claimed,
            "answer_delivered": self._answer_delivered,
            "answer_released": self._answer_released,
            "consequence_reported": self._consequence_reported,
            "credential_stored": self._credential_stored,
            "credential_revoked": self._credential_revoked,
        }

    @property
    def open_requests(self) -> int:
        return len(self._open)

    def take(self, index: int, entry: Entry, texts: Texts) -> None:
        """The next entry, whose shape was checked.

        Raises:
            MeaningProblem: it does not follow from those before it.
        """
        kind = entry["type"]
        if kind != "account_added" and (reviewer := entry.get("reviewer")) is not None:
            _require(reviewer in self._roles, f"no entry before it adds the account {reviewer}")
        if kind != "agent_added" and (agent := entry.get("agent")) is not None:
            _require(agent in self._agents, f"no entry before it adds the agent {agent}")
        if (size := entry.get("size")) is not None:
            _require(size <= index, f"it speaks of {size} entries, and {index} came before it")
        rule = self._rules.get(kind)
        if rule is not None:
            rule(entry, texts)

    def _server_started(self, entry: Entry, texts: Texts) -> None:
        if entry["clean"]:
            _require(not self._running, "it says that the server before it stopped, and no entry says so")
        self._running = {entry["instance"]}

    def _server_stopped(self, entry: Entry, texts: Texts) -> None:
        _require(entry["instance"] in self._running, "the server that it says stopped was not running")
        self._running.discard(entry["instance"])

    def _account_added(self, entry: Entry, texts: Texts) -> None:
        _require(entry["reviewer"] not in self._roles, f"the account {entry['reviewer']} was added before")
        self._roles[entry["reviewer"]] = entry["role"]

    def _agent_added(self, entry: Entry, texts: Texts) -> None:
        _require(entry["agent"] not in self._agents, f"the agent {entry['agent']} was added before")
        self._agents.add(entry["agent"])

    def _request_opened(self, entry: Entry, texts: Texts) -> None:
        request = entry["request"]
        _require(request not in self._open and request not in self._ended, f"{request} was opened before")
        follows = entry.get("follows")
        _require(follows is None or follows in self._open or follows in self._ended, f"no entry opens {follows}")
        _require(entry["at"] < entry["expires_at"], f"{request} opens after its deadline")
        card = _object(texts.get("card_ref"))
        if card is not None:
            said = (card.get("request_id"), card.get("kind"), card.get("expires_at"))
            _require(said == (request, entry["kind"], entry["expires_at"]), "its card is another request's")
        self._open[request] = _Open(
            kind=entry["kind"],
            agent=entry["agent"],
            card_ref=entry["card_ref"],
            expires_at=entry["expires_at"],
            approving=None if card is None else _approving(card),
        )

    def _request_shown(self, entry: Entry, texts: Texts) -> None:
        request = self._still_open(entry)
        _require(entry["card_ref"] == request.card_ref, f"what was shown is not the card of {entry['request']}")
        self._require_deciding_role(entry)
        request.shown_to.add(entry["reviewer"])

    def _request_closed(self, entry: Entry, texts: Texts) -> None:
        request = self._still_open(entry)
        _require(entry["card_ref"] == request.card_ref, f"what was closed is not the card of {entry['request']}")
        outcome = Outcome(entry["outcome"])
        decided = outcome in DECISIONS
        if decided:
            self._check_decision(entry, request, texts)
        else:
            _require("reviewer" not in entry and "answer_ref" not in entry, "it names a decision where nobody decided")
        if outcome is Outcome.EXPIRED:
            _require(entry["at"] >= request.expires_at, f"{entry['request']} expires before its deadline")
        if outcome is not Outcome.ANSWERED:
            _require(not entry["may_proceed"], f"{outcome.value} never permits anything, and it says otherwise")
        said = meaning(Kind(request.kind), outcome, may_proceed=entry["may_proceed"])
        _require(entry["meaning"] == said, f"it means {said!r}, and says otherwise")
        del self._open[entry["request"]]
        self._ended[entry["request"]] = _DECIDED if decided else _UNDECIDED

    def _check_decision(self, entry: Entry, request: _Open, texts: Texts) -> None:
        name = entry["request"]
        for needed in ("reviewer", "authenticated_by", "surface"):
            _require(needed in entry, f"a decision needs its field {needed}")
        _require(entry["reviewer"] in request.shown_to, f"{entry['reviewer']} decides {name} and was not shown it")
        self._require_deciding_role(entry)
        _require(entry["at"] < request.expires_at, f"{name} is decided after its deadline")
        answered = entry["outcome"] == Outcome.ANSWERED
        _require(answered == ("answer_ref" in entry), "an answer belongs to what was answered, and to nothing else")
        _require("comment_ref" in entry or entry["outcome"] != Outcome.RETURNED, "what is asked back has words")
        if not answered:
            return
        if request.kind != Kind.APPROVAL:
            _require(entry["may_proceed"], f"{name} was answered, and it says that the agent must not proceed")
            return
        answer = _object(texts.get("answer_ref"))
        if answer is not None and request.approving is not None:
            approved = answer.get("decision") in request.approving
            _require(approved is entry["may_proceed"], f"what it means is not what was chosen on the card of {name}")

    def _answer_claimed(self, entry: Entry, texts: Texts) -> None:
        ended = self._closed(entry)
        _require(ended.call is None and not ended.delivered, f"the answer of {entry['request']} is another call's")
        self._ended[entry["request"]] = _Ended(ended.decided, entry["call"])

    def _answer_delivered(self, entry: Entry, texts: Texts) -> None:
        ended = self._claimed(entry)
        self._ended[entry["request"]] = _TOLD_DECIDED if ended.decided else _TOLD_UNDECIDED

    def _answer_released(self, entry: Entry, texts: Texts) -> None:
        ended = self._claimed(entry)
        self._ended[entry["request"]] = _DECIDED if ended.decided else _UNDECIDED

    def _consequence_reported(self, entry: Entry, texts: Texts) -> None:
        _require(self._closed(entry).decided, f"nobody decided {entry['request']}, and it reports what came of it")

    def _credential_stored(self, entry: Entry, texts: Texts) -> None:
        request = self._still_open(entry)
        _require(entry["agent"] == request.agent, f"the agent {entry['agent']} did not ask {entry['request']}")
        self._credentials[entry["credential"]] = True

    def _credential_revoked(self, entry: Entry, texts: Texts) -> None:
        name = entry["credential"]
        _require(self._credentials.get(name, False), f"no entry before it stores {name}, or it was revoked before")
        self._credentials[name] = False

    def _still_open(self, entry: Entry) -> _Open:
        request = self._open.get(entry["request"])
        if request is None:
            why = "was closed before" if entry["request"] in self._ended else "was never opened"
            raise MeaningProblem(f"{entry['request']} {why}")
        return request

    def _closed(self, entry: Entry) -> _Ended:
        ended = self._ended.get(entry["request"])
        if ended is None:
            why = "is still open" if entry["request"] in self._open else "was never opened"
            raise MeaningProblem(f"{entry['request']} {why}")
        return ended

    def _claimed(self, entry: Entry) -> _Ended:
        ended = self._closed(entry)
        _require(ended.call == entry["call"], f"{entry['call']} did not claim the answer of {entry['request']}")
        return ended

    def _require_deciding_role(self, entry: Entry) -> None:
        _require(self._roles[entry["reviewer"]] != "auditor", f"{entry['reviewer']} is an auditor, who decides nothing")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise MeaningProblem(otherwise)


def _object(text: str | None) -> dict[str, Any] | None:
    """The JSON object that a disclosed text holds; None where there is none to look at."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise MeaningProblem("its disclosed text is not JSON") from problem
    if not isinstance(value, dict):
        raise MeaningProblem("its disclosed text is not a JSON object")
    return value


def _approving(card: Mapping[str, Any]) -> frozenset[str]:
    """The ids of the card's buttons that permit the agent to go on."""
    buttons = card.get("buttons")
    if not isinstance(buttons, list) or not all(isinstance(button, dict) for button in buttons):
        raise MeaningProblem("its card has no buttons")
    return frozenset(str(button.get("id")) for button in buttons if button.get("approves") is True)
