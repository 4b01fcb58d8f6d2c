"""Decisions signed with passkeys, checked from the entries alone: each lie about one is named by its entry."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from store.audit.canonical import decode
from store.audit.entry import commitment
from store.audit.events import (
    AccountReset,
    ArgumentsEdited,
    Concealed,
    Event,
    PasskeyAdded,
    PasskeyRemoved,
    Reference,
    RequestClosed,
    RequestEscalated,
    RequestShown,
)
from store.audit.export import open_export, verify_export, write_export
from store.audit.merkle import leaf_hash
from store.audit.reviewer_keys import ReviewerKeys, load_reviewer_keys
from store.audit.signatures import SignatureCounts, SignatureProblem, Signatures
from store.audit.verify import LogFault
from store.lifecycle import Kind, Outcome, Surface, meaning
from store.moments import to_text
from store.names import fold
from store.problems import Problem
from store.signing.statement import DecisionStatement, answer_commitment, content_of_kept, executed_args_commitment
from tests.store.audit.examples import KEY, Log, Writer, decide, open_request, written
from tests.store.signing.key_in_software import Es256Key, signed_with

PASSKEY = Es256Key()
CREDENTIAL = base64.b64encode(b"credential").decode()
NONCE = "ab" * 32
APPROVED = {"decision": "approve", "approved": True}


def public(key: Es256Key) -> str:
    return base64.b64encode(key.cose).decode()


def enrol(writer: Writer, key: Es256Key = PASSKEY, reviewer: str = "rev_1", passkey: str = "pk_1") -> None:
    writer.write(PasskeyAdded(reviewer, passkey, CREDENTIAL, public(key)))


def enrolled_until(writer: Writer, event: Event) -> None:
    enrol(writer)
    writer.write(event)


def stated(writer: Writer, card: str, answer: Any, comment: str | None, **said: Any) -> DecisionStatement:
    return DecisionStatement(
        **{
            "log_origin": KEY.name,
            "request_id": "req_1",
            "card_sha256": hashlib.sha256(card.encode()).hexdigest(),
            "option": "approve",
            "approves": True,
            "meaning": meaning(Kind.APPROVAL, Outcome.ANSWERED, may_proceed=True),
            "answer_commitment": answer_commitment(NONCE, content_of_kept(answer), comment),
            "executed_args_commitment": None,
            "reviewer_id": "rev_1",
            "credential_id": CREDENTIAL,
            "policy_sha256": None,
            "nonce": NONCE,
            "expires_at": to_text(writer.now + timedelta(minutes=10)),
            **said,
        }
    )


def signed_decision(
    writer: Writer, *, key: Es256Key = PASSKEY, passkey: str = "pk_1", comment: str | None = "ok", **said: Any
) -> None:
    """An approval of req_1 by rev_1, signed; `said` replaces members of the statement."""
    card = open_request(writer, "req_1")
    text = writer.entries[-1].disclosures[0].text
    writer.write(RequestShown("req_1", "rev_1", card, Surface.RENDERED_PAGE))
    statement = stated(writer, text, APPROVED, comment, **said).text
    signed = signed_with(key, statement)
    writer.write(
        RequestClosed(
            "req_1",
            Outcome.ANSWERED,
            True,
            meaning(Kind.APPROVAL, Outcome.ANSWERED, may_proceed=True),
            card,
            reviewer="rev_1",
            authenticated_by="passkey",
            surface=Surface.RENDERED_PAGE,
            answer=Concealed(json.dumps(APPROVED)),
            comment=None if comment is None else Concealed(comment),
            passkey=passkey,
            statement=Concealed(statement),
            client_data=Concealed(signed.client_data.decode()),
            authenticator_data=base64.b64encode(signed.authenticator_data).decode(),
            signature=base64.b64encode(signed.signature).decode(),
        )
    )


LOG = written(enrol, signed_decision)
CLOSED = LOG.index("request_closed")


def fault(log: Log, **options: Any) -> str:
    with pytest.raises(LogFault) as found:
        log.verified(**options)
    assert found.value.index == log.index("request_closed")
    return found.value.message.partition("cannot be: ")[2]


def with_text(log: Log, key: str, text: str) -> Log:
    """The same with another text behind one reference of the closing entry, as its server would have written it."""
    index = log.index("request_closed")
    texts = []
    for at, disclosure in log.texts:
        if (at, disclosure.key) == (index, key):
            reference = commitment(disclosure.salt, text)
            disclosure = replace(disclosure, text=text, commitment=reference)
            log = log.changed(index, **{key: reference})
        texts.append((at, disclosure))
    return replace(log, texts=tuple(texts))


def test_a_signed_decision_is_checked_with_the_key_that_the_log_names() -> None:
    assert LOG.verified().signatures == SignatureCounts(checked=1)


def test_a_signed_decision_is_checked_from_an_export_too(tmp_path: Any) -> None:
    file = tmp_path / "log.zip"
    with file.open("wb") as target:
        leaves = [leaf_hash(entry) for entry in LOG.entries]
        write_export(target, LOG.note, KEY.verifier, entries=LOG.entries, leaves=leaves, disclosures=LOG.texts)
    with file.open("rb") as source, open_export(source) as export:
        assert verify_export(export, [KEY.verifier]).signatures == SignatureCounts(checked=1)
        with pytest.raises(LogFault, match="another public key"):
            verify_export(export, [KEY.verifier], reviewer_keys=ReviewerKeys({"ana": frozenset([b"another"])}))


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"log_origin": "log.example/other"}, "log"),
        ({"request_id": "req_2"}, "request"),
        ({"card_sha256": "00" * 32}, "card"),
        ({"option": "reject"}, "option"),
        ({"approves": False}, "effect"),
        ({"meaning": "approved"}, "meaning"),
        ({"answer_commitment": "00" * 32}, "answer"),
        ({"reviewer_id": "rev_2"}, "reviewer"),
        ({"credential_id": "AAAA"}, "passkey"),
    ],
    ids=str,
)
def test_a_signature_under_another_statement_is_a_fault(said: dict[str, Any], what: str) -> None:
    log = written(enrol, lambda writer: signed_decision(writer, **said))
    assert fault(log) == f"the signed statement has another {what}"


def test_a_statement_that_had_lapsed_is_a_fault() -> None:
    log = written(enrol, lambda writer: signed_decision(writer, expires_at=to_text(writer.now)))
    assert fault(log) == "it was signed after the statement had lapsed"


@pytest.mark.parametrize(("key", "text"), [("answer_ref", json.dumps({"decision": "reject"})), ("comment_ref", "no")])
def test_an_answer_or_comment_that_was_put_in_place_of_the_signed_one_is_a_fault(key: str, text: str) -> None:
    log = with_text(LOG, key, text)
    if key == "answer_ref":
        meant = meaning(Kind.APPROVAL, Outcome.ANSWERED, may_proceed=False)
        log = log.changed(CLOSED, may_proceed=False, meaning=meant)
    assert fault(log).startswith("the signed statement has another ")


@pytest.mark.parametrize(
    "text", ["words", "[]", "[" * 100_000, '{"credentials":7}', '{"credentials":[1,"a"]}', '{"a":1e999}']
)
def test_an_answer_that_is_none_is_a_fault_and_nothing_worse(text: str) -> None:
    with pytest.raises(SignatureProblem):
        take_all(Signatures(KEY.name), with_text(LOG, "answer_ref", text))


@pytest.mark.parametrize("conditions", [7, [7], {"passkey": True}, [{"passkey": True, "reviewers": 7}]], ids=str)
def test_rules_that_no_card_has_are_a_fault_and_nothing_worse(conditions: object) -> None:
    log = written(lambda writer: open_request(writer, "req_1", conditions=conditions))
    with pytest.raises(SignatureProblem):
        take_all(Signatures(KEY.name), log)


@pytest.mark.parametrize("text", ["{}", "[]", "words", '{"a":1}'])
def test_something_else_in_the_statements_place_is_a_fault(text: str) -> None:
    assert "is not a statement" in fault(with_text(LOG, "statement_ref", text))


def test_a_signature_by_another_key_than_the_registered_one_is_a_fault() -> None:
    log = written(enrol, lambda writer: signed_decision(writer, key=Es256Key()))
    assert "was not made with this passkey" in fault(log)


@pytest.mark.parametrize("key", ["authenticator_data", "signature"])
@pytest.mark.parametrize("value", ["AAAA", "not base64", "ä"])
def test_changed_bytes_of_a_signature_are_a_fault(key: str, value: str) -> None:
    assert fault(LOG.changed(CLOSED, **{key: value}))


@pytest.mark.parametrize("part", ["passkey", "statement_ref", "client_data_ref", "authenticator_data", "signature"])
def test_half_a_signature_is_a_fault(part: str) -> None:
    texts = tuple((at, text) for at, text in LOG.texts if (at, text.key) != (CLOSED, part))
    log = replace(LOG, texts=texts).changed(CLOSED, **{part: None})
    assert fault(log) == "it has some parts of a signature and not the others"


def test_a_whole_signature_that_was_taken_away_is_only_missed_where_the_card_wanted_one() -> None:
    parts = ("passkey", "statement_ref", "client_data_ref", "authenticator_data", "signature")
    texts = tuple((at, text) for at, text in LOG.texts if at != CLOSED or text.key not in parts)
    log = replace(LOG, texts=texts).changed(CLOSED, **dict.fromkeys(parts))
    assert log.verified().signatures == SignatureCounts()


@pytest.mark.parametrize(
    "part",
    [
        lambda writer: None,
        lambda writer: enrol(writer, reviewer="rev_2"),
        lambda writer: enrolled_until(writer, PasskeyRemoved("rev_1", "pk_1")),
        lambda writer: enrolled_until(writer, AccountReset("rev_1", None)),
    ],
    ids=["never registered", "somebody else's", "removed", "reset"],
)
def test_a_passkey_that_is_not_the_persons_at_that_moment_is_a_fault(part: Callable[[Writer], object]) -> None:
    assert fault(written(part, signed_decision)) == "pk_1 is no passkey of rev_1 at that moment"


def test_a_passkey_is_added_once() -> None:
    log = written(enrol, lambda writer: enrol(writer, key=Es256Key()))
    with pytest.raises(LogFault, match="pk_1 was added before"):
        log.verified()


def test_of_an_erased_statement_nothing_is_checked_and_that_is_counted() -> None:
    entries = LOG.verified(disclosures=None)
    assert entries.signatures == SignatureCounts(erased=1)


def test_without_a_comment_the_signature_says_that_there_was_none() -> None:
    log = written(enrol, lambda writer: signed_decision(writer, comment=None))
    assert log.verified().signatures == SignatureCounts(checked=1)


# Keys that were got another way


@pytest.mark.parametrize("name", ["ana", " ANA ", "pk_1"])
def test_a_key_from_elsewhere_vouches_for_its_persons_signatures(name: str) -> None:
    keys = load_reviewer_keys(json.dumps({name: [public(PASSKEY)]}).encode())
    assert LOG.verified(reviewer_keys=keys).signatures == SignatureCounts(checked=1, trusted=1)


def test_a_key_that_the_log_put_in_a_persons_place_is_found_out() -> None:
    forged = Es256Key()
    log = written(lambda writer: enrol(writer, forged), lambda writer: signed_decision(writer, key=forged))
    assert log.verified().signatures == SignatureCounts(checked=1)
    keys = load_reviewer_keys(json.dumps({"ana": public(PASSKEY)}).encode())
    assert fault(log, reviewer_keys=keys) == "its passkey pk_1 has another public key than those that were given for it"


def test_a_passkey_that_the_log_calls_by_another_persons_name_is_not_vouched_for_by_that_persons_key() -> None:
    carls = Es256Key()
    log = written(
        lambda writer: enrol(writer, carls, passkey="carl"),
        lambda writer: signed_decision(writer, key=carls, passkey="carl"),
    )
    of_both = load_reviewer_keys(json.dumps({"ana": public(PASSKEY), "carl": public(carls)}).encode())
    assert "has another public key than those that were given for it" in fault(log, reviewer_keys=of_both)
    of_carl = load_reviewer_keys(json.dumps({"carl": public(carls)}).encode())
    assert log.verified(reviewer_keys=of_carl).signatures == SignatureCounts(checked=1, trusted=0)


def test_where_both_the_person_and_the_passkey_have_keys_both_must_say_so() -> None:
    for other in ("ana", "pk_1"):
        named = {"ana": public(PASSKEY), "pk_1": public(PASSKEY), other: public(Es256Key())}
        assert "another public key" in fault(LOG, reviewer_keys=load_reviewer_keys(json.dumps(named).encode()))
    several = {"ana": [public(Es256Key()), public(PASSKEY)], "pk_1": [public(PASSKEY)]}
    keys = load_reviewer_keys(json.dumps(several).encode())
    assert LOG.verified(reviewer_keys=keys).signatures == SignatureCounts(checked=1, trusted=1)


def test_a_name_that_folds_otherwise_the_second_time_is_still_found() -> None:
    name = "\u037aana"
    assert fold(fold(name)) != fold(name)
    keys = load_reviewer_keys(json.dumps({name: public(PASSKEY)}).encode())
    assert keys.of("pk_1", fold(name)) == frozenset([PASSKEY.cose])


def test_whoever_is_not_in_the_file_is_checked_with_the_logs_own_key() -> None:
    keys = load_reviewer_keys(json.dumps({"carl": public(PASSKEY)}).encode())
    assert LOG.verified(reviewer_keys=keys).signatures == SignatureCounts(checked=1, trusted=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"ana": 7}',
        '{"ana": []}',
        '{"ana": ["AAAA"]}',
        '{"ana": "%%"}',
        '{"ana": [1]}',
        '{"a":"","a":""}',
        json.dumps({"ana": public(PASSKEY), "ANA": public(PASSKEY)}),
    ],
)
def test_a_file_that_is_not_one_of_keys_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        load_reviewer_keys(text.encode())


# Cards that want a signature


UNSIGNED = "its card wants it signed with a passkey, and it is not signed"


def wanting(
    reviewers: list[str] | None,
    *,
    escalate_to: tuple[str, ...] = (),
    escalated: bool = False,
    passkey: bool = True,
    approves: bool = True,
) -> Log:
    """A card whose rule wants these people's approvals signed, and an answer of ana's without a signature."""

    def part(writer: Writer) -> None:
        condition = {"reviewers": reviewers, "escalate_to": escalate_to, "approvals": 1, "passkey": passkey}
        card = open_request(writer, "req_1", conditions=[condition])
        if escalated:
            writer.write(RequestEscalated("req_1", card))
        writer.write(RequestShown("req_1", "rev_1", card, Surface.RENDERED_PAGE))
        decide(
            writer,
            "req_1",
            card,
            Outcome.ANSWERED,
            {"decision": "approve" if approves else "reject"},
            may_proceed=approves,
        )

    return written(part)


@pytest.mark.parametrize("reviewers", [None, ["ana"], ["ana", "ben"]], ids=str)
def test_an_unsigned_approval_where_the_card_wants_a_signature_is_a_fault(reviewers: list[str] | None) -> None:
    log = wanting(reviewers)
    signatures = Signatures(KEY.name)
    with pytest.raises(SignatureProblem, match=UNSIGNED):
        take_all(signatures, log)


@pytest.mark.parametrize(
    "log",
    [
        wanting(None, passkey=False),
        wanting(None, approves=False),
        wanting(["ben"]),
        wanting(["ben"], escalate_to=("ana",)),
    ],
    ids=["no rule wants it", "a refusal", "of somebody else", "of ana only after half of the time"],
)
def test_where_no_rule_wants_this_answer_signed_it_need_not_be(log: Log) -> None:
    take_all(Signatures(KEY.name), log)


def test_whom_half_time_adds_must_sign_from_then_on() -> None:
    with pytest.raises(SignatureProblem, match=UNSIGNED):
        take_all(Signatures(KEY.name), wanting(["ben"], escalate_to=("ana",), escalated=True))


def take_all(signatures: Signatures, log: Log) -> None:
    """Only what signatures say: whether these people may answer at all is another's to check."""
    for index, data in enumerate(log.entries):
        signatures.take(decode(data), {text.key: text.text for at, text in log.texts if at == index})


