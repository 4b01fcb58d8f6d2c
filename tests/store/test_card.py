from dataclasses import replace
from datetime import UTC, datetime

import pytest

from store.card import Card, canonical_sha256, fingerprint, load_card
from store.questions import Risk
from tests.stage import approval, form, selection, text_input

CARD = Card(
    request_id="req_1",
    agent="deploy-bot",
    owner="ana",
    question=approval(),
    opened_at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    expires_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
)


def test_a_card_survives_being_stored_with_the_same_hash() -> None:
    assert load_card(CARD.content()) == CARD
    assert load_card(CARD.content()).sha256 == CARD.sha256


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
