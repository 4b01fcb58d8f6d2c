"""A log in which too few people approved, or the wrong ones, is refused, by the entry that says so."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from store.audit.events import (
    AccountAdded,
    AccountDisabled,
    AccountEnabled,
    AccountReset,
    AgentOwnerChanged,
    Concealed,
    Event,
    Reference,
    RequestClosed,
    RequestDenied,
    RequestEscalated,
    RequestOpened,
    RequestShown,
    RequestVoted,
    RoleChanged,
)
from store.audit.meaning import MeaningProblem
from store.audit.quorum import Ballot, Quorum, quorum_of
from store.audit.verify import LogFault
from store.lifecycle import Kind, Outcome, Surface, meaning
from tests.store.audit.examples import Log, Writer, written

PEOPLE = {"rev_1": "ana", "rev_3": "Ben", "rev_4": "cara", "rev_5": "dan"}
ANA, BEN, CARA, DAN = PEOPLE

Step = Callable[[Writer, Reference], None]


def condition(reviewers: Sequence[str] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "rule": "rule",
        "reviewers": reviewers,
        "groups": [],
        "approvals": 1,
        "passkey": False,
        "not_owner": False,
        "reason_required": False,
        "escalate_to": [],
        **more,
    }


def asked(
    conditions: Sequence[dict[str, Any]],
    *steps: Step,
    kind: Kind = Kind.APPROVAL,
    expires_in: timedelta = timedelta(seconds=60),
    **more: Any,
) -> Log:
    """A log in which everybody was shown a request under these conditions, and then these steps happen."""

    def part(writer: Writer) -> None:
        for reviewer, name in list(PEOPLE.items())[1:]:
            writer.write(AccountAdded(reviewer, "reviewer", Concealed(name), Concealed(name)))
        expires_at = writer.now + expires_in
        moment = expires_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        card = {
            "request_id": "req_1",
            "kind": kind.value,
            "expires_at": moment,
            "owner": "Ana",
            "buttons": [{"id": name, "approves": name != "reject"} for name in ("approve", "later", "reject")],
            "conditions": list(conditions),
            "policy_sha256": None,
            **more,
        }
        opened = writer.write(
            RequestOpened("req_1", kind, "agt_1", Concealed(json.dumps(card)), Concealed("print"), expires_at, None)
        )
        writer.kinds["req_1"] = kind
        for reviewer in PEOPLE:
            writer.write(RequestShown("req_1", reviewer, opened.references["card"], Surface.RENDERED_PAGE))
        for step in steps:
            step(writer, opened.references["card"])

    return written(part)


def said(reviewer: str, option: str, comment: str | None, card: Reference, **more: Any) -> dict[str, Any]:
    return {
        "request": "req_1",
        "reviewer": reviewer,
        "authenticated_by": "password",
        "surface": Surface.RENDERED_PAGE,
        "card": card,
        "answer": Concealed(json.dumps({"decision": option})),
        "comment": None if comment is None else Concealed(comment),
        **more,
    }


def vote(reviewer: str, option: str = "approve", comment: str | None = None, **more: Any) -> Step:
    return lambda writer, card: void(writer.write(RequestVoted(**said(reviewer, option, comment, card, **more))))


def close(reviewer: str, option: str = "approve", comment: str | None = None, **more: Any) -> Step:
    def step(writer: Writer, card: Reference) -> None:
        proceeds = option != "reject"
        means = meaning(writer.kinds["req_1"], Outcome.ANSWERED, may_proceed=proceeds)
        fields = said(reviewer, option, comment, card, **more)
        writer.write(RequestClosed(outcome=Outcome.ANSWERED, may_proceed=proceeds, meaning=means, **fields))

    return step


def escalate(writer: Writer, card: Reference) -> None:
    writer.write(RequestEscalated("req_1", card))


def void(_: object) -> None:
    return None


def good(log: Log) -> None:
    log.verified()


def refused(log: Log, what: str) -> None:
    with pytest.raises(LogFault, match=what) as fault:
        log.verified()
    assert fault.value.index == len(log.entries) - 1


TWO = condition(approvals=2)
FINANCE = condition(["ben", "cara"])
HALF_TIME = "2026-11-22T14:30:10.000000Z"
"""Before the steps of `asked` begin."""
LATER = "2026-11-22T14:31:00.000000Z"


@pytest.mark.parametrize(
    ("conditions", "steps"),
    [
        ([TWO], (vote(ANA), close(BEN))),
        ([TWO], (vote(ANA), vote(BEN, "later"), close(CARA))),
        ([TWO], (vote(ANA), close(BEN, "reject"))),
        ([FINANCE], (close(BEN),)),
        ([FINANCE, condition(["dan"])], (vote(BEN), close(DAN))),
        ([FINANCE, TWO], (vote(ANA), close(BEN))),
        ([condition(reason_required=True)], (close(BEN, comment="fine"),)),
        ([condition(reason_required=True)], (close(BEN, "reject"),)),
        ([condition(passkey=True)], (close(BEN, "reject"),)),
        ([condition(not_owner=True)], (close(BEN),)),
        ([condition(not_owner=True)], (close(ANA, "reject"),)),
    ],
)
def test_enough_of_the_right_people_are_enough(conditions: list[dict[str, Any]], steps: tuple[Step, ...]) -> None:
    good(asked(conditions, *steps))


@pytest.mark.parametrize(
    ("conditions", "steps", "what"),
    [
        ([TWO], (close(ANA),), "not by enough people"),
        ([TWO], (vote(ANA), vote(BEN, "later"), close(CARA, "reject"), close(DAN)), "was closed before"),
        ([TWO], (vote(ANA, "later"), close(BEN)), "not by enough people"),
        ([TWO], (vote(ANA), close(ANA)), "rev_1 answers req_1 twice"),
        ([TWO], (vote(ANA), close(ANA, "reject")), "rev_1 answers req_1 twice"),
        ([TWO], (vote(ANA), vote(ANA)), "rev_1 answers req_1 twice"),
        ([TWO], (vote(ANA, "reject"),), "approves nothing"),
        ([TWO], (vote("rev_2"),), "rev_2 decides req_1 and was not shown it"),
        ([FINANCE], (close(ANA),), "rev_1 answers req_1, which does not ask this person"),
        ([FINANCE], (close(ANA, "reject"),), "rev_1 answers req_1, which does not ask this person"),
        ([FINANCE, condition(["dan"])], (close(BEN),), "not by enough people"),
        ([FINANCE, TWO], (vote(ANA), close(DAN)), "not by enough people"),
        ([condition(reason_required=True)], (close(BEN),), "without the reason"),
        ([condition(reason_required=True, approvals=2)], (vote(BEN),), "without the reason"),
        ([condition(passkey=True)], (close(BEN),), "without the signature"),
        ([condition(passkey=True, approvals=2)], (vote(BEN),), "without the signature"),
        ([condition(not_owner=True)], (close(ANA),), "an owner approves req_1"),
        ([condition(not_owner=True, approvals=2)], (vote(ANA),), "an owner approves req_1"),
        ([{"rule": "r"}], (), "rules that make no sense"),
    ],
)
def test_too_few_or_the_wrong_people_are_refused(
    conditions: list[dict[str, Any]], steps: tuple[Step, ...], what: str
) -> None:
    log = asked(conditions, *steps)
    with pytest.raises(LogFault, match=what) as fault:
        log.verified()
    assert fault.value.index == (len(log.entries) - 1 if steps else log.index("request_opened"))
    if len(steps) > 1:
        good(asked(conditions, *steps[:-1]))


def test_anything_but_an_approval_is_answered_by_whom_every_rule_asks_and_not_voted_on() -> None:
    conditions = [FINANCE, condition(["cara", "dan"])]
    good(asked(conditions, close(CARA), kind=Kind.FORM))
    refused(asked(conditions, close(BEN), kind=Kind.FORM), "does not ask this person")
    refused(asked([], vote(BEN), kind=Kind.FORM), "is no approval, and somebody votes on it")


def test_escalation_widens_the_rule_that_names_people_for_it_from_then_on() -> None:
    conditions = [condition(["ben"], escalate_to=["dan"])]
    good(asked(conditions, escalate, close(DAN), escalates_at=HALF_TIME))
    refused(asked(conditions, close(DAN), escalates_at=HALF_TIME), "does not ask this person")
    refused(asked(conditions, escalate, escalates_at=LATER), "escalates before its time")
    refused(asked(conditions, escalate), "escalates before its time")
    refused(asked(conditions, escalate, escalate, escalates_at=HALF_TIME), "was escalated before")


def changed(event: Event) -> Step:
    return lambda writer, _: void(writer.write(event))


def waited(**time: int) -> Step:
    """The next entry comes so much later."""

    def step(writer: Writer, card: Reference) -> None:
        writer.now += timedelta(**time)

    return step


DISABLED = AccountDisabled("rev_3", None)
AUDITOR = RoleChanged("rev_3", "auditor", None)
RESET = AccountReset("rev_3", None)


@pytest.mark.parametrize("lost", [DISABLED, AUDITOR, RESET])
def test_a_vote_of_an_account_that_may_not_approve_any_more_is_none_of_the_several(lost: Event) -> None:
    refused(asked([TWO], vote(BEN), changed(lost), close(CARA)), "not by enough people")
    good(asked([TWO], vote(BEN), changed(lost), vote(CARA), close(DAN)))


def test_an_account_that_came_back_counts_again() -> None:
    good(asked([TWO], vote(BEN), changed(DISABLED), changed(AccountEnabled("rev_3", None)), close(CARA)))
    again = RoleChanged("rev_3", "reviewer", None)
    good(asked([TWO], vote(BEN), changed(AUDITOR), changed(again), close(CARA)))


@pytest.mark.parametrize("conditions", [[TWO], [condition(["ben"]), condition(["ben", "dan"])]])
def test_an_account_that_was_reset_within_a_day_is_none_of_several(conditions: list[dict[str, Any]]) -> None:
    def after(hours: int) -> Log:
        steps = (changed(RESET), vote(DAN), waited(hours=hours), close(BEN))
        return asked(conditions, *steps, expires_in=timedelta(days=2))

    refused(after(23), "not by enough people")
    good(after(24))


def test_an_account_that_was_reset_answers_alone_where_one_is_enough() -> None:
    good(asked([FINANCE], changed(RESET), close(BEN)))


@pytest.mark.parametrize("rules", [[condition(not_owner=True)], [condition(not_owner=True, approvals=2)]])
def test_who_became_the_agents_owner_since_it_asked_does_not_approve(rules: list[dict[str, Any]]) -> None:
    bens = changed(AgentOwnerChanged("agt_1", Concealed("BEN"), None))
    carls = changed(AgentOwnerChanged("agt_1", Concealed("carl"), None))
    refused(asked(rules, bens, vote(BEN)), "an owner approves req_1")
    good(asked(rules, bens, close(BEN, "reject")))
    good(asked(rules, bens, carls, vote(BEN)))


def test_an_approval_of_who_became_the_agents_owner_before_the_others_came_is_none_of_the_several() -> None:
    rules = [condition(not_owner=True, approvals=2)]
    bens = changed(AgentOwnerChanged("agt_1", Concealed("ben"), None))
    refused(asked(rules, vote(BEN), bens, close(CARA)), "not by enough people")
    good(asked(rules, vote(BEN), bens, vote(CARA), close(DAN)))
    nobodys = changed(AgentOwnerChanged("agt_1", None, None))
    good(asked(rules, vote(BEN), bens, nobodys, close(CARA)))


def test_two_accounts_have_never_one_name() -> None:
    good(asked([TWO], changed(AccountAdded("rev_9", "reviewer", Concealed("ben2"), Concealed("Ben")))))
    for name in ("ben", " BEN", "\uff22en"):
        twin = AccountAdded("rev_9", "reviewer", Concealed(name), Concealed("Ben"))
        refused(asked([TWO], changed(twin)), "an account of this name was added before")


def test_what_ended_neither_escalates_nor_is_voted_on() -> None:
    refused(asked([], close(BEN), escalate), "req_1 was closed before")
    refused(asked([], close(BEN), vote(ANA)), "req_1 was closed before")


@pytest.mark.parametrize("kind", ["request_voted", "request_escalated"])
def test_these_entries_name_the_card_of_their_request(kind: str) -> None:
    log = asked([TWO], escalate, vote(ANA), escalates_at=HALF_TIME)
    index = log.index(kind)
    with pytest.raises(LogFault, match="is not the card of req_1"):
        log.changed(index, card_ref="00" * 32).verified()


@pytest.mark.parametrize("kind", ["request_voted", "request_escalated"])
def test_these_come_before_the_deadline(kind: str) -> None:
    log = asked([TWO], escalate, vote(ANA), escalates_at=HALF_TIME)
    with pytest.raises(LogFault, match="after its deadline"):
        log.changed(log.index(kind), at="2026-11-22T15:30:00.000000Z").verified()


def ballot(name: str | None, *, signed: bool = False) -> Ballot:
    return Ballot(f"rev_{name}", name, "approve", approves=True, has_reason=False, has_signature=signed)


def quorum(*conditions: dict[str, Any]) -> Quorum:
    return quorum_of("req_1", Kind.APPROVAL, {"conditions": conditions, "owner": "ana"})


def test_a_signature_is_wanted_from_whom_the_rule_that_wants_it_asks() -> None:
    signed = quorum(condition(["ben"], passkey=True), TWO)
    signed.check(ballot("ben", signed=True))
    signed.check(ballot("dan"))
    with pytest.raises(MeaningProblem, match="without the signature"):
        signed.check(ballot("ben"))


def test_an_answer_that_nobody_signed_counts_for_no_rule_that_wants_signatures_and_asks_its_person_later() -> None:
    conditions = [condition(["cara"], passkey=True, escalate_to=["ben", "dan"]), condition(["ben", "dan"], approvals=2)]
    late = quorum_of("req_1", Kind.APPROVAL, {"conditions": conditions, "escalates_at": HALF_TIME})
    late.vote(ballot("ben"))
    late.escalate({"at": LATER})
    with pytest.raises(MeaningProblem, match="not by enough people"):
        late.close(ballot("dan"))
    late.close(ballot("dan", signed=True))


def test_where_a_name_was_erased_nobody_is_taken_for_the_wrong_person() -> None:
    erased = quorum(condition(["ben"], passkey=True, not_owner=True), TWO)
    erased.vote(ballot("dan"))
    with pytest.raises(MeaningProblem, match="not by enough people"):
        erased.close(ballot("cara"))
    erased.check(ballot(None))
    with pytest.raises(MeaningProblem, match="not by enough people"):
        erased.close(ballot(None))
    erased.close(ballot(None, signed=True))


def test_where_a_card_was_erased_only_answering_twice_is_noticed() -> None:
    erased = quorum_of("req_1", Kind.APPROVAL, None)
    erased.vote(ballot("dan"))
    erased.close(ballot("ben"))
    with pytest.raises(MeaningProblem, match="twice"):
        erased.check(ballot("dan"))


def test_a_card_is_made_by_the_rules_in_force_and_so_is_a_denial() -> None:
    refused_card = asked([], policy_sha256="00" * 32)
    with pytest.raises(LogFault, match="not made by the rules in force") as fault:
        refused_card.verified()
    assert fault.value.index == refused_card.index("request_opened")
    denial = RequestDenied("agt_1", Kind.APPROVAL, Concealed("the rule 'never' denies this."), 1)
    good(asked([], lambda writer, _: void(writer.write(denial))))
    other = replace(denial, policy_sha256="00" * 32)
    refused(asked([], lambda writer, _: void(writer.write(other))), "rules that are not in force")
    none = replace(denial, count=0)
    refused(asked([], lambda writer, _: void(writer.write(none))), "it denies nothing")


# Held calls: several can approve one, and an edit begins anew


def held(*conditions: dict[str, Any], **more: Any) -> Quorum:
    return quorum_of("req_1", Kind.CALL, {"owner": "Ana", "conditions": list(conditions), **more})


def runs(reviewer: str) -> Ballot:
    return Ballot(reviewer, PEOPLE[reviewer].casefold(), "run", approves=True, has_reason=False, has_signature=False)


def test_several_can_approve_a_held_call() -> None:
    two = held(condition(approvals=2))
    two.vote(runs(ANA))
    two.check(runs(BEN))
    two.close(runs(BEN))


def test_one_is_not_enough_where_two_must_approve_a_held_call() -> None:
    with pytest.raises(MeaningProblem, match="not by enough people"):
        held(condition(approvals=2)).close(runs(BEN))


def test_no_answer_from_before_an_edit_counts_after_it() -> None:
    two = held(condition(approvals=2))
    two.vote(runs(ANA))
    after = two.edited(BEN, "ben", {"conditions": [condition(approvals=2)]})
    with pytest.raises(MeaningProblem, match="not by enough people"):
        after.close(runs(BEN))
    after.vote(runs(ANA))
    after.close(runs(BEN))


def test_after_an_edit_counts_what_the_new_card_asks() -> None:
    after = held(condition(["ana", "ben"])).edited(BEN, "ben", {"conditions": [condition(["cara"])]})
    after.check(runs(CARA))
    with pytest.raises(MeaningProblem, match="does not ask this person"):
        after.check(runs(BEN))


@pytest.mark.parametrize(
    ("asks", "editor", "why"),
    [
        (condition(["cara"]), BEN, "does not ask this person"),
        (condition(not_owner=True), ANA, "an owner approves"),
    ],
)
def test_only_who_may_approve_edits(asks: dict[str, Any], editor: str, why: str) -> None:
    with pytest.raises(MeaningProblem, match=why):
        held(asks).edited(editor, PEOPLE[editor].casefold(), {})


def test_who_answered_does_not_edit() -> None:
    two = held(condition(approvals=2))
    two.vote(runs(BEN))
    with pytest.raises(MeaningProblem, match="answers req_1 twice"):
        two.edited(BEN, "ben", {})


def test_what_has_escalated_stays_so_if_the_new_card_says_the_same_of_when() -> None:
    asks, moment = condition(["ben"], escalate_to=["cara"]), "2026-11-22T14:31:00.000000Z"
    before = held(asks, escalates_at=moment)
    before.escalate({"at": moment})
    same = before.edited(BEN, "ben", {"conditions": [asks], "escalates_at": moment})
    same.check(runs(CARA))
    other = before.edited(BEN, "ben", {"conditions": [asks], "escalates_at": "2026-11-22T14:32:00.000000Z"})
    with pytest.raises(MeaningProblem, match="does not ask this person"):
        other.check(runs(CARA))