# Held calls


RUN = {"decision": "run", "approved": True}
CALL: dict[str, Any] = {"tool": "payments__send", "arguments": {"amount": 5}}
NOT_SIGNED = "a held call is approved by a person who has a passkey, and it is not signed"


def hold(writer: Writer, question: object = None) -> tuple[Reference, str]:
    """Open a held call; its card, and that card's text."""
    buttons = [{"id": "run", "approves": True}, {"id": "refuse", "approves": False}]
    card = open_request(
        writer, "req_1", kind=Kind.CALL, buttons=buttons, question=CALL if question is None else question
    )
    return card, writer.entries[-1].disclosures[0].text


def edit_to(writer: Writer, before: Reference, text: str, question: object) -> tuple[Reference, str]:
    changed = json.dumps(json.loads(text) | {"question": question, "notices": ["Edit 1"]})
    event = ArgumentsEdited(
        "req_1",
        "rev_1",
        "password",
        Surface.RENDERED_PAGE,
        Concealed(changed),
        before,
        writer.now + timedelta(seconds=9),
    )
    return writer.write(event).references["card"], changed


def run_call(writer: Writer, card: Reference, text: str, *, signed: object = CALL, **said: Any) -> None:
    """Approve it with a signature; `signed` is the call that the statement commits to."""
    meant = meaning(Kind.CALL, Outcome.ANSWERED, may_proceed=True)
    commits = executed_args_commitment(NONCE, signed) if isinstance(signed, dict) else None
    stated_call = {"option": "run", "meaning": meant, "executed_args_commitment": commits, **said}
    statement = stated(writer, text, RUN, None, **stated_call).text
    made = signed_with(PASSKEY, statement)
    closing = RequestClosed(
        "req_1",
        Outcome.ANSWERED,
        True,
        meant,
        card,
        reviewer="rev_1",
        authenticated_by="passkey",
        surface=Surface.RENDERED_PAGE,
        answer=Concealed(json.dumps(RUN)),
        passkey="pk_1",
        statement=Concealed(statement),
        client_data=Concealed(made.client_data.decode()),
        authenticator_data=base64.b64encode(made.authenticator_data).decode(),
        signature=base64.b64encode(made.signature).decode(),
    )
    writer.write(closing)


