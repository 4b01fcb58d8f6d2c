import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store.canonical_json import canonical_sha256, canonical_text
from store.card import Card, fingerprint, load_card
from store.policy.demands import Condition
from store.questions import Risk
from tests.stage import approval, form, selection, text_input
from tests.store.calls.held import held_call
from tests.store.rules import condition

CARD = Card(
    request_id="req_1",
    agent="deploy-bot",
    owner="ana",
    question=approval(),
    opened_at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    expires_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
)


RULE = condition("finance", ["ben", "cara"], approvals=2, escalate_to=("ana",))
GOVERNED = replace(
    CARD, conditions=(RULE, condition()), escalates_at=CARD.opened_at + timedelta(minutes=30), policy_sha256="ab" * 32
)


@pytest.mark.parametrize("card", [CARD, GOVERNED])
def test_a_card_survives_being_stored_with_the_same_hash(card: Card) -> None:
    stored = json.loads(json.dumps(card.content()))
    assert load_card(stored) == card
    assert load_card(stored).sha256 == card.sha256


def test_a_card_without_rules_is_what_it_was_before_there_were_any() -> None:
    assert not CARD.content().keys() & {"conditions", "escalates_at", "escalates_to", "policy_sha256"}


@pytest.mark.parametrize(
    "other",
    [
        replace(GOVERNED, conditions=(RULE,)),
        replace(GOVERNED, conditions=(condition(), RULE)),
        replace(GOVERNED, escalates_at=None),
        replace(GOVERNED, policy_sha256="cd" * 32),
        *(
            replace(GOVERNED, conditions=(other, condition()))
            for other in (
                replace(RULE, rule="treasury"),
                replace(RULE, reviewers=("ben", "cara", "dan")),
                replace(RULE, reviewers=None),
                replace(RULE, groups=("finance",)),
                replace(RULE, approvals=1),
                replace(RULE, passkey=True),
                replace(RULE, not_owner=True),
                replace(RULE, reason_required=True),
                replace(RULE, escalate_to=("dan",)),
            )
        ),
    ],
)
def test_any_other_demand_makes_another_hash(other: Card) -> None:
    assert other.sha256 != GOVERNED.sha256
    assert load_card(other.content()) == other


@pytest.mark.parametrize(
    ("conditions", "needed", "several"),
    [
        ((), 1, False),
        ((condition(),), 1, False),
        ((condition(reviewers=["ben"]),), 1, False),
        ((condition(reviewers=["ben"]), condition()), 1, False),
        ((condition(reviewers=["ben"]), condition(reviewers=["cara"])), 1, True),
        ((condition(), condition(approvals=3)), 3, True),
    ],
)
def test_a_card_says_whether_one_answer_may_not_be_enough(
    conditions: tuple[Condition, ...], needed: int, several: bool
) -> None:
    card = replace(CARD, conditions=conditions)
    assert (card.answers_needed, card.needs_several) == (needed, several)


def test_whom_the_rules_escalate_to_is_said_together() -> None:
    card = replace(CARD, conditions=(condition(escalate_to=("cara", "ana")), condition(escalate_to=("ana", "ben"))))
    assert card.escalates_to == ("ana", "ben", "cara")


@pytest.mark.parametrize(
    "other",
    [
        replace(CARD, request_id="req_2"),
        replace(CARD, agent="billing-bot"),
        replace(CARD, owner=None),
        replace(CARD, expires_at=datetime(2026, 11, 22, 10, 1, tzinfo=UTC)),
        replace(CARD, notices=("The same question was answered before.",)),
        replace(CARD, question=approval(title="Deploy 1.5 to production?")),
        replace(CARD, question=approval(risk=Risk.LOW)),
        replace(CARD, question=approval(context="All tests pass.")),
        replace(CARD, question=selection()),
    ],
)
def test_anything_else_that_is_shown_makes_another_hash(other: Card) -> None:
    assert other.sha256 != CARD.sha256


def test_each_approval_button_prints_its_effect() -> None:
    assert [(b.label, b.effect) for b in CARD.buttons] == [
        ("Approve", "the agent receives: approved"),
        ("Reject", "the agent receives: not approved"),
    ]


@pytest.mark.parametrize("question", [selection(), form(), text_input()])
def test_other_questions_have_one_button_to_send_the_answer(question: object) -> None:
    assert [b.id for b in replace(CARD, question=question).buttons] == ["answer"]  # type: ignore[arg-type]


def test_declining_and_asking_back_are_part_of_what_is_shown() -> None:
    assert [b["id"] for b in CARD.content()["buttons"]] == ["approve", "reject", "decline", "return"]


def test_how_long_to_wait_does_not_make_another_question() -> None:
    asked = approval(timeout_seconds=60, hold_seconds=5, idempotency_key="k")
    assert fingerprint("agt_1", asked) == fingerprint("agt_1", approval())


def test_agent_tool_and_arguments_do_make_another_question() -> None:
    prints = {
        fingerprint("agt_1", approval()),
        fingerprint("agt_2", approval()),
        fingerprint("agt_1", approval("Deploy 1.5?")),
        fingerprint("agt_1", text_input(title="Deploy 1.4 to production?", prefill="")),
    }
    assert len(prints) == 4


def test_spelling_a_value_otherwise_does_not_change_its_hash() -> None:
    assert canonical_sha256({"b": 1.0, "a": [True]}) == canonical_sha256({"a": [True], "b": 1})


def test_the_card_of_a_held_call_is_read_back_as_it_was_with_all_of_its_arguments() -> None:
    arguments = {"amount": 12.5, "lines": [1, {"a": None}], "to": "Zoë", "deep": {"x": [True, False]}}
    held = replace(CARD, question=held_call(arguments, edited_by="Ben", asked_arguments={"amount": 13}))
    assert load_card(json.loads(canonical_text(held.content()))) == held
    assert load_card(held.content()).sha256 == held.sha256


@pytest.mark.parametrize(
    "more",
    [
        {"arguments": {"amount": 601}},
        {"definition_sha256": "00" * 32},
        {"edited_by": "Ben"},
        {"asked_arguments": {}},
        {"held_because": ("another rule",)},
        {"name": "take"},
    ],
    ids=str,
)
def test_every_part_of_a_held_call_is_in_the_hash(more: dict[str, Any]) -> None:
    held = replace(CARD, question=held_call())
    assert held.sha256 != replace(CARD, question=held_call().model_copy(update=more)).sha256


def test_an_edited_call_is_still_the_call_of_the_agent() -> None:
    edited = held_call({"amount": 1}, asked_arguments={"amount": 600, "to": "ACME"}, edited_by="Ben")
    assert fingerprint("agt_1", edited) == fingerprint("agt_1", held_call())
    assert fingerprint("agt_1", edited) != fingerprint("agt_1", held_call({"amount": 1}))
