from dataclasses import replace
from datetime import timedelta

import pytest

from store.deciding.eligibility import (
    Person,
    asked_names,
    is_asked,
    needs_passkey,
    owners_of,
    still_needed,
    why_not_answer,
    why_not_approve,
)
from store.policy.demands import Condition
from tests.stage import form, selection, text_input
from tests.store.calls.held import held_call
from tests.store.rules import NOON, at_noon, card, condition, someone

ANA, BEN, CARA, DAN = (someone(name) for name in ("ana", "ben", "cara", "dan"))
ANYBODY = condition("everybody", reason_required=True)
FINANCE = condition("finance", ["ben", "cara"])
SECURITY = condition("security", ["cara"])
TWO = condition("two", approvals=2)


@pytest.mark.parametrize(
    ("conditions", "may"),
    [
        ((), {"ana", "ben", "cara", "dan"}),
        ((ANYBODY,), {"ana", "ben", "cara", "dan"}),
        ((FINANCE,), {"ben", "cara"}),
        ((FINANCE, ANYBODY), {"ben", "cara"}),
        ((FINANCE, SECURITY), {"ben", "cara"}),
        ((SECURITY, TWO), {"ana", "ben", "cara", "dan"}),
        ((condition("nobody", []),), set()),
    ],
)
def test_an_approval_is_answered_by_whom_some_rule_asks(conditions: tuple[Condition, ...], may: set[str]) -> None:
    asked = card(*conditions)
    assert {p.username_key for p in (ANA, BEN, CARA, DAN) if why_not_answer(asked, p, at_noon()) is None} == may


@pytest.mark.parametrize("question", [selection(), form(), text_input()])
def test_anything_else_is_answered_by_whom_every_rule_asks(question: object) -> None:
    asked = card(FINANCE, SECURITY, ANYBODY, question=question)
    assert [p.username_key for p in (ANA, BEN, CARA) if why_not_answer(asked, p, at_noon()) is None] == ["cara"]


def test_who_is_not_asked_reads_whom_it_asks() -> None:
    assert (
        why_not_answer(card(FINANCE, ANYBODY), DAN, at_noon()) == "this asks ben and cara, and you are not among them"
    )
    assert why_not_answer(card(condition("nobody", [])), DAN, at_noon()) == "this does not ask you"


def test_who_may_not_decide_may_not_answer_whatever_the_rules_say() -> None:
    auditor = someone("ben", may_decide=False)
    for asked in (card(), card(FINANCE)):
        assert why_not_answer(asked, auditor, at_noon()) == "an auditor reads everything and decides nothing"


def test_escalation_adds_people_to_the_rule_that_names_them_and_to_no_other() -> None:
    widened = condition("finance", ["ben"], escalate_to=("dan",))
    assert why_not_answer(card(widened), DAN, at_noon()) is not None
    assert why_not_answer(card(widened), DAN, at_noon(escalated=True)) is None
    asked = card(widened, SECURITY)
    assert still_needed(asked, [DAN], at_noon(escalated=True)) == 1
    assert still_needed(asked, [DAN, CARA], at_noon(escalated=True)) == 0
    assert why_not_answer(card(widened, SECURITY, question=form()), DAN, at_noon(escalated=True)) is not None


def test_an_owner_cannot_approve_their_own_agent_where_a_rule_says_so_and_can_always_refuse() -> None:
    asked = card(condition("not mine", not_owner=True))
    assert why_not_approve(asked, ANA, at_noon()) == (
        "this agent is yours, and by the rule 'not mine' its owner cannot approve; you can refuse"
    )
    assert why_not_answer(asked, ANA, at_noon()) is None
    assert why_not_approve(asked, BEN, at_noon()) is None
    assert why_not_approve(card(), ANA, at_noon()) is None


def test_an_owner_is_the_same_person_however_the_name_is_written() -> None:
    assert owners_of(" Ana ", "\uff21NA", None, "ben") == {"ana", "ben"}


@pytest.mark.parametrize(
    ("ago", "bars"),
    [
        (timedelta(0), True),
        (timedelta(hours=23, minutes=59), True),
        (timedelta(hours=24), False),
        (-timedelta(1), True),
    ],
)
def test_an_account_that_was_reset_counts_for_nothing_for_a_day_where_several_must_approve(
    ago: timedelta, bars: bool
) -> None:
    reset = someone("ben", reset_at=NOON - ago)
    assert (why_not_approve(card(TWO), reset, at_noon()) is not None) is bars
    assert (why_not_approve(card(FINANCE, SECURITY), reset, at_noon()) is not None) is bars
    assert why_not_answer(card(TWO), reset, at_noon()) is None
    assert why_not_approve(card(FINANCE), reset, at_noon()) is None


@pytest.mark.parametrize(
    ("conditions", "approving", "needed"),
    [
        ((), [], 1),
        ((), [BEN], 0),
        ((ANYBODY,), [BEN], 0),
        ((TWO,), [], 2),
        ((TWO,), [BEN], 1),
        ((TWO,), [BEN, DAN], 0),
        ((FINANCE, SECURITY), [BEN], 1),
        ((FINANCE, SECURITY), [CARA], 0),
        ((SECURITY, TWO), [BEN, DAN], 1),
        ((SECURITY, TWO), [BEN, CARA], 0),
        ((condition("both", ["ben", "cara"], approvals=2),), [BEN, DAN], 1),
    ],
)
def test_every_rule_is_met_by_enough_people_whom_it_asks(
    conditions: tuple[Condition, ...], approving: list[Person], needed: int
) -> None:
    assert still_needed(card(*conditions), approving, at_noon()) == needed


def test_a_signature_is_needed_from_whom_the_rule_that_wants_it_asks() -> None:
    asked = card(condition("signed", ["cara"], passkey=True), TWO)
    assert [needs_passkey(asked, p, at_noon()) for p in (BEN, CARA)] == [False, True]
    assert needs_passkey(card(condition("all", passkey=True)), BEN, at_noon())


def test_whoever_has_a_passkey_signs_approvals_of_held_calls_and_of_nothing_else() -> None:
    with_passkey = replace(BEN, has_passkey=True)
    assert needs_passkey(card(question=held_call()), with_passkey, at_noon())
    assert not needs_passkey(card(question=held_call()), BEN, at_noon())
    assert not needs_passkey(card(), with_passkey, at_noon())


def test_several_can_approve_a_held_call_as_they_can_an_approval() -> None:
    held = card(FINANCE, SECURITY, question=held_call())
    assert held.needs_several
    assert why_not_answer(held, BEN, at_noon()) is None
    assert still_needed(held, [BEN], at_noon()) == 1
    assert still_needed(held, [BEN, CARA], at_noon()) == 0
    assert why_not_answer(held, DAN, at_noon()) == "this asks ben and cara, and you are not among them"


def test_a_request_is_for_a_person_when_a_rule_names_them() -> None:
    assert not is_asked(card(TWO), BEN, at_noon())
    assert is_asked(card(TWO, FINANCE), BEN, at_noon())
    assert not is_asked(card(FINANCE), DAN, at_noon())


def test_whom_it_asks_is_said_once_in_the_order_of_the_rules() -> None:
    assert asked_names((FINANCE, ANYBODY, SECURITY)) == ("ben", "cara")
    assert asked_names((TWO,)) == ()
