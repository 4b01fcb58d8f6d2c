"""Signatures of people in a log: each is that of the passkey it names, under what its entry says. Pure.

Entries are taken in order, after their shape, texts and meaning were checked (SPEC.md, section 7; the bytes:
store/signing/SPEC.md). What was erased cannot be checked any more, and is counted apart.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from store.audit.reviewer_keys import ReviewerKeys
from store.lifecycle import Kind, Outcome
from store.names import fold
from store.problems import Problem
from store.signing.assertion import SignatureRefused, verify_assertion
from store.signing.statement import (
    DecisionStatement,
    StatementProblem,
    answer_commitment,
    content_of_kept,
    executed_args_commitment,
    executed_content,
    load_statement,
)

Entry = Mapping[str, Any]
Texts = Mapping[str, str]
_PARTS = ("passkey", "statement_ref", "client_data_ref", "authenticator_data", "signature")


class SignatureProblem(Problem):
    """A signature is not what its entry says it is, or is missing where the card wants one."""


@dataclass(frozen=True)
class SignatureCounts:
    """How many decisions were signed, and what could be said of their signatures."""

    checked: int = 0
    """Under their statements, with the public keys that the log names."""
    trusted: int = 0
    """Of these, with a key that was got another way."""
    erased: int = 0
    """Cannot be checked any more, or not without the texts."""


@dataclass(frozen=True)
class _Registered:
    reviewer: str
    credential_id: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class _Card:
    sha256: str
    wants: tuple[frozenset[str] | None, ...]
    """For each rule that wants a passkey, whose answer it means; None is everybody's."""
    escalated: tuple[frozenset[str] | None, ...]
    """The same, once half of the time is gone."""
    runs: Mapping[str, Any] | None
    """Of a held call: what runs by it, as a statement commits to it."""


class Signatures:
    """The signed decisions of one log."""

    def __init__(self, log_origin: str, keys: ReviewerKeys | None = None) -> None:
        self._log_origin = log_origin
        self._keys = keys
        self._passkeys: dict[str, _Registered] = {}
        self._names: dict[str, str] = {}
        self._cards: dict[str, _Card] = {}
        self._calls: set[str] = set()
        self._checked = self._trusted = self._erased = 0
        self._rules: Mapping[str, Callable[[Entry, Texts], None]] = {
            "account_added": self._account_added,
            "account_reset": self._account_reset,
            "passkey_added": self._passkey_added,
            "passkey_removed": self._passkey_removed,
            "request_opened": self._request_opened,
            "request_escalated": self._request_escalated,
            "arguments_edited": self._arguments_edited,
            "request_voted": self._decided,
            "request_closed": self._closed,
        }

    @property
    def counts(self) -> SignatureCounts:
        return SignatureCounts(self._checked, self._trusted, self._erased)

    def take(self, entry: Entry, texts: Texts) -> None:
        """The next entry.

        Raises:
            SignatureProblem
        """
        rule = self._rules.get(entry["type"])
        if rule is not None:
            rule(entry, texts)

    def _account_added(self, entry: Entry, texts: Texts) -> None:
        if (name := texts.get("username_ref")) is not None:
            self._names[entry["reviewer"]] = fold(name)

    def _account_reset(self, entry: Entry, texts: Texts) -> None:
        self._passkeys = {key: one for key, one in self._passkeys.items() if one.reviewer != entry["reviewer"]}

    def _passkey_added(self, entry: Entry, texts: Texts) -> None:
        if entry["passkey"] in self._passkeys:
            raise SignatureProblem(f"the passkey {entry['passkey']} was added before")
        self._passkeys[entry["passkey"]] = _Registered(
            entry["reviewer"], entry["credential_id"], _bytes(entry, "public_key")
        )

    def _passkey_removed(self, entry: Entry, texts: Texts) -> None:
        self._passkeys.pop(entry["passkey"], None)

    def _request_opened(self, entry: Entry, texts: Texts) -> None:
        card = texts.get("card_ref")
        if card is not None:
            self._cards[entry["request"]] = _card(card, is_call=entry["kind"] == Kind.CALL)
        if entry["kind"] == Kind.CALL:
            self._calls.add(entry["request"])

    def _arguments_edited(self, entry: Entry, texts: Texts) -> None:
        self._cards.pop(entry["request"], None)
        card = texts.get("card_ref")
        if card is not None:
            self._cards[entry["request"]] = _card(card, is_call=True)

    def _request_escalated(self, entry: Entry, texts: Texts) -> None:
        if (card := self._cards.get(entry["request"])) is not None:
            self._cards[entry["request"]] = replace(card, wants=card.escalated)

    def _closed(self, entry: Entry, texts: Texts) -> None:
        self._decided(entry, texts)
        self._cards.pop(entry["request"], None)
        self._calls.discard(entry["request"])

    def _decided(self, entry: Entry, texts: Texts) -> None:
        given = [part for part in _PARTS if part in entry]
        if not given:
            self._check_unsigned(entry)
            return
        if len(given) < len(_PARTS) or "reviewer" not in entry:
            raise SignatureProblem("it has some parts of a signature and not the others")
        passkey = self._passkeys.get(entry["passkey"])
        if passkey is None or passkey.reviewer != entry["reviewer"]:
            raise SignatureProblem(f"{entry['passkey']} is no passkey of {entry['reviewer']} at that moment")
        trusted = None if self._keys is None else self._keys.of(entry["passkey"], self._names.get(entry["reviewer"]))
        if trusted is not None and passkey.public_key not in trusted:
            raise SignatureProblem(
                f"its passkey {entry['passkey']} has another public key than those that were given for it"
            )
        if "statement_ref" not in texts or "client_data_ref" not in texts:
            self._erased += 1
            return
        self._check(entry, texts, passkey)
        self._checked += 1
        self._trusted += trusted is not None

    def _check_unsigned(self, entry: Entry) -> None:
        if not entry.get("may_proceed", True):  # only approving answers are votes
            return
        if entry["request"] in self._calls and any(
            one.reviewer == entry["reviewer"] for one in self._passkeys.values()
        ):
            raise SignatureProblem("a held call is approved by a person who has a passkey, and it is not signed")
        card = self._cards.get(entry["request"])
        if card is None or not card.wants:
            return
        name = self._names.get(entry["reviewer"])
        if any(people is None or name in people for people in card.wants):
            raise SignatureProblem("its card wants it signed with a passkey, and it is not signed")

    def _check(self, entry: Entry, texts: Texts, passkey: _Registered) -> None:
        try:
            statement = load_statement(texts["statement_ref"])
        except StatementProblem as problem:
            raise SignatureProblem(problem.message) from problem
        for what, stated, actual in self._bindings(entry, texts, passkey, statement):
            if stated != actual:
                raise SignatureProblem(f"the signed statement has another {what}")
        if not entry["at"] < statement.expires_at:
            raise SignatureProblem("it was signed after the statement had lapsed")
        try:
            verify_assertion(
                public_key=passkey.public_key,
                statement=texts["statement_ref"],
                client_data=texts["client_data_ref"].encode(),
                authenticator_data=_bytes(entry, "authenticator_data"),
                signature=_bytes(entry, "signature"),
            )
        except SignatureRefused as refused:
            raise SignatureProblem(f"the signature does not stand: {refused.message}") from refused

    def _bindings(
        self, entry: Entry, texts: Texts, passkey: _Registered, statement: DecisionStatement
    ) -> list[tuple[str, object, object]]:
        """What is said, what the statement says of it, and what is the case; of what was erased, nothing."""
        found: list[tuple[str, object, object]] = [
            ("log", statement.log_origin, self._log_origin),
            ("request", statement.request_id, entry["request"]),
            ("reviewer", statement.reviewer_id, entry["reviewer"]),
            ("passkey", statement.credential_id, passkey.credential_id),
            ("effect", statement.approves, entry.get("may_proceed", True)),
        ]
        if "meaning" in entry:
            found.append(("meaning", statement.meaning, entry["meaning"]))
        card = self._cards.get(entry["request"])
        if card is not None:
            found.append(("card", statement.card_sha256, card.sha256))
        if card is not None or entry["request"] not in self._calls:
            runs = None if card is None or not statement.approves else card.runs
            found.append(("call", statement.executed_args_commitment, _executed(statement.nonce, runs)))
        if all(key in texts for key in ("answer_ref", "comment_ref") if key in entry):
            kept = _object(texts["answer_ref"]) if "answer_ref" in texts else None
            found.append(("answer", statement.answer_commitment, _commitment(statement.nonce, kept, texts)))
            found.append(("option", statement.option, _option(entry, kept)))
        return found


