"""The example of the specification, made anew by the code; and the statement, which has one spelling."""

import json
import re
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import store.signing
from store.answers import Answer, AskedBack, Chosen, Declined, Filled, Selected, Written
from store.card import Card
from store.fields import Choice, FormField
from store.moments import from_text
from store.questions import AnyQuestion, AskApproval, AskForm, AskSelection, AskTextInput
from store.signing.assertion import VerifiedAssertion, verify_assertion
from store.signing.statement import (
    DecisionStatement,
    SignedAnswer,
    StatementProblem,
    answer_commitment,
    base64_text,
    challenge,
    content_of_kept,
    executed,
    executed_args_commitment,
    executed_content,
    load_statement,
    signed_answer,
)
from store.values import FieldType
from tests.store.calls.held import held_call
from tests.store.signing.key_in_software import EdDsaKey, Signed, signed_with

SPEC = (Path(store.signing.__file__).parent / "SPEC.md").read_text("utf-8")


def example(name: str) -> str:
    found = re.search(rf"^```example {name}\n(.*?)\n```$", SPEC, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def values(name: str) -> dict[str, str]:
    lines = (re.split(r"\s{2,}", line, maxsplit=1) for line in example(name).splitlines())
    return dict(lines)


STATEMENT = example("statement")
KEY = EdDsaKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(values("key")["private key"])))
SIGNED = Signed(
    values("signature")["client data"].encode(),
    bytes.fromhex(values("signature")["authenticator"]),
    bytes.fromhex(values("signature")["signature"]),
)


def test_the_key_of_the_example_is_the_one_it_prints() -> None:
    assert base64_text(KEY.cose) == values("key")["public key"]


def test_the_commitment_of_the_example_is_that_of_its_answer() -> None:
    said = values("answer")
    statement = load_statement(STATEMENT)
    assert answer_commitment(statement.nonce, json.loads(said["answer"]), said["comment"]) == said["commitment"]
    assert statement.answer_commitment == said["commitment"]


def test_the_commitment_of_the_example_call_is_that_of_what_runs() -> None:
    said = values("executed")
    nonce = load_statement(STATEMENT).nonce
    assert executed_args_commitment(nonce, json.loads(said["call"])) == said["commitment"]


def test_questions_commit_to_no_call() -> None:
    assert load_statement(STATEMENT).executed_args_commitment is None
    assert executed_args_commitment("ab" * 32, None) is None


def test_the_signature_of_the_example_is_the_one_it_prints() -> None:
    assert challenge(STATEMENT).hex() == values("signature")["challenge"]
    assert signed_with(KEY, STATEMENT) == SIGNED
    assert verify_assertion(public_key=KEY.cose, statement=STATEMENT, **SIGNED.parts) == VerifiedAssertion(
        "https://consent.example.org", 1
    )


def test_the_members_of_the_table_are_those_of_the_code() -> None:
    table = SPEC.split("## 2.")[1].split("## 3.")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(DecisionStatement.__dataclass_fields__)


def test_a_statement_that_is_read_is_the_one_that_was_written() -> None:
    assert load_statement(STATEMENT).text == STATEMENT
    assert load_statement(STATEMENT).lapses_at == from_text("2026-11-22T14:40:00.000000Z")


