"""The part of a card that is filled in: which inputs stand there, and what they hold at first. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from review_web.answers_form import FIELD, OPTION, Typed
from store.answers import Fault
from store.card import Button, Card
from store.fields import Choice, FormField
from store.lifecycle import VOTED_KINDS, Kind
from store.questions import AskForm, AskSelection, AskTextInput, HeldCall, Mode
from store.values import FieldType, parse_moment

# Every option of a short list can be seen at once, which a drop-down hides.
_SHORT_LIST = 6

_NOT_THIS = "Not ours to decide."
PRESETS: Mapping[Kind, tuple[str, ...]] = {
    Kind.APPROVAL: ("Not now.", "Wrong target.", "Too risky.", "Say exactly what changes."),
    Kind.SELECTION: ("None of these.", "Say more about each.", _NOT_THIS),
    Kind.FORM: ("You do not need all of this.", "Say what it is for.", _NOT_THIS),
    Kind.TEXT_INPUT: ("Write it anew, shorter.", "Say who will read it.", _NOT_THIS),
    Kind.CALL: ("Not now.", "Wrong recipient.", "Too much at once.", "Say first why this is needed."),
}
OF_OWN_TOOLS = ("Not now.", "Not on this machine.", "Do it another way.", "Say first why this is needed.")

_INPUT_TYPES: Mapping[FieldType, str] = {
    FieldType.NUMBER: "number",
    FieldType.INTEGER: "number",
    FieldType.DATE: "date",
    FieldType.TIME: "time",
    FieldType.DATETIME: "datetime-local",
    FieldType.EMAIL: "email",
    FieldType.URL: "url",
    FieldType.PASSWORD: "password",
}
_MOMENTS = frozenset({FieldType.DATE, FieldType.TIME, FieldType.DATETIME})
_NUMBERS = frozenset({FieldType.NUMBER, FieldType.INTEGER})


@dataclass(frozen=True)
class ChoiceInput:
    """One radio button, tick box or drop-down entry."""

    id: str
    label: str
    description: str | None
    chosen: bool
    says_id: bool
    """Whether the id is printed beside the label, because the agent receives something else than it reads."""


@dataclass(frozen=True)
class FieldInput:
    """One field of a form, ready to print."""

    key: str
    """The input's name."""
    id: str
    label: str
    control: str
    """`input`, `textarea`, `checkbox`, `radios`, `ticks` or `dropdown`."""
    input_type: str
    required: bool
    secret: bool
    help: str | None
    limits: str | None
    pattern: str | None
    """The agent's own, so it stands in quotes."""
    value: str
    checked: bool
    choices: tuple[ChoiceInput, ...]
    least: str | None
    most: str | None
    step: str | None
    error: str | None


@dataclass(frozen=True)
class Problem:
    """An entry of the list of what is wrong, and where on the page it is."""

    target: str
    label: str | None
    message: str


@dataclass(frozen=True)
class AnswerForm:
    """Everything between the facts and the end of a card that can be answered."""

    action: str
    card_sha256: str
    buttons: tuple[tuple[str, Button], ...]
    """The value each button sends, refusals first, so that the last and most prominent is the one that approves."""
    decline: Button
    ask_back: Button
    fields: tuple[FieldInput, ...]
    choices: tuple[ChoiceInput, ...]
    multiple: bool
    choose: str | None
    """How many options to choose, in words."""
    text: str | None
    prefill: str | None
    """What the agent wrote; None when it wrote nothing."""
    length: str | None
    comment: str
    comment_error: str | None
    reason_required: bool
    """Whether an answer with which the agent may proceed needs a comment."""
    presets: tuple[str, ...]
    """Words for a refusal, ready to be taken over into the comment."""
    problems: tuple[Problem, ...]


def answer_form(card: Card, typed: Typed | None = None, faults: Sequence[Fault] = ()) -> AnswerForm:
    """The form of `card`; with `typed`, as it was sent, and with `faults`, saying what was wrong with it."""
    question = card.question
    errors = {fault.field: fault.message for fault in faults}
    fields: tuple[FieldInput, ...] = ()
    if isinstance(question, AskForm):
        fields = tuple(_field_input(place, f, typed, errors.get(f.name)) for place, f in enumerate(question.fields, 1))
    choosing = question if isinstance(question, AskSelection) else None
    selected = typed.selected if typed else ()
    writing = question if isinstance(question, AskTextInput) else None
    kept = typed.text if typed else None
    return AnswerForm(
        action=f"/requests/{card.request_id}/decision",
        card_sha256=card.sha256,
        buttons=_buttons(card),
        decline=card.decline,
        ask_back=card.ask_back,
        fields=fields,
        choices=tuple(_choice(option, selected) for option in choosing.options) if choosing else (),
        multiple=choosing is not None and choosing.mode is Mode.MULTIPLE,
        choose=_how_many(*choosing.bounds) if choosing else None,
        text=(writing.prefill if kept is None else kept) if writing else None,
        prefill=(writing.prefill or None) if writing else None,
        length=_between(writing.min_length or None, writing.max_length, "characters") if writing else None,
        comment=typed.comment if typed else "",
        comment_error=errors.get("comment"),
        reason_required=card.reason_required,
        presets=_presets(card),
        problems=tuple(_problem(fault, fields) for fault in faults),
    )


