from typing import Any

import pytest

from store.answers import (
    CALL_OPTIONS,
    Answer,
    AskedBack,
    Chosen,
    Declined,
    Fault,
    Filled,
    Selected,
    Written,
    check,
    split_secrets,
)
from store.card import REFUSE, RUN
from tests.stage import approval, form, selection, text_input
from tests.store.calls.held import held_call


@pytest.mark.parametrize(
    ("question", "given", "kept"),
    [
        (approval(), Chosen("reject"), Chosen("reject")),
        (selection(), Selected(("us",)), Selected(("us",))),
        (selection(mode="multiple"), Selected(("ap", "eu")), Selected(("eu", "ap"))),
        (selection(mode="multiple", min=0), Selected(()), Selected(())),
        (form({"name": "n", "type": "integer"}), Filled({"n": 3.0}), Filled({"n": 3})),
        (form({"name": "a"}, {"name": "b"}), Filled({"b": "x"}), Filled({"a": None, "b": "x"})),
        (text_input(), Written("Dear Ben,\r\n"), Written("Dear Ben,\n")),
    ],
)
def test_a_fitting_answer_is_kept_in_the_cards_order_and_types(question: Any, given: Answer, kept: Answer) -> None:
    assert check(question, given) == kept


@pytest.mark.parametrize("question", [approval(), selection(), form(), text_input()])
@pytest.mark.parametrize("given", [Declined(), AskedBack()])
def test_declining_and_asking_back_fit_every_question(question: Any, given: Answer) -> None:
    assert check(question, given) == given


@pytest.mark.parametrize(
    ("question", "given", "field", "complaint"),
    [
        (approval(), Chosen("maybe"), "decision", "approve, reject"),
        (approval(), Written("yes"), "answer", "`decision`"),
        (selection(), Chosen("eu"), "answer", "`selected`"),
        (form(), Selected(("eu",)), "answer", "`values`"),
        (text_input(), Filled({}), "answer", "`text`"),
        (selection(), Selected(("mars",)), "selected", "eu, us, ap"),
        (selection(), Selected(()), "selected", "choose one"),
        (selection(), Selected(("eu", "us")), "selected", "choose one"),
        (selection(mode="multiple"), Selected(("eu", "eu")), "selected", "at most once"),
        (selection(mode="multiple", min=2), Selected(("eu",)), "selected", "at least 2; 1 chosen"),
        (selection(mode="multiple", max=1), Selected(("eu", "us")), "selected", "at most 1; 2 chosen"),
        (form({"name": "n", "required": True}), Filled({}), "n", "is required"),
        (form({"name": "n"}), Filled({"m": 1}), "m", "not a field"),
        (text_input(min_length=5), Written("hi"), "text", "at least 5 characters; it has 2"),
        (text_input(max_length=9), Written("0123456789"), "text", "at most 9 characters; it has 10"),
        (text_input(), Written("\ud800"), "text", "not Unicode"),
    ],
)
def test_an_answer_that_does_not_fit_says_where_and_why(
    question: Any, given: Answer, field: str, complaint: str
) -> None:
    faults = check(question, given)
    assert isinstance(faults, tuple)
    assert faults[0].field == field
    assert complaint in faults[0].message


def test_every_fault_of_a_form_is_told_at_once() -> None:
    question = form({"name": "a", "required": True}, {"name": "b", "type": "integer"})
    assert check(question, Filled({"b": "x"})) == (
        Fault("a", "is required"),
        Fault("b", "must be a whole number, such as 12"),
    )


def test_passwords_are_kept_apart_from_what_the_agent_may_read() -> None:
    question = form({"name": "user"}, {"name": "password", "type": "password"}, {"name": "pin", "type": "password"})
    assert split_secrets(question, Filled({"user": "ana", "password": "hunter2", "pin": None})) == (
        {"user": "ana"},
        {"password": "hunter2"},
    )


def test_filled_values_are_never_printed() -> None:
    assert "hunter2" not in repr(Filled({"password": "hunter2"}))


@pytest.mark.parametrize("option", ["run", "refuse"])
def test_a_held_call_runs_or_is_refused(option: str) -> None:
    assert check(held_call(), Chosen(option)) == Chosen(option)


@pytest.mark.parametrize("option", ["approve", "Run", "", "decline", "edit"])
def test_a_held_call_takes_no_other_option(option: str) -> None:
    assert check(held_call(), Chosen(option)) == (Fault("decision", "is not one of the options: run, refuse"),)


def test_the_answers_to_a_held_call_are_its_cards_buttons() -> None:
    assert (RUN.id, REFUSE.id) == CALL_OPTIONS