def taken(*parts: Callable[[Writer], object]) -> SignatureCounts:
    signatures = Signatures(KEY.name)
    take_all(signatures, written(*parts))
    return signatures.counts


def test_a_signed_approval_of_a_held_call_commits_to_what_runs() -> None:
    assert taken(enrol, lambda writer: run_call(writer, *hold(writer))) == SignatureCounts(checked=1)


@pytest.mark.parametrize(
    "signed",
    [
        None,
        {"tool": "payments__send", "arguments": {"amount": 6}},
        {"tool": "payments__take", "arguments": {"amount": 5}},
    ],
    ids=str,
)
def test_a_signature_under_another_call_is_a_fault(signed: object) -> None:
    with pytest.raises(SignatureProblem, match="the signed statement has another call"):
        taken(enrol, lambda writer: run_call(writer, *hold(writer), signed=signed))


def test_a_question_that_commits_to_a_call_is_a_fault() -> None:
    forged = executed_args_commitment(NONCE, CALL)
    log = written(enrol, lambda writer: signed_decision(writer, executed_args_commitment=forged))
    assert fault(log) == "the signed statement has another call"


def test_after_an_edit_the_signature_is_under_the_new_card_and_its_call() -> None:
    more = {"tool": "payments__send", "arguments": {"amount": 6}}

    def edited(writer: Writer, signed: object) -> None:
        run_call(writer, *edit_to(writer, *hold(writer), more), signed=signed)

    assert taken(enrol, lambda writer: edited(writer, more)) == SignatureCounts(checked=1)
    with pytest.raises(SignatureProblem, match="another call"):
        taken(enrol, lambda writer: edited(writer, CALL))


