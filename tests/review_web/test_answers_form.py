import pytest
from starlette.datastructures import FormData

from review_web.answers_form import ACTION_FAULT, Typed, read_answer, read_comment, typed
from store.answers import AskedBack, Chosen, Declined, Filled, Selected, Written
from store.fields import Choice, FormField
from store.questions import AnyQuestion, AskApproval, AskForm, AskSelection, AskTextInput, Mode
from store.values import FieldType

APPROVAL = AskApproval(title="Go?")
SELECTION = AskSelection(prompt="Which?", options=(Choice(id="a"), Choice(id="b")), mode=Mode.MULTIPLE)
FORM = AskForm(
    title="Fill in",
    fields=(
        FormField(name="age", type=FieldType.INTEGER),
        FormField(name="tags", type=FieldType.MULTISELECT, options=(Choice(id="x"), Choice(id="y"))),
        FormField(name="agree", type=FieldType.CHECKBOX),
        FormField(name="pin", type=FieldType.PASSWORD),
    ),
)
TEXT = AskTextInput(title="Write")


@pytest.mark.parametrize("question", [APPROVAL, SELECTION, FORM, TEXT])
def test_every_kind_can_be_declined_and_asked_back(question: AnyQuestion) -> None:
    assert read_answer(question, FormData([("action", "decline")])) == Declined()
    assert read_answer(question, FormData([("action", "return")])) == AskedBack()


@pytest.mark.parametrize("question", [APPROVAL, SELECTION, FORM, TEXT])
@pytest.mark.parametrize("action", [None, "", "approve", "nonsense"])
def test_a_form_without_a_button_of_the_card_answers_nothing(question: AnyQuestion, action: str | None) -> None:
    form = FormData([] if action is None else [("action", action)])
    assert read_answer(question, form) == ACTION_FAULT


def test_an_option_called_decline_is_an_option_and_not_the_refusal() -> None:
    assert read_answer(APPROVAL, FormData([("action", "option:decline")])) == Chosen("decline")


def test_sending_without_an_option_does_not_approve() -> None:
    assert read_answer(APPROVAL, FormData([("action", "answer")])) == ACTION_FAULT


def test_a_selection_takes_every_ticked_option() -> None:
    form = FormData([("action", "answer"), ("selected", "b"), ("selected", "a")])
    assert read_answer(SELECTION, form) == Selected(("b", "a"))


def test_the_fields_of_a_form_become_values_of_their_type() -> None:
    form = FormData([("action", "answer"), ("field:age", "41"), ("field:tags", "y"), ("field:pin", "  1 2 ")])
    assert read_answer(FORM, form) == Filled({"age": 41, "tags": ["y"], "agree": False, "pin": "  1 2 "})


def test_a_text_is_taken_as_it_was_sent() -> None:
    assert read_answer(TEXT, FormData([("action", "answer"), ("text", "a\r\nb ")])) == Written("a\r\nb ")


def test_a_comment_is_trimmed_and_an_empty_one_is_none() -> None:
    assert read_comment(FormData([("comment", " why\r\nso? ")])) == "why\nso?"
    assert read_comment(FormData([("comment", " \r\n")])) is None
    assert read_comment(FormData([])) is None


def test_what_was_typed_is_kept_but_never_a_password() -> None:
    form = FormData([("field:age", "old"), ("field:pin", "hunter2"), ("comment", "c")])
    kept = typed(FORM, form)
    assert kept == Typed(fields={"age": ("old",), "tags": (), "agree": ()}, comment="c")
    assert "hunter2" not in repr(kept)