def _option(entry: Entry, kept: Mapping[str, Any] | None) -> str:
    match entry.get("outcome"):
        case Outcome.DECLINED:
            return "decline"
        case Outcome.RETURNED:
            return "return"
        case _:
            return str((kept or {}).get("decision", "answer"))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise SignatureProblem("its disclosed text is not a JSON object")
    return value


def _commitment(nonce: str, kept: Mapping[str, Any] | None, texts: Texts) -> str:
    try:
        return answer_commitment(nonce, content_of_kept(kept), texts.get("comment_ref"))
    except (ValueError, TypeError, RecursionError):
        raise SignatureProblem("its disclosed answer is none that a person can give") from None


def _executed(nonce: str, runs: Mapping[str, Any] | None) -> str | None:
    try:
        return executed_args_commitment(nonce, runs)
    except (ValueError, TypeError, RecursionError):
        raise SignatureProblem("its card holds a call that nobody can make") from None


def _card(text: str, *, is_call: bool) -> _Card:
    # `meaning` saw that it is a JSON object. Most cards have no rules, and are not read again.
    content = _object(text) if is_call or '"conditions"' in text else {}
    conditions, question = _signed_conditions(content), content.get("question")
    if is_call and not isinstance(question, dict):
        raise SignatureProblem("its card holds no call")
    return _Card(
        hashlib.sha256(text.encode()).hexdigest(),
        tuple(_people(one, "reviewers") for one in conditions),
        tuple(_people(one, "reviewers", "escalate_to") for one in conditions),
        executed_content(question.get("tool"), question.get("arguments")) if is_call and question else None,
    )


def _signed_conditions(card: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rules of a card that want a passkey's signature."""
    conditions = card.get("conditions", [])
    if not isinstance(conditions, list) or not all(isinstance(one, dict) for one in conditions):
        raise SignatureProblem("its card has no such rules as cards have")
    return [one for one in conditions if one.get("passkey") is True]


def _people(condition: Mapping[str, Any], *keys: str) -> frozenset[str] | None:
    if condition.get("reviewers") is None:
        return None
    named = [condition.get(key, []) for key in keys]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in named):
        raise SignatureProblem("its card has no such rules as cards have")
    return frozenset(name for names in named for name in names)


def _bytes(entry: Entry, key: str) -> bytes:
    try:
        return base64.b64decode(entry[key], validate=True)
    except (binascii.Error, ValueError):
        raise SignatureProblem(f"its field {key} is not base64") from None