def _presets(card: Card) -> tuple[str, ...]:
    question = card.question
    return OF_OWN_TOOLS if isinstance(question, HeldCall) and question.is_own else PRESETS[card.kind]


def _buttons(card: Card) -> tuple[tuple[str, Button], ...]:
    if card.kind not in VOTED_KINDS:
        return tuple(("answer", button) for button in card.buttons)
    return tuple((OPTION + button.id, button) for button in sorted(card.buttons, key=lambda b: b.approves))


def _problem(fault: Fault, fields: Sequence[FieldInput]) -> Problem:
    for entry in fields:
        if entry.key == FIELD + fault.field:
            return Problem(entry.id, entry.label, fault.message)
    if fault.field == "comment":
        return Problem("comment", "Comment", fault.message)
    return Problem("answer", None, fault.message[:1].upper() + fault.message[1:])


def _field_input(place: int, field: FormField, typed: Typed | None, error: str | None) -> FieldInput:
    texts = typed.fields.get(field.name, ()) if typed else _default_texts(field)
    secret = field.type is FieldType.PASSWORD
    least, most = _bounds(field)
    return FieldInput(
        key=FIELD + field.name,
        # By its place: a name is the agent's, and one field's `a-note` must not be taken for the note of another's `a`.
        id=f"field-{place}",
        label=field.label,
        control=_control(field),
        input_type=_INPUT_TYPES.get(field.type, "text"),
        required=field.required,
        secret=secret,
        help=field.help,
        limits=_limits(field),
        pattern=field.pattern,
        value="" if secret else "".join(texts[-1:]),
        checked=field.type is FieldType.CHECKBOX and bool(texts) and texts[-1] not in ("", "off", "false"),
        choices=tuple(_choice(option, texts) for option in field.options),
        least=least,
        most=most,
        step={FieldType.NUMBER: "any", FieldType.INTEGER: "1"}.get(field.type),
        error=error,
    )


def _control(field: FormField) -> str:
    match field.type:
        case FieldType.TEXTAREA | FieldType.CHECKBOX:
            return field.type.value
        case FieldType.MULTISELECT:
            return "ticks"
        case FieldType.SELECT:
            described = any(option.description for option in field.options)
            return "radios" if described or len(field.options) <= _SHORT_LIST else "dropdown"
        case _:
            return "input"


def _default_texts(field: FormField) -> tuple[str, ...]:
    value: Any = field.default
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    if isinstance(value, bool):
        return ("on",) if value else ()
    return (_moment_text(field, value),)


def _moment_text(field: FormField, value: Any) -> str:
    # Browsers accept one spelling of a date or time; agents may have written any of ISO 8601's.
    moment = parse_moment(field.type, value) if field.type in _MOMENTS and isinstance(value, str) else None
    return str(value) if moment is None else moment.isoformat()


def _bounds(field: FormField) -> tuple[str | None, str | None]:
    if field.type not in _MOMENTS and field.type not in _NUMBERS:
        return None, None
    least, most = (None if bound is None else _moment_text(field, bound) for bound in (field.min, field.max))
    return least, most


def _limits(field: FormField) -> str | None:
    said = _limit_words(field)
    return said[:1].upper() + said[1:] if said else None


def _limit_words(field: FormField) -> str | None:
    if field.type in _NUMBERS:
        return _between(field.min, field.max, "")
    if field.type in _MOMENTS:
        return _between(field.min, field.max, "", at_least="not before", at_most="not after")
    if field.type is FieldType.MULTISELECT:
        return _between(field.min, field.max, "options")
    return _between(field.min, field.max, "characters")


def _between(
    least: int | float | str | None,
    most: int | float | str | None,
    unit: str,
    *,
    at_least: str = "at least",
    at_most: str = "at most",
) -> str | None:
    last = least if most is None else most
    unit = f" {unit.removesuffix('s') if last == 1 else unit}" if unit else ""
    low, high = (f"{bound:,}" if isinstance(bound, int | float) else bound for bound in (least, most))
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    if low is not None:
        return f"{at_least} {low}{unit}"
    return f"{at_most} {high}{unit}" if high is not None else None


def _how_many(least: int, most: int) -> str:
    if least == most:
        return "Choose one." if least == 1 else f"Choose {least}."
    return f"Choose {least} to {most}."


def _choice(option: Choice, chosen: Sequence[str]) -> ChoiceInput:
    same = option.label.casefold() == option.id.casefold()
    return ChoiceInput(option.id, option.label, option.description, option.id in chosen, not same)
