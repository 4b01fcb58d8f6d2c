"""What a person signs: the statement, its challenge, and the commitment to the answer (SPEC.md, section 2). Pure."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import rfc8785

from store.answers import Answer, AskedBack, Chosen, Declined, Filled, Selected, Written, split_secrets
from store.card import ASK_BACK, DECLINE, Card
from store.lifecycle import Outcome, meaning
from store.moments import from_text
from store.problems import Problem
from store.questions import AskForm, HeldCall

CHALLENGE_LABEL = b"assent/decision/v1\0"
ANSWER_LABEL = b"assent/answer/v1\0"
EXECUTED_LABEL = b"assent/executed/v1\0"
NONCE_BYTES = 32
ANSWERED = "answer"
"""The option of an answer that has no buttons of its own: a selection, a form, a text."""

_FOLLOWS_FROM_THE_CARD = ("approved", "edited")
_HASH = re.compile(r"[0-9a-f]{64}")


class StatementProblem(Problem):
    """A text is not a statement, or not the one spelling of it."""


@dataclass(frozen=True)
class DecisionStatement:
    """The members of a statement, all of them always there; SPEC.md says what each binds."""

    log_origin: str
    request_id: str
    card_sha256: str
    option: str
    approves: bool
    meaning: str
    answer_commitment: str
    executed_args_commitment: str | None
    reviewer_id: str
    credential_id: str
    policy_sha256: str | None
    nonce: str
    expires_at: str

    @property
    def text(self) -> str:
        """The RFC 8785 form: what is hashed, kept and shown to whoever signs."""
        return rfc8785.dumps(asdict(self)).decode()

    @property
    def lapses_at(self) -> datetime:
        """From then on a signature of it is too late."""
        return from_text(self.expires_at)


@dataclass(frozen=True)
class SignedAnswer:
    """What an answer is called in a statement, and what it means if it ends the request."""

    option: str
    approves: bool
    meaning: str


def challenge(statement: str) -> bytes:
    """What the passkey signs, in the place of WebAuthn's challenge."""
    return hashlib.sha256(CHALLENGE_LABEL + statement.encode()).digest()


def load_statement(text: str) -> DecisionStatement:
    """The statement that `text` spells.

    Raises:
        StatementProblem: it is none, or not in its canonical form.
    """
    try:
        members = json.loads(text)
        statement = DecisionStatement(**members)
        well_formed = all(_fits(statement, field.name) for field in fields(statement)) and statement.text == text
        if well_formed:
            from_text(statement.expires_at)
    except (ValueError, TypeError, RecursionError, rfc8785.CanonicalizationError) as problem:
        raise StatementProblem("what was signed is not a statement") from problem
    if not well_formed:
        raise StatementProblem("what was signed is not a statement in its one spelling")
    return statement


def _fits(statement: DecisionStatement, name: str) -> bool:
    value = getattr(statement, name)
    if name == "approves":
        return type(value) is bool
    if name in ("executed_args_commitment", "policy_sha256") and value is None:
        return True
    if name in ("card_sha256", "answer_commitment", "executed_args_commitment", "policy_sha256", "nonce"):
        return type(value) is str and _HASH.fullmatch(value) is not None
    return type(value) is str


def signed_answer(card: Card, answer: Answer) -> tuple[SignedAnswer, dict[str, Any] | None]:
    """How an answer, checked against the card's question, stands in a statement; and its content to commit to.

    The content is what the person chose or wrote; of a password it has the field's name only.
    """
    content: dict[str, Any] | None
    match answer:
        case Declined():
            return _signed(card, DECLINE.id, Outcome.DECLINED, approves=False), None
        case AskedBack():
            return _signed(card, ASK_BACK.id, Outcome.RETURNED, approves=False), None
        case Chosen(option):
            approves = any(button.id == option and button.approves for button in card.buttons)
            return _signed(card, option, Outcome.ANSWERED, approves=approves), {"decision": option}
        case Selected(ids):
            content = {"selected": list(ids)}
        case Written(text):
            content = {"text": text}
        case Filled():
            assert isinstance(card.question, AskForm)
            values, secrets = split_secrets(card.question, answer)
            content = {"values": values, "credentials": sorted(secrets)}
    return _signed(card, ANSWERED, Outcome.ANSWERED, approves=True), content


def _signed(card: Card, option: str, outcome: Outcome, *, approves: bool) -> SignedAnswer:
    return SignedAnswer(option, approves, meaning(card.kind, outcome, may_proceed=approves))


def content_of_kept(kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The content of an answer as it is kept and told: without what follows from the card, and without handles."""
    if kept is None:
        return None
    content = {name: value for name, value in kept.items() if name not in _FOLLOWS_FROM_THE_CARD}
    if "credentials" in content:
        content["credentials"] = sorted(content["credentials"])
    return content


def answer_commitment(nonce: str, content: Mapping[str, Any] | None, comment: str | None) -> str:
    """The salted hash of an answer and its comment, in hex. The nonce is the salt: it stands in the statement only."""
    canonical = rfc8785.dumps({"answer": None if content is None else dict(content), "comment": comment})
    return hashlib.sha256(ANSWER_LABEL + bytes.fromhex(nonce) + canonical).hexdigest()


def executed(card: Card, *, approves: bool) -> dict[str, Any] | None:
    """What runs by an answer to this card, to commit to; None where nothing does."""
    question = card.question
    if not isinstance(question, HeldCall) or not approves:
        return None
    return executed_content(question.tool, question.arguments)


def executed_content(tool: Any, arguments: Any) -> dict[str, Any]:
    """A call as it is committed to: by which name it is governed, and exactly what is sent."""
    return {"arguments": arguments, "tool": tool}


def executed_args_commitment(nonce: str, content: Mapping[str, Any] | None) -> str | None:
    """The salted hash of what runs, in hex; None where nothing does. The nonce is the salt, as for the answer."""
    if content is None:
        return None
    return hashlib.sha256(EXECUTED_LABEL + bytes.fromhex(nonce) + rfc8785.dumps(dict(content))).hexdigest()


def base64_text(data: bytes) -> str:
    """Bytes as they stand in entries and statements: base64 with padding."""
    return base64.b64encode(data).decode()
