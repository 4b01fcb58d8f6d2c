"""A log in which an agent does what people stopped it from doing cannot have happened."""

from collections.abc import Callable

import pytest

from store.audit.events import (
    AgentAdded,
    AgentHalted,
    AgentResumed,
    AnswerClaimed,
    AnswerReleased,
    CallEnd,
    Concealed,
    Event,
    Halting,
    Permission,
    PolicyActivated,
    RequestClosed,
    RequestShown,
    RuleProposalClosed,
    RuleProposed,
)
from store.audit.verify import LogFault
from store.lifecycle import Outcome, Surface
from store.policy.reading import sha256_of
from tests.store.audit.examples import TAKEN_BACK, Log, Writer, decide, open_request, written
from tests.store.audit.test_calls import RULES, WRITE, end, intend, setting

OTHER = AgentAdded("agt_2", Concealed("tester"), None, None)
PAUSE = AgentHalted("agt_1", Halting.PAUSED, "rev_1", None)
STOP = AgentHalted("agt_1", Halting.STOPPED, "rev_1", Concealed("wrong host"))
STOP_ALL = AgentHalted(None, Halting.STOPPED, None, None)
RESUME, RESUME_ALL = AgentResumed("agt_1", "rev_1"), AgentResumed(None, None)

Step = Callable[[Writer], object]


def say(*events: Event) -> Step:
    def step(writer: Writer) -> None:
        for event in events:
            writer.write(event)

    return step


def refuse(log: Log, what: str) -> None:
    """The log's last entry is the first that cannot be."""
    with pytest.raises(LogFault, match=what) as fault:
        log.verified()
    assert fault.value.index == len(log.entries) - 1


@pytest.mark.parametrize(
    "events",
    [
        (PAUSE, RESUME, PAUSE),
        (PAUSE, STOP, RESUME),
        (STOP, STOP_ALL, RESUME_ALL, RESUME),
        (STOP_ALL, STOP, RESUME, RESUME_ALL),
    ],
)
def test_people_hold_back_and_let_go(events: tuple[Event, ...]) -> None:
    written(say(*events)).verified()


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ((PAUSE, PAUSE), "the agent agt_1 was paused before"),
        ((STOP, PAUSE), "the agent agt_1 was stopped before"),
        ((STOP_ALL, STOP_ALL), "everything was stopped before"),
        ((AgentHalted(None, Halting.PAUSED, None, None),), "everything can only be stopped"),
        ((RESUME,), "the agent agt_1 goes on, and was not held back"),
        ((STOP, RESUME_ALL), "everything goes on, and was not held back"),
        ((STOP_ALL, RESUME), "the agent agt_1 goes on, and was not held back"),
        ((AgentHalted("agt_1", Halting.STOPPED, "rev_2", None),), "rev_2 is an auditor"),
        ((STOP, AgentResumed("agt_1", "rev_2")), "rev_2 is no admin"),
        ((AgentHalted("agt_9", Halting.STOPPED, None, None),), "no entry before it adds the agent agt_9"),
        ((AgentHalted("agt_1", Halting.STOPPED, "rev_9", None),), "no entry before it adds the account rev_9"),
    ],
)
def test_halts_that_cannot_be_are_refused(events: tuple[Event, ...], what: str) -> None:
    refuse(written(say(*events)), what)


def approved(writer: Writer) -> None:
    card = open_request(writer, "req_1")
    writer.write(RequestShown("req_1", "rev_1", card, Surface.RENDERED_PAGE))
    decide(writer, "req_1", card, Outcome.ANSWERED, {"decision": "approve"}, may_proceed=True)


@pytest.mark.parametrize("stop", [STOP, STOP_ALL])
def test_who_is_stopped_asks_nothing(stop: Event) -> None:
    refuse(written(say(stop), lambda writer: open_request(writer, "req_1")), "was stopped, and it asks req_1")


@pytest.mark.parametrize("stop", [STOP, STOP_ALL])
def test_who_is_stopped_takes_no_answer(stop: Event) -> None:
    claim = AnswerClaimed("req_1", "call_1")
    refuse(written(approved, say(stop, claim)), "was stopped, and it takes the answer of req_1")
    refuse(written(approved, say(claim, stop, AnswerReleased("req_1", "call_1"), claim)), "takes the answer of req_1")


@pytest.mark.parametrize("stop", [STOP, STOP_ALL])
@pytest.mark.parametrize("tool", ["allowed", "noticed"])
def test_for_who_is_stopped_nothing_is_sent(stop: Event, tool: str) -> None:
    def call(writer: Writer) -> None:
        if tool == "allowed":
            intend(writer)
        else:
            intend(writer, WRITE, permission=Permission.NOTICED)

    refuse(written(setting, say(stop), call), "was stopped, and call_1 is sent for it")


