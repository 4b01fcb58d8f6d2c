"""What a reviewer's HTML form says, as an answer to the card's question.

Names of inputs on the card page: `action` (`answer`, `decline`, `return`, or `option:` and the id of an approval's
option), `selected`, `field:` and a field's name, `text`, and `comment`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import FormData

from store.answers import Answer, AskedBack, Chosen, Declined, Fault, Filled, Selected, Written, from_text
from store.questions import AnyQuestion, AskApproval, AskForm, AskSelection, AskTextInput, HeldCall
from store.values import FieldType

OPTION = "option:"
FIELD = "field:"
ACTION_FAULT = Fault("action", "Nothing was sent: press one of the buttons to answer.")


@dataclass(frozen=True)
class Typed:
    """What was typed, to be shown again when it could not be taken. Passwords are left out: they are typed anew."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    selected: tuple[str, ...] = ()
    text: str | None = None
    comment: str = ""


def read_answer(question: AnyQuestion, form: FormData) -> Answer | Fault:
    """The answer that the pressed button stands for. Whether it fits the question is the desk's to say."""
    action = _one(form, "action")
    if action == "decline":
        return Declined()
    if action == "return":
        return AskedBack()
    if isinstance(question, AskApproval | HeldCall):
        return Chosen(action.removeprefix(OPTION)) if action.startswith(OPTION) else ACTION_FAULT
    if action != "answer":
        return ACTION_FAULT
    match question:
        case AskSelection():
            return Selected(_all(form, "selected"))
        case AskForm():
            return Filled({f.name: from_text(f, _all(form, FIELD + f.name)) for f in question.fields})
        case AskTextInput():
            return Written(_one(form, "text"))


def read_comment(form: FormData) -> str | None:
    """The comment with the line ends of the web made plain, or None when there is none."""
    return _one(form, "comment").replace("\r\n", "\n").strip() or None


def typed(question: AnyQuestion, form: FormData) -> Typed:
    """Everything that may be shown again."""
    kept: dict[str, tuple[str, ...]] = {}
    if isinstance(question, AskForm):
        kept = {f.name: _all(form, FIELD + f.name) for f in question.fields if f.type is not FieldType.PASSWORD}
    return Typed(
        fields=kept,
        selected=_all(form, "selected"),
        text=_one(form, "text") if "text" in form else None,
        comment=_one(form, "comment"),
    )


def _all(form: FormData, name: str) -> tuple[str, ...]:
    # An upload in place of a text is nobody's browser; it counts as nothing.
    return tuple(value for value in form.getlist(name) if isinstance(value, str))


def _one(form: FormData, name: str) -> str:
    return next(iter(_all(form, name)), "")