def test_a_signature_under_the_card_before_an_edit_is_a_fault() -> None:
    def edited(writer: Writer) -> None:
        before, text = hold(writer)
        after, _ = edit_to(writer, before, text, CALL)
        run_call(writer, after, text)

    with pytest.raises(SignatureProblem, match="the signed statement has another card"):
        taken(enrol, edited)


def unsigned(writer: Writer, *, may_proceed: bool = True) -> None:
    option = "run" if may_proceed else "refuse"
    decide(writer, "req_1", hold(writer)[0], Outcome.ANSWERED, {"decision": option}, may_proceed=may_proceed)


def test_whoever_has_a_passkey_approves_no_held_call_without_it() -> None:
    with pytest.raises(SignatureProblem, match=NOT_SIGNED):
        taken(enrol, unsigned)


@pytest.mark.parametrize(
    "part",
    [
        lambda writer: None,
        lambda writer: enrol(writer, reviewer="rev_2"),
        lambda writer: enrolled_until(writer, PasskeyRemoved("rev_1", "pk_1")),
        lambda writer: enrolled_until(writer, AccountReset("rev_1", None)),
    ],
    ids=["never registered", "somebody else's", "removed", "reset"],
)
def test_whoever_has_none_at_that_moment_may(part: Callable[[Writer], object]) -> None:
    assert taken(part, unsigned) == SignatureCounts()


def test_a_held_call_is_refused_without_a_signature() -> None:
    assert taken(enrol, lambda writer: unsigned(writer, may_proceed=False)) == SignatureCounts()


@pytest.mark.parametrize("question", [7, "call", []], ids=str)
def test_a_card_that_holds_no_call_is_a_fault_and_nothing_worse(question: object) -> None:
    with pytest.raises(SignatureProblem, match="holds no call"):
        taken(lambda writer: hold(writer, question))


def test_a_card_with_a_call_that_nobody_can_make_is_a_fault_and_nothing_worse() -> None:
    impossible = {"tool": "a__b", "arguments": {"n": 2**60}}
    with pytest.raises(SignatureProblem, match="nobody can make"):
        taken(enrol, lambda writer: run_call(writer, *hold(writer, impossible)))
