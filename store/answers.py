"""What a reviewer can answer, and whether it answers the question that was asked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from store.questions import AnyQuestion, AskApproval, AskForm, AskSelection, AskTextInput, HeldCall, Mode
from store.text import is_unicode
from store.values import FieldType, Refused, check_value, from_text

__all__ = [
    "CALL_OPTIONS",
    "Answer",
    "AskedBack",
    "Chosen",
    "Declined",
    "Fault",
    "Filled",
    "Selected",
    "Written",
    "check",
    "from_text",
    "split_secrets",
]


CALL_OPTIONS = ("run", "refuse")
"""The answers to a held call: it runs exactly as the card says, once; or nothing runs."""


@dataclass(frozen=True)
class Chosen:
    """An option of an approval; of a held call, one of `CALL_OPTIONS`."""

    option: str


@dataclass(frozen=True)
class Selected:
    """Options of a selection, in the order of the card."""

    ids: tuple[str, ...]


@dataclass(frozen=True)
class Filled:
    """Form values by field name. Passwords are among them until they are sealed, so nothing of this is ever printed."""

    values: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Written:
    """A text."""

    text: str


@dataclass(frozen=True)
class Declined:
    """The reviewer refuses to answer."""


@dataclass(frozen=True)
class AskedBack:
    """The reviewer wants to know more first; the comment says what."""


Answer = Chosen | Selected | Filled | Written | Declined | AskedBack


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an answer: where, and what to do about it."""

    field: str
    message: str


def check(question: AnyQuestion, answer: Answer) -> Answer | tuple[Fault, ...]:
    """The answer as it will be kept, typed and in the card's order; or every fault in it."""
    match question, answer:
        case _, Declined() | AskedBack():
            return answer
        case AskApproval(), Chosen(option):
            known = [o.id for o in question.options]
            return answer if option in known else (_not_one_of("decision", known),)
        case HeldCall(), Chosen(option):
            return answer if option in CALL_OPTIONS else (_not_one_of("decision", list(CALL_OPTIONS)),)
        case AskSelection(), Selected():
            return _check_selection(question, answer)
        case AskForm(), Filled():
            return _check_form(question, answer)
        case AskTextInput(), Written():
            return _check_text(question, answer)
        case _:
            return (Fault("answer", f"this is {_A_KIND[type(question)]}; the answer was of another kind"),)


_A_KIND = {
    AskApproval: "an approval: answer with `decision`",
    AskSelection: "a selection: answer with `selected`",
    AskForm: "a form: answer with `values`",
    AskTextInput: "a text input: answer with `text`",
    HeldCall: "a held call: answer with `decision`, which is `run` or `refuse`",
}


def _not_one_of(name: str, known: list[str]) -> Fault:
    return Fault(name, f"is not one of the options: {', '.join(known)}")


def _check_selection(question: AskSelection, answer: Selected) -> Answer | tuple[Fault, ...]:
    known = [option.id for option in question.options]
    if any(chosen not in known for chosen in answer.ids):
        return (_not_one_of("selected", known),)
    if len(set(answer.ids)) != len(answer.ids):
        return (Fault("selected", "each option at most once"),)
    least, most = question.bounds
    count = len(answer.ids)
    if question.mode is Mode.SINGLE and count != 1:
        return (Fault("selected", "choose one option"),)
    if count < least:
        return (Fault("selected", f"choose at least {least}; {count} chosen"),)
    if count > most:
        return (Fault("selected", f"choose at most {most}; {count} chosen"),)
    return Selected(tuple(chosen for chosen in known if chosen in answer.ids))


def _check_form(question: AskForm, answer: Filled) -> Answer | tuple[Fault, ...]:
    names = [f.name for f in question.fields]
    faults = [Fault(str(name), "is not a field of this form") for name in answer.values if name not in names]
    values: dict[str, Any] = {}
    for form_field in question.fields:
        found = check_value(form_field, answer.values.get(form_field.name))
        if isinstance(found, Refused):
            faults.append(Fault(form_field.name, found.reason))
        else:
            values[form_field.name] = found
    return tuple(faults) or Filled(values)


def _check_text(question: AskTextInput, answer: Written) -> Answer | tuple[Fault, ...]:
    # Browsers send CRLF line ends whatever the prefill had; without this an untouched draft would count as edited.
    text = answer.text.replace("\r\n", "\n")
    if not is_unicode(text):
        return (Fault("text", "contains characters that are not Unicode text"),)
    if len(text) < question.min_length:
        return (Fault("text", f"needs at least {question.min_length} characters; it has {len(text)}"),)
    if len(text) > question.max_length:
        return (Fault("text", f"takes at most {question.max_length} characters; it has {len(text)}"),)
    return Written(text)


def split_secrets(question: AskForm, answer: Filled) -> tuple[dict[str, Any], dict[str, str]]:
    """The values that the agent may read, and the passwords that it may not."""
    hidden = {f.name for f in question.fields if f.type is FieldType.PASSWORD}
    open_values = {name: value for name, value in answer.values.items() if name not in hidden}
    secrets = {name: value for name, value in answer.values.items() if name in hidden and value is not None}
    return open_values, secrets
