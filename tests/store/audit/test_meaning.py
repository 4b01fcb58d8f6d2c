"""A log that its server signed and that cannot have happened is refused, by the first entry that cannot be."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from store.audit.events import (
    AccountAdded,
    AgentAdded,
    AnswerClaimed,
    AnswerDelivered,
    AnswerReleased,
    Concealed,
    ConsequenceReported,
    CredentialRevoked,
    LogExported,
    Reference,
    RequestClosed,
    RequestShown,
    ServerStarted,
    ServerStopped,
)
from store.audit.verify import LogFault
from store.lifecycle import Kind, Outcome, Surface
from tests.store.audit.examples import TAKEN_BACK, Log, Writer, decide, open_request, story, written

LOG = story()


def refuse(log: Log, index: int, what: str) -> None:
    with pytest.raises(LogFault, match=what) as fault:
        log.verified()
    assert fault.value.index == index


def asked(*steps: Callable[[Writer, Reference], Any], kind: Kind = Kind.APPROVAL) -> Log:
    """A log in which req_1 is opened, and then these happen."""

    def part(writer: Writer) -> None:
        card = open_request(writer, "req_1", kind=kind)
        for step in steps:
            step(writer, card)

    return written(part)


def show(writer: Writer, card: Reference) -> None:
    writer.write(RequestShown("req_1", "rev_1", card, Surface.RENDERED_PAGE))


def approve(writer: Writer, card: Reference) -> None:
    decide(writer, "req_1", card, Outcome.ANSWERED, {"decision": "approve"}, may_proceed=True)


def withdraw(writer: Writer, card: Reference) -> None:
    writer.write(RequestClosed("req_1", Outcome.WITHDRAWN, False, TAKEN_BACK, card))


def claim(writer: Writer, card: Reference) -> None:
    writer.write(AnswerClaimed("req_1", "call_1"))


def deliver(writer: Writer, card: Reference) -> None:
    writer.write(AnswerDelivered("req_1", "call_1"))


def release(writer: Writer, card: Reference) -> None:
    writer.write(AnswerReleased("req_1", "call_1"))


def report(writer: Writer, card: Reference) -> None:
    writer.write(ConsequenceReported("req_1", Concealed("done"), None))


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ((approve,), "rev_1 decides req_1 and was not shown it"),
        ((show, approve, approve), "req_1 was closed before"),
        ((show, approve, withdraw), "req_1 was closed before"),
        ((withdraw, show), "req_1 was closed before"),
        ((claim,), "req_1 is still open"),
        ((show, approve, deliver), "call_1 did not claim the answer"),
        ((show, approve, release), "call_1 did not claim the answer"),
        ((show, approve, claim, claim), "the answer of req_1 is another call's"),
        ((show, approve, claim, deliver, claim), "the answer of req_1 is another call's"),
        ((show, approve, claim, deliver, deliver), "call_1 did not claim the answer"),
        ((show, approve, claim, deliver, release), "call_1 did not claim the answer"),
        ((show, approve, claim, release, deliver), "call_1 did not claim the answer"),
        ((report,), "req_1 is still open"),
        ((withdraw, report), "nobody decided req_1"),
    ],
)
def test_a_step_that_cannot_follow_is_refused(
    steps: tuple[Callable[[Writer, Reference], None], ...], what: str
) -> None:
    log = asked(*steps)
    refuse(log, len(log.entries) - 1, what)
    asked(*steps[:-1]).verified()


@pytest.mark.parametrize(
    ("kind", "nth", "members", "what"),
    [
        ("server_stopped", 0, {"instance": "srv_9"}, "was not running"),
        ("request_opened", 0, {"agent": "agt_9"}, "no entry before it adds the agent agt_9"),
        ("request_opened", 1, {"follows": "req_9"}, "no entry opens req_9"),
        ("request_opened", 1, {"request": "req_1"}, "req_1 was opened before"),
        ("request_opened", 0, {"expires_at": "2026-11-22T14:30:00.000000Z"}, "opens after its deadline"),
        ("request_opened", 0, {"kind": "form"}, "its card is another request's"),
        ("request_shown", 0, {"reviewer": "rev_9"}, "no entry before it adds the account rev_9"),
        ("request_shown", 0, {"reviewer": "rev_2"}, "is an auditor, who decides nothing"),
        ("request_shown", 0, {"request": "req_9"}, "req_9 was never opened"),
        ("request_shown", 0, {"card_ref": "00" * 32}, "what was shown is not the card of req_1"),
        ("request_closed", 0, {"card_ref": "00" * 32}, "what was closed is not the card of req_1"),
        ("request_closed", 0, {"reviewer": None}, "a decision needs its field reviewer"),
        ("request_closed", 0, {"authenticated_by": None}, "a decision needs its field authenticated_by"),
        ("request_closed", 0, {"surface": None}, "a decision needs its field surface"),
        ("request_closed", 0, {"reviewer": "rev_2"}, "rev_2 decides req_1 and was not shown it"),
        ("request_closed", 0, {"may_proceed": False}, "what it means is not what was chosen"),
        ("request_closed", 0, {"at": "2026-11-22T14:31:06.000000Z"}, "req_1 is decided after its deadline"),
        ("request_closed", 0, {"outcome": "withdrawn"}, "names a decision where nobody decided"),
        ("request_closed", 0, {"meaning": "declined: a person refused to answer"}, "and says otherwise"),
        ("request_closed", 1, {"may_proceed": False}, "says that the agent must not proceed"),
        ("request_closed", 2, {"may_proceed": True}, "withdrawn never permits anything"),
        ("request_closed", 3, {"at": "2026-11-22T14:30:30.000000Z"}, "req_4 expires before its deadline"),
        ("request_closed", 4, {"may_proceed": True}, "returned never permits anything"),
        ("request_closed", 5, {"may_proceed": True}, "what it means is not what was chosen"),
        ("answer_claimed", 0, {"request": "req_9"}, "req_9 was never opened"),
        ("answer_delivered", 0, {"call": "call_1"}, "call_1 did not claim the answer"),
        ("credential_stored", 0, {"request": "req_1"}, "req_1 was closed before"),
        ("credential_revoked", 0, {"credential": "cred_9"}, "no entry before it stores cred_9"),
        ("log_exported", 0, {"size": 1000}, "it speaks of 1000 entries"),
    ],
)
def test_an_entry_that_says_what_cannot_be_is_refused(kind: str, nth: int, members: dict[str, Any], what: str) -> None:
    index = LOG.index(kind, nth)
    refuse(LOG.changed(index, **members), index, what)


@pytest.mark.parametrize(
    ("gone", "named", "what"),
    [
        (("account_added", 0), ("reviewer_signed_in", 0), "no entry before it adds the account rev_1"),
        (("agent_added", 0), ("agent_signed_in", 0), "no entry before it adds the agent agt_1"),
        (("request_opened", 0), ("request_shown", 0), "req_1 was never opened"),
        (("request_shown", 0), ("request_closed", 0), "was not shown it"),
        (("request_closed", 0), ("answer_claimed", 0), "req_1 is still open"),
        (("credential_stored", 0), ("credential_revoked", 0), "no entry before it stores cred_1"),
        (("server_stopped", 0), ("server_started", 1), "no entry says so"),
    ],
)
def test_what_was_left_out_is_missed(gone: tuple[str, int], named: tuple[str, int], what: str) -> None:
    left = LOG.without(LOG.index(*gone))
    refuse(left, left.index(*named), what)


def test_a_comment_belongs_to_what_is_asked_back_and_an_answer_to_what_is_answered() -> None:
    index = LOG.index("request_closed", 4)
    log = LOG.changed(index, comment_ref=None)
    with pytest.raises(LogFault, match="what is asked back has words"):
        log.verified(disclosures=None)
    index = LOG.index("request_closed", 0)
    for members in ({"answer_ref": None}, {"outcome": "declined", "may_proceed": False}):
        with pytest.raises(LogFault, match="an answer belongs to what was answered"):
            LOG.changed(index, **members).verified(disclosures=None)


def test_nobody_is_added_twice() -> None:
    for event in (
        AccountAdded("rev_1", "reviewer", Concealed("eve"), Concealed("Eve")),
        AgentAdded("agt_1", Concealed("eve"), None, None),
    ):
        log = written(partial(Writer.write, event=event))
        refuse(log, len(log.entries) - 1, "was added before")


def test_a_credential_is_revoked_once() -> None:
    index = LOG.index("credential_revoked") + 1
    log = LOG.changed(index)
    again = [*log.entries[:index], log.entries[index - 1], *log.entries[index:]]
    twice = Log(tuple(again), tuple((at + (at >= index), text) for at, text in log.texts))
    refuse(twice, index, "was revoked before")


def test_a_server_that_ended_without_a_word_is_said_to_have() -> None:
    written(lambda w: w.write(ServerStarted("0.1.0", "srv_2", clean=False))).verified()
    log = written(lambda w: w.write(ServerStarted("0.1.0", "srv_2", clean=True)))
    refuse(log, len(log.entries) - 1, "no entry says so")


def test_a_log_speaks_of_no_more_entries_than_it_has() -> None:
    written(lambda w: w.write(LogExported(len(w.entries)))).verified()
    log = written(lambda w: w.write(LogExported(len(w.entries) + 1)))
    refuse(log, len(log.entries) - 1, "it speaks of")


def test_a_server_stops_once() -> None:
    log = written(lambda w: w.write(ServerStopped("srv_1")), lambda w: w.write(ServerStopped("srv_1")))
    refuse(log, len(log.entries) - 1, "was not running")


def test_a_credential_never_stored_is_not_revoked() -> None:
    log = written(lambda w: w.write(CredentialRevoked("cred_1")))
    refuse(log, len(log.entries) - 1, "no entry before it stores cred_1")