@pytest.mark.parametrize(
    "members",
    [
        {"approves": 1},
        {"approves": "true"},
        {"nonce": "AB" * 32},
        {"nonce": "ab"},
        {"nonce": None},
        {"card_sha256": None},
        {"policy_sha256": "x"},
        {"option": None},
        {"option": 7},
        {"expires_at": "soon"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_statement_with_other_members_is_none(members: dict[str, object]) -> None:
    changed = {**asdict(load_statement(STATEMENT)), **members}
    with pytest.raises(StatementProblem):
        load_statement(json.dumps(changed, sort_keys=True, separators=(",", ":")))


@pytest.mark.parametrize("text", ["", "[]", "null", STATEMENT + " ", STATEMENT.replace(":", ": "), "[" * 100_000])
def test_a_statement_in_another_spelling_is_none(text: str) -> None:
    with pytest.raises(StatementProblem):
        load_statement(text)


def test_a_statement_that_lacks_a_member_is_none() -> None:
    members = asdict(load_statement(STATEMENT))
    for name in members:
        with pytest.raises(StatementProblem):
            load_statement(json.dumps({k: v for k, v in members.items() if k != name}, separators=(",", ":")))


# What an answer is called


def card_of(question: AnyQuestion) -> Card:
    now = from_text("2026-11-22T14:30:00.000000Z")
    return Card("req_1", "deploy-bot", None, question, now, now + timedelta(minutes=10))


APPROVAL = AskApproval(title="Deploy?")
APPROVED = "approved: the agent may proceed"
NOT_APPROVED = "not approved: the agent must not proceed"
USED = "answered: the agent may use this answer"
FORM = AskForm(
    title="Details",
    fields=(FormField(name="age", type=FieldType.INTEGER), FormField(name="pin", type=FieldType.PASSWORD)),
)


@pytest.mark.parametrize(
    ("question", "answer", "called", "content"),
    [
        (APPROVAL, Chosen("approve"), SignedAnswer("approve", True, APPROVED), {"decision": "approve"}),
        (APPROVAL, Chosen("reject"), SignedAnswer("reject", False, NOT_APPROVED), {"decision": "reject"}),
        (APPROVAL, Declined(), SignedAnswer("decline", False, "declined: a person refused to answer"), None),
        (APPROVAL, AskedBack(), SignedAnswer("return", False, "returned: a person asks back"), None),
        (
            AskSelection(prompt="Which?", options=(Choice(id="eu"), Choice(id="us"))),
            Selected(("us",)),
            SignedAnswer("answer", True, USED),
            {"selected": ["us"]},
        ),
        (AskTextInput(title="Words"), Written("hello"), SignedAnswer("answer", True, USED), {"text": "hello"}),
        (
            FORM,
            Filled({"age": 30, "pin": "12345"}),
            SignedAnswer("answer", True, USED),
            {"values": {"age": 30}, "credentials": ["pin"]},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_answer_has_its_name_its_meaning_and_its_content(
    question: AnyQuestion, answer: Answer, called: SignedAnswer, content: object
) -> None:
    assert signed_answer(card_of(question), answer) == (called, content)


@pytest.mark.parametrize(
    ("kept", "content"),
    [
        (None, None),
        ({"decision": "approve", "approved": True}, {"decision": "approve"}),
        ({"text": "hello", "edited": True}, {"text": "hello"}),
        ({"selected": ["us"]}, {"selected": ["us"]}),
        ({"values": {"age": 30}, "credentials": {"pin": "cred_x"}}, {"values": {"age": 30}, "credentials": ["pin"]}),
    ],
)
def test_the_content_of_an_answer_can_be_told_from_what_is_kept_of_it(
    kept: dict[str, Any] | None, content: Any
) -> None:
    assert content_of_kept(kept) == content


def test_an_answer_a_comment_and_a_nonce_each_change_the_commitment() -> None:
    nonce = "00" * 32
    told = {
        answer_commitment(nonce, None, None),
        answer_commitment(nonce, {"decision": "a"}, None),
        answer_commitment(nonce, {"decision": "a"}, "words"),
        answer_commitment("11" * 32, {"decision": "a"}, "words"),
    }
    assert len(told) == 4


def held(**arguments: Any) -> Card:
    opened, expires = from_text("2026-11-22T14:30:00.000000Z"), from_text("2026-11-22T15:30:00.000000Z")
    return Card("req_1", "bot", None, held_call(arguments), opened, expires)


def test_what_runs_by_an_approved_call_is_its_tool_with_its_arguments() -> None:
    assert executed(held(amount=5), approves=True) == executed_content("payments__send", {"amount": 5})
    assert executed(held(amount=5), approves=False) is None


def test_commitments_to_calls_differ_by_tool_arguments_and_nonce() -> None:
    contents = [
        executed_content("a__b", {"n": 1}),
        executed_content("a__b", {"n": 2}),
        executed_content("a__c", {"n": 1}),
    ]
    found = {executed_args_commitment(nonce, content) for nonce in ("ab" * 32, "cd" * 32) for content in contents}
    assert len(found) == 6


@pytest.mark.parametrize(("option", "approves"), [("run", True), ("refuse", False)])
def test_a_held_call_is_answered_with_one_of_its_two_options(option: str, approves: bool) -> None:
    said, content = signed_answer(held(amount=5), Chosen(option))
    words = "approved: exactly this call may run, once" if approves else "refused: the call must not run"
    assert (said, content) == (SignedAnswer(option, approves, words), {"decision": option})
