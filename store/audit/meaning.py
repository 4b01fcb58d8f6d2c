"""What a log says must make sense: nobody decides what they were not shown, nothing ends twice, and so on. Pure.

`Story` takes the entries in order and refuses the first that cannot follow from those before it (SPEC.md, section 8).
It remembers what is open in full, and of what has ended only how.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from store.audit.answers import Answers
from store.audit.calls import CallStory
from store.audit.disclosed import approving_options, identity_of, json_object
from store.audit.governed import Asker, Rules, asker_of, require_card
from store.audit.halted import HaltStory
from store.audit.proposed import ProposalStory
from store.audit.quorum import Quorum, ballot_of, quorum_of
from store.audit.standing import MeaningProblem, Standing
from store.audit.standing import require as _require
from store.lifecycle import DECISIONS, VOTED_KINDS, Kind, Outcome, meaning
from store.names import fold

__all__ = ["MeaningProblem", "Story"]

Entry = Mapping[str, Any]
Texts = Mapping[str, str]
"""The disclosed texts of one entry, by key; what was erased or not given is absent."""


@dataclass
class _Open:
    """A request that can still be shown, decided, withdrawn or expire."""

    kind: str
    agent: str
    card_ref: str
    expires_at: str
    approving: frozenset[str] | None
    quorum: Quorum
    call: Mapping[str, Any] | None
    """Of a held call: its card, where that was disclosed."""
    shown_to: set[str] = field(default_factory=set)


class Story:
    """Everything that the entries so far say is the case."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._answers = Answers()
        self._standing = Standing()
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._agents: set[str] = set()
        self._owners: dict[str, str | None] = {}
        self._credentials: dict[str, bool] = {}
        self._rules = Rules()
        self._calls = CallStory()
        self._halts = HaltStory(self._standing)
        self._proposals = ProposalStory(self._standing)
        self._before: Entry | None = None
        self._askers: dict[str, Asker | None] = {}
        self._running: set[str] = set()
        self._takes: Mapping[str, Callable[[Entry, Texts], None]] = {
            "server_started": self._server_started,
            "server_stopped": self._server_stopped,
            "agent_added": self._agent_added,
            "agent_owner_changed": self._owned,
            "policy_activated": self._policy_activated,
            "request_opened": self._request_opened,
            "account_added": self._account_added,
            "request_denied": self._request_denied,
            "request_shown": self._request_shown,
            "request_escalated": self._request_escalated,
            "request_voted": self._request_voted,
            "request_closed": self._request_closed,
            "answer_claimed": self._after_the_end,
            "answer_delivered": self._after_the_end,
            "answer_released": self._after_the_end,
            "consequence_reported": self._after_the_end,
            "credential_stored": self._credential_stored,
            "credential_revoked": self._credential_revoked,
            "arguments_edited": self._arguments_edited,
            "call_denied": lambda entry, _: self._calls.denied(entry, self._rules),
            "call_intended": self._call_intended,
            "call_ended": lambda entry, _: self._calls.ended(entry),
            "definition_seen": lambda entry, texts: self._calls.seen(entry, texts, self._rules),
            "definition_accepted": self._definition_accepted,
            "upstream_restarted": self._upstream_restarted,
            "agent_halted": lambda entry, _: self._halts.halted(entry),
            "agent_resumed": lambda entry, _: self._halts.resumed(entry),
            "rule_proposed": self._rule_proposed,
            "rule_proposal_closed": lambda entry, _: self._proposals.closed(entry, self._before),
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
        self._standing.take(entry)
        if kind != "agent_added" and (agent := entry.get("agent")) is not None:
            _require(agent in self._agents, f"no entry before it adds the agent {agent}")
        if (size := entry.get("size")) is not None:
            _require(size <= index, f"it speaks of {size} entries, and {index} came before it")
        takes = self._takes.get(kind)
        if takes is not None:
            takes(entry, texts)
        self._before = entry

    def _server_started(self, entry: Entry, texts: Texts) -> None:
        if entry["clean"]:
            _require(not self._running, "it says that the server before it stopped, and no entry says so")
        self._running = {entry["instance"]}
        self._calls.server_started()

    def _server_stopped(self, entry: Entry, texts: Texts) -> None:
        _require(entry["instance"] in self._running, "the server that it says stopped was not running")
        self._running.discard(entry["instance"])

    def _account_added(self, entry: Entry, texts: Texts) -> None:
        if (text := texts.get("username_ref")) is not None:
            name = fold(text)
            # Rules name people by it, and each must be one.
            _require(name not in self._taken, "an account of this name was added before")
            self._taken.add(name)
            self._names[entry["reviewer"]] = name

    def _agent_added(self, entry: Entry, texts: Texts) -> None:
        _require(entry["agent"] not in self._agents, f"the agent {entry['agent']} was added before")
        self._agents.add(entry["agent"])
        self._askers[entry["agent"]] = asker_of(entry, texts)
        self._owned(entry, texts)

    def _owned(self, entry: Entry, texts: Texts) -> None:
        owner = texts.get("owner_ref")
        self._owners[entry["agent"]] = None if owner is None else fold(owner)
        for request in self._open.values():
            if request.agent == entry["agent"]:
                request.quorum.owner_now = self._owners[entry["agent"]]

    def _policy_activated(self, entry: Entry, texts: Texts) -> None:
        if (reviewer := entry.get("reviewer")) is not None:
            self._standing.require_admin(reviewer)
        text = texts.get("policy_ref")
        if text is not None:
            told = hashlib.sha256(text.encode()).hexdigest()
            _require(told == entry["policy_sha256"], "its rules are not those that it names")
        self._rules = Rules(entry["policy_sha256"], text)

    def _request_opened(self, entry: Entry, texts: Texts) -> None:
        request = entry["request"]
        self._halts.require_free(entry["agent"], f"it asks {request}")
        _require(request not in self._open and request not in self._answers, f"{request} was opened before")
        follows = entry.get("follows")
        _require(follows is None or follows in self._open or follows in self._answers, f"no entry opens {follows}")
        _require(entry["at"] < entry["expires_at"], f"{request} opens after its deadline")
        card = json_object(texts.get("card_ref"))
        if card is not None:
            require_card(self._rules, self._askers[entry["agent"]], request, entry["kind"], entry, card)
        quorum = quorum_of(request, entry["kind"], card)
        quorum.owner_now = self._owners[entry["agent"]]
        self._open[request] = _Open(
            kind=entry["kind"],
            agent=entry["agent"],
            card_ref=entry["card_ref"],
            expires_at=entry["expires_at"],
            approving=None if card is None else approving_options(card),
            quorum=quorum,
            call=card if entry["kind"] == Kind.CALL else None,
        )

    def _arguments_edited(self, entry: Entry, texts: Texts) -> None:
        name, request = entry["request"], self._still_open(entry)
        _require(request.kind == Kind.CALL, f"{name} holds no call, and its arguments are edited")
        _require(entry["instead_of_ref"] == request.card_ref, f"what was edited is not the card of {name}")
        self._require_shown(entry, request)
        _require(entry["at"] < entry["expires_at"] <= request.expires_at, f"the edited {name} is open for longer")
        card = json_object(texts.get("card_ref"))
        if card is not None:
            require_card(self._rules, self._askers[request.agent], name, request.kind, entry, card)
            same = request.call is None or identity_of(card) == identity_of(request.call)
            _require(same, f"the edited card of {name} holds another call")
        request.quorum = request.quorum.edited(entry["reviewer"], self._names.get(entry["reviewer"]), card)
        request.card_ref, request.expires_at, request.call = entry["card_ref"], entry["expires_at"], card
        request.approving = None if card is None else approving_options(card)
        request.shown_to = set()

    def _call_intended(self, entry: Entry, texts: Texts) -> None:
        self._halts.require_let(entry)
        self._calls.intended(entry, texts, self._rules, self._askers[entry["agent"]])

    def _definition_accepted(self, entry: Entry, texts: Texts) -> None:
        if (reviewer := entry.get("reviewer")) is not None:
            self._standing.require_admin(reviewer)
        self._calls.accepted(entry, texts)

    def _upstream_restarted(self, entry: Entry, texts: Texts) -> None:
        if (reviewer := entry.get("reviewer")) is not None:
            self._standing.require_admin(reviewer)

    def _request_denied(self, entry: Entry, texts: Texts) -> None:
        _require(entry.get("policy_sha256") == self._rules.sha256, "it denies by rules that are not in force")
        _require(entry["count"] > 0, "it denies nothing")

    def _request_escalated(self, entry: Entry, texts: Texts) -> None:
        request = self._still_open(entry)
        _require(entry["card_ref"] == request.card_ref, f"what escalates is not the card of {entry['request']}")
        _require(entry["at"] < request.expires_at, f"{entry['request']} escalates after its deadline")
        request.quorum.escalate(entry)

    def _request_voted(self, entry: Entry, texts: Texts) -> None:
        request = self._still_open(entry)
        _require(entry["card_ref"] == request.card_ref, f"what was voted on is not the card of {entry['request']}")
        self._require_shown(entry, request)
        ballot = ballot_of(entry, texts, self._names, approves=True)
        if ballot.option is not None and request.approving is not None:
            _require(ballot.option in request.approving, f"a vote for {entry['request']} approves nothing")
        request.quorum.vote(ballot)

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
        if request.kind == Kind.CALL and entry["may_proceed"]:
            self._calls.approved(entry["request"], request.agent, request.call, request.expires_at, entry["at"])
        del self._open[entry["request"]]
        self._answers.closed(entry["request"], request.agent, decided=decided)

    def _check_decision(self, entry: Entry, request: _Open, texts: Texts) -> None:
        name = entry["request"]
        for needed in ("reviewer", "authenticated_by", "surface"):
            _require(needed in entry, f"a decision needs its field {needed}")
        self._require_shown(entry, request)
        answered = entry["outcome"] == Outcome.ANSWERED
        _require(answered == ("answer_ref" in entry), "an answer belongs to what was answered, and to nothing else")
        _require("comment_ref" in entry or entry["outcome"] != Outcome.RETURNED, "what is asked back has words")
        ballot = ballot_of(entry, texts, self._names, approves=entry["may_proceed"])
        request.quorum.check(ballot)
        request.quorum.close(ballot, lambda voter: self._standing.counts_among_several(voter, entry["at"]))
        if not answered:
            return
        if request.kind not in VOTED_KINDS:
            _require(entry["may_proceed"], f"{name} was answered, and it says that the agent must not proceed")
            return
        answer = json_object(texts.get("answer_ref"))
        if answer is not None and request.approving is not None:
            approved = answer.get("decision") in request.approving
            _require(approved is entry["may_proceed"], f"what it means is not what was chosen on the card of {name}")

    def _require_shown(self, entry: Entry, request: _Open) -> None:
        name = entry["request"]
        _require(entry["reviewer"] in request.shown_to, f"{entry['reviewer']} decides {name} and was not shown it")
        self._require_deciding_role(entry)
        _require(entry["at"] < request.expires_at, f"{name} is decided after its deadline")

    def _after_the_end(self, entry: Entry, texts: Texts) -> None:
        name = entry["request"]
        _require(name not in self._open, f"{name} is still open")
        if entry["type"] == "answer_claimed":
            self._halts.require_free(self._answers.waits_for(name), f"it takes the answer of {name}")
        self._answers.take(entry)

    def _rule_proposed(self, entry: Entry, texts: Texts) -> None:
        request = entry.get("request")
        _require(request is None or request in self._open or request in self._answers, f"no entry opens {request}")
        self._proposals.proposed(entry)

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
            why = "was closed before" if entry["request"] in self._answers else "was never opened"
            raise MeaningProblem(f"{entry['request']} {why}")
        return request

    def _require_deciding_role(self, entry: Entry) -> None:
        self._standing.require_decider(entry["reviewer"])