def test_for_who_is_paused_no_rule_lets_anything_through() -> None:
    refuse(written(setting, say(PAUSE), intend), "the agent agt_1 was paused, and a rule alone lets call_1 through")


@pytest.mark.parametrize("stop", [STOP, STOP_ALL, PAUSE])
def test_what_began_before_may_end(stop: Event) -> None:
    def call(writer: Writer) -> None:
        intend(writer)
        writer.write(stop)
        end(writer, how=CallEnd.CANCELLED)

    written(setting, call).verified()


def test_people_go_on_deciding_and_a_claim_that_was_under_way_may_be_given_back() -> None:
    card = {}

    def ask(writer: Writer) -> None:
        card["req_2"] = open_request(writer, "req_2")

    def decide_it(writer: Writer) -> None:
        writer.write(RequestShown("req_2", "rev_1", card["req_2"], Surface.RENDERED_PAGE))
        decide(writer, "req_2", card["req_2"], Outcome.ANSWERED, {"decision": "approve"}, may_proceed=True)

    claim = AnswerClaimed("req_1", "call_1")
    released = AnswerReleased("req_1", "call_1")
    written(approved, ask, say(claim, STOP), decide_it, say(released, RESUME, claim)).verified()


def test_who_is_paused_asks_and_takes_answers() -> None:
    written(say(PAUSE), approved, say(AnswerClaimed("req_1", "call_1"))).verified()


def test_who_is_let_go_is_free_and_others_were_all_along() -> None:
    other = say(STOP, OTHER)
    written(setting, other, lambda writer: intend(writer, agent="agt_2")).verified()
    written(setting, say(STOP, RESUME), intend).verified()


def test_who_comes_while_everything_is_stopped_is_stopped() -> None:
    log = written(setting, say(STOP_ALL, OTHER), lambda writer: intend(writer, agent="agt_2"))
    refuse(log, "everything was stopped, and call_1 is sent for it")


def test_an_expired_or_withdrawn_outcome_is_nothing_to_take_either() -> None:
    def withdrawn(writer: Writer) -> None:
        card = open_request(writer, "req_1")
        writer.write(STOP)
        writer.write(RequestClosed("req_1", Outcome.WITHDRAWN, False, TAKEN_BACK, card))

    written(withdrawn).verified()
    refuse(written(withdrawn, say(AnswerClaimed("req_1", "call_1"))), "takes the answer of req_1")


# Proposed rules

PROPOSE = RuleProposed("rule_1", Concealed("{}"), "rev_1", "call_1", None)
IN_FORCE = PolicyActivated(sha256_of(RULES), Concealed(RULES), "page", "rev_1")
ACCEPT = RuleProposalClosed("rule_1", accepted=True, reviewer="rev_1")
PUT_ASIDE = RuleProposalClosed("rule_1", accepted=False, reviewer="rev_1")


@pytest.mark.parametrize("events", [(PROPOSE, PUT_ASIDE), (PROPOSE, IN_FORCE, ACCEPT)])
def test_a_proposed_rule_is_put_in_force_or_aside(events: tuple[Event, ...]) -> None:
    written(say(*events)).verified()


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ((PROPOSE, PROPOSE), "rule_1 was proposed before"),
        ((PROPOSE, PUT_ASIDE, PROPOSE), "rule_1 was proposed before"),
        ((PUT_ASIDE,), "rule_1 does not wait"),
        ((PROPOSE, PUT_ASIDE, PUT_ASIDE), "rule_1 does not wait"),
        ((PROPOSE, ACCEPT), "nobody put rules in force right before"),
        ((IN_FORCE, PROPOSE, ACCEPT), "nobody put rules in force right before"),
        (
            (PROPOSE, PolicyActivated(sha256_of(RULES), Concealed(RULES), "command_line", None), ACCEPT),
            "nobody put rules in force right before",
        ),
        ((RuleProposed("rule_1", Concealed("{}"), "rev_2", "call_1", None),), "rev_2 is an auditor"),
        ((RuleProposed("rule_1", Concealed("{}"), "rev_1", None, "req_9"),), "no entry opens req_9"),
        ((RuleProposed("rule_1", Concealed("{}"), "rev_1", None, None),), "because of a call, or because of a request"),
        ((PROPOSE, RuleProposalClosed("rule_1", accepted=False, reviewer="rev_2")), "rev_2 is no admin"),
    ],
)
def test_proposals_that_cannot_be_are_refused(events: tuple[Event, ...], what: str) -> None:
    refuse(written(say(*events)), what)
