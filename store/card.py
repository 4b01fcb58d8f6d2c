"""A card: exactly what a reviewer is shown of a request, and the hash that a decision names. Pure.

A card is an immutable snapshot, made once when the request opens. What a page adds live (who else looks, whether the
agent still waits) is not part of it. Two cards with one hash show the same thing; pages and channels only render it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from store.canonical_json import canonical_sha256
from store.lifecycle import VOTED_KINDS, Kind
from store.moments import from_text, to_text
from store.policy.demands import Condition
from store.questions import AnyQuestion, AskApproval, HeldCall, Style, load_question

FORMAT = "assent/card/v1"


@dataclass(frozen=True)
class Button:
    """One way to answer. `effect` is printed beside it: what the agent receives."""

    id: str
    label: str
    style: Style
    approves: bool
    effect: str


DECLINE = Button("decline", "Decline", Style.SECONDARY, False, "the agent receives: declined")
ASK_BACK = Button("return", "Ask back", Style.SECONDARY, False, "the agent receives: your comment")
_ANSWERS = {
    Kind.SELECTION: Button("answer", "Send selection", Style.PRIMARY, True, "the agent receives: what you selected"),
    Kind.FORM: Button(
        "answer", "Send form", Style.PRIMARY, True, "the agent receives: these values; passwords as handles"
    ),
    Kind.TEXT_INPUT: Button("answer", "Send text", Style.PRIMARY, True, "the agent receives: this text"),
}
RUN = Button("run", "Approve and run", Style.PRIMARY, True, "exactly this runs, once; the agent receives: its result")
LET_RUN = replace(RUN, effect="the agent's client may run exactly this, once")
"""Of a tool that the client runs itself."""
REFUSE = Button("refuse", "Refuse", Style.DANGER, False, "nothing runs; the agent receives: refused")


@dataclass(frozen=True)
class Card:
    """What is shown. `notices` are Assent's own remarks, never the agent's."""

    request_id: str
    agent: str
    owner: str | None
    question: AnyQuestion
    opened_at: datetime
    expires_at: datetime
    notices: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    """What the rules ask of the answer, with the people whom they meant when the card was made. Empty: anybody's one
    answer does."""
    escalates_at: datetime | None = None
    """When those whom the conditions escalate to may answer as well."""
    policy_sha256: str | None = None
    """The rules that were in force."""

    @property
    def escalates_to(self) -> tuple[str, ...]:
        """Everybody who may answer once it is escalated, by folded user name."""
        return tuple(sorted({name for condition in self.conditions for name in condition.escalate_to}))

    @property
    def answers_needed(self) -> int:
        """How many different persons must approve, at least: more, where rules ask different people."""
        return max((condition.approvals for condition in self.conditions), default=1)

    @property
    def needs_several(self) -> bool:
        """Whether one answer may not be enough, so that answers are votes."""
        asking = [one for one in self.conditions if one.reviewers is not None]
        return self.kind in VOTED_KINDS and (self.answers_needed > 1 or len(asking) > 1)

    @property
    def reason_required(self) -> bool:
        """Whether an answer with which the agent may proceed needs a comment."""
        return any(condition.reason_required for condition in self.conditions)

    @property
    def kind(self) -> Kind:
        return self.question.kind

    @property
    def title(self) -> str:
        return self.question.headline

    @property
    def buttons(self) -> tuple[Button, ...]:
        """The ways to answer; `decline` and `ask_back` are always there besides."""
        if isinstance(self.question, AskApproval):
            return tuple(
                Button(
                    option.id,
                    option.label,
                    option.style,
                    option.approves,
                    f"the agent receives: {'approved' if option.approves else 'not approved'}",
                )
                for option in self.question.options
            )
        if isinstance(self.question, HeldCall):
            return (LET_RUN if self.question.is_own else RUN, REFUSE)
        return (_ANSWERS[self.question.kind],)

    @property
    def decline(self) -> Button:
        return DECLINE

    @property
    def ask_back(self) -> Button:
        return ASK_BACK

    def content(self) -> dict[str, Any]:
        """Everything the card shows, as JSON."""
        return {
            "format": FORMAT,
            "request_id": self.request_id,
            "kind": self.kind.value,
            "agent": self.agent,
            "owner": self.owner,
            "opened_at": to_text(self.opened_at),
            "expires_at": to_text(self.expires_at),
            "question": self.question.substance(),
            "buttons": [_button(button) for button in (*self.buttons, self.decline, self.ask_back)],
            "notices": list(self.notices),
            **self._governed(),
        }

    def _governed(self) -> dict[str, Any]:
        # Left out where no rule has a say: such a card is what it was before there were rules, to the byte.
        if not self.conditions and self.policy_sha256 is None:
            return {}
        return {
            "conditions": [_condition(condition) for condition in self.conditions],
            "escalates_at": None if self.escalates_at is None else to_text(self.escalates_at),
            "escalates_to": list(self.escalates_to),
            "policy_sha256": self.policy_sha256,
        }

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the RFC 8785 form of `content`."""
        return canonical_sha256(self.content())


def _button(button: Button) -> dict[str, Any]:
    return {
        "id": button.id,
        "label": button.label,
        "style": button.style.value,
        "approves": button.approves,
        "effect": button.effect,
    }


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "rule": condition.rule,
        "reviewers": None if condition.reviewers is None else list(condition.reviewers),
        "groups": list(condition.groups),
        "approvals": condition.approvals,
        "passkey": condition.passkey,
        "not_owner": condition.not_owner,
        "reason_required": condition.reason_required,
        "escalate_to": list(condition.escalate_to),
    }


def load_condition(content: Mapping[str, Any]) -> Condition:
    """A condition of a card's content, read back."""
    return Condition(
        rule=content["rule"],
        reviewers=None if content["reviewers"] is None else tuple(content["reviewers"]),
        groups=tuple(content["groups"]),
        approvals=content["approvals"],
        passkey=content["passkey"],
        not_owner=content["not_owner"],
        reason_required=content["reason_required"],
        escalate_to=tuple(content["escalate_to"]),
    )


def load_card(content: Mapping[str, Any]) -> Card:
    """A stored card, read back. The caller compares its hash with the stored one: see `store.requests`."""
    return Card(
        request_id=content["request_id"],
        agent=content["agent"],
        owner=content["owner"],
        question=load_question(Kind(content["kind"]), content["question"]),
        opened_at=from_text(content["opened_at"]),
        expires_at=from_text(content["expires_at"]),
        notices=tuple(content["notices"]),
        conditions=tuple(load_condition(condition) for condition in content.get("conditions", ())),
        escalates_at=None if (at := content.get("escalates_at")) is None else from_text(at),
        policy_sha256=content.get("policy_sha256"),
    )


def fingerprint(agent_id: str, question: AnyQuestion) -> str:
    """What makes a question the same question: who asks, which tool, which arguments; not how long to wait."""
    return canonical_sha256(
        {
            "label": "assent/fingerprint/v1",
            "agent": agent_id,
            "tool": question.kind.value,
            "arguments": question.identity(),
        }
    )
